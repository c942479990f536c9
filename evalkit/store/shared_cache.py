"""The responses that runs share.

A convenience: whatever is wrong with it, a run goes on without it and says so once.

Not handled here: how rows are kept (`evalkit.store.responses`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
    usable
        Whether answers may still be shared; asked before each batch.
    """

    def __init__(
        self, path: Path, note: Callable[[str], None], usable: Callable[[], bool] = lambda: True
    ) -> None:
        self._note, self._usable = note, usable
        self._store: Store | None = None
        try:
            self._store = Store(path)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        why = str(error).replace("name another --out", "set EVALKIT_HOME to another folder")
        self._note(f"the shared cache is not used; the run goes on without it. {why}")
        self.close()

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Share a batch; see `Store.put`."""
        if self._usable():
            self._try(lambda store: store.put(fingerprint, responses))

    def forget(self, fingerprint: str, request_keys: Iterable[str]) -> None:
        """Remove what is shared for some requests; see `Store.forget`."""
        self._try(lambda store: store.forget(fingerprint, request_keys))

    def _try(self, work: Callable[[Store], None]) -> None:
        if self._store is None:
            return
        try:
            work(self._store)
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
