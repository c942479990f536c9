"""Every option that says what is run, once, as data.

``evalkit run`` and ``evalkit plan`` are made from this table by `evalkit.cli.choosing`, the call
`evalkit.run` by `evalkit.runs.given`; a test holds its signature against the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.records import ModelSpec, Phrasing, Suite, Task

__all__ = ["OPTIONS", "Option"]

WHAT = "What is evaluated"
MODEL = "How the model is loaded"
WHERE = "Where things lie"
STATS = "Statistics"


@dataclass(frozen=True, slots=True)
class Option:
    """One option: a keyword of `evalkit.run`, and ``--name`` of ``evalkit run`` and ``plan``."""

    name: str
    """Keyword; on the command line with ``-`` for ``_``."""
    group: str
    """Heading it stands under in ``--help``."""
    help: str
    """One or two sentences."""
    kind: type = str
    """``str``, ``int``, ``float``, ``bool``, ``Path``, or ``object`` for whatever is given."""
    default: Any = None
    """What holds when it is not given; None leaves it to the suite, the model or evalkit."""
    metavar: str | None = None
    """What stands for the value in ``--help``."""
    spellings: tuple[str, ...] = ()
    """Further spellings on the command line, such as lm-eval's."""
    repeated: bool = False
    """Given several times on the command line; a list in Python."""
    listed: bool = False
    """A list with commas on the command line; that or a list in Python."""
    accepted: tuple[str, ...] = ()
    """The values it can have; empty for any."""
    least: int | None = None
    """Smallest value; None for any."""
    variable: str | None = None
    """Environment variable that gives it on the command line."""
    record: type | None = None
    """What a value, or an item of a list, may also be in Python."""
    several: type | None = None
    """What a list given in its place may hold in Python, besides text."""

    @property
    def flag(self) -> str:
        """Return the option as it is typed."""
        return f"--{self.name.replace('_', '-')}"


