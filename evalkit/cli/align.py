"""``evalkit align``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from evalkit.cli.options import GroupedCommand, output_options, print_json
from evalkit.cli.training import trained
from evalkit.cli.training_options import MERGES, preset, training_options
from evalkit.report.terminal import say

if TYPE_CHECKING:
    from evalkit.records import ModelSpec

__all__ = ["UNTRAINED", "command"]

UNTRAINED = (
    "Training changed nothing: no validation was better than the start, so the weights that were "
    "saved are untrained. Train longer, with another --learning-rate, or on other phrasings."
)


@click.command(
    "align",
    cls=GroupedCommand,
    epilog=(
        "Example: evalkit align --method soft-prompt --model demo --tasks 'procedural/*' "
        "--sources evalkit-tuning,evalkit-paraphrase --out build/prompt"
    ),
)
@training_options
@output_options
def command(as_json: bool, quiet: bool, **given: Any) -> int:
    """Train a mitigation for a model, or make a checkpoint of checkpoints.

    Goes on by itself where it was interrupted. The result is used with --mitigation
    adapter:path=DIR, or with --model DIR for whole checkpoints.
    """
    from evalkit import catalog
    from evalkit.errors import UsageError
    from evalkit.tuning.folder import forget

    given = preset(given["preset"], given)
    method = given["method"]
    several = bool(given["arms"] or given["mitigation"])
    if (method is None) != several:
        raise UsageError("--method or --arms: exactly one of the two says what is trained.")
    spec = catalog.load_model(given["model"], device=given["device"], dtype=given["dtype"])
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

    others = [
        catalog.load_model(name, device=given["device"], dtype=given["dtype"])
        for name in given["others"]
    ]
    if method == "model-stock":
        return write_stock(spec, others, given["out"])
    if len(others) != 1:
        raise UsageError(
            f"--method interpolate: {len(others)} other models; name exactly one with --with."
        )
    return write_interpolated((spec, others[0]), given["alpha"], given["out"])


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
    """Return a command that runs as it stands: on phrasings that were held out,
    where there are some.
    """
    from evalkit.cli.materials import held_out_suite
    from evalkit.tuning.parametrisations import WHOLE

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
    dtype = f" --dtype {given['dtype']}" if given["dtype"] else ""
    return f"evalkit run {use} {asked}{data}{dtype}"
