"""Options of ``evalkit align``: what is trained, on what, and how."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from evalkit.cli.options import PATH, data_dir_option, option, phrasing_file_option, together

__all__ = ["MERGES", "OBJECTIVES", "PRESETS", "RATES", "preset", "training_options"]

in_trained = partial(option, group="What is trained")
in_data = partial(option, group="What it is trained on")
in_training = partial(option, group="How it is trained")
in_lab = partial(option, group="Several at once")
in_made = partial(option, group="Checkpoints made of checkpoints")
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

training_options = together(
    in_trained(
        "--method",
        type=click.Choice([*RATES, *MERGES]),
        help="What is trained: virtual tokens, low-rank or scaling adapters, all weights or some; "
        "or a new checkpoint made of old ones.",
    ),
    in_trained(
        "--objective",
        type=click.Choice(list(OBJECTIVES)),
        default="alignment",
        help="What is made small; see docs/mitigations.md.",
    ),
    in_trained(
        "--preset",
        type=click.Choice(list(PRESETS)),
        help="Published settings, for every option that is not given: coin (arXiv 2402.11138).",
    ),
    in_trained(
        "--model",
        required=True,
        metavar="MODEL",
        help="demo, a directory or hub id; the base of a model stock.",
    ),
    in_trained(
        "--out", required=True, type=PATH, metavar="DIR", help="Directory that takes the result."
    ),
    in_trained("--fresh", is_flag=True, help="Begin again although --out holds a training."),
    in_trained(
        "--device", default="auto", metavar="auto|cpu|cuda[:i]", help="Where it is trained."
    ),
    in_trained(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16"]),
        help="Number format it is trained in, and asked in afterwards by --arms. bfloat16 rounds "
        "small updates of whole weights away; adapters stay in float32.",
    ),
    in_data("--tasks", metavar="A,B", help="Tasks: ids or patterns such as 'procedural/*'."),
    in_data(
        "--sources",
        metavar="A,B",
        help="Only phrasings of these sources, so that others stay held out; default: all.",
    ),
    in_data(
        "--hold-out",
        type=click.FloatRange(0.05, 0.9),
        metavar="SHARE",
        help="Share of every task's phrasings that is kept for the evaluation afterwards "
        "[default: 0.3 without --sources, else none].",
    ),
    phrasing_file_option(in_data),
    in_data(
        "--split", default="train", help="Split of the instances; never the one that is scored."
    ),
    in_data(
        "--instances", type=click.IntRange(min=4), default=200, help="Most instances per task."
    ),
    in_data(
        "--validation-share",
        type=click.FloatRange(0.01, 0.9),
        default=0.2,
        help="Phrasings kept apart.",
    ),
    data_dir_option(in_data),
    in_training("--n-tokens", type=int, default=10, help="Positions of a soft prompt or prefix."),
    in_training("--kl-weight", type=float, default=0.8, help="Weight of the KL term; 0 for none."),
    in_training(
        "--learning-rate",
        type=float,
        help="Default: 0.01 for soft-prompt and prefix, 0.001 for contrastive, 0.0001 for full.",
    ),
    in_training("--steps", type=int, default=500, help="Most steps; 0 for one epoch."),
    in_training("--batch-size", type=int, default=16, help="Pairs of prompts per step."),
    in_training(
        "--validate-every", type=int, default=25, help="Steps between validations and checkpoints."
    ),
    in_training(
        "--probe", type=click.IntRange(min=4), default=64, help="Pairs of prompts of a validation."
    ),
    in_training(
        "--keep",
        is_flag=True,
        help="full: also save every validation's model, as checkpoint-STEP in --out.",
    ),
    in_training(
        "--patience", type=int, default=5, help="Validations without gain before it stops."
    ),
    in_training(
        "--rank",
        type=int,
        default=8,
        help="Rank of low-rank adapters, width of bottleneck adapters.",
    ),
    in_training(
        "--lora-alpha",
        type=click.IntRange(min=1),
        help="Scale of low-rank adapters; default: twice the rank.",
    ),
    in_training(
        "--lora-dropout",
        type=click.FloatRange(0, 0.9),
        default=0.0,
        help="Share of inputs that low-rank adapters do not see in training.",
    ),
    in_training(
        "--target-modules",
        metavar="A,B",
        help="Maps that get an adapter, such as q_proj,v_proj; default: all.",
    ),
    in_training(
        "--contrast-weight",
        type=click.FloatRange(min=0),
        default=1.0,
        help="Weight of the contrastive term, before its cap.",
    ),
    in_training(
        "--temperature",
        type=click.FloatRange(min=0, min_open=True),
        default=0.05,
        help="Of the contrastive term.",
    ),
    in_training(
        "--mask-share",
        type=click.FloatRange(0.01, 0.99),
        default=0.2,
        help="masking: share of the answer's tokens that is hidden.",
    ),
    in_training(
        "--seed",
        type=int,
        default=0,
        help="Of initial values, batches and the choice of phrasings.",
    ),
    in_lab(
        "--arms",
        metavar="A,B",
        help="In place of --method: several, each trained, asked in held-out phrasings and "
        "compared; METHOD or METHOD/OBJECTIVE.",
    ),
    in_lab(
        "--mitigation",
        multiple=True,
        metavar="NAME:K=V,...",
        help="An arm that trains nothing, such as ensemble:m=3. Repeatable.",
    ),
    in_lab(
        "--seeds",
        type=click.IntRange(1, 20),
        default=3,
        help="Trainings of each arm, from --seed on.",
    ),
    in_lab(
        "--held-tasks",
        metavar="A,B",
        help="Tasks that no arm is trained on and every arm is asked.",
    ),
    in_lab(
        "--test-instances",
        type=click.IntRange(min=2),
        default=50,
        help="Instances per task that are asked afterwards.",
    ),
    in_lab(
        "--test-phrasings",
        type=click.IntRange(min=2),
        metavar="N",
        help="Held-out phrasings per task that are asked; default: all.",
    ),
    in_made(
        "--with",
        "others",
        multiple=True,
        metavar="MODEL",
        help="Other checkpoint. Repeatable for model-stock.",
    ),
    in_made("--alpha", type=float, default=0.5, help="interpolate: 0 is --model, 1 is --with."),
)
"""Adds every option of ``evalkit align`` to a command."""


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
