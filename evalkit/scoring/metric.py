"""What a metric is given and what it returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evalkit.records import Instance, Response, State, Status
from evalkit.records.reasoning import split_reasoning

__all__ = ["MISSING", "NOT_ASKED", "UNREAD", "Answered", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a metric is given."""

    instance: Instance
    """The item, with its target and references."""
    response: Response
    """What the backend returned; never one with an error."""
    language: str = ""
    """Language of the phrasing it was asked in."""
    labels: tuple[str, ...] = ()
    """Answer the model was asked for, per choice as shown."""
    constraints: tuple[Mapping[str, Any], ...] = ()
    """Rules of task and phrasing; those of the instance stand in its fields."""
    order: tuple[int, ...] = ()
    """Index in ``instance.choices`` of each choice shown; empty for upstream order."""

    @property
    def text(self) -> str | None:
        """Return what the model answered, without the thoughts before it; None without a text."""
        said = self.response.text
        return None if said is None else split_reasoning(said)[1]

    def choice_index(self, shown: int) -> int:
        """Return the index in ``instance.choices`` of the choice shown at position `shown`."""
        return self.order[shown] if self.order else shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a metric returns."""

    score: float | None
    """Score in [0, 1]; None when the response cannot be scored by our fault."""
    prediction: str | None
    """The answer in canonical form; None when unparsed."""
    status: Status = "ok"
    """``ok``, ``unparsed`` or ``missing``; ``truncated`` and ``not_asked`` are ours to say."""
    probability: float | None = None
    """Probability of the prediction, where known."""
    target_probability: float | None = None
    """Probability of the target, where known."""
    state: State | None = None
    """What the answer is; `verdict_of` fills it in. A metric may say ``refused``."""
    form: Literal["whole", "line", "other"] | None = None
    """How much of the text is in the form asked for; likewise."""


MISSING = Verdict(score=None, prediction=None, status="missing", state="missing")


UNREAD = Verdict(score=0.0, prediction=None, status="unparsed")


NOT_ASKED = Verdict(score=None, prediction=None, status="not_asked", state="not_asked")
