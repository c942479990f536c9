"""What travels the corridor: frozen records, no behaviour beyond identity.

Two kinds live here. *Specifications* are written by a person and read from files by `evalkit.catalog`:
`Task`, `Phrasing`, `ModelSpec`, `Suite`. *Records* are computed and serialise: `Instance`, `Prompt`,
`Request`, `Response`, `Score`, `Estimate`.

Scores are fractions in [0, 1], log-probabilities nats, times seconds, lengths tokens. A value that
does not exist is None (NaN in arrays), never 0.

Longer than a file of evalkit should be, because a reader wants all nouns in one place; none of it is logic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = [
    "Estimate",
    "Instance",
    "Meaning",
    "ModelSpec",
    "Phrasing",
    "Prompt",
    "Request",
    "Response",
    "Score",
    "Shot",
    "Source",
    "Suite",
    "Task",
    "as_json",
    "digest",
    "instances_digest",
]

Seen = Literal["seen", "unseen", "unknown"]
Status = Literal["ok", "unparsed", "truncated", "missing", "not_asked"]
Kind = Literal["correct", "wrong", "null", "random", "shuffled", "opposite", "negated"]
Position = Literal["before", "after", "inline"]
Layout = Literal["lettered", "parenthesized", "bulleted", "inline", "none", "original"]
LabelSpace = Literal["letters", "numbers", "text"]
Wrapper = Literal["plain", "role", "chat"]
Stratum = Literal["", "plain", "detailed", "styled"]


def digest(value: Any, *, length: int = 32) -> str:
    """Return the hex blake2b digest of `value` in canonical JSON.

    Parameters
    ----------
    value
        Anything JSON can hold: sorted keys, no spaces, UTF-8, lone surrogates kept. NaN is refused.
    length
        Hex digits returned, at most 64.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.blake2b(text.encode("ascii"), digest_size=32).hexdigest()[:length]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the instances of a task come from."""

    local: str = ""
    """Path of the instance file or files below the data directory, upstream's own layout; ``{split}`` is filled in."""
    hub: str | None = None
    """Hub data set id, such as ``cais/mmlu``."""
    config: str | None = None
    """Configuration (subset) of the hub data set."""
    revision: str | None = None
    """Pinned commit of the hub data set."""
    files: tuple[str, ...] = ()
    """Files of the hub repository that are read when the upstream layout is kept there."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the reader needs besides (column names, family and seed of procedural data, ...)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Instances, choices and a metric: one unit of asking. A person or the generator writes it."""

    name: str
    """Name inside the benchmark, such as ``anatomy``."""
    benchmark: str
    """Benchmark the task belongs to, such as ``mmlu``."""
    version: int = 1
    """Raised whenever a change moves scores; part of the digest."""
    reader: str
    """Name of the reader that parses the instances."""
    source: Source = Source()
    """Where the instances lie."""
    split: str = "test"
    """Split that is scored."""
    shot_split: str | None = None
    """Split that shots are drawn from; None when the task has none."""
    kind: Literal["choice", "generate"] = "choice"
    """Whether answers are choices that are scored, or text that is generated."""
    fields: tuple[str, ...] = ("question",)
    """Names of the instance fields a phrasing may use as slots."""
    labels: tuple[str, ...] = ()
    """Fixed choice texts shared by all instances (``yes``, ``no``); empty when instances bring their own."""
    choices_shown: bool = True
    """Whether the choices are listed in the prompt body (False when the question already lists them)."""
    metric: str = "choice_accuracy"
    """Name of the metric that gives the score of a cell."""
    chance: float | None = None
    """Score of guessing, a fraction; None when undefined (free text) or varying per instance (``1/n_choices`` is used then)."""
    max_tokens: int = 64
    """Most tokens that are generated."""
    stop: tuple[str, ...] = ()
    """Texts that end a generation."""
    phrasings: tuple[str, ...] = ()
    """Phrasing sets (file stems under ``paraphrases/<benchmark>/``) used besides the set named like the task."""
    subject: str = ""
    """What the task is about in plain words, for ``{{ subject }}`` slots (``high school biology``)."""
    category: str = ""
    """Group inside the benchmark (SuperNI category, MMLU field)."""
    description: str = ""
    """What the task asks, in our own words."""
    n_instances: int | None = None
    """Published number of instances of the split, checked on load; None when not published."""
    languages: tuple[str, ...] = ("en",)
    """Languages of input and output."""
    licence: str = ""
    """Licence of the instances."""
    citation: str = ""
    """Author, title, year."""
    notes: str = ""
    """What a reader of the scores must know (known label noise, overlap with tuning sets)."""

    @property
    def id(self) -> str:
        """Return ``benchmark/name``, the id used everywhere."""
        return f"{self.benchmark}/{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One item of a task."""

    id: str
    """Stable id, unique in the task: the upstream id, or one derived from split, position and content."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Whether a phrasing still asks what its task asks, and who or what checked it."""

    status: Literal["checked", "doubtful", "unchecked"] = "unchecked"
    """Verdict of the last check."""
    by: str = ""
    """Who or what checked (``second reading``, name of a validator)."""
    on: str = ""
    """Date of the check, ISO 8601."""
    score: float | None = None
    """Score of the validator, when it gives one."""
    note: str = ""
    """Why it is doubtful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrasing:
    """One concrete wording of an instruction; a person writes it or an importer reads it."""

    id: str
    """Opaque stable id, unique over all files; never says seen or unseen."""
    text: str
    """Sandboxed Jinja over the task's fields. Without a slot for the instance it is the instruction alone."""
    source: str
    """Collection it comes from: ``evalkit``, ``niv2``, ``flan``, ``p3``, ``alpaca``, ...; decides seen or unseen."""
    author: str = ""
    """Who wrote it."""
    licence: str = "CC-BY-4.0"
    """Licence of the text."""
    of: str | None = None
    """Id of the phrasing it was made from, when it is a paraphrase."""
    kind: Kind = "correct"
    """``correct``, or the kind of control it is."""
    layout: Layout = "lettered"
    """How choices are listed: ``A. x``, ``(A) x``, ``- x``, ``x, y or z`` in a line, not at all, or as upstream's own text shows them."""
    label_space: LabelSpace = "letters"
    """What the model is asked to answer with: the letter, the number, or the text of the choice."""
    position: Position = "before"
    """Instruction before the instance, after it, or around it (the text itself holds the slots)."""
    wrapper: Wrapper = "plain"
    """Plain text, a role line (``role``), or instruction as system message of a chat (``chat``)."""
    cue: str = "Answer:"
    """Line that invites the answer; empty for none."""
    language: str = "en"
    """Language of the wording."""
    meaning: Meaning = Meaning()
    """Result of the check that it asks what the task asks."""
    dimensions: tuple[str, ...] = ()
    """Kinds of variety it shows: ``imperative``, ``question``, ``terse``, ``polite``, ``role``, ..."""
    stratum: Stratum = ""
    """Manner of writing: ``plain`` (a short template), ``detailed`` (form, labels and constraints spelled out), ``styled`` (persona, register, scene); empty: not said."""
    perturbation: str = ""
    """Specification of the perturbation that made it; empty for none."""
    tasks: tuple[str, ...] = ()
    """Task ids or patterns (``mmlu/*``) it is written for; filled from its file."""
    origin: str = ""
    """Where an imported text stands upstream: ``path:line@commit sha256:digest`` of the file it was read from."""
    published: float | None = None
    """Accuracy that its collection published for it, a fraction; None when there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The thing evaluated and how to reach it; written by a person or built from ``--model``."""

    backend: str
    """Name of the backend."""
    name: str
    """What the backend loads: a directory, a hub id, a served model name, a script."""
    label: str = ""
    """Name shown in tables; `name` when empty."""
    revision: str | None = None
    """Pinned commit of a hub model."""
    dtype: str = "auto"
    """``auto``, ``float32``, ``bfloat16`` or ``float16``."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:i``."""
    tuned_on: tuple[str, ...] | None = None
    """Collections the model was instruction-tuned on; None when nothing is known, empty for none."""
    chat_template: str = "none"
    """``auto`` (the tokenizer's own), ``none``, or the path of a template file."""
    batch_size: int | None = None
    """Requests per forward; None for automatic."""
    seed: int = 0
    """Seed of whatever is random in the backend."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Backend options."""

    @property
    def display(self) -> str:
        """Return the name shown in tables."""
        return self.label or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named set of tasks, phrasings and settings; a person writes it."""

    name: str
    """Name typed after ``--suite``."""
    version: int = 1
    """Raised whenever a change moves scores."""
    description: str = ""
    """What the suite answers."""
    tasks: tuple[str, ...]
    """Task ids or patterns (``mmlu/*``)."""
    phrasings: int | None = None
    """Phrasings per task; None for all."""
    sources: tuple[str, ...] = ()
    """Only phrasings of these sources; empty for all."""
    kinds: tuple[str, ...] = ("correct",)
    """Kinds of phrasing that are run."""
    perturbations: tuple[str, ...] = ()
    """Perturbation specifications applied to every phrasing."""
    limit: int | None = None
    """Instances per task; None for all."""
    budget: float | None = None
    """Share of the cells of each task that is asked; None for all."""
    budget_design: Literal["paired", "balanced", "adaptive"] | None = None
    """Which cells these are; None: by the rule of `evalkit.choosing`."""
    half_width: tuple[str, float] | None = None
    """Statistic and half-width of its interval at which a task stops asking; None: spend the whole budget."""
    find: Literal["best", "worst"] | None = None
    """Spend the budget on finding the best or the worst phrasing; None for the distribution of all."""
    shots: int = 0
    """Worked instances in each prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A worked instance shown in the prompt."""

    question: str
    """The instance as the phrasing shows it."""
    answer: str
    """Its answer as the phrasing asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Rendered text of one (task, phrasing, instance), before any chat template; the same for every model."""

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
    """Character span of the instance text in `text`: what may lose its middle when the prompt is too long."""
    continuations: tuple[str, ...] = ()
    """Text of every choice as the model would write it, leading space included; empty for generation."""
    choice_order: tuple[int, ...] = ()
    """Index in ``Instance.choices`` of each continuation, when a perturbation moved choices; empty for upstream order."""
    labels: tuple[str, ...] = ()
    """Answer the model is asked for, per continuation (``A``, or the text); names the choice in `Score.prediction`."""
    max_tokens: int = 0
    """Most tokens generated."""
    stop: tuple[str, ...] = ()
    """Texts that end a generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a backend is asked; two prompts with the same text are one request."""

    kind: Literal["choice", "generate"]
    """``choice``: log-probability of every continuation; ``generate``: greedy text."""
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

    @property
    def key(self) -> str:
        """Return the digest of what is asked; with a backend's fingerprint it names a response."""
        return digest([self.kind, self.text, self.system, list(self.continuations), list(self.body), self.max_tokens, list(self.stop)])


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
    """Why there is no answer (``nan``, ``oom``, ``timeout``, server message); empty when there is one."""
    truncated: bool = False
    """Whether the prompt lost the middle of the instance text."""
    sent: str = ""
    """Text really sent, after chat template and truncation; empty when it is the request's own text."""
    prompt_tokens: int = 0
    """Tokens of the prompt."""
    boundary: bool = False
    """Whether the context's tokens were not a prefix of context + continuation (lm-eval's rule was followed)."""


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
    """``ok``, ``unparsed`` (score 0), ``truncated`` (scored, prompt was cut), ``missing``, or ``not_asked`` (left out by the design of the run)."""
    prediction: str | None
    """What the model answered, as choice text or normalised text; None when unparsed or missing."""
    target: str
    """Correct answer (first reference)."""
    probability: float | None = None
    """Probability of the prediction: softmax over choices, or exp of the mean token log-probability."""
    target_probability: float | None = None
    """Probability of the target, where it is known."""


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


def as_json(record: Any) -> dict[str, Any]:
    """Return a record as a JSON-ready dictionary."""
    return asdict(record)


def instances_digest(ids: Sequence[str]) -> str:
    """Return the digest of ordered instance ids."""
    return digest(list(ids), length=16)
