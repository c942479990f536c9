"""Several instructions in one prompt: a numbered list of them,
or a chain in which each takes the last one's result.

``form: list`` puts k instances of other tasks one under the other, each in a wording of its own,
and may add an instruction about the instructions (backwards, without one of them, answers in
marks).
``form: chain`` asks for every intermediate result of f_k(...f_1(x)), the steps in their order or
shuffled under their numbers. The first k items of an origin are the same for every k.

References
----------
M. Li and others, "Mosaic-IT", 2024 (several instructions in one sample, with instructions about
order and form). S. Hayati and others, "Chain-of-Instructions", 2024. H. Hu and others, "Fine-tuning
Large Language Models with Sequential Instructions", 2024. Texts and steps are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.catalog.procedural.chains import (
    STEPS,
    draw_chain,
    executed,
    refuse_mismatch,
    start_of,
)
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import checked_options, chosen, wordings_and_instances
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["FORMS", "METAS", "ORDERS", "read"]

FORMS = ("list", "chain")
METAS = ("none", "reverse", "skip", "wrap")
ORDERS = ("given", "shuffled")
_NOTES: Mapping[str, tuple[str, ...]] = {
    "none": ("",),
    "reverse": (
        "Work from the last one up to the first: line 1 of the reply belongs to the last one.",
        "Reply in reverse, so that the answer to the last one is numbered 1.",
        "Start with the bottom one and end with the top one, numbering your lines from 1.",
    ),
    "skip": (
        "Leave out number {n}; the others keep their numbers.",
        "Number {n} is not to be answered. Do not renumber the rest.",
        "Pass over number {n} and keep all other numbers as they are.",
    ),
    "wrap": (
        "Put every answer between < and >.",
        "Each answer goes into angle brackets, like <this>.",
        "Enclose the answer on each line in < >.",
    ),
}
"""Instruction about the instructions -> its wordings."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return composed instances.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``form`` and, for a list, ``of`` (ids of tasks with short
        answers).
        They may hold ``sizes``, ``metas`` (list), ``orders`` and ``chains`` (chain; each a list of
        step names), ``instances`` (origins) and ``seed``.
    data_dir, split
        As for the bases.

    Raises
    ------
    CatalogError
        When an option is wrong, a chain does not fit together, or a base has no wording that can
        stand in a list.
    """
    defaults = {
        "form": "",
        "of": None,
        "sizes": [1, 2, 3, 5],
        "metas": list(METAS),
        "orders": list(ORDERS),
        "chains": [],
        "instances": 40,
        "seed": 0,
    }
    options = checked_options(task, defaults)
    chosen(task, "form", [options["form"]], FORMS)
    sizes = sorted(chosen(task, "sizes", options["sizes"], range(1, 11)))
    name = f"evalkit/composition/{task.name}/{split}/{options['seed']}"
    if options["form"] == "chain":
        chains = [_checked_chain(task, chain) for chain in options["chains"]]
        orders = chosen(task, "orders", options["orders"], ORDERS)
        return [
            made
            for number in range(options["instances"])
            for made in _chained(number, Draws(f"{name}/{number}"), chains, sizes, orders)
        ]
    metas = chosen(task, "metas", options["metas"], METAS)
    pool = wordings_and_instances(task, data_dir, split)
    return [
        made
        for number in range(options["instances"])
        for made in _listed(number, Draws(f"{name}/{number}"), pool, sizes, metas)
    ]


def _listed(
    number: int,
    draws: Draws,
    pool: Mapping[str, tuple[list[str], list[Instance]]],
    sizes: Sequence[int],
    metas: Sequence[str],
) -> Iterator[Instance]:
    """Yield one origin under every size and every instruction about the instructions."""
    names, items = sorted(pool), []
    for place in range(max(sizes)):
        if place % len(names) == 0:
            order = draws.shuffled(names)
        wordings, instances = pool[order[place % len(names)]]
        one = draws.pick(instances)
        items.append((draws.pick(wordings), one.fields["question"], one.references[0]))
    for size in sizes:
        for meta in metas:
            if size > 1 or meta in ("none", "wrap"):
                yield _one_list(f"list-{number:03d}", items[:size], meta, draws)


def _one_list(
    origin: str, items: Sequence[tuple[str, str, str]], meta: str, draws: Draws
) -> Instance:
    size = len(items)
    left_out = draws.between(1, size)
    note = draws.pick(_NOTES[meta]).format(n=left_out)
    listed = "\n".join(
        f"{place}. {text}\n{_indented(data)}" for place, (text, data, _) in enumerate(items, 1)
    )
    answers = [(place, answer) for place, (_, _, answer) in enumerate(items, 1)]
    if meta == "reverse":
        answers = [(place, items[size - place][2]) for place, _ in answers]
    if meta == "skip":
        answers = [one for one in answers if one[0] != left_out]
    if meta == "wrap":
        answers = [(place, f"<{answer}>") for place, answer in answers]
    return Instance(
        id=f"{origin}.{size}.{meta}",
        of=origin,
        fields={"question": f"{listed}\n{note}".rstrip()},
        references=("\n".join(f"{place}. {answer}" for place, answer in answers),),
        factors={"k": str(size), "meta": meta},
    )


def _indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())


def _checked_chain(task: Task, chain: object) -> list[str]:
    where = f"task {task.id!r}"
    if not isinstance(chain, list) or not all(isinstance(name, str) for name in chain):
        raise CatalogError(
            f"{where}: source option 'chains' holds {chain!r}; a list of step names is accepted."
        )
    refuse_mismatch(chain, where=where)
    return chain


def _chained(
    number: int,
    draws: Draws,
    chains: Sequence[list[str]],
    sizes: Sequence[int],
    orders: Sequence[str],
) -> Iterator[Instance]:
    """Yield one origin at every length, its steps in order and shuffled."""
    whole = chains[number % len(chains)] if chains else draw_chain(draws, max(sizes))
    start = start_of(whole, draws)
    texts = [draws.pick(STEPS[name].wordings) for name in whole]
    results = executed(whole, start)
    for size in sizes if not chains else [len(whole)]:
        steps = [f"{place}. {text}" for place, text in enumerate(texts[:size], 1)]
        for order in orders:
            shown = steps if order == "given" else _moved(steps, draws)
            if order == "given" or size > 1:
                yield Instance(
                    id=f"chain-{number:03d}.{size}.{order}",
                    of=f"chain-{number:03d}",
                    fields={"question": "Input: " + start + "\nSteps:\n" + "\n".join(shown)},
                    references=(
                        "\n".join(
                            f"{place}. {text}" for place, text in enumerate(results[:size], 1)
                        ),
                    ),
                    factors={"k": str(size), "order": order},
                )


def _moved(steps: list[str], draws: Draws) -> list[str]:
    """Return the steps in another order than theirs; one step stays where it is."""
    if len(steps) < 2:
        return steps
    while (shuffled := draws.shuffled(steps)) == steps:
        pass
    return shuffled
