"""``manifest.json`` as a record: what a run was asked for, of what model, and what it came to.

Not handled here: reading and writing the file (`evalkit.store.directory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "COUNTED_LATER",
    "MANIFEST_SCHEMA",
    "Asked",
    "Attempt",
    "Counts",
    "CurveStep",
    "DesignRecord",
    "Found",
    "Intervals",
    "Manifest",
    "ModelRecord",
    "Spent",
    "SuiteRecord",
    "TaskRecord",
    "Wordings",
    "migrated",
]

MANIFEST_SCHEMA = 1
"""Version of ``manifest.json``."""


COUNTED_LATER = ("cut", "choices", "by_text", "begins_another", "metrics", "states")
"""Totals that version 0.1.0 did not count: empty in a manifest, they say nothing."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """Totals of a run, always recomputed from rows; the only part that is filled in bit by bit."""

    cells: int = 0
    """Cells that were to be asked."""
    not_asked: int = 0
    """Cells that the design of the run leaves out; neither missing nor wrong, and not among
    `cells`."""
    requests: int = 0
    """Unique requests behind them."""
    missing: int = 0
    """Cells without an answer by our fault."""
    unparsed: int = 0
    """Cells the model answered unusably."""
    truncated: int = 0
    """Cells whose prompt lost part of the instance."""
    cut: int | None = None
    """Cells whose answer was ended by the limit on its tokens; None where that was not counted."""
    states: dict[str, int] | None = None
    """What an answer is -> cells, missing ones left out; None where that was not counted."""
    programs: dict[str, int] | None = None
    """What came of programs as answers -> cells; ``none``: no program was read. None where no task
    is scored by running them."""
    prompt_tokens: int = 0
    """Tokens of all prompts sent, each unique request once."""
    answer_tokens: int = 0
    """Tokens of all choices scored."""
    choices: int | None = None
    """Cells with choices that were answered; None where that was not counted."""
    by_text: int | None = None
    """Those among them that were scored by the text of the answer, not by log-probabilities."""
    begins_another: int | None = None
    """Those decided for a choice that begins another one, which ``choice_accuracy_apart`` would
    decide otherwise; None where that was not counted."""
    metrics: dict[str, int] | None = None
    """Metric -> its version, and ``text of choices`` -> that of the parser where choices were
    scored by text."""
    boundary: int = 0
    """Requests whose context tokens were no prefix of context + choice."""
    unstable: int | None = None
    """Cells whose two best choices lie within the rounding of the model's precision; None where
    that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRecord:
    """One task of the suite that was run."""

    benchmark: str
    """Its benchmark."""
    digest: str
    """Of the task, its instances and shots: everything but the phrasings."""
    instances_digest: str
    """Of the ordered instance ids."""
    n_instances: int
    """Instances asked."""
    phrasings: Mapping[str, str]
    """Phrasing id -> digest of its wording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignRecord:
    """Which part of the cells was to be asked."""

    design: Literal["paired", "balanced", "adaptive", "search"]
    """``paired``: the same instances under every phrasing; the others are sparse."""
    fraction: float | None
    """Share of the cells; None for no such limit."""
    half_width: tuple[str, float] | None
    """Metric and half-width of its interval at which a task is done."""
    find: Literal["best", "worst"] | None
    """What a search looks for."""
    seed: int
    """Of the draws."""

    @property
    def sparse(self) -> bool:
        """Return whether phrasings were asked on different instances."""
        return self.design != "paired"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRecord:
    """The suite that was run, with the digests of all it consists of."""

    name: str
    """Its name."""
    version: int
    """Its version."""
    digest: str
    """Of everything below: two runs with the same one asked the same."""
    limit: int | None
    """Most instances per task; None for all."""
    shots: int
    """Worked instances per prompt."""
    tasks: Mapping[str, TaskRecord]
    """Task id -> its record."""
    budget: DesignRecord | None = None
    """Which part of the cells was to be asked; None for all."""

    @property
    def sparse(self) -> bool:
        """Return whether phrasings were asked on different instances."""
        return self.budget is not None and self.budget.sparse

    def to_json(self) -> dict[str, Any]:
        """Return what the file says of it; no word of a budget where there is none."""
        found = asdict(self)
        if self.budget is None:
            del found["budget"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRecord:
    """The model that answered."""

    label: str
    """Name shown in tables."""
    backend: str
    """Its engine."""
    name: str
    """Name at that engine."""
    revision: str | None
    """Revision asked for."""
    dtype: str
    """Number format asked for."""
    chat_template: str
    """Chat template asked for."""
    tuned_on: tuple[str, ...] | None
    """Collections it was tuned on; None where nothing is known."""
    fingerprint: Mapping[str, str]
    """What decides its answers: weights, tokenizer, chat template, number format, ..."""
    fingerprint_digest: str
    """Digest of `fingerprint`, under which its responses are stored."""
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What tuning held out of tasks, as its file says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of the run, up to its end or its interruption."""

    started: str
    """Moment in UTC."""
    seconds: float
    """How long it took."""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Counters of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How intervals were computed."""

    level: float
    """Nominal level."""
    resamples: int
    """Draws per interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How much of one task a sparse run asked."""

    asked: int
    """Cells asked."""
    cells: int
    """Cells there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveStep:
    """How wide the interval would be with a part of the cells."""

    line: str
    """What is drawn: the run itself, or what it is held against."""
    cells: int
    """Cells asked."""
    half_width: float
    """Half the interval of the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found in one task."""

    want: Literal["best", "worst"]
    """What it looked for."""
    phrasing_id: str
    """What it found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a sparse run asked and found."""

    asked: int
    """Cells asked."""
    not_asked: int
    """Cells left out."""
    tasks: Mapping[str, Asked]
    """Task id -> how much of it."""
    curve: tuple[CurveStep, ...]
    """What parts of the cells would have told."""
    found: Mapping[str, Found] = field(default_factory=dict)
    """Task id -> what a search found; empty where nothing was looked for."""
    ended: bool = True
    """Whether the rounds of the budget ended; only said where they did not."""

    def to_json(self) -> dict[str, Any]:
        """Return what the file says of it."""
        found = asdict(self)
        if not self.found:
            del found["found"]
        if self.ended:
            del found["ended"]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Wordings:
    """What the word phrasing stands for in a run. Phrasings are counted once per task."""

    strata: Mapping[str, int] = field(default_factory=dict)
    """Stratum -> headline phrasings in it, empty for those whose stratum is not said; nothing where
    no stratum is."""
    doubtful: int = 0
    """Correct phrasings left out of the headline, because a reader doubts that they ask the
    task."""
    doubtful_tasks: int = 0
    """Tasks that they belong to."""
    only_doubtful: tuple[str, ...] = ()
    """Tasks that have no other, whose headline is over them."""
    doubtful_copies: int = 0
    """Perturbed phrasings left out of the drop rates, because they or what they were made from are
    doubted."""
    change: Mapping[str, float] = field(default_factory=dict)
    """Statistic -> mean over tasks of its value with the doubtful phrasings minus the headline."""
    differ: Mapping[str, int] = field(default_factory=dict)
    """Trait -> tasks in which seen and unseen phrasings differ in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything ``manifest.json`` says, in the order in which it stands there."""

    evalkit: str
    """Version that wrote it."""
    command: str
    """Line that goes on with it."""
    identity: Mapping[str, Any]
    """Everything asked for that changes cells; compared as a whole."""
    suite: SuiteRecord
    """What was run."""
    limited: bool
    """Whether the run stands for less than its suite."""
    left_out: Mapping[str, str]
    """Task id -> why it was left out."""
    model: ModelRecord
    """What answered."""
    mitigations: tuple[str, ...]
    """Wrapped around the model, innermost first."""
    notes: tuple[str, ...]
    """What could not be done as asked."""
    seed: int
    """Of everything random."""
    device: str
    """Where the model ran."""
    attempts: tuple[Attempt, ...]
    """Starts of the run."""
    state: Literal["partial", "complete"]
    """``complete`` when every cell has an answer and everything derived from them is written."""
    versions: Mapping[str, str] | None = None
    """Libraries that can move a number; None before anything was computed."""
    intervals: Intervals | None = None
    """How intervals were computed; None before any was."""
    counts: Counts | None = None
    """Totals; None while the run is not finished."""
    budget: Spent | None = None
    """What a sparse run asked; None for others."""
    wordings: Wordings | None = None
    """What its phrasings are; None where that was not looked at."""
    scores_digest: str | None = None
    """Seal of ``scores.parquet``."""
    estimates_digest: str | None = None
    """Seal of ``estimates.csv``."""

    def to_json(self) -> dict[str, Any]:
        """Return what the file says, without its own digest; what is not known is not mentioned."""
        found = {"schema": MANIFEST_SCHEMA, **asdict(self), "suite": self.suite.to_json()}
        for name in (
            *("versions", "intervals", "budget", "wordings"),
            *("scores_digest", "estimates_digest"),
        ):
            if found[name] is None:
                del found[name]
        if self.budget is not None:
            found["budget"] = self.budget.to_json()
        return {**found, "counts": found["counts"] or {}}

    @property
    def totals(self) -> Counts:
        """Return the counts of a finished run; all zero for another."""
        return self.counts or Counts()

    def to_go_on(self) -> str:
        """Return the line that goes on with the run, or what to do where none is known."""
        if self.model.backend == "imported":
            return self.command or "score them where the table or log was made"
        return self.command or "the same 'evalkit run' again"


_ABSENT_EARLY: Mapping[str, Any] = {
    "left_out": {},
    "limited": False,
    "mitigations": [],
    "notes": [],
    "device": "",
    "attempts": [],
}


def migrated(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an early manifest of this schema says, in the form of today's.

    Versions before 0.1.0 did not write everything; what they lacked did not exist for them.

    Parameters
    ----------
    value
        The content of the file, without its digest.
    """
    found = {**_ABSENT_EARLY, **value}
    found.pop("schema", None)
    if not found.get("counts"):
        found["counts"] = None
    return found
