"""Options of ``evalkit align``: what is trained, on what, and how."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import data_dir_option, option, phrasing_file_option

__all__ = ["MERGES", "OBJECTIVES", "PRESETS", "RATES", "preset", "training_options"]

_WHAT = "What is trained"
_DATA = "What it is trained on"
_HOW = "How it is trained"
_LAB = "Several at once"
_MADE = "Checkpoints made of checkpoints"
MERGES = ("interpolate", "model-stock")
RATES = {
    **{"soft-prompt": 0.01, "p-tuning": 0.001, "prefix": 0.01, "lora": 0.001, "dora": 0.001},
    **{"loha": 0.001, "lokr": 0.001, "oft": 0.001, "ia3": 0.01, "adapter": 0.001, "norms": 0.001},
    **{"contrastive": 0.001, "full": 0.0001, "last-quarter": 0.0001, "bias": 0.001},
}
"""Learning rates by default; soft-prompt, contrastive and full chosen on validation phrasings of
the demo model, the others usual values that nobody tuned."""
OBJECTIVES = (
    *("alignment", "response", "augmentation", "all-tokens", "contrastive", "coin"),
    *("masking", "mixup", "own-correct", "pseudo-labels"),
)
"""As `evalkit.tuning.losses.OBJECTIVES`, which a test holds; torch is not needed to read help."""
PRESETS: dict[str, dict[str, Any]] = {
    "coin": {
        **{"method": "lora", "objective": "coin", "rank": 16, "lora_alpha": 16},
        **{"lora_dropout": 0.05, "target_modules": "q_proj,k_proj,v_proj,o_proj"},
        **{"learning_rate": 1e-4, "steps": 0, "batch_size": 64},
        **{"temperature": 0.05, "contrast_weight": 1000.0},
    }
}
"""Published settings by name: of CoIN those of its code (luka-group/CoIN); 0 steps is one epoch."""

_OPTIONS = (
    option(
        "--method",
        type=click.Choice([*RATES, *MERGES]),
        group=_WHAT,
        help="What is trained: virtual tokens, low-rank or scaling adapters, all weights or some; "
        "or a new checkpoint made of old ones.",
    ),
    option(
        "--objective",
        type=click.Choice(list(OBJECTIVES)),
        default="alignment",
        group=_WHAT,
        help="What is made small; see docs/mitigations.md.",
    ),
    option(
        "--preset",
        type=click.Choice(list(PRESETS)),
        group=_WHAT,
        help="Published settings, for every option that is not given: coin (arXiv 2402.11138).",
    ),
    option(
        "--model",
        required=True,
        metavar="MODEL",
        group=_WHAT,
        help="demo, a directory or hub id; the base of a model stock.",
    ),
    option(
        "--out",
        required=True,
        type=click.Path(path_type=Path),
        metavar="DIR",
        group=_WHAT,
        help="Directory that takes the result.",
    ),
    option(
        "--fresh", is_flag=True, group=_WHAT, help="Begin again although --out holds a training."
    ),
    option(
        "--device",
        default="auto",
        metavar="auto|cpu|cuda[:i]",
        group=_WHAT,
        help="Where it is trained.",
    ),
    option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        group=_WHAT,
        help="Number format it is trained in, and asked in afterwards by --arms. bfloat16 rounds "
        "small updates of whole weights away; adapters stay in float32.",
    ),
    option(
        "--tasks", metavar="A,B", group=_DATA, help="Tasks: ids or patterns such as 'procedural/*'."
    ),
    option(
        "--sources",
        metavar="A,B",
        group=_DATA,
        help="Only phrasings of these sources, so that others stay held out; default: all.",
    ),
    option(
        "--hold-out",
        type=click.FloatRange(0.05, 0.9),
        metavar="SHARE",
        group=_DATA,
        help="Share of every task's phrasings that is kept for the evaluation afterwards "
        "[default: 0.3 without --sources, else none].",
    ),
    phrasing_file_option(_DATA),
    option(
        "--split",
        default="train",
        group=_DATA,
        help="Split of the instances; never the one that is scored.",
    ),
    option(
        "--instances",
        type=click.IntRange(min=4),
        default=200,
        group=_DATA,
        help="Most instances per task.",
    ),
    option(
        "--validation-share",
        type=click.FloatRange(0.01, 0.9),
        default=0.2,
        group=_DATA,
        help="Phrasings kept apart.",
    ),
    data_dir_option(_DATA),
    option(
        "--n-tokens",
        type=int,
        default=10,
        group=_HOW,
        help="Positions of a soft prompt or prefix.",
    ),
    option(
        "--kl-weight",
        type=float,
        default=0.8,
        group=_HOW,
        help="Weight of the KL term; 0 for none.",
    ),
    option(
        "--learning-rate",
        type=float,
        default=None,
        group=_HOW,
        help="Default: 0.01 for soft-prompt and prefix, 0.001 for contrastive, 0.0001 for full.",
    ),
    option(
        "--steps",
        type=int,
        default=500,
        group=_HOW,
        help="Most steps; 0 for one epoch.",
    ),
    option(
        "--batch-size",
        type=int,
        default=16,
        group=_HOW,
        help="Pairs of prompts per step.",
    ),
    option(
        "--validate-every",
        type=int,
        default=25,
        group=_HOW,
        help="Steps between validations and checkpoints.",
    ),
    option(
        "--probe",
        type=click.IntRange(min=4),
        default=64,
        group=_HOW,
        help="Pairs of prompts of a validation.",
    ),
    option(
        "--keep",
        is_flag=True,
        group=_HOW,
        help="full: also save every validation's model, as checkpoint-STEP in --out.",
    ),
    option(
        "--patience",
        type=int,
        default=5,
        group=_HOW,
        help="Validations without gain before it stops.",
    ),
    option(
        "--rank",
        type=int,
        default=8,
        group=_HOW,
        help="Rank of low-rank adapters, width of bottleneck adapters.",
    ),
    option(
        "--lora-alpha",
        type=click.IntRange(min=1),
        group=_HOW,
        help="Scale of low-rank adapters; default: twice the rank.",
    ),
    option(
        "--lora-dropout",
        type=click.FloatRange(0, 0.9),
        default=0.0,
        group=_HOW,
        help="Share of inputs that low-rank adapters do not see in training.",
    ),
    option(
        "--target-modules",
        metavar="A,B",
        group=_HOW,
        help="Maps that get an adapter, such as q_proj,v_proj; default: all.",
    ),
    option(
        "--contrast-weight",
        type=click.FloatRange(min=0),
        default=1.0,
        group=_HOW,
        help="Weight of the contrastive term, before its cap.",
    ),
    option(
        "--temperature",
        type=click.FloatRange(min=0, min_open=True),
        default=0.05,
        group=_HOW,
        help="Of the contrastive term.",
    ),
    option(
        "--mask-share",
        type=click.FloatRange(0.01, 0.99),
        default=0.2,
        group=_HOW,
        help="masking: share of the answer's tokens that is hidden.",
    ),
    option(
        "--seed",
        type=int,
        default=0,
        group=_HOW,
        help="Of initial values, batches and the choice of phrasings.",
    ),
    option(
        "--arms",
        metavar="A,B",
        group=_LAB,
        help="In place of --method: several, each trained, asked in held-out phrasings and "
        "compared; METHOD or METHOD/OBJECTIVE.",
    ),
    option(
        "--mitigation",
        multiple=True,
        metavar="NAME:K=V,...",
        group=_LAB,
        help="An arm that trains nothing, such as ensemble:m=3. Repeatable.",
    ),
    option(
        "--seeds",
        type=click.IntRange(1, 20),
        default=3,
        group=_LAB,
        help="Trainings of each arm, from --seed on.",
    ),
    option(
        "--held-tasks",
        metavar="A,B",
        group=_LAB,
        help="Tasks that no arm is trained on and every arm is asked.",
    ),
    option(
        "--test-instances",
        type=click.IntRange(min=2),
        default=50,
        group=_LAB,
        help="Instances per task that are asked afterwards.",
    ),
    option(
        "--test-phrasings",
        type=click.IntRange(min=2),
        metavar="N",
        group=_LAB,
        help="Held-out phrasings per task that are asked; default: all.",
    ),
    option(
        "--with",
        "others",
        multiple=True,
        metavar="MODEL",
        group=_MADE,
        help="Other checkpoint. Repeatable for model-stock.",
    ),
    option(
        "--alpha",
        type=float,
        default=0.5,
        group=_MADE,
        help="interpolate: 0 is --model, 1 is --with.",
    ),
)


def training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of ``evalkit align`` to a command, in the order of its help."""
    for add in reversed(_OPTIONS):
        function = add(function)
    return function


def preset(name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a command with those of a preset in place of each that was not
    typed.
    """
    context = click.get_current_context()
    typed = click.core.ParameterSource.DEFAULT
    chosen = {
        option: value
        for option, value in PRESETS.get(name or "", {}).items()
        if context.get_parameter_source(option) is typed
    }
    return {**given, **chosen}
