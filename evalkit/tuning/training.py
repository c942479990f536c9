"""The training loop of mitigations.

Validation on phrasings kept apart, early stop, checkpoints that survive a kill, resuming to the
same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import UsageError
from evalkit.store.atomic import whole_file
from evalkit.tuning.folder import refuse_other
from evalkit.tuning.losses import OBJECTIVES, kl_share
from evalkit.tuning.objectives import alignment_terms
from evalkit.tuning.pairs import Pair, Sampler
from evalkit.tuning.recipe import Recipe

if TYPE_CHECKING:
    import torch

__all__ = ["measured", "train"]

Said = Callable[[str], None]
PROBES = ("training", "validation")
"""What is measured: pairs of training and of validation phrasings."""


@dataclass(slots=True)
class _State:
    """Where a training stands."""

    step: int = 0
    best_loss: float = math.inf
    waited: int = 0
    seconds: float = 0.0
    stopped: str = ""


def measured(model: Any, pairs: Sequence[Pair], recipe: Recipe) -> dict[str, float]:
    """Return cross-entropy and KL over pairs, and the loss that decides which weights are kept."""
    import torch

    was = model.training
    model.eval()
    with torch.no_grad():
        parts = [
            pairs[start : start + recipe.batch_size]
            for start in range(0, len(pairs), recipe.batch_size)
        ]
        found = [
            [float(value) * len(part) for value in alignment_terms(model, part, with_kl=True)]
            for part in parts
        ]
    model.train(was)
    cross, difference = (sum(column) / len(pairs) for column in zip(*found, strict=True))
    weight = kl_share(recipe)
    return {
        "cross_entropy": cross,
        "kl": difference,
        "loss": (1 - weight) * cross + weight * difference,
    }


def train(
    model: Any,
    trainable: Mapping[str, torch.Tensor],
    sampler: Sampler,
    recipe: Recipe,
    *,
    checkpoint: Path,
    said: Said,
    kept: Callable[[int], None] = lambda _step: None,
    asked: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Train in place, from the last checkpoint where there is one,
    and leave the best weights in the model.

    Parameters
    ----------
    model
        In training mode for dropout; frozen but for `trainable`.
    trainable
        Name -> parameter.
    sampler
        Draws batches and probes.
    recipe
        How to train.
    checkpoint
        Written at every validation, atomically.
    said
        Gets a line per validation.
    kept
        Called with the step after every validation, the weights of that step in the model.
    asked
        What else decides the result, such as tasks, phrasings and base.

    Raises
    ------
    UsageError
        When the loss is not a number or runs away, or the checkpoint belongs to another training.
    """
    import torch

    parameters = list(trainable.values())
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.0)
    probes = {name: sampler.probe(recipe.probe, validation=name == "validation") for name in PROBES}

    def probed() -> dict[str, dict[str, float]]:
        return {name: measured(model, pairs, recipe) for name, pairs in probes.items()}

    what = {**asdict(recipe), **(asked or {})}
    state, history, best = _restored(checkpoint, what, trainable, optimizer)
    if not history:
        first = probed()
        history.append({"step": 0, **first})
        state.best_loss = first["validation"]["loss"]
        best = _copied(trainable)
        _finite(state.best_loss, 0, recipe)
    elif not state.stopped:
        said(f"goes on at step {state.step}")
    started, before = time.monotonic(), state.seconds
    model.train()
    while state.step < recipe.steps and not state.stopped:
        _one_step(model, sampler, recipe, optimizer, state.step)
        state.step += 1
        if state.step % recipe.validate_every and state.step < recipe.steps:
            continue
        found = probed()
        history.append({"step": state.step, **found})
        if _better(state, found, history, recipe):
            best = _copied(trainable)
        state.seconds = before + time.monotonic() - started
        _save(checkpoint, what, trainable, optimizer, state=state, history=history, best=best)
        said(_line(state, recipe, found))
        kept(state.step)
    _put_back(trainable, best)
    model.eval()
    return _report(state, history)


def _report(state: _State, history: Sequence[Any]) -> dict[str, Any]:
    """Return what is told of a training that ended; its best weights were measured on the way."""
    kept = min(history, key=lambda row: row["validation"]["loss"])
    before, after = ({name: row[name] for name in PROBES} for row in (history[0], kept))
    return {
        "steps": state.step,
        "stopped": state.stopped or "all steps done",
        "seconds": round(state.seconds, 3),
        "before": before,
        "after": after,
        "kept_step": kept["step"],
        "history": history,
    }


