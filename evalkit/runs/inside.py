"""Looking inside a model on the prompts of tasks: what is asked, and the numbers made of it.

*Share*: how much of the mass of |gradient x input| of the right answer's log-probability lies on
tokens of the instruction, beside their share of the tokens.
*Drift*: the same for every token that the model generates itself.
*Similarity*: cosine of the last prompt token's states, between wordings of one instance and, to
hold against it, between instances under one wording, layer by layer.
*Patching*: states of another checkpoint put in behind one layer, everywhere; *recovered* is the
share of the difference between both checkpoints' log-probabilities of the right answer that this
makes (arXiv 2402.14811 patches checkpoints so), *gained* what a layer adds to the one before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit import catalog
from evalkit.backends.mitigations.applying import inner_workings, opened
from evalkit.backends.mitigations.instructive import instruction_spans
from evalkit.errors import BackendError, UsageError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import ModelSpec, Request
from evalkit.runs.pick import pick_instances, pick_phrasings

if TYPE_CHECKING:
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.hf.encoded import Encoded
    from evalkit.records import Instance, Phrasing, Task

__all__ = ["Cost", "Item", "Seen", "costs", "depth", "items_of", "look", "look_again"]

SMALLEST = 1e-6
"""Nats by which two checkpoints must differ on an answer for a share of that to mean anything."""


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt with its right answer."""

    task: str
    phrasing: str
    instance: str
    request: Request
    """Asks for the right answer alone."""
    spans: tuple[tuple[int, int], ...]
    """Where the instruction stands in its text."""


@dataclass(slots=True)
class Seen:
    """What one model shows."""

    shares: list[dict[str, Any]] = field(default_factory=list)
    """Per prompt: ``share`` of the mass on the instruction, ``tokens`` its share of the tokens,
    ``logprob``.
    """
    drift: list[dict[str, Any]] = field(default_factory=list)
    """Per prompt and generated token: ``share``."""
    layers: list[dict[str, Any]] = field(default_factory=list)
    """Per layer: ``same_instance``, ``same_wording``;
    patched also ``recovered``, ``gained``, ``n``.
    """


@dataclass(frozen=True, slots=True)
class Cost:
    """Passes through a model, each of one prompt."""

    forward: int
    backward: int


def items_of(
    tasks: Sequence[str],
    *,
    phrasings: int | None,
    limit: int,
    data_dir: Path | None = None,
    phrasing_files: Sequence[Path] = (),
    seed: int = 0,
) -> list[Item]:
    """Return the prompts of some tasks.

    Parameters
    ----------
    tasks
        Ids or patterns.
    phrasings, limit
        Correct phrasings and instances per task; None for all phrasings.
    data_dir, phrasing_files, seed
        As in a run.

    Raises
    ------
    UsageError
        When no prompt has an instruction that can be told from the instance.
    """
    found: list[Item] = []
    for task in catalog.list_tasks(tuple(tasks)):
        known = catalog.load_phrasings(task, extra=tuple(phrasing_files))
        words = [one for one in known if one.kind == "correct"]
        chosen = pick_instances(
            task, catalog.load_instances(task, data_dir), limit=limit, seed=seed
        )
        for phrasing in pick_phrasings(task, words, number=phrasings, seed=seed):
            made = [_item(task, phrasing, instance) for instance in chosen]
            found += [item for item in made if item is not None and item.spans]
    if not found:
        raise UsageError(
            f"--tasks {','.join(tasks)}: no prompt has an instruction that stands apart from its "
            "instance and a right answer. Name other tasks."
        )
    return found


def _item(task: Task, phrasing: Phrasing, instance: Instance) -> Item | None:
    prompt = render_prompt(task, phrasing, instance)
    if prompt.continuations and instance.target is not None:
        answer = prompt.continuations[instance.target]
    elif instance.references and instance.references[0]:
        answer = f" {instance.references[0]}"
    else:
        return None
    request = Request(
        kind="choice",
        text=prompt.text,
        system=prompt.system,
        body=prompt.body,
        continuations=(answer,),
    )
    return Item(task.id, phrasing.id, instance.id, request, tuple(instruction_spans(request)))


