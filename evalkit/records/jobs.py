"""One task with everything chosen for it, and the request keys of its cells.

The same record whether it was just chosen or is read back from a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from evalkit.records.cells import Instance
from evalkit.records.digests import digest, instances_digest
from evalkit.records.specifications import Phrasing, Seen, Task

__all__ = ["KEY_LENGTH", "Arrangement", "Block", "Job"]

ADDED = ("constraints", "extract", "written")
"""Fields of a task that later versions added; without a value they are no part of its digest."""

Arrangement: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Choice order (position shown -> index of the choice) and label order (position shown -> index of
the label); empty for upstream's."""
KEY_LENGTH = 32
"""Hex digits of a request key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One (task, phrasing): which request answers each instance."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    inputs: str
    """Digest of everything the prompts were made from."""
    keys: str
    """Request key per instance, in instance order, side by side: 32 hex digits each, so that ten
    million are held and compared at once."""

    def each(self) -> list[str]:
        """Return the request key of every instance."""
        return [
            self.keys[start : start + KEY_LENGTH] for start in range(0, len(self.keys), KEY_LENGTH)
        ]

    def key(self, position: int) -> str:
        """Return the request key of one instance."""
        return self.keys[position * KEY_LENGTH : (position + 1) * KEY_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One task with everything chosen for it."""

    task: Task
    """The task."""
    phrasings: tuple[Phrasing, ...]
    """Phrasings, in file order."""
    instances: tuple[Instance, ...]
    """Instances, in task order; the same for every phrasing."""
    shots: tuple[Instance, ...] = ()
    """Worked instances."""
    seen: Mapping[str, Seen]
    """Relation of each phrasing id to the model."""
    orders: Mapping[str, tuple[Arrangement, ...]]
    """Choice order and label order per instance, for phrasing ids whose perturbation moves choices
    or labels."""
    design: Literal["full", "paired", "balanced", "adaptive", "search"] = "full"
    """Which cells are asked: all of these instances (``full``; ``paired``: they are a part, the
    same under every phrasing), or a sparse design."""
    notes: tuple[str, ...] = ()
    """What could not be done as asked (an impossible perturbation, instances left out for it)."""
    blocks: tuple[Block, ...] = ()
    """One per phrasing, in their order, once the prompts are made; empty before."""

    @property
    def instances_digest(self) -> str:
        """Return the digest of the ordered instance ids."""
        return instances_digest([instance.id for instance in self.instances])

    @property
    def content_digest(self) -> str:
        """Return the digest of the task, its instances and shots: everything but the phrasings."""
        task = asdict(self.task)
        del task["source"]["folder"]  # a place on this machine is no content
        for name in ADDED:
            if not task[name]:
                del task[name]
        return digest(
            [
                task,
                [instance.content() for instance in self.instances],
                [shot.content() for shot in self.shots],
            ]
        )

    def arrangement(self, phrasing: Phrasing, position: int) -> Arrangement:
        """Return choice order and label order of one cell; empty for upstream's."""
        orders = self.orders.get(phrasing.id)
        return orders[position] if orders else ((), ())
