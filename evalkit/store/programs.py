"""What came of programs, stored beside the answers that hold them.

Records in 256 parts by the first digits of a program's digest, so that a batch rewrites little.
"""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.store.responses import Store

__all__ = ["get_outcomes", "put_outcomes"]

PARTS = [f"{number:02x}" for number in range(256)]


def put_outcomes(store: Store, found: Mapping[str, tuple[str, str]]) -> None:
    """Add outcomes to those there are.

    Parameters
    ----------
    store
        The run's store.
    found
        Digest of a program with its tests -> what came of it, and what was said.
    """
    for part in sorted({name[:2] for name in found}):
        there = dict(store.get_records(f"program/{part}", skip_damaged=True))
        there |= {name: list(one) for name, one in found.items() if name[:2] == part}
        store.put_records(f"program/{part}", sorted(there.items()))


def get_outcomes(store: Store) -> dict[str, tuple[str, str]]:
    """Return digest of a program -> what came of it, and what was said; empty when none was run."""
    return {
        name: (str(kind), str(said))
        for part in PARTS
        for name, (kind, said) in store.get_records(f"program/{part}")
    }
