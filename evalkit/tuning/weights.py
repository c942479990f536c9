"""New checkpoints made of old ones: a method of `merging` over all tensors, written as a model
directory.

A directory appears whole or not at all. Its weight files have the layout of the first checkpoint's,
byte for byte; one tensor of each checkpoint is in memory at a time.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.mitigations.applying import acting_on_model
from evalkit.backends.mitigations.options import read_options
from evalkit.catalog.models import MODEL_FILE
from evalkit.catalog.paths import cache_dir
from evalkit.errors import BackendError, EnvironmentFault, UsageError
from evalkit.records import ModelSpec, digest
from evalkit.store.atomic import file_digest, part_path, write_atomic
from evalkit.store.refusals import cannot_write
from evalkit.tuning.adapters import RECORD
from evalkit.tuning.checkpoints import (
    Checkpoint,
    Reader,
    fitting,
    header_of,
    named,
    open_checkpoint,
    reading,
)
from evalkit.tuning.merging import METHODS, model_stock

if TYPE_CHECKING:
    import torch

__all__ = ["Merging", "interpolate", "merge", "write_interpolated", "write_stock"]

SPARE = 1.02
"""Disk that must be free, as a multiple of what is written."""


@dataclass(frozen=True, slots=True)
class Merging:
    """What is made of which checkpoints."""

    method: str
    """A name of `merging.METHODS`."""
    tuned: tuple[ModelSpec, ...]
    """The tuned checkpoints, in the order of the formula."""
    base: ModelSpec | None = None
    """What they were tuned from."""
    onto: ModelSpec | None = None
    """The model that takes the result; None: the base."""

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """Return all checkpoints, the one whose files are kept first."""
        start = () if self.base is None else (self.base,)
        if METHODS[self.method].onto:
            start = (self.onto or self.base, *start)
        return (*start, *self.tuned)


def merge(
    merging: Merging,
    places: Sequence[tuple[Mapping[str, float], Path]],
    said: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Write one model directory per setting, and return what each is;
    those that are there already stay.

    Parameters
    ----------
    merging
        Method and checkpoints.
    places
        Settings and directory of each; settings that are not named have their default.
    said
        Gets a line per directory.

    Raises
    ------
    UsageError
        When the method cannot be used so, or a directory holds something else.
    BackendError
        When the checkpoints do not fit together, or a result is not finite.
    EnvironmentFault
        When the disk is too small for what is missing; nothing is written then.
    """
    settings = [_settings(merging, given) for given, _ in places]
    _check(merging)
    checkpoints = [open_checkpoint(model) for model in merging.models]
    fitting(checkpoints)
    marks = [named(checkpoint) for checkpoint in checkpoints]
    _refuse_no_change(merging, marks)
    reports: list[dict[str, Any]] = []
    for (_, out), full in zip(places, settings, strict=True):
        told = {name: value for name, value in full.items() if math.isfinite(value)}
        reports.append({"method": merging.method, "settings": told, "models": marks})
        _refuse_other(out, reports[-1])
    missing = [not (out / RECORD).is_file() for _, out in places]
    _refuse_small_disk(places[0][1], checkpoints[0], sum(missing))
    with reading(checkpoints) as reader:
        for i, (_, out) in enumerate(places):
            if missing[i]:
                made = _maker(merging, settings[i], reader, checkpoints[0], reports[i])
                write_directory(checkpoints[0], out, reports[i], made, _model_file(merging, out))
            said(f"{out}: {'written' if missing[i] else 'is there already'}")
    return reports


def _settings(merging: Merging, given: Mapping[str, float]) -> dict[str, float]:
    """Return the settings of a method, checked."""
    rules = METHODS[merging.method].rules
    for name in given:
        if name not in rules:
            takes = ", ".join(f"--{known}" for known in rules) or "no numbers"
            raise UsageError(f"--{name}: {merging.method} does not take it; it takes {takes}.")
    full = {name: given.get(name, rule.default) for name, rule in rules.items()}
    for name, value in given.items():
        rule = rules[name]
        low = value <= rule.low if rule.open_low else value < rule.low
        if not math.isfinite(value) or low or value > rule.high or (rule.whole and value % 1):
            kind = "whole number" if rule.whole else "number"
            start = "above" if rule.open_low else "from"
            span = "" if math.isinf(rule.low) else f" {start} {rule.low:g}"
            end = "" if math.isinf(rule.high) else f" to {rule.high:g}"
            raise UsageError(f"--{name} {value:g}: is not accepted; a {kind}{span}{end} is.")
    return full