def costs(n_items: int, *, n_generated: int, n_layers: int | None) -> Cost:
    """Return how many passes a look takes; `n_layers` of a checkpoint that is patched in, None for
    none.

    >>> costs(10, n_generated=8, n_layers=None)
    Cost(forward=120, backward=90)
    """
    own = 3 + n_generated + (1 if n_generated else 0)
    again = 0 if n_layers is None else 3 + n_layers
    return Cost(n_items * (own + again), n_items * (1 + n_generated))


def depth(config: Mapping[str, Any]) -> int:
    """Return how many layers the configuration of a model names, encoder and decoder together.

    >>> depth({"num_hidden_layers": 24}), depth({"text_config": {"num_hidden_layers": 26}})
    (24, 26)
    >>> depth({"is_encoder_decoder": True, "encoder_layers": 6, "decoder_layers": 12})
    18
    """
    told = config.get("text_config") or config
    names = ("num_hidden_layers", "num_layers", "n_layer", "n_layers")
    first = next((told[name] for name in ("encoder_layers", *names) if told.get(name)), 0)
    if not config.get("is_encoder_decoder"):
        return int(first)
    return int(first + (told.get("decoder_layers") or told.get("num_decoder_layers") or first))


def look(
    spec: ModelSpec,
    items: Sequence[Item],
    *,
    generate: int = 0,
    said: Callable[[str], None] = lambda _line: None,
) -> Seen:
    """Return what a model shows on some prompts.

    Parameters
    ----------
    spec
        A Transformers model.
    items
        The prompts.
    generate
        Tokens the model generates by itself for the drift.
    said
        Gets a line now and then.
    """
    from evalkit.backends.hf import inside

    with _open(spec) as (engine, encoded):
        found, lasts = Seen(), []
        for place, (item, one) in enumerate(zip(items, encoded(items), strict=True)):
            loaded, answer = engine.loaded, one.tails[0]
            marked = np.array(inside.token_spans(loaded, one, item.spans))
            mass = inside.attribution(loaded, one.context, answer)[0]
            named = {"task": item.task, "phrasing": item.phrasing, "instance": item.instance}
            logprob = inside.answer_logprob(loaded, one.context, answer)
            if math.isnan(logprob):
                raise BackendError(
                    f"{spec.name}: the answer to {item.task}, {item.phrasing}, {item.instance} has "
                    "no probability (NaN). Look for weights that are not finite."
                )
            found.shares.append(
                {
                    **named,
                    "share": float(mass[marked].sum()),
                    "tokens": float(marked.mean()),
                    "logprob": logprob,
                }
            )
            own = _generated(engine, one.context, generate) if generate else []
            if own:
                rows = inside.attribution(loaded, one.context, own, each=True)
                found.drift += [
                    {**named, "token": number + 1, "share": float(row[marked].sum())}
                    for number, row in enumerate(rows)
                ]
            kept = inside.states(loaded, one.context, answer)
            lasts.append({k: _last(k, v, len(one.context)) for k, v in kept.items()})
            said(f"{place + 1} of {len(items)} prompts")
    found.layers = _similar(items, lasts)
    return found


def _last(layer: str, state: Any, length: int) -> Any:
    """Return the state of the last prompt token; of a decoder that of its start token."""
    place = 0 if layer.startswith("decoder") else length - 1
    return state[place].float().cpu().numpy()


def _generated(engine: HFBackend, context: Sequence[int], n: int) -> list[int]:
    """Return what the model goes on with, token by token the likeliest."""
    import torch

    from evalkit.backends.hf import inside

    own: list[int] = []
    with torch.no_grad():
        for _ in range(n):
            logs = inside.answer_logs(engine.loaded, context, (*own, 0))
            token = int(logs[-1].argmax())
            if token == engine.loaded.tokenizer.eos_token_id:
                break
            own.append(token)
    return own