def _put_back(trainable: Mapping[str, torch.Tensor], best: Mapping[str, torch.Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, tensor in trainable.items():
            tensor.copy_(best[name])


def _copied(trainable: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in trainable.items()}


def _better(state: _State, found: Any, history: list[Any], recipe: Recipe) -> bool:
    """Whether a validation is the best so far; counts those in vain, and stops after too many."""
    loss = found["validation"]["loss"]
    _finite(loss, state.step, recipe)
    _refuse_runaway(loss, float(history[0]["validation"]["loss"]), state.step, recipe)
    better = bool(loss < state.best_loss)
    state.waited = 0 if better else state.waited + 1
    if better:
        state.best_loss = loss
    if state.waited >= recipe.patience:
        state.stopped = f"no better validation loss in {recipe.patience} validations"
    return better


def _one_step(model: Any, sampler: Sampler, recipe: Recipe, optimizer: Any, step: int) -> None:
    import torch

    warm = max(1, recipe.steps // 20)
    rate = recipe.learning_rate * min(
        (step + 1) / warm, max(recipe.steps - step, 1) / max(recipe.steps - warm, 1)
    )
    for group in optimizer.param_groups:
        group["lr"] = rate
    loss = OBJECTIVES[recipe.objective](model, sampler, recipe, step)
    _finite(float(loss.detach()), step, recipe)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    _finite(float(norm), step, recipe)
    optimizer.step()


def _finite(value: float, step: int, recipe: Recipe) -> None:
    if not math.isfinite(value) and step == 0:
        raise UsageError(
            f"--model: its loss is {value} before anything is trained. "
            "Look for weights that are not finite, or use --dtype float32."
        )
    if not math.isfinite(value):
        raise UsageError(
            f"--method {recipe.method}: the loss is {value} at step {step}: training broke down. "
            f"Use a smaller --learning-rate than {recipe.learning_rate:g}, or --dtype float32."
        )


def _refuse_runaway(loss: float, first: float, step: int, recipe: Recipe) -> None:
    if loss > 3 * first + 3:
        raise UsageError(
            f"--method {recipe.method}: the validation loss grew from {first:.3g} to {loss:.3g} "
            f"by step {step}: training diverges. "
            f"Use a smaller --learning-rate than {recipe.learning_rate:g}."
        )


def _line(state: _State, recipe: Recipe, found: Mapping[str, Mapping[str, float]]) -> str:
    left = state.seconds / state.step * (recipe.steps - state.step)
    shown = ", ".join(
        f"{name} cross-entropy {part['cross_entropy']:.4f} KL {part['kl']:.4f}"
        for name, part in found.items()
    )
    return (
        f"step {state.step}/{recipe.steps}: {shown}; {state.seconds:.0f} s, "
        f"at most {left:.0f} s left"
    )


def _restored(
    checkpoint: Path, asked: Mapping[str, Any], trainable: Mapping[str, Any], optimizer: Any
) -> tuple[_State, list[Any], dict[str, Any]]:
    """Return where an interrupted training stood, its weights put back; or the start."""
    import torch

    if not checkpoint.is_file():
        return _State(), [], {}
    kept = torch.load(checkpoint, weights_only=True)
    refuse_other(checkpoint, kept["recipe"], asked)
    with torch.no_grad():
        for name, tensor in trainable.items():
            tensor.copy_(kept["weights"][name])
    optimizer.load_state_dict(kept["optimizer"])
    return _State(**kept["state"]), kept["history"], kept["best"]


def _save(
    checkpoint: Path,
    asked: Mapping[str, Any],
    trainable: Mapping[str, Any],
    optimizer: Any,
    **rest: Any,
) -> None:
    """Write a checkpoint so that a kill at any moment leaves the old or the new one."""
    import torch

    weights = {name: tensor.detach().clone() for name, tensor in trainable.items()}
    state = rest.pop("state")
    held = {
        "recipe": dict(asked),
        "weights": weights,
        "optimizer": optimizer.state_dict(),
        "state": asdict(state),
        **rest,
    }
    with whole_file(checkpoint) as stream:
        try:
            torch.save(held, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides what the disk said
                raise error.__context__ from error
            raise
