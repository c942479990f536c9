"""A start-up proof is remembered, so that the next process with the same model need not repeat it.

What is remembered is held against everything that could change the outcome, and against one prompt
of the run that would use it, scored both ways. Whatever does not fit, or cannot be read, means that
the proof is done again.

Remembered are fast paths on a CPU that were proven against float64. Not handled here: GPUs,
compiled models, code that comes with a model, models that were changed after loading.
"""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path as File
from typing import Any

from evalkit.backends import precision
from evalkit.backends.hf.layout import Work
from evalkit.backends.hf.loading import Loaded, is_out_of_memory
from evalkit.backends.hf.proof import (
    Path,
    Proof,
    choose,
    fast_scorers,
    samples_for,
    trial,
    untried,
)
from evalkit.backends.hf.rows import SingleScorer
from evalkit.catalog.paths import cache_dir
from evalkit.errors import StoreError
from evalkit.records import ModelSpec, digest
from evalkit.store.atomic import write_atomic

__all__ = ["circumstances", "proven", "recall", "remember"]

_MOST_FILES = 64
_MOST_BYTES = 1 << 16
_NEVER = ("compile", "device_map", "trust_remote_code")
"""Options under which nothing is remembered."""
_VARIABLES = ("ATEN_", "DNNL_", "GOMP_", "KMP_", "MKL_", "OMP_", "ONEDNN_", "OPENBLAS_", "TORCH_")
"""Beginnings of the names of environment variables that choose how a processor computes."""


def proven(
    loaded: Loaded, spec: ModelSpec, works: Sequence[Work], model: Mapping[str, str]
) -> Path:
    """Return the way of scoring: one that was proven before,
    or the one that `proof.choose` proves now.

    See `circumstances` for the parameters.
    """
    key = circumstances(loaded, spec, works, model)
    path = recall(loaded, works, key) if key is not None else None
    if path is None:
        path = choose(loaded, works, forced=str(spec.options.get("path", "auto")))
        if key is not None:
            remember(path, loaded, key)
    return path


