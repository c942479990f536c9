"""Arithmetic on the logits of several models that share a vocabulary.

References
----------
Mitchell, Rafailov, Sharma, Finn, Manning, "An Emulator for Fine-Tuning Large Language Models using
Small Language Models", arXiv 2310.12962: large + (small tuned - small base), with a scale (theirs
is 1). They sum log-probabilities; the sum of logits differs from that by a constant per position,
which the softmax takes out. Contrast of two checkpoints: z + w (z - z_other), as in Liu and others,
"DExperts", ACL 2021, with two models in place of three.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import inner_workings
from evalkit.backends.mitigations.mixing import Branch, MixingBackend
from evalkit.backends.mitigations.options import read_options, shown
from evalkit.backends.mitigations.token_rules import expert, masked, routed
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, digest
from evalkit.registry import BACKENDS

if TYPE_CHECKING:
    from evalkit.backends.hf.backend import HFBackend

__all__ = ["arithmetic", "contrast", "router", "rules"]


def arithmetic(backend: Backend, options: str) -> Backend:
    """Return large + scale (tuned - base) (``--mitigation arithmetic:tuned=DIR,base=DIR,scale=1``);
    three forwards per prompt.

    Raises
    ------
    UsageError
        When a model is not named.
    BackendError
        When a model cannot be loaded or has another vocabulary.
    """
    given = read_options("arithmetic", options, {"tuned": "", "base": "", "scale": 1.0})
    inner = inner_workings(backend, "arithmetic")
    tuned, base = (_other(inner, given[name], f"arithmetic: {name}") for name in ("tuned", "base"))
    marks = {"tuned": _mark(tuned), "base": _mark(base), "scale": given["scale"]}
    branches = [
        Branch(backend=inner, weight=1.0),
        Branch(backend=tuned, weight=given["scale"]),
        Branch(backend=base, weight=-given["scale"]),
    ]
    return MixingBackend(branches, shown("arithmetic", marks))


def contrast(backend: Backend, options: str) -> Backend:
    """Return z + weight (z - z_other) (``--mitigation contrast:with=DIR,weight=0.5,mask=0.1``).

    Two forwards per prompt. The weight 0.5 is ours. With a mask above 0, only among tokens that the
    model itself gives at least that share of its best one's probability.

    Raises
    ------
    UsageError
        When no model is named or the mask is no share.
    """
    given = read_options("contrast", options, {"with": "", "weight": 0.5, "mask": 0.0})
    if not 0 <= given["mask"] < 1:
        raise UsageError(
            f"--mitigation contrast: mask={given['mask']}; a share from 0 to below 1 is accepted."
        )
    inner = inner_workings(backend, "contrast")
    other = _other(inner, given["with"], "contrast: with")
    marks = {"with": _mark(other), "weight": given["weight"]}
    if given["mask"]:
        sides = [Branch(backend=one, weight=1.0) for one in (inner, other)]
        label = shown("contrast", {**marks, "mask": given["mask"]})
        return MixingBackend(sides, label, rule=masked(given["weight"], given["mask"]))
    branches = [
        Branch(backend=inner, weight=1.0 + given["weight"]),
        Branch(backend=other, weight=-given["weight"]),
    ]
    return MixingBackend(branches, shown("contrast", marks))


def router(backend: Backend, options: str) -> Backend:
    """Return the backend that asks two models for every token and takes the surer one's
    distribution (``--mitigation router:with=DIR``).

    Two forwards per prompt.
    """
    given = read_options("router", options, {"with": ""})
    inner = inner_workings(backend, "router")
    other = _other(inner, given["with"], "router: with")
    sides = [Branch(backend=one, weight=1.0) for one in (inner, other)]
    return MixingBackend(sides, shown("router", {"with": _mark(other)}), rule=routed)


def rules(backend: Backend, options: str) -> Backend:
    """Return the backend with three rules beside its model (``--mitigation rules:scale=1``):
    nothing is trained, one forward per prompt.

    Raises
    ------
    UsageError
        When the scale is below 0.
    BackendError
        When the backend gives no logits.
    """
    given = read_options("rules", options, {"scale": 1.0})
    if given["scale"] < 0:
        raise UsageError(
            f"--mitigation rules: scale={given['scale']}; a number from 0 is accepted."
        )
    inner = inner_workings(backend, "rules")
    rule = expert(inner, given["scale"]) if given["scale"] else None
    return MixingBackend([Branch(backend=inner, weight=1.0)], shown("rules", given), rule=rule)


def _mark(backend: HFBackend) -> str:
    return digest(dict(backend.fingerprint()), length=12)


def _other(inner: HFBackend, name: str, option: str) -> HFBackend:
    """Load another model and check that it speaks the same tokens."""
    if not name:
        raise UsageError(
            f"--mitigation {option} names no model; a directory or hub id is accepted."
        )
    spec: ModelSpec = replace(
        inner.spec,
        name=str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name,
        revision=None,
    )
    other: HFBackend = BACKENDS.load("hf")(spec)
    if (
        other.loaded.tokenizer.get_vocab() != inner.loaded.tokenizer.get_vocab()
        or other.loaded.encoder_decoder != inner.loaded.encoder_decoder
    ):
        other.close()
        raise BackendError(
            f"--mitigation {option}={name}: has another vocabulary or architecture kind than "
            f"{inner.spec.name}, so their logits cannot be added. "
            "Name a model with the same tokenizer."
        )
    return other