def _check(merging: Merging) -> None:
    """Refuse a wrong number of checkpoints."""
    rules, method = METHODS[merging.method], merging.method
    least, most = rules.tuned
    count = len(merging.tuned)
    if count < least or (most is not None and count > most):
        wanted = f"{least} or more" if most is None else f"exactly {least}"
        raise UsageError(
            f"--tuned: {count} tuned models; {method} needs {wanted}. "
            "Repeat --tuned, or take some away."
        )
    if rules.base and merging.base is None:
        raise UsageError(f"--base: {method} needs the model that the others were tuned from.")
    if not rules.base and merging.base is not None:
        raise UsageError(f"--base: {method} combines the tuned models alone. Leave it out.")
    if merging.onto is not None and not rules.onto:
        fine = ", ".join(name for name, one in METHODS.items() if one.onto)
        raise UsageError(f"--onto: {method} has no use for it; {fine} has.")


def _refuse_no_change(merging: Merging, marks: Sequence[Mapping[str, str]]) -> None:
    """Refuse a change of nothing: every setting would give the base again."""
    if merging.base is None:
        return
    base = marks[-len(merging.tuned) - 1]
    for mark in marks[-len(merging.tuned) :]:
        if mark["weights"] == base["weights"]:
            raise UsageError(
                f"{mark['name']} and {base['name']}: have the same weights, "
                "so there is no change to work with. Name another --tuned or --base."
            )


