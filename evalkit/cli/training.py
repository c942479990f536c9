"""A training as the options of ``evalkit align`` ask for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.cli.training_options import RATES
from evalkit.report.terminal import say
from evalkit.tuning.recipe import Recipe

if TYPE_CHECKING:
    from evalkit.records import ModelSpec

__all__ = ["recipe_of", "trained"]


def recipe_of(method: str, given: dict[str, Any]) -> Recipe:
    """Return how a method is trained, as options say."""
    rate = given["learning_rate"]
    names = (
        *("n_tokens", "kl_weight", "steps", "batch_size", "validate_every", "patience", "probe"),
        *("rank", "seed", "objective", "lora_alpha", "lora_dropout", "contrast_weight"),
        *("temperature", "mask_share"),
    )
    return Recipe(
        method=method,
        learning_rate=RATES[method] if rate is None else rate,
        target_modules=tuple(
            part.strip() for part in (given["target_modules"] or "").split(",") if part.strip()
        ),
        **{name: given[name] for name in names},
    )


def trained(method: str, spec: ModelSpec, given: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Train one method as the options of the command say,
    and return what was saved beside the weights.
    """
    from evalkit.backends.mitigations.applying import opened
    from evalkit.cli.materials import materials_of
    from evalkit.runs.own_answers import relabelled
    from evalkit.tuning.alignment import align

    materials = materials_of(given)
    backend = opened(spec, ())
    try:
        materials, own = relabelled(backend, materials, given["objective"])
        if own and not quiet:
            told = ", ".join(f"{task} {count}" for task, count in own.items())
            say(f"instances that bear an answer of the model itself: {told}", err=True)
        return align(
            backend,
            materials,
            recipe_of(method, given),
            out=given["out"],
            said=lambda line: None if quiet else say(line, err=True),
            keep=given["keep"],
        )
    finally:
        backend.close()
