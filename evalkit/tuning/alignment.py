"""Trains a mitigation for one model and saves it where ``--mitigation adapter:path=`` (or
``--model``) takes it.

Soft prompts, prefixes and LoRA are built and saved by PEFT, in PEFT's own format, so that other
programs load them; full tuning saves an ordinary checkpoint. Beside the weights lies
``evalkit.json``: base model, phrasings and tasks trained on, recipe and what was measured.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import inner_workings
from evalkit.errors import BackendError, UsageError, first_line
from evalkit.tuning.adapters import RECORD, base_marks
from evalkit.tuning.bottleneck import save as save_bottleneck
from evalkit.tuning.folder import CHECKPOINT, finish, make_ready
from evalkit.tuning.folder import keep as keep_step
from evalkit.tuning.losses import OBJECTIVES
from evalkit.tuning.pairs import Material, Sampler, summary
from evalkit.tuning.parametrisations import METHODS, VIRTUAL, WHOLE, trainable_model
from evalkit.tuning.recipe import Recipe
from evalkit.tuning.training import Said, train

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.backend import HFBackend

__all__ = ["align", "frozen_digest", "settled"]

PAIRED = ("contrastive", "coin", "mixup")
"""Objectives that need two instances in a batch."""


def align(
    backend: Backend,
    materials: Sequence[Material],
    recipe: Recipe,
    *,
    out: Path,
    said: Said,
    keep: bool = False,
) -> dict[str, Any]:
    """Train a mitigation and save it; goes on where an interrupted training in `out` stood.

    Parameters
    ----------
    backend
        The model, opened as for an evaluation.
    materials
        Tasks, phrasings and instances.
    recipe
        Method and settings.
    out
        Directory that takes the result, and ``training.pt`` while it is not finished.
    said
        Gets a line per validation.
    keep
        Save the model at every validation too, as ``checkpoint-STEP`` in `out`; of full tuning
        only.

    Returns
    -------
    dict
        What ``evalkit.json`` holds.

    Raises
    ------
    UsageError
        When the recipe means nothing or training breaks down.
    BackendError
        When the model cannot be trained this way.
    """
    from evalkit.backends.hf.loading import quiet

    recipe = settled(recipe)
    _check(recipe, keep=keep)
    engine = inner_workings(backend, "align")
    make_ready(out)
    sampler = _sampler(engine, materials, recipe)
    if not recipe.steps:  # one epoch
        recipe = replace(recipe, steps=max(1, math.ceil(sampler.n_pairs() / recipe.batch_size)))
    with _clear_errors(engine.spec.display, recipe.method):
        model = trainable_model(engine.loaded.model, recipe, str(engine.files.root.resolve()))
    trainable = {
        name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    frozen = frozen_digest(model)
    asked = {
        **summary(materials),
        "base": {"name": engine.spec.name, **base_marks(engine)},
        "dtype": engine.loaded.dtype_name,
    }

    def save(folder: Path) -> None:
        _save(model, engine, recipe, folder)

    with quiet():
        report = train(
            model,
            trainable,
            sampler,
            recipe,
            checkpoint=out / CHECKPOINT,
            said=said,
            kept=(lambda step: keep_step(save, out, step)) if keep else lambda _step: None,
            asked=asked,
        )
    _refuse_thawed(engine, frozen, frozen_digest(model))
    made = {**_trained(engine, recipe, trainable), "frozen_digest": frozen}
    record = {**made, **asked, **report}
    with quiet():
        finish(save, out, record)
    return record


def _trained(
    engine: HFBackend, recipe: Recipe, trainable: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """Return what was trained, and how much of what."""
    whole = engine.loaded.model.parameters()
    return {
        "method": recipe.method,
        "recipe": asdict(recipe),
        "trained_parameters": sum(parameter.numel() for parameter in trainable.values()),
        "model_parameters": sum(parameter.numel() for parameter in whole),
    }


def _sampler(engine: HFBackend, materials: Sequence[Material], recipe: Recipe) -> Sampler:
    """Return what draws batches that leave room for a method's virtual tokens."""
    virtual = recipe.n_tokens if recipe.method in VIRTUAL else 0
    return Sampler(
        materials,
        engine.encode,
        end=engine.loaded.tokenizer.eos_token_id,
        longest=engine.loaded.longest - virtual,
        seed=recipe.seed,
    )


