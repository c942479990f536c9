"""Questions about instructions: which one belongs to this input and output,
and does this output follow it?

Made of any tasks. ``form: select`` lists instructions of different tasks and "none of the above",
which is right for a tenth of the origins, where the fitting one is not listed. ``form: verify``
asks about every origin twice, once with its own output and once with that of another instance.

References
----------
P. Gupta and others, "InstructDial", 2022 (arXiv 2205.12673): both meta-tasks, and none of the above
with probability 0.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import checked_options, chosen, wordings_and_instances
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["FORMS", "NONE", "read"]

FORMS = ("select", "verify")
NONE = "None of the above"
"""The choice that no listed instruction fits."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return questions about the instructions of other tasks.

    Parameters
    ----------
    task
        Its ``source.options`` hold ``form`` and ``of`` (ids of tasks), and may hold ``listed``
        (instructions to choose from), ``none_of_above`` (share of origins), ``instances`` (origins)
        and ``seed``.
    data_dir, split
        As for the bases.

    Raises
    ------
    CatalogError
        When an option is wrong, a base has no plain wording, or there are fewer tasks than
        instructions to list.
    """
    defaults = {
        "form": "",
        "of": None,
        "listed": 4,
        "none_of_above": 0.1,
        "instances": 100,
        "seed": 0,
    }
    options = checked_options(task, defaults)
    chosen(task, "form", [options["form"]], FORMS)
    if not 0 <= options["none_of_above"] < 1:
        raise CatalogError(
            f"task {task.id!r}: source option 'none_of_above' is {options['none_of_above']}; "
            "a share from 0 to below 1 is accepted."
        )
    pool = wordings_and_instances(task, data_dir, split)
    if options["form"] == "select" and len(pool) < 2:
        raise CatalogError(
            f"task {task.id!r}: source option 'of' names {len(pool)} task; instructions of two or "
            "more are listed to select from. Name another."
        )
    if options["form"] == "select" and not 2 <= options["listed"] <= len(pool):
        raise CatalogError(
            f"task {task.id!r}: source option 'listed' is {options['listed']}; "
            f"2 to {len(pool)} is accepted, the tasks that 'of' names."
        )
    found: list[Instance] = []
    for number in range(options["instances"]):
        draws = Draws(f"evalkit/meta/{options['form']}/{split}/{options['seed']}/{number}")
        base = sorted(pool)[number % len(pool)]
        if options["form"] == "verify":
            found += _verified(f"verify-{number:03d}", base, pool, draws)
        else:
            missing = draws.chance(options["none_of_above"])
            found.append(
                _selected(
                    f"select-{number:03d}", base, pool, draws, options["listed"], missing=missing
                )
            )
    return found


Pool = Mapping[str, tuple[list[str], list[Instance]]]


def _answer(one: Instance) -> str:
    return one.references[0]


def _selected(
    name: str, base: str, pool: Pool, draws: Draws, listed: int, *, missing: bool
) -> Instance:
    wordings, instances = pool[base]
    one = draws.pick(instances)
    others = draws.some([other for other in sorted(pool) if other != base], listed - 1 + missing)
    texts = [draws.pick(pool[other][0]) for other in others]
    right = NONE if missing else draws.pick(wordings)
    if not missing:
        texts.append(right)
    choices = (*draws.shuffled(texts)[:listed], NONE)
    return Instance(
        id=name,
        fields={"question": f"Input: {one.fields['question']}\nOutput: {_answer(one)}"},
        choices=choices,
        target=choices.index(right),
        references=(right,),
        factors={"base": base, "fitting": "absent" if missing else "listed"},
    )


def _verified(name: str, base: str, pool: Pool, draws: Draws) -> Iterator[Instance]:
    """Yield an origin with its own output, and with that of another instance of its task."""
    wordings, instances = pool[base]
    one, text = draws.pick(instances), draws.pick(wordings)
    wrong = _another(one, instances, draws)
    for output, label in ((_answer(one), "yes"), (wrong, "no")):
        if output:
            yield Instance(
                id=f"{name}.{label}",
                of=name,
                fields={
                    "question": (
                        f"Instruction: {text}\nInput: {one.fields['question']}\nOutput: {output}"
                    )
                },
                choices=("yes", "no"),
                target=("yes", "no").index(label),
                references=(label,),
                factors={"base": base, "output": "its own" if label == "yes" else "another's"},
            )


def _another(one: Instance, instances: Sequence[Instance], draws: Draws) -> str:
    """Return the answer of another instance that is none of this one's; empty where all are."""
    own = set(one.references)
    others = sorted({_answer(other) for other in instances} - own)
    return draws.pick(others) if others else ""
