"""Which instances, phrasings and shots a run uses. Pure, seeded, nested.

*Nested*: what a smaller number selects is part of what a larger number selects, so that growing a
run computes only what is new and a quick look is a look at the same items.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evalkit.errors import UsageError
from evalkit.records import Instance, Phrasing, Task, digest

__all__ = ["pick_instances", "pick_phrasings", "pick_shots"]


def _rank(*parts: object) -> str:
    return digest([str(part) for part in parts])


def pick_instances(
    task: Task, instances: Sequence[Instance], *, limit: int | None, seed: int
) -> list[Instance]:
    """Return `limit` instances in task order, the same for every phrasing and model.

    Parameters
    ----------
    task, instances
        The task and all its instances.
    limit
        How many; None for all. A limit above the number there is gives all. Of instances made from
        others it counts origins, and all that was made of one stays together.
    seed
        Seed of the run.
    """
    origins = list(dict.fromkeys(instance.of or instance.id for instance in instances))
    if limit is None or limit >= len(origins):
        return list(instances)
    if limit < 1:
        raise UsageError(
            f"--limit: {limit} is not possible; a whole number from 1. "
            "Leave it out for all instances."
        )
    ranked = sorted(origins, key=lambda origin: _rank("instance", seed, task.id, origin))
    kept = set(ranked[:limit])
    return [instance for instance in instances if (instance.of or instance.id) in kept]


def pick_phrasings(
    task: Task, phrasings: Sequence[Phrasing], *, number: int | None, seed: int
) -> list[Phrasing]:
    """Return `number` phrasings, taken in turn from every source and language so that none is
    crowded out, in file order.

    Those of doubtful meaning come last, when there are no others. The choice depends on the
    sources, not on the model, so that two models get the same phrasings.
    Controls (kinds other than ``correct``) are all kept and do not count.
    """
    correct = [phrasing for phrasing in phrasings if phrasing.kind == "correct"]
    if number is None or number >= len(correct):
        return list(phrasings)
    if number < 1:
        raise UsageError(
            f"--phrasings: {number} is not possible; a whole number from 1. "
            "Leave it out for all phrasings."
        )
    chosen: set[str] = set()
    for doubted in (False, True):
        by_source: dict[tuple[str, str], list[Phrasing]] = defaultdict(list)
        for phrasing in sorted(
            (one for one in correct if (one.meaning.status == "doubtful") is doubted),
            key=lambda phrasing: _rank("phrasing", seed, task.id, phrasing.id),
        ):
            by_source[phrasing.source, phrasing.language].append(phrasing)
        queues = [by_source[source] for source in sorted(by_source)]
        while len(chosen) < number and any(queues):
            for queue in queues:
                if queue and len(chosen) < number:
                    chosen.add(queue.pop(0).id)
    return [
        phrasing for phrasing in phrasings if phrasing.id in chosen or phrasing.kind != "correct"
    ]


def pick_shots(
    task: Task, pool: Sequence[Instance], instances: Sequence[Instance], *, shots: int, seed: int
) -> list[Instance]:
    """Return the worked instances shown before every instance; never one that is scored.

    Raises
    ------
    UsageError
        When the task has too few.
    """
    if shots == 0:
        return []
    scored = {tuple(sorted(instance.fields.items())) for instance in instances}
    able = [
        shot
        for shot in pool
        if (shot.target is not None or shot.references)
        and tuple(sorted(shot.fields.items())) not in scored
    ]
    if len(able) < shots:
        raise UsageError(
            f"--shots: {task.id} has {len(able)} instances to show (split {task.shot_split!r}), "
            f"but {shots} are asked for. Lower --shots or leave the task out."
        )
    order = sorted(range(len(able)), key=lambda index: _rank("shot", seed, task.id, able[index].id))
    return [able[index] for index in order[:shots]]
