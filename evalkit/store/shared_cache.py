"""the responses that runs share.

A convenience: whatever is wrong with it, a run goes on without it and says so once.

Not handled here: how rows are kept (`evalkit.store.responses`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from evalkit.errors import StoreError
from evalkit.records import Response
from evalkit.store.responses import Store

__all__ = ["SharedCache"]

_PORTION = 5000
"""Keys looked up at once."""


class SharedCache:
    """The shared cache, or nothing where it cannot be used.

    Parameters
    ----------
    path
        Its file; made when absent.
    note
        Shows one line; called at most once.
    """

    def __init__(self, path: Path, note: Callable[[str], None]) -> None:
        self._note = note
        self._store: Store | None = None
        try:
            self._store = Store(path)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        self._note(f"the shared cache is not used; the run goes on without it. {error}")
        self.close()

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Share a batch; see `Store.put`."""
        if self._store is None:
            return
        try:
            self._store.put(fingerprint, responses)
        except StoreError as error:
            self._give_up(error)

    def copy_to(self, store: Store, fingerprint: str, missing: Sequence[str]) -> list[str]:
        """Copy what earlier runs stored into a run's store; return what is still missing.

        Parameters
        ----------
        store
            The run's own store.
        fingerprint
            Digest of the backend's fingerprint.
        missing
            Request keys that are wanted.
        """
        for start in range(0, len(missing), _PORTION):
            if self._store is None:
                break
            try:
                found = self._store.get(fingerprint, missing[start : start + _PORTION])
            except StoreError as error:
                self._give_up(error)
                break
            store.put(fingerprint, list(found.values()))
        return store.missing(fingerprint, missing)

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()
            self._store = None