def settled(recipe: Recipe) -> Recipe:
    """Return a recipe whose objective is said: the method ``contrastive`` is LoRA with that
    objective.
    """
    if recipe.method == "contrastive" and recipe.objective == "alignment":
        return replace(recipe, objective="contrastive")
    return recipe


def _refuse_thawed(engine: HFBackend, before: str, after: str) -> None:
    """Refuse a result for which weights changed that were to stay."""
    if after != before:
        raise BackendError(
            f"{engine.spec.display}: frozen weights changed in training; the result is not saved. "
            "Report this as a fault of evalkit."
        )


def _check(recipe: Recipe, *, keep: bool) -> None:
    if keep and recipe.method not in WHOLE:
        raise UsageError(
            f"--keep: {recipe.method} has no whole checkpoints to keep; {', '.join(WHOLE)} have."
        )
    rules = [
        (
            recipe.method in METHODS,
            f"--method {recipe.method}: is not trained; accepted: {', '.join(METHODS)}",
        ),
        (
            0 <= recipe.kl_weight <= 1,
            f"--kl-weight {recipe.kl_weight:g}: a number from 0 to 1 is accepted",
        ),
        (
            recipe.learning_rate > 0,
            f"--learning-rate {recipe.learning_rate:g}: a number above 0 is accepted",
        ),
        (
            min(recipe.n_tokens, recipe.rank, recipe.patience, recipe.validate_every) > 0
            and recipe.steps >= 0,
            "--n-tokens, --rank, --patience, --validate-every: whole numbers from 1; --steps "
            "also 0, for one epoch",
        ),
        (
            recipe.batch_size > (1 if recipe.objective in PAIRED else 0),
            f"--batch-size: from 1; from 2 for {', '.join(PAIRED)}, which hold instances against "
            "each other",
        ),
        (
            recipe.objective in OBJECTIVES,
            f"--objective {recipe.objective}: accepted: {', '.join(OBJECTIVES)}",
        ),
        (
            0 <= recipe.lora_dropout < 1 and 0 < recipe.mask_share < 1,
            "--lora-dropout, --mask-share: shares below 1",
        ),
    ]
    for fine, message in rules:
        if not fine:
            raise UsageError(f"{message}.")


def frozen_digest(model: Any) -> str:
    """Return the SHA-256 over all parameters that are not trained."""
    import hashlib

    found = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        if not parameter.requires_grad:
            tensor: torch.Tensor = parameter.detach().cpu().contiguous()
            found.update(name.encode())
            found.update(tensor.view(-1).view(_bytes()).numpy().tobytes())
    return found.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def _save(model: Any, engine: HFBackend, recipe: Recipe, out: Path) -> None:
    """Save in PEFT's format, or a whole checkpoint with its tokenizer."""
    if recipe.method in WHOLE:
        if engine.files.gguf:  # weights were unpacked on loading, and the file is no tokenizer's
            model.hf_quantizer = None
            model.config.__dict__.pop("quantization_config", None)
            engine.loaded.tokenizer.save_pretrained(out)
        model.save_pretrained(out)
        for path in engine.files.root.iterdir():
            if _of_model(path) and not (out / path.name).exists() and not engine.files.gguf:
                shutil.copy2(path, out / path.name)
        return
    if recipe.method == "adapter":
        save_bottleneck(model, out, width=recipe.rank)
        return
    model.save_pretrained(str(out), save_embedding_layers=False)
    (out / "README.md").unlink(missing_ok=True)


def _of_model(path: Path) -> bool:
    """Whether a file beside the weights belongs to the tuned model too."""
    other = path.name in {RECORD, CHECKPOINT}
    return (
        path.is_file() and path.suffix not in {".safetensors", ".bin", ".yaml", ".md"} and not other
    )


@contextmanager
def _clear_errors(name: str, method: str) -> Iterator[None]:
    """Turn what PEFT raises on models it does not know into one clear line."""
    try:
        yield
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BackendError(
            f"{name}: cannot be trained with --method {method}: {first_line(error)}. "
            "Use another method."
        ) from error