def _similar(items: Sequence[Item], lasts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return per layer the mean cosine between wordings of one instance,
    and between instances under one wording.
    """
    pairs: dict[str, list[tuple[int, int]]] = {"same_instance": [], "same_wording": []}
    for i, j in itertools.combinations(range(len(items)), 2):
        if items[i].task != items[j].task:
            continue
        if items[i].instance == items[j].instance:
            pairs["same_instance"].append((i, j))
        elif items[i].phrasing == items[j].phrasing:
            pairs["same_wording"].append((i, j))
    rows = []
    for layer in lasts[0]:
        rows.append(
            {
                "layer": layer,
                **{
                    name: _mean([_cosine(lasts[i][layer], lasts[j][layer]) for i, j in chosen])
                    for name, chosen in pairs.items()
                },
            }
        )
    return rows


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else float("nan")


def _cosine(first: Any, second: Any) -> float:
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else float("nan")


def look_again(
    base: ModelSpec,
    other: ModelSpec,
    items: Sequence[Item],
    *,
    said: Callable[[str], None] = lambda _line: None,
) -> list[dict[str, Any]]:
    """Return per layer how much of the difference between two checkpoints its states carry.

    Parameters
    ----------
    base
        The checkpoint that states are put into.
    other
        The checkpoint they come from; of the same shape and tokenizer.
    items, said
        As in `look`.

    Raises
    ------
    BackendError
        When the two do not fit together.
    """
    from evalkit.backends.hf import inside

    with _open(base) as (mine, encoded), _open(other) as (theirs, also):
        _fit(mine, theirs)
        moved: dict[str, list[float]] = {name: [] for name in inside.layers_of(mine.loaded.model)}
        pairs = zip(encoded(items), also(items), strict=True)
        for place, (one, two) in enumerate(pairs):
            if (one.context, one.tails) != (two.context, two.tails):
                raise BackendError(
                    f"{other.display}: reads a prompt as other tokens than {base.display}. "
                    "Use checkpoints with one tokenizer and chat template."
                )
            answer = one.tails[0]
            ends = [
                inside.answer_logprob(side.loaded, one.context, answer) for side in (mine, theirs)
            ]
            given = inside.states(theirs.loaded, one.context, answer)
            if abs(ends[1] - ends[0]) > SMALLEST:
                for name, values in moved.items():
                    new = inside.patched(mine.loaded, one.context, answer, name, given[name])
                    values.append((new - ends[0]) / (ends[1] - ends[0]))
            said(f"{place + 1} of {len(items)} prompts patched")
    return _gains(moved)


def _gains(moved: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Return median shares by layer, and what each adds; encoder and decoder each begin anew."""
    rows: list[dict[str, Any]] = []
    before, side = 0.0, ""
    for name, values in moved.items():
        now = name.rpartition(" ")[0]
        before, side = (before, side) if now == side else (0.0, now)
        share = float(np.median(values)) if values else float("nan")
        rows.append({"layer": name, "recovered": share, "gained": share - before, "n": len(values)})
        before = share
    return rows


def _fit(mine: HFBackend, theirs: HFBackend) -> None:
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in side.loaded.model.named_parameters()}
        for side in (mine, theirs)
    ]
    if shapes[0] != shapes[1]:
        strange = sorted(
            name for name in {*shapes[0], *shapes[1]} if shapes[0].get(name) != shapes[1].get(name)
        )
        raise BackendError(
            f"{theirs.spec.name}: is not of the shape of {mine.spec.name}: tensor "
            f"{strange[0]} differs ({len(strange)} in all), so states cannot be exchanged. "
            "Name two checkpoints of one architecture."
        )


@contextmanager
def _open(spec: ModelSpec) -> Iterator[tuple[HFBackend, Callable[[Sequence[Item]], list[Encoded]]]]:
    """Hold a Transformers model open; give it and what encodes prompts for it."""
    backend = opened(spec, ())
    try:
        if "logits" not in backend.capabilities:
            raise BackendError(
                f"{spec.display}: its inside cannot be reached; a Transformers model's can."
            )
        engine = inner_workings(backend, "inside")

        def encoded(items: Sequence[Item]) -> list[Encoded]:
            found = engine.encode([item.request for item in items])
            if wrong := next((one for one in found if one.error), None):
                raise BackendError(f"{spec.display}: {wrong.error}. Leave the task out.")
            return found

        yield engine, encoded
    finally:
        backend.close()