def _refuse_other(out: Path, report: Mapping[str, Any]) -> None:
    """Refuse a directory that holds anything but this very merge."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UsageError(f"{out}: is a file. Name another --out.")
    try:
        told = json.loads((out / RECORD).read_text(encoding="utf-8"))
        same = all(told[name] == value for name, value in report.items())
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if any(out.iterdir()) and not same:
        raise UsageError(f"{out}: is not empty. Name another --out.")


def _refuse_small_disk(out: Path, first: Checkpoint, count: int) -> None:
    """Refuse to begin what the disk cannot hold."""
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    needed = int(first.size * count * SPARE)
    if needed > free:
        raise EnvironmentFault(
            f"{out}: {count} checkpoints need {needed / 2**30:.2f} GiB and {free / 2**30:.2f} GiB "
            "are free. Free some space, name another --out, or make fewer."
        )


Maker = Callable[[str], "torch.Tensor"]


def _maker(
    merging: Merging,
    settings: Mapping[str, float],
    reader: Reader,
    first: Checkpoint,
    report: dict[str, Any],
) -> Maker:
    """Return the function that makes a tensor by its name."""
    if merging.method == "graft":
        settings = {"threshold": threshold(reader, list(first.places), settings["density"])}
        report["threshold"] = settings["threshold"]
    ratios: dict[str, float | None] = {}
    if merging.method == "model-stock":
        report["ratios"] = ratios

    def made(name: str) -> torch.Tensor:
        tensors = reader.tensors(name)
        if not tensors[0].is_floating_point():
            return tensors[0]
        if merging.method == "model-stock":
            tensor, ratio = model_stock(tensors[0], tensors[1:])
            ratios[name] = None if math.isnan(ratio) else ratio
        else:
            tensor = METHODS[merging.method].make(name, tensors, settings)
        if not tensor.isfinite().all():
            raise BackendError(
                f"{name}: the result is too large for {tensor.dtype}; nothing was written. "
                "Use smaller settings, or checkpoints in a wider type."
            )
        return tensor

    return made


def threshold(reader: Reader, names: Sequence[str], density: float) -> float:
    """Return the size of change that a share of all weights reaches:
    an exact order statistic, counted in two passes.

    Sizes are compared in single precision, whose bits sort like the numbers.
    """
    import torch

    def bits(name: str) -> torch.Tensor:
        base, tuned = reader.tensors(name)
        if not base.is_floating_point():
            return torch.zeros(0, dtype=torch.int64)
        sizes = (tuned.double() - base.double()).abs().float().flatten()
        return sizes.view(torch.int32).long()

    upper = torch.zeros(2**15, dtype=torch.int64)
    for name in names:
        upper += torch.bincount(bits(name) >> 16, minlength=2**15)
    wanted = max(1, int(density * int(upper.sum())))
    above = upper.flip(0).cumsum(0).flip(0)
    high = int((above >= wanted).nonzero().max())
    wanted -= int(above[high] - upper[high])
    lower = torch.zeros(2**16, dtype=torch.int64)
    for name in names:
        found = bits(name)
        lower += torch.bincount(found[found >> 16 == high] & 0xFFFF, minlength=2**16)
    low = int((lower.flip(0).cumsum(0).flip(0) >= wanted).nonzero().max())
    return float(torch.tensor((high << 16) + low, dtype=torch.int32).view(torch.float32))


def _model_file(merging: Merging, out: Path) -> str:
    """Return what the new model says of itself; empty when its tuning is not known.

    It was tuned on whatever any of its checkpoints was tuned on.
    """
    known = [model.tuned_on for model in merging.models]
    if any(one is None for one in known):
        return ""
    entries = sorted({entry for one in known for entry in one or ()})
    listed = "\n".join(f"  - {json.dumps(entry)}" for entry in entries)
    tuned = f"tuned_on:\n{listed}\n" if entries else "tuned_on: []\n"
    return f"backend: hf\nlabel: {json.dumps(out.name)}\n{tuned}"


def write_directory(
    first: Checkpoint, out: Path, report: Mapping[str, Any], made: Maker, model_file: str
) -> None:
    """Write the made tensors in the first checkpoint's file layout, then everything else of it."""
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part = part_path(out, hidden=False)
    except OSError as error:
        raise cannot_write(out, error) from error
    try:
        part.mkdir()
        for path in first.files.weights:
            _write_file(part / path.name, path, first, made)
        for path in first.files.root.iterdir():
            if _carried(path, first):
                shutil.copy2(path, part / path.name)
        if model_file:
            (part / MODEL_FILE).write_text(model_file, encoding="utf-8")
        digests = {path.name: file_digest(path) for path in sorted(part.iterdir())}
        write_atomic(part / RECORD, json.dumps({**report, "files": digests}, indent=1) + "\n")
        if out.exists():
            out.rmdir()
        part.replace(out)
    except OSError as error:
        raise cannot_write(out, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _carried(path: Path, first: Checkpoint) -> bool:
    """Whether a file of the first checkpoint belongs to the new one too."""
    return (
        path.is_file()
        and path.suffix not in (".bin", ".md")
        and path not in first.files.weights
        and path.name not in {RECORD, MODEL_FILE}
    )


def _write_file(out: Path, like: Path, first: Checkpoint, made: Maker) -> None:
    import torch

    head, _ = header_of(like)
    with out.open("xb") as file:
        file.write(head)
        for name, place in first.places.items():
            if place.file == like:
                tensor = made(name).contiguous().reshape(-1)
                file.write(tensor.view(torch.uint8).numpy().data)
        file.flush()
        os.fsync(file.fileno())


def write_interpolated(
    models: tuple[ModelSpec, ModelSpec], alpha: float, out: Path
) -> dict[str, Any]:
    """Write the interpolation of two checkpoints and return what was done; see `merge`."""
    base, tuned = models
    return merge(Merging("interpolate", (tuned,), base), [({"alpha": alpha}, out)])[0]


def write_stock(base: ModelSpec, tuned: Sequence[ModelSpec], out: Path) -> dict[str, Any]:
    """Write the model stock of tuned checkpoints around their base;
    the ratio of every tensor is in the report; see `merge`.
    """
    return merge(Merging("model-stock", tuple(tuned), base), [({}, out)])[0]


@acting_on_model
def interpolate(spec: ModelSpec, options: str) -> ModelSpec:
    """Return the interpolation of the model with another (``--mitigation
    interpolate:with=DIR,alpha=0.5``), written once into evalkit's cache.

    The new weights' hash is what enters the fingerprint, so that alpha 0 shares responses with the
    model itself where the file layout is the same.
    """
    given = read_options("interpolate", options, {"with": "", "alpha": 0.5})
    if not given["with"]:
        raise UsageError(
            "--mitigation interpolate: 'with' names no model; a directory or hub id is accepted."
        )
    other = replace(spec, name=given["with"], revision=None)
    pair = (spec, other)
    marks = [named(open_checkpoint(model)) for model in pair]
    out = (
        cache_dir()
        / "interpolated"
        / digest([given["alpha"], [{**mark, "name": ""} for mark in marks]], length=16)
    )
    if not (out / RECORD).is_file():
        write_interpolated(pair, given["alpha"], out)
    return replace(spec, name=str(out), label=spec.display, revision=None)