OPTIONS: tuple[Option, ...] = (
    Option(
        "model",
        WHAT,
        "demo, a directory or hub id, BACKEND:NAME, or a YAML model file.",
        kind=object,
        metavar="MODEL",
    ),
    Option(
        "suite",
        WHAT,
        "Suite to run (evalkit ls suites), or the path of a suite file.",
        metavar="NAME",
        record=Suite,
    ),
    Option(
        "tasks",
        WHAT,
        "Tasks instead of a suite: ids, patterns such as 'bbh/*', or task files.",
        metavar="A,B",
        listed=True,
        record=Task,
    ),
    Option(
        "limit",
        WHAT,
        "Instances per task; seeded and nested.",
        kind=int,
        metavar="N",
        spellings=("-L",),
    ),
    Option(
        "phrasings",
        WHAT,
        "Phrasings per task, taken in turn from every source.",
        kind=int,
        metavar="N",
        several=Phrasing,
    ),
    Option(
        "phrasing_file",
        WHAT,
        "Your own phrasings, besides the shipped ones. Repeatable.",
        kind=Path,
        metavar="FILE",
        repeated=True,
    ),
    Option(
        "stratum",
        WHAT,
        "Only wordings of these strata: plain, detailed, styled (default: all).",
        metavar="A,B",
        listed=True,
    ),
    Option(
        "languages",
        WHAT,
        "Only instructions in these languages, by code such as de (default: all).",
        metavar="A,B",
        listed=True,
    ),
    Option(
        "kinds",
        WHAT,
        "Kinds of phrasing: correct (default), wrong, null, random, shuffled, opposite, negated.",
        metavar="A,B",
        listed=True,
    ),
    Option(
        "perturb",
        WHAT,
        "Perturbed copies of every phrasing, such as word:rate=0.1,n=5. Repeatable.",
        metavar="SPEC",
        repeated=True,
    ),
    Option(
        "shots",
        WHAT,
        "Worked instances in each prompt.",
        kind=int,
        metavar="K",
        spellings=("--num-fewshot",),
    ),
    Option(
        "max_tokens",
        WHAT,
        "Most tokens of a generated answer, in place of the tasks' own limits.",
        kind=int,
        metavar="N",
        least=1,
    ),
    Option(
        "temperature",
        WHAT,
        "Temperature at which answers are drawn, in tasks that generate. "
        "Default: 0, the likeliest token.",
        kind=float,
        metavar="T",
    ),
    Option(
        "top_p",
        WHAT,
        "Draw from the likeliest tokens that hold this share of the probability.",
        kind=float,
        metavar="FRACTION",
    ),
    Option(
        "repeats",
        WHAT,
        "Answers per cell in tasks that generate; gives the variance between repeats.",
        kind=int,
        metavar="K",
        least=1,
    ),
    Option(
        "budget",
        WHAT,
        "Ask only this share of the cells (phrasing, instance) of each task.",
        kind=float,
        metavar="FRACTION",
    ),
    Option(
        "budget_design",
        WHAT,
        "Which cells: the same instances under every phrasing, all instances a few times each, "
        "or those that tell most. Default: paired from 50 instances per phrasing on, "
        "else balanced.",
        accepted=("paired", "balanced", "adaptive"),
    ),
    Option(
        "half_width",
        WHAT,
        "Stop asking about a task when half the interval of its mean (or spread=0.05, std=..., "
        "min=...) is this narrow.",
        metavar="[METRIC=]FRACTION",
    ),
    Option(
        "find",
        WHAT,
        "Spend the budget on finding the best or the worst phrasing of each task.",
        accepted=("best", "worst"),
    ),
    Option(
        "tuned_on",
        WHAT,
        "Collections the model was tuned on, which decides seen and unseen; 'none' for no tuning.",
        metavar="A,B",
        listed=True,
    ),
    Option(
        "mitigation",
        WHAT,
        "Mitigation around the model. Repeatable.",
        metavar="SPEC",
        repeated=True,
    ),
    Option(
        "score_by",
        WHAT,
        "How choices are asked and scored: as the task says, per byte of their text, "
        "written and read, by letter, or by text. "
        "'evalkit score --score-by all' compares rules on stored answers.",
        default="own",
        accepted=("own", "byte", "read", "letter", "text"),
    ),
    Option(
        "allow_code_execution",
        WHAT,
        "Run the programs that the model writes, in a sandbox, where a task is scored by their "
        "tests. Counts only here, never in a file.",
        kind=bool,
        default=False,
    ),
    Option(
        "judge",
        WHAT,
        "A model that judges the written answers once they are there; what it says enters no "
        "score. 'evalkit judge' has more options.",
        metavar="MODEL",
        record=ModelSpec,
    ),
    Option("seed", WHAT, "Seed of everything random.", kind=int, default=0),
    Option("batch_size", MODEL, "Requests per forward.", default="auto", metavar="auto|N"),
    Option("device", MODEL, "Where the model runs.", metavar="auto|cpu|cuda[:i]"),
    Option("dtype", MODEL, "auto, float32, bfloat16 or float16.", metavar="TYPE"),
    Option("revision", MODEL, "Revision of a hub model.", metavar="COMMIT"),
    Option(
        "chat_template",
        MODEL,
        "Chat template around the prompt. Default: the tokenizer's own where it has one.",
        metavar="auto|none|FILE",
    ),
    Option(
        "chat_template_kwargs",
        MODEL,
        "Variables of the chat template, as JSON: '{\"enable_thinking\": false}'.",
        metavar="JSON",
        record=dict,
    ),
    Option(
        "allow_unknown",
        MODEL,
        "Ask prompts that hold what the tokenizer has no token for; without it their cells are "
        "missing (backends hf and vllm).",
        kind=bool,
        default=False,
    ),
    Option(
        "model_args",
        MODEL,
        "As in lm-eval, with --model hf: pretrained=X,dtype=float32.",
        metavar="K=V,...",
    ),
    Option(
        "data_dir",
        WHERE,
        "Benchmark data, one folder per benchmark. [env: EVALKIT_DATA]",
        kind=Path,
        metavar="DIR",
        variable="EVALKIT_DATA",
    ),
    Option(
        "out",
        WHERE,
        "Run directory; default: one under reports/runs.",
        kind=Path,
        metavar="DIR",
        spellings=("--output-path", "-o"),
    ),
    Option(
        "available",
        WHERE,
        "Run with the tasks whose data is there; the run is marked so.",
        kind=bool,
        default=False,
    ),
    Option(
        "fresh",
        WHERE,
        "Forget what the run directory and the cache hold.",
        kind=bool,
        default=False,
    ),
    Option(
        "cache",
        WHERE,
        "Share responses between runs (default: where versions of the model can be told apart).",
        kind=bool,
    ),
    Option(
        "no_report",
        WHERE,
        "Write no page and no figures; 'evalkit report' makes them later.",
        kind=bool,
        default=False,
    ),
    Option(
        "executor",
        MODEL,
        "Where requests are answered.",
        default="local",
        accepted=("local", "ray"),
    ),
    Option(
        "workers", MODEL, "Workers of --executor ray, one model each.", kind=int, default=1, least=1
    ),
    Option(
        "address",
        MODEL,
        "Running Ray cluster; default: start one on this machine.",
        metavar="HOST:PORT",
    ),
    Option("level", STATS, "Level of intervals.", kind=float, default=0.95),
    Option(
        "representations",
        STATS,
        "Also keep the model's hidden state of every phrasing on N instances, "
        "for its distance to the seen ones (backend hf).",
        kind=int,
        default=0,
        metavar="N",
        least=0,
    ),
    Option("resamples", STATS, "Draws per interval that needs draws.", kind=int, default=1000),
    Option(
        "uncertainty",
        STATS,
        "Also score the generated answers of N instances again under their phrasing and its "
        "perturbed copies, for calibration and prompt_uncertainty: a second pass.",
        kind=int,
        default=0,
        metavar="N",
        least=0,
    ),
)
"""All of them, in the order of ``--help``; ``model`` and ``suite`` come first in a call too."""
