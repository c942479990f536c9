"""``evalkit align``."""

from __future__ import annotations

import shlex
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

__all__ = ["RATES", "UNTRAINED", "command", "trained"]

_WHAT = "What is trained"
_DATA = "What it is trained on"
_HOW = "How it is trained"
_MADE = "Checkpoints made of checkpoints"
UNTRAINED = (
    "Training changed nothing: no validation was better than the start, so the weights that were "
    "saved are untrained. Train longer, with another --learning-rate, or on other phrasings."
)
MERGES = ("interpolate", "model-stock")
RATES = {
    **{"soft-prompt": 0.01, "p-tuning": 0.001, "prefix": 0.01, "lora": 0.001, "ia3": 0.01},
    **{"contrastive": 0.001, "full": 0.0001, "last-quarter": 0.0001, "bias": 0.001},
}
"""Learning rates by default; soft-prompt, contrastive and full chosen on validation phrasings of the
demo model, the others usual values that nobody tuned."""


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
    type=click.Choice([*RATES, *MERGES]),
    group=_WHAT,
    help="What is trained: virtual tokens, low-rank or scaling adapters, all weights or some; "
    "or a new checkpoint made of old ones.",
)
@option(
    "--arms",
    metavar="A,B",
    group=_WHAT,
    help="In place of --method: several, each trained, asked in held-out phrasings and compared.",
)
@option(
    "--seeds",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    group=_WHAT,
    help="--arms: trainings of each, from --seed on.",
)
@option(
    "--test-instances",
    type=click.IntRange(min=2),
    default=50,
    show_default=True,
    group=_WHAT,
    help="--arms: instances per task that are asked afterwards.",
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
def command(method: str | None, as_json: bool, quiet: bool, **given: Any) -> int:
    """Train a mitigation for a model, or make a checkpoint of checkpoints.

    Goes on by itself where it was interrupted. The result is used with --mitigation
    adapter:path=DIR, or with --model DIR for whole checkpoints.
    """
    from evalkit import catalog
    from evalkit.errors import UsageError
    from evalkit.tuning.alignment import forget

    if (method is None) == (given["arms"] is None):
        raise UsageError("--method or --arms: exactly one of the two says what is trained.")
    spec = catalog.load_model(given["model"], device=given["device"])
    if given["fresh"]:
        forget(given["out"])
    if method is None:
        from evalkit.cli.lab import lab

        return lab(spec, given, as_json=as_json, quiet=quiet)
    report = (
        _merged(method, spec, given)
        if method in MERGES
        else trained(method, spec, given, quiet=quiet or as_json)
    )
    if as_json:
        print_json(report)
    elif not quiet:
        _show(method, report, given)
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


def trained(method: str, spec: ModelSpec, given: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Train one method as the options of the command say, and return what was saved beside the weights."""
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


def _show(method: str, report: dict[str, Any], given: dict[str, Any]) -> None:
    out = given["out"]
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
    if not report["kept_step"]:
        say(UNTRAINED, err=True)
    say(f"To use it, type: {_next(method, report, given)}")


def _next(method: str, report: dict[str, Any], given: dict[str, Any]) -> str:
    """Return a command that runs as it stands: on phrasings that were held out, where there are some."""
    from evalkit.cli.materials import held_out_suite
    from evalkit.tuning.alignment import WHOLE

    out = given["out"]
    overlap = ""
    suite = held_out_suite(report, given)
    if suite is None:
        asked, overlap = f"--tasks '{given['tasks']}'", ",overlap=allow"
    else:
        asked = f"--suite {shlex.quote(str(suite))}"
    place, model = shlex.quote(str(out)), shlex.quote(given["model"])
    use = (
        f"--model {place}"
        if method in WHOLE
        else f"--model {model} --mitigation {shlex.quote(f'adapter:path={out}{overlap}')}"
    )
    data = f" --data-dir {shlex.quote(str(given['data_dir']))}" if given["data_dir"] else ""
    return f"evalkit run {use} {asked}{data}"
