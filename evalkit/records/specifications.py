"""What a person writes and `evalkit.catalog` reads from files: tasks, phrasings, models, suites.

Frozen, no behaviour beyond identity. Scores are fractions in [0, 1], lengths tokens. A value that
does not exist is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evalkit.records.extraction import Extraction

__all__ = [
    "Kind",
    "LabelSpace",
    "Layout",
    "Meaning",
    "ModelSpec",
    "Phrasing",
    "Position",
    "Seen",
    "Source",
    "Stratum",
    "Suite",
    "Task",
    "Wrapper",
]

Seen = Literal["seen", "unseen", "unknown"]
Kind = Literal["correct", "wrong", "null", "random", "shuffled", "opposite", "negated"]
Position = Literal["before", "after", "inline"]
Layout = Literal["lettered", "parenthesized", "bulleted", "inline", "none", "original"]
LabelSpace = Literal["letters", "numbers", "text"]
Wrapper = Literal["plain", "role", "chat"]
Stratum = Literal["", "plain", "detailed", "styled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the instances of a task come from."""

    local: str = ""
    """Path of the instance file or files below the data directory, upstream's own layout;
    ``{split}`` is filled in."""
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
    folder: str = ""
    """Folder that `local` lies in when it lies beside the task file; evalkit fills it in."""


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
    group: str = ""
    """Field whose text instances of a group share, such as a passage; empty when every instance
    stands by itself."""
    group_until: tuple[str, ...] = ()
    """Texts that end the shared part of that field, whichever comes first; empty for all of it."""
    labels: tuple[str, ...] = ()
    """Fixed choice texts shared by all instances (``yes``, ``no``); empty when instances bring
    their own."""
    choices_shown: bool = True
    """Whether the choices are listed in the prompt body (False when the question already lists
    them)."""
    metric: str = "choice_accuracy"
    """Name of the metric that gives the score of a cell."""
    measures: tuple[str, ...] = ()
    """Names of what is measured of an answer besides its score."""
    chance: float | None = None
    """Score of guessing, a fraction; None when undefined (free text) or varying per instance
    (``1/n_choices`` is used then)."""
    max_tokens: int = 64
    """Most tokens that are generated."""
    temperature: float = 0.0
    """Temperature at which texts are drawn; 0 for the likeliest token, always."""
    top_p: float = 1.0
    """Share of the probability, likeliest tokens first, that texts are drawn from."""
    repeats: int = 1
    """Answers that are generated for every cell."""
    stop: tuple[str, ...] = ()
    """Texts that end a generation."""
    constraints: tuple[Mapping[str, Any], ...] = ()
    """Rules that every answer is held to by the metrics ``rules_*``, as
    `evalkit.records.constraints` describes them."""
    written: bool = False
    """Whether choices are written by the model and read, instead of scored by log-probability."""
    extract: Extraction | None = None
    """Where the answer stands in a text, as `evalkit.records.extraction` describes it; None: the
    metric's own rule."""
    phrasings: tuple[str, ...] = ()
    """Phrasing sets (file stems under ``paraphrases/<benchmark>/``; ``benchmark/stem`` for those of
    another one) used besides the set named like the task."""
    subject: str = ""
    """What the task is about in plain words, for ``{{ subject }}`` slots (``high school
    biology``)."""
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

    def content(self) -> dict[str, Any]:
        """Return the task as it enters digests: what says nothing is left out,
        so that a new field moves none.
        """
        found = asdict(self)
        for name, nothing in (("temperature", 0.0), ("top_p", 1.0), ("repeats", 1)):
            if found[name] == nothing:
                del found[name]
        for name in ("constraints", "extract", "measures", "written"):
            if not found[name]:
                del found[name]
        return found


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
    """Why it is doubtful, or what the check could not rest on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrasing:
    """One concrete wording of an instruction; a person writes it or an importer reads it."""

    id: str
    """Opaque stable id, unique over all files; never says seen or unseen."""
    text: str
    """Sandboxed Jinja over the task's fields. Without a slot for the instance it is the instruction
    alone."""
    source: str
    """Collection it comes from: ``evalkit``, ``niv2``, ``flan``, ``p3``, ``alpaca``, ...; decides
    seen or unseen."""
    author: str = ""
    """Who wrote it."""
    licence: str = "CC-BY-4.0"
    """Licence of the text."""
    of: str | None = None
    """Id of the phrasing it was made from, when it is a paraphrase."""
    kind: Kind = "correct"
    """``correct``, or the kind of control it is."""
    layout: Layout = "lettered"
    """How choices are listed: ``A. x``, ``(A) x``, ``- x``, ``x, y or z`` in a line, not at all, or
    as upstream's own text shows them."""
    label_space: LabelSpace = "letters"
    """What the model is asked to answer with: the letter, the number, or the text of the choice."""
    answers: tuple[str, ...] = ()
    """Words that stand for the task's labels here, in the order of `Task.labels`; empty: the labels
    themselves."""
    position: Position = "before"
    """Instruction before the instance, after it, or around it (the text itself holds the slots)."""
    wrapper: Wrapper = "plain"
    """Plain text, a role line (``role``), or instruction as system message of a chat (``chat``)."""
    cue: str = "Answer:"
    """Line that invites the answer; empty for none."""
    frame: str = ""
    """What the prompt is put into: sandboxed Jinja over ``instruction``, ``data`` and ``cue``;
    empty for nothing."""
    reserved: tuple[str, ...] = ()
    """Texts that only the frame may hold: they are taken out of the data until none is left."""
    language: str = "en"
    """Language of the wording."""
    meaning: Meaning = Meaning()
    """Result of the check that it asks what the task asks."""
    dimensions: tuple[str, ...] = ()
    """Kinds of variety it shows: ``imperative``, ``question``, ``terse``, ``polite``, ``role``,
    ..."""
    stratum: Stratum = ""
    """Manner of writing: ``plain`` (a short template), ``detailed`` (form, labels and constraints
    spelled out), ``styled`` (persona, register, scene); empty: not said."""
    perturbation: str = ""
    """Specification of the perturbation that made it; empty for none."""
    tasks: tuple[str, ...] = ()
    """Task ids or patterns (``mmlu/*``) it is written for; filled from its file."""
    constraints: tuple[Mapping[str, Any], ...] = ()
    """Rules that its words ask for beside the task, as `evalkit.records.constraints` describes
    them: measured, and part of the score where the task's metric verifies rules."""
    origin: str = ""
    """Where an imported text stands upstream: ``path:line@commit sha256:digest`` of the file it was
    read from."""
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
    """Collections the model was instruction-tuned on; None when nothing is known, empty for
    none."""
    levels: Mapping[Literal["instance", "task", "category"], tuple[str, ...]] = field(
        default_factory=dict
    )
    """What tuning held out of tasks -> their ids or patterns: ``instance`` (it saw the tasks),
    ``task`` (it saw tasks of their kind) or ``category`` (it saw none of their kind)."""
    chat_template: str = ""
    """``auto`` (the tokenizer's own), ``none``, or the path of a template file; empty: the
    tokenizer's own where it has one, and what the server does where there is no tokenizer."""
    batch_size: int | None = None
    """Requests per forward; None for automatic."""
    seed: int = 0
    """Seed of whatever is random in the backend."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Backend options."""

    @property
    def display(self) -> str:
        """Return the name shown in tables: the label, else the name;
        of a served model without address and options.
        """
        served = self.name.split("@http", 1)[0].split(",", 1)[0]
        return self.label or (served if self.backend == "openai" else self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named set of tasks, phrasings and settings; a person writes it."""

    name: str
    """Name typed after ``--suite``."""
    version: int = 1
    """Raised whenever a change moves scores."""
    description: str = ""
    """What the suite answers."""
    measures: str = ""
    """Its quantities, by their names in ``estimates.csv``."""
    citation: str = ""
    """Whose question it is."""
    tasks: tuple[str, ...]
    """Task ids or patterns (``mmlu/*``)."""
    phrasings: int | None = None
    """Phrasings per task; None for all."""
    sources: tuple[str, ...] = ()
    """Only phrasings of these sources; empty for all."""
    strata: tuple[Stratum, ...] = ()
    """Only correct phrasings of these strata; empty for all."""
    without: tuple[str, ...] = ()
    """Ids of phrasings that are left out, such as those a model was trained on."""
    languages: tuple[str, ...] = ()
    """Only phrasings in these languages; empty for all."""
    kinds: tuple[str, ...] = ("correct",)
    """Kinds of phrasing that are run."""
    perturbations: tuple[str, ...] = ()
    """Perturbation specifications applied to every phrasing."""
    limit: int | None = None
    """Instances per task; None for all."""
    budget: float | None = None
    """Share of the cells of each task that is asked; None for all."""
    budget_design: Literal["paired", "balanced", "adaptive"] | None = None
    """Which cells these are; None: by the rule of `evalkit.runs.choose`."""
    half_width: tuple[str, float] | None = None
    """Statistic and half-width of its interval at which a task stops asking; None: spend the whole
    budget."""
    find: Literal["best", "worst"] | None = None
    """Spend the budget on finding the best or the worst phrasing; None for the distribution of
    all."""
    shots: int = 0
    """Worked instances in each prompt."""
    max_tokens: int | None = None
    """In place of that of every task that generates; None: the tasks' own."""
    temperature: float | None = None
    """Likewise."""
    top_p: float | None = None
    """Likewise."""
    repeats: int | None = None
    """Likewise."""
