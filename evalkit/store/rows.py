"""What one row of a response store holds: key, payload, checksum, as bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from evalkit.records import Response
from evalkit.store.keys import KEY_BYTES

__all__ = ["checksum", "decode", "encode", "intact", "key_bytes"]

_DECODE = (
    json.JSONDecoder().decode
)  # subtle: half the time of json.loads, which first looks for the encoding


def key_bytes(request_key: str) -> bytes:
    """Return the 16 bytes a response is found by: those that `Request.key` spells in hex.

    Of any other text, its digest.

    Parameters
    ----------
    request_key
        `Request.key`.
    """
    if len(request_key) == 2 * KEY_BYTES:
        with suppress(ValueError):
            raw = bytes.fromhex(request_key)
            if raw.hex() == request_key:
                return raw
    return hashlib.blake2b(
        request_key.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES
    ).digest()


def checksum(*parts: bytes) -> bytes:
    """Return the 16-byte blake2b digest of some parts.

    Each counts with its length, so that no byte can move between them.
    """
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.digest()


def intact(mark: Any, names: Sequence[Any], *blobs: Any) -> bool:
    """Return whether a row's checksum fits its names (text) and blobs;
    damage can turn any of them into any type.

    >>> intact(checksum(b"model", b"payload"), ["model"], b"payload"), intact(None, ["model"], None)
    (True, False)
    """
    if not all(isinstance(name, str) for name in names):
        return False
    whole = [name.encode("utf-8", "surrogatepass") for name in names] + list(blobs)
    return all(isinstance(part, bytes) for part in (mark, *whole)) and checksum(*whole) == mark


def encode(response: Response) -> bytes:
    """Return the payload of a response: a compact JSON list; defaults at the end are cut off."""
    row: list[Any] = [
        list(response.logprobs),
        list(response.token_counts),
        response.text,
        response.finish_reason,
        response.error,
        int(response.truncated),
        response.sent,
        response.prompt_tokens,
        int(response.boundary),
    ]
    return json.dumps(row, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode(
        "ascii"
    )


def decode(request_key: str, payload: bytes) -> Response:
    """Return the response of a payload."""
    logprobs, counts, text, finish, error, truncated, sent, prompt_tokens, boundary = _DECODE(
        payload.decode("ascii")
    )
    return Response(
        key=request_key,
        logprobs=tuple(logprobs),
        token_counts=tuple(counts),
        text=text,
        finish_reason=finish,
        error=error,
        truncated=bool(truncated),
        sent=sent,
        prompt_tokens=prompt_tokens,
        boundary=bool(boundary),
    )