def circumstances(
    loaded: Loaded, spec: ModelSpec, works: Sequence[Work], model: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return everything that can change the outcome of a proof; None where none is remembered.

    Parameters
    ----------
    loaded
        The model.
    spec
        What was asked for.
    works
        Real prompts, whole. Of them the shape counts: whether choices branch, and how long the
        samples are; their words do not, since one of them is scored both ways all the same.
    model
        Fingerprint of the model.
    """
    import torch

    plain = spec.options.get("path", "auto") != "auto" or spec.options.get("proof") == "always"
    other = any(spec.options.get(name) for name in _NEVER) or loaded.device.type != "cpu"
    if plain or other or model.get("backend") != "hf" or "adapter" in model:
        return None
    samples = samples_for(loaded, works)
    settings: Any = torch.backends
    found = {
        "code": _code(),
        "model": dict(model),
        "options": {name: str(value) for name, value in sorted(spec.options.items())},
        "dtype": loaded.dtype_name,
        "attention": str(getattr(loaded.model.config, "_attn_implementation", "")),
        "branches": any(len(tail) > 1 for work in samples for tail in work.tails),
        "generates": not any(work.tails for work in works),
        "longest": max(len(work.context) for work in samples).bit_length(),
        "libraries": {name: version(name) for name in ("numpy", "torch", "transformers")},
        "python": platform.python_version(),
        "build": digest([torch.__config__.show(), torch.__config__.parallel_info()]),
        "processor": [platform.machine(), settings.cpu.get_cpu_capability(), _processor()],
        "settings": [
            torch.get_float32_matmul_precision(),
            torch.are_deterministic_algorithms_enabled(),
            settings.mkldnn.enabled,
        ],
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(_VARIABLES)},
    }
    return dict(json.loads(json.dumps(found)))


def recall(loaded: Loaded, works: Sequence[Work], key: Mapping[str, Any]) -> Path | None:
    """Return the path that was proven under the same circumstances;
    None where the proof is to be done.

    Parameters
    ----------
    loaded
        The model.
    works
        Real prompts, whole. One of them is scored both ways, and must agree as the proof allows.
    key
        What `circumstances` found.
    """
    told = _read(_place(key), key)
    if told is None or untried(loaded, works):
        return None
    scorers = dict(enumerate(fast_scorers(loaded)))
    name, scorer = scorers.get(told["number"], ("", None))
    if scorer is None or name != told["path"]:
        return None
    error, plain = float(told["error"]), float(told["plain_error"])
    allowed = max(precision.TIMES * plain, precision.FLOOR[loaded.dtype_name])
    if not (math.isfinite(plain) and plain >= 0 and 0 <= error <= allowed):
        return None
    proof = Proof(plain_error=plain, error=error, allowed=allowed, remembered=str(told["when"]))
    checked = _checked(loaded, works, scorer)
    if not checked <= allowed + plain:  # each way is off by as much from the exact number
        return None
    return Path(name, scorer, replace(proof, checked=checked))


def remember(path: Path, loaded: Loaded, key: Mapping[str, Any]) -> None:
    """Keep a finished proof of a fast path; a cache that cannot be written is let alone."""
    form = getattr(path.scorer, "form", None)
    own = [
        n
        for n, (name, one) in enumerate(fast_scorers(loaded))
        if name == path.name and getattr(one, "form", None) == form
    ]
    if path.notice or path.proof.reference != "float64" or not own:
        return
    told = {
        "path": path.name,
        "number": own[0],
        "plain_error": path.proof.plain_error,
        "error": path.proof.error,
        "when": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    place = _place(key)
    try:
        whole = {"key": dict(key), "told": told, "sum": digest([dict(key), told])}
        write_atomic(place, json.dumps(whole, indent=1))
        kept = sorted(place.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
        for old in kept[:-_MOST_FILES]:
            old.unlink(missing_ok=True)
    except (OSError, StoreError):  # it costs the next process a proof, nothing else
        return


def _read(place: File, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a file says, when it is whole and of these circumstances."""
    try:
        if not place.is_file() or place.stat().st_size > _MOST_BYTES:
            return None
        whole = json.loads(place.read_text(encoding="utf-8"))
        told = whole["told"]
        fits = whole["key"] == dict(key) and whole["sum"] == digest([dict(key), told])
        numbers = all(type(told[name]) in (int, float) for name in ("error", "plain_error"))
        return told if fits and numbers and type(told["number"]) is int and told["when"] else None
    # whatever is wrong with a file in a cache, it is no proof
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None


def _checked(loaded: Loaded, works: Sequence[Work], scorer: Any) -> float:
    """Difference of the fast and the plain way on one prompt, nats:
    the shortest sample whose choices branch, if any do.
    """
    sample = min(
        samples_for(loaded, works),
        key=lambda work: (max(map(len, work.tails)) == 1, len(work.context)),
    )
    try:
        expected = SingleScorer(loaded).score([sample])
        return trial(scorer, Proof("plain", samples=[sample], expected=expected))
    except Exception as error:  # a full proof finds out what it is and says it
        if is_out_of_memory(error):
            raise
        return math.inf


def _place(key: Mapping[str, Any]) -> File:
    return cache_dir() / "proofs" / f"{digest(dict(key))}.json"


def _code() -> str:
    """Digest of everything here that computes or judges."""
    folder = File(__file__).parent
    files = [*sorted(folder.glob("*.py")), File(precision.__file__)]
    return digest([[file.name, file.read_text(encoding="utf-8")] for file in files])


def _processor() -> str:
    """Model and features of the processor."""
    try:
        text = File("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:  # systems without such a file
        return platform.processor()
    names = ("vendor_id", "cpu family", "model", "stepping", "microcode", "flags", "Features")
    first = text.partition("\n\n")[0].splitlines()
    return digest([line for line in first if line.partition(":")[0].strip() in names])
