"""``evalkit align``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    option,
    print_json,
    quiet_option,
)
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import ModelSpec

__all__ = ["command"]

_WHAT = "What is trained"
_DATA = "What it is trained on"
_HOW = "How it is trained"
_MADE = "Checkpoints made of checkpoints"
MERGES = ("interpolate", "model-stock")
RATES = {"soft-prompt": 0.01, "prefix": 0.01, "contrastive": 0.001, "full": 0.0001}
"""Learning rates by default: ours, chosen on validation phrasings of the demo model."""


@click.command(
    "align",
    cls=GroupedCommand,
    epilog=(
        "Example: evalkit align --method soft-prompt --model demo --tasks 'procedural/*' "
        "--sources evalkit-tuning,evalkit-paraphrase --out build/prompt"
    ),
)
@option(
    "--method",
    required=True,
    type=click.Choice(["soft-prompt", "prefix", "full", "contrastive", *MERGES]),
    group=_WHAT,
    help=(
        "Soft prompt (model frozen), prefix at every layer, full tuning, contrastive LoRA; "
        "or a new checkpoint made of old ones."
    ),
)
@option(
    "--model",
    required=True,
    metavar="MODEL",
    group=_WHAT,
    help="demo, a directory or hub id; the base of a model stock.",
)
@option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    group=_WHAT,
    help="Directory that takes the result.",
)
@option("--fresh", is_flag=True, group=_WHAT, help="Begin again although --out holds a training.")
@option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:i]",
    group=_WHAT,
    help="Where it is trained.",
)
@option(
    "--tasks", metavar="A,B", group=_DATA, help="Tasks: ids or patterns such as 'procedural/*'."
)
@option(
    "--sources",
    metavar="A,B",
    group=_DATA,
    help="Only phrasings of these sources, so that others stay held out; default: all.",
)
@option(
    "--phrasing-file",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    group=_DATA,
    help="Your own phrasings. Repeatable.",
)
@option(
    "--split",
    default="train",
    show_default=True,
    group=_DATA,
    help="Split of the instances; never the one that is scored.",
)
@option(
    "--instances",
    type=click.IntRange(min=4),
    default=200,
    show_default=True,
    group=_DATA,
    help="Most instances per task.",
)
@option(
    "--validation-share",
    type=click.FloatRange(0.01, 0.9),
    default=0.2,
    show_default=True,
    group=_DATA,
    help="Phrasings kept apart.",
)
@option(
    "--data-dir",
    type=click.Path(path_type=Path),
    envvar="EVALKIT_DATA",
    metavar="DIR",
    group=_DATA,
    help="[env: EVALKIT_DATA]",
)
@option(
    "--n-tokens",
    type=int,
    default=10,
    show_default=True,
    group=_HOW,
    help="Positions of a soft prompt or prefix.",
)
@option(
    "--kl-weight",
    type=float,
    default=0.8,
    show_default=True,
    group=_HOW,
    help="Weight of the KL term; 0 for none.",
)
@option(
    "--learning-rate",
    type=float,
    default=None,
    group=_HOW,
    help="Default: 0.01 for soft-prompt and prefix, 0.001 for contrastive, 0.0001 for full.",
)
@option("--steps", type=int, default=500, show_default=True, group=_HOW, help="Most steps.")
@option(
    "--batch-size",
    type=int,
    default=16,
    show_default=True,
    group=_HOW,
    help="Pairs of prompts per step.",
)
@option(
    "--validate-every",
    type=int,
    default=25,
    show_default=True,
    group=_HOW,
    help="Steps between validations and checkpoints.",
)
@option(
    "--probe",
    type=click.IntRange(min=4),
    default=64,
    show_default=True,
    group=_HOW,
    help="Pairs of prompts of a validation.",
)
@option(
    "--keep",
    is_flag=True,
    group=_HOW,
    help="full: also save every validation's model, as checkpoint-STEP in --out.",
)
@option(
    "--patience",
    type=int,
    default=5,
    show_default=True,
    group=_HOW,
    help="Validations without gain before it stops.",
)
@option(
    "--rank",
    type=int,
    default=8,
    show_default=True,
    group=_HOW,
    help="Rank of the contrastive LoRA.",
)
@option(
    "--seed",
    type=int,
    default=0,
    show_default=True,
    group=_HOW,
    help="Of initial values, batches and the choice of phrasings.",
)
@option(
    "--with",
    "others",
    multiple=True,
    metavar="MODEL",
    group=_MADE,
    help="Other checkpoint. Repeatable for model-stock.",
)
@option(
    "--alpha",
    type=float,
    default=0.5,
    show_default=True,
    group=_MADE,
    help="interpolate: 0 is --model, 1 is --with.",
)
@json_option
@quiet_option
@debug_option
def command(method: str, as_json: bool, quiet: bool, **given: Any) -> int:
    """Train a mitigation for a model, or make a checkpoint of checkpoints.

    Goes on by itself where it was interrupted. The result is used with --mitigation
    adapter:path=DIR, or with --model DIR for whole checkpoints.
    """
    from evalkit import catalog
    from evalkit.tuning.alignment import forget

    spec = catalog.load_model(given["model"], device=given["device"])
    if given["fresh"]:
        forget(given["out"])
    report = (
        _merged(method, spec, given)
        if method in MERGES
        else _trained(method, spec, given, quiet=quiet or as_json)
    )
    if as_json:
        print_json(report)
    elif not quiet:
        _show(method, report, given["out"])
    return 0


def _merged(method: str, spec: ModelSpec, given: dict[str, Any]) -> dict[str, Any]:
    from evalkit import catalog
    from evalkit.errors import UsageError
    from evalkit.tuning.weights import write_interpolated, write_stock

    others = [catalog.load_model(name, device=given["device"]) for name in given["others"]]
    if method == "model-stock":
        return write_stock(spec, others, given["out"])
    if len(others) != 1:
        raise UsageError(
            f"--method interpolate: {len(others)} other models; name exactly one with --with."
        )
    return write_interpolated((spec, others[0]), given["alpha"], given["out"])


def _trained(method: str, spec: ModelSpec, given: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    from evalkit.backends.mitigations.applying import opened
    from evalkit.cli.materials import materials_of
    from evalkit.tuning.alignment import align
    from evalkit.tuning.training import Recipe

    rate = given["learning_rate"]
    if rate is None:
        rate = RATES[method]
    names = (
        "n_tokens",
        "kl_weight",
        "steps",
        "batch_size",
        "validate_every",
        "patience",
        "probe",
        "rank",
        "seed",
    )
    recipe = Recipe(method=method, learning_rate=rate, **{name: given[name] for name in names})
    materials = materials_of(given)
    backend = opened(spec, ())
    try:
        return align(
            backend,
            materials,
            recipe,
            out=given["out"],
            said=lambda line: None if quiet else say(line, err=True),
            keep=given["keep"],
        )
    finally:
        backend.close()


def _show(method: str, report: dict[str, Any], out: Path) -> None:
    if method in MERGES:
        say(f"{out}: {method} of {', '.join(model['name'] for model in report['models'])}")
        say(f"To use it, type: evalkit run --model {out} --suite SUITE")
        return
    for name in ("training", "validation"):
        before, after = report["before"][name], report["after"][name]
        say(
            f"{name} pairs: cross-entropy {before['cross_entropy']:.4f} -> "
            f"{after['cross_entropy']:.4f}, KL {before['kl']:.4f} -> {after['kl']:.4f} nat per "
            "token"
        )
    say(
        f"{report['trained_parameters']:,} of {report['model_parameters']:,} parameters, "
        f"{report['steps']} steps ({report['stopped']}), {report['seconds']:.0f} s"
    )
    use = f"--model {out}" if method == "full" else f"--model MODEL --mitigation adapter:path={out}"
    say(f"To use it, type: evalkit run {use} --suite SUITE")
