"""Which cells of a sparse run are asked.

Written beside the responses, so that scores are recomputed without choosing again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from evalkit.store.responses import Store

__all__ = [
    "SPARSE",
    "get_design",
    "get_search",
    "put_design",
    "put_rounds",
    "put_search",
    "rounds_ended",
]

SPARSE = ("balanced", "adaptive", "search")
"""Designs in which phrasings are asked on different instances."""


def put_design(
    store: Store, task: str, phrasing_ids: Sequence[str], asked: npt.NDArray[np.bool_]
) -> None:
    """Write which cells are asked.

    Parameters
    ----------
    store
        The run's store.
    task
        Task id.
    phrasing_ids
        P ids.
    asked
        (P, N) cells, instances in the order of the run.
    """
    rows: list[tuple[str, Any]] = [
        (name, {"asked": np.packbits(row).tobytes().hex()})
        for name, row in zip(phrasing_ids, asked, strict=True)
    ]
    store.put_records(f"design/{task}", rows)


def get_design(store: Store, task: str, *, n_instances: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Return phrasing id -> which instances it is asked on; empty when all cells are."""
    found = {}
    for name, row in store.get_records(f"design/{task}"):
        bits = np.unpackbits(
            np.frombuffer(bytes.fromhex(row["asked"]), dtype=np.uint8), count=n_instances
        )
        found[name] = bits.astype(bool)
    return found


def put_search(store: Store, task: str, *, want: str, order: Sequence[str]) -> None:
    """Write what a search found.

    All phrasings, the one found first, then those rejected, last rejected first.
    """
    store.put_records(f"search/{task}", [("order", {"want": want, "order": list(order)})])


def get_search(store: Store, task: str) -> Mapping[str, Any] | None:
    """Return ``want`` and ``order`` of a search; None when there was none."""
    found = store.get_records(f"search/{task}")
    return found[0][1] if found else None


def put_rounds(store: Store, *, ended: bool) -> None:
    """Write whether the rounds of a sparse run ended;
    a design alone does not tell, since it grows round by round.
    """
    store.put_records("rounds", [("rounds", {"ended": ended})])


def rounds_ended(store: Store, *, early: bool) -> bool:
    """Return whether the rounds of a sparse run ended.

    Parameters
    ----------
    store
        The run's store.
    early
        What is said of a run of version 0.1.0, which left no such mark.
    """
    found = store.get_records("rounds")
    return bool(found[0][1]["ended"]) if found else early
