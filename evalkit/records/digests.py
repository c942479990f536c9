"""Identity of records: digests of their canonical JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

__all__ = ["as_json", "digest", "instances_digest"]


def digest(value: Any, *, length: int = 32) -> str:
    """Return the hex blake2b digest of `value` in canonical JSON.

    Parameters
    ----------
    value
        Anything JSON can hold: sorted keys, no spaces, UTF-8, lone surrogates kept. NaN is refused.
    length
        Hex digits returned, at most 64.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return hashlib.blake2b(text.encode("ascii"), digest_size=32).hexdigest()[:length]


def as_json(record: Any) -> dict[str, Any]:
    """Return a record as a JSON-ready dictionary."""
    return asdict(record)


def instances_digest(ids: Sequence[str]) -> str:
    """Return the digest of ordered instance ids."""
    return digest(list(ids), length=16)
