"""What travels the corridor, computed and serialised.

From an instance to the estimate its cells end in.

Scores are fractions in [0, 1], log-probabilities nats, lengths tokens. A value that does not exist
is None (NaN in arrays), never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.records.digests import digest
from evalkit.records.specifications import Kind, Seen

__all__ = [
    "Estimate",
    "Instance",
    "Prompt",
    "Request",
    "Response",
    "Score",
    "State",
    "Status",
    "repeat_key",
]

Status = Literal["ok", "unparsed", "truncated", "missing", "not_asked"]
State = Literal["right", "partial", "wrong", "refused", "cut", "unusable", "missing", "not_asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One item of a task."""

    id: str
    """Stable id, unique in the task: the upstream id, or one derived from split, position and
    content."""
    fields: Mapping[str, str]
    """Slot values, such as ``question``; the main text is under ``question``."""
    choices: tuple[str, ...] = ()
    """Candidate answers as texts, in upstream order; empty for generation."""
    target: int | None = None
    """Index of the correct choice; None for generation or when upstream's target is no choice."""
    references: tuple[str, ...] = ()
    """Accepted answers as texts; for choice tasks the text of the target."""
    options: tuple[str, ...] = ()
    """Labels upstream gave the choices (``A``), when it did."""
    of: str = ""
    """Id of what it was made from; instances of one origin differ in nothing but their factors."""
    factors: Mapping[str, str] = field(default_factory=dict)
    """What is varied about it: name of a factor -> its level, such as ``attack`` -> ``naive``."""
    where: str = field(default="", compare=False, repr=False)
    """File and line it was read from, for messages."""
    flaw: str = field(default="", compare=False, repr=False)
    """Why upstream's instance cannot be asked; empty when it can."""

    def content(self) -> dict[str, Any]:
        """Return what is kept of it: all fields but where it was read and its flaw."""
        kept = asdict(self)
        del kept["where"], kept["flaw"]
        for name in ("of", "factors"):  # an instance that varies nothing is digested as ever
            if not kept[name]:
                del kept[name]
        return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Rendered text of one (task, phrasing, instance), before any chat template.

    The same for every model.
    """

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    instance_id: str
    """Instance id."""
    kind: Literal["choice", "generate"]
    """How it is answered."""
    text: str
    """The whole prompt (without the system message), ending before the answer."""
    system: str = ""
    """System message, for the ``chat`` wrapper."""
    body: tuple[int, int] = (0, 0)
    """Character span of the instance text in `text`: what may lose its middle when the prompt is
    too long."""
    continuations: tuple[str, ...] = ()
    """Text of every choice as the model would write it, leading space included; empty for
    generation."""
    choice_order: tuple[int, ...] = ()
    """Index in ``Instance.choices`` of each continuation, when a perturbation moved choices; empty
    for upstream order."""
    labels: tuple[str, ...] = ()
    """Answer the model is asked for, per continuation (``A``, or the text); names the choice in
    `Score.prediction`."""
    max_tokens: int = 0
    """Most tokens generated."""
    stop: tuple[str, ...] = ()
    """Texts that end a generation."""
    temperature: float = 0.0
    """Temperature at which the text is drawn."""
    top_p: float = 1.0
    """Share of the probability that it is drawn from."""


def repeat_key(key: str, repeat: int) -> str:
    """Return the request key of a further answer to the same prompt.

    Parameters
    ----------
    key
        Of the first answer.
    repeat
        Number of the answer, from 1.
    """
    return digest([key, repeat])


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a backend is asked; two prompts with the same text are one request."""

    kind: Literal["choice", "generate"]
    """``choice``: log-probability of every continuation; ``generate``: text."""
    text: str
    """Prompt text."""
    system: str = ""
    """System message; empty for none."""
    continuations: tuple[str, ...] = ()
    """Continuations to score."""
    body: tuple[int, int] = (0, 0)
    """Character span that may lose its middle when the prompt is too long."""
    max_tokens: int = 0
    """Most tokens generated."""
    stop: tuple[str, ...] = ()
    """Texts that end a generation."""
    temperature: float = 0.0
    """Temperature at which the text is drawn; 0 for the likeliest token, always."""
    top_p: float = 1.0
    """Share of the probability, likeliest tokens first, that the text is drawn from."""
    repeat: int = 0
    """Number of the answer where several are generated for one prompt."""

    @property
    def key(self) -> str:
        """Return the digest of what is asked; with a backend's fingerprint it names a response."""
        drawn = (
            [] if (self.temperature, self.top_p) == (0.0, 1.0) else [self.temperature, self.top_p]
        )
        first = digest(
            [
                self.kind,
                self.text,
                self.system,
                list(self.continuations),
                list(self.body),
                self.max_tokens,
                list(self.stop),
                *drawn,
            ]
        )
        return repeat_key(first, self.repeat) if self.repeat else first


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a backend returned for one request; raw, so that metrics can change without a model."""

    key: str
    """Key of the request."""
    logprobs: tuple[float, ...] = ()
    """Log-probability of every continuation, nats, summed over its tokens."""
    token_counts: tuple[int, ...] = ()
    """Tokens of every continuation; empty when the backend does not know them."""
    text: str | None = None
    """Generated text, stop text removed."""
    finish_reason: Literal["", "stop", "length", "error"] = ""
    """Why generation ended; ``error`` when the backend failed (see `error`)."""
    error: str = ""
    """Why there is no answer (``nan``, ``oom``, ``timeout``, server message); empty when there is
    one."""
    truncated: bool = False
    """Whether the prompt lost the middle of the instance text."""
    sent: str = ""
    """Text really sent, after chat template and truncation; empty when it is the request's own
    text."""
    prompt_tokens: int = 0
    """Tokens of the prompt."""
    boundary: bool = False
    """Whether the context's tokens were not a prefix of context + continuation (lm-eval's rule was
    followed)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One cell: (model, task, phrasing, instance), as a row of ``scores.parquet``."""

    model: str
    """Model shown in tables."""
    benchmark: str
    """Benchmark of the task."""
    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    phrasing_source: str
    """Source of the phrasing."""
    seen: Seen
    """Relation of the phrasing to the model's tuning data."""
    layout: str
    """Choice layout."""
    label_space: str
    """What the model was asked to answer with."""
    perturbation: str
    """Perturbation; empty for none."""
    kind: Kind
    """Kind of phrasing."""
    instance_id: str
    """Instance id."""
    score: float | None
    """Score in [0, 1]; None when missing or not asked, never 0 then."""
    status: Status
    """``ok``, ``unparsed`` (score 0), ``truncated`` (scored, prompt was cut), ``missing``, or
    ``not_asked`` (left out by the design of the run)."""
    prediction: str | None
    """What the model answered, as choice text or normalised text; None when unparsed or missing."""
    target: str
    """Correct answer (first reference)."""
    probability: float | None = None
    """Probability of the prediction: softmax over choices, or exp of the mean token
    log-probability."""
    target_probability: float | None = None
    """Probability of the target, where it is known."""
    state: State | None = None
    """What the answer is; None leaves it to status and score."""
    form: str | None = None
    """How much of the text is in the form asked for: ``whole``, ``line`` (its first), ``other``;
    None without a text, or where any text will do."""
    position: str = ""
    """Where the instruction stands."""
    wrapper: str = ""
    """What is around the prompt."""
    stratum: str = ""
    """Manner of writing."""
    meaning: str = ""
    """Verdict on its meaning: ``checked``, ``doubtful`` or ``unchecked``."""
    of: str = ""
    """Phrasing it was made from; empty for none."""
    language: str = ""
    """Language of the wording; empty where it is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A statistic over cells with its interval, as a row of ``estimates.csv``."""

    model: str
    """Model."""
    benchmark: str
    """Benchmark, or ``all``."""
    task: str
    """Task id, or ``all`` for a row over tasks."""
    metric: str
    """Name of the statistic as in the metrics reference."""
    value: float
    """The estimate; NaN when undefined."""
    low: float = float("nan")
    """Lower end of the interval."""
    high: float = float("nan")
    """Upper end of the interval."""
    level: float = 0.95
    """Nominal level of the interval."""
    interval: str = "none"
    """Kind of interval and what is random in it, such as ``percentile/phrasings+instances``."""
    n_tasks: int = 0
    """Tasks that entered."""
    n_phrasings: int = 0
    """Phrasings that entered."""
    n_instances: int = 0
    """Instances that entered."""
    instances_digest: str = ""
    """Digest of the ordered instance ids, so that what is compared is provably the same."""
    group: str = ""
    """Factor level the rows were limited to, such as ``layout=lettered``; empty for all rows."""
    note: str = ""
    """Why the value or its interval is undefined; empty when both are defined."""
    n_groups: int = 0
    """Groups of instances that entered, the independent units; 0 when instances are not grouped."""
    question: str = ""
    """Words of the question that the interval answers, as in `evalkit.records.questions`; empty
    without an interval."""
    method: str = ""
    """How the interval was made, such as ``t-probit``; empty without one."""
    reason: str = ""
    """Why there is no interval; empty when there is one."""


def seed_of(request: Request) -> int:
    """Return the seed with which an answer to a request is drawn, in 31 bits;
    another one for each repeat.
    """
    return int(digest([request.key, "draw"], length=8), 16) >> 1
