"""What can go wrong over HTTP, sorted into three.

It may pass, this request is lost, or the run must stop. Pure.

====================  =====================================================================================================
`Passing`             tried again: 408, 409, 425, 429, 5xx, timeouts, broken connections, bodies that are no answer
`Refused`             this request gets `Response.error`: content filter, prompt too long, spending ceiling
`BackendError`        the run stops with exit code 4: 400, 401, 403, 404, other 4xx, redirects, quota used up, wrong model
====================  =====================================================================================================

``docs/http_backend.md`` has the whole table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from evalkit.backends.openai.settings import HttpSettings
from evalkit.errors import BackendError

__all__ = ["Passing", "Refused", "Rejected", "body_of", "redacted", "retry_after"]

ODD_TRIES = 3
"""Attempts when the server answers, but with something that is no answer: more of the same seldom
heals."""
_TRANSIENT = frozenset({408, 409, 425, 429})
_TOO_LONG = (
    "context_length_exceeded",
    "maximum context length",
    "context length",
    "too many tokens",
    "prompt is too long",
    "string_above_max_length",
)


class Passing(Exception):
    """A failure that may heal.

    Parameters
    ----------
    reason
        What is written to `Response.error` when it does not.
    wait
        Seconds the server asked to wait; None when it said nothing.
    tries
        Attempts it is worth; None for as many as allowed.
    """

    def __init__(self, reason: str, *, wait: float | None = None, tries: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.tries = tries


class Refused(Exception):
    """A request that will not be answered however often it is sent; others may be."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Rejected(BackendError):
    """A client error (4xx): the request as we put it is not accepted.

    Parameters
    ----------
    message
        What is shown.
    status
        HTTP status.
    detail
        What the server said.
    """

    def __init__(self, message: str, *, status: int, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail


def redacted(text: str, key: str) -> str:
    """Return `text` with every occurrence of the key replaced."""
    return text.replace(key, "***") if key else text


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a server asks to wait.

    ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    A date in the past is 0; what cannot be read is None.

    >>> retry_after({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, datetime(2026, 11, 21, 10, tzinfo=UTC))
    30.0
    >>> retry_after({"retry-after": "soon"}, datetime(2026, 11, 21, 10, tzinfo=UTC)) is None
    True
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) * scale
        except ValueError:
            continue
        if 0.0 <= seconds < 1e9:
            return seconds
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, IndexError, TypeError):
        return None
    when = when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def _said(text: str) -> tuple[str, str]:
    """Message and code of an error body; the beginning of the body when it has another form."""
    try:
        error = json.loads(text)
    except ValueError:
        return " ".join(text.split())[:200], ""
    error = error.get("error", error) if isinstance(error, dict) else error
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or json.dumps(error)
        return " ".join(str(message).split())[
            :300
        ], f"{error.get('code') or ''} {error.get('type') or ''}".strip()
    return " ".join(str(error).split())[:300], ""


def body_of(
    status: int, headers: Mapping[str, str], text: str, *, settings: HttpSettings, path: str
) -> dict[str, Any]:
    """Return the body of an answer.

    Parameters
    ----------
    status, headers, text
        The answer; the key already taken out of the text.
    settings
        For the names in messages.
    path
        What was asked, such as ``chat/completions``.

    Raises
    ------
    Passing, Refused, BackendError
        When it is none; see the table above.
    """
    if status != 200:
        raise _failure(status, headers, text, settings=settings, path=path)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Passing("the answer is no JSON (cut short?)") from None
    if not isinstance(body, dict):
        raise Passing(f"the answer is a JSON {type(body).__name__}, not an object", tries=ODD_TRIES)
    if body.get("error"):
        message, code = _said(text)
        if any(mark in f"{code} {message}".lower() for mark in _TOO_LONG):
            raise Refused(f"prompt too long for the server: {message}")
        raise Passing(f"status 200 with an error inside: {message}", tries=ODD_TRIES)
    return body


def _failure(
    status: int, headers: Mapping[str, str], text: str, *, settings: HttpSettings, path: str
) -> Exception:
    """What a status other than 200 means."""
    message, code = _said(text)
    low = f"{code} {message}".lower()
    where = f"{settings.url}/{path}: status {status}"
    if "insufficient_quota" in low:
        return BackendError(
            f"{where}: the quota of the key in {settings.key_env} is used up ({message}). Add credit, then type the same command again."
        )
    if status in _TRANSIENT or status >= 500:
        return Passing(
            f"server error {status}: {message}" if message else f"server error {status}",
            wait=retry_after(headers, datetime.now(UTC)),
        )
    if status == 413 or (status in {400, 422} and any(mark in low for mark in _TOO_LONG)):
        return Refused(f"prompt too long for the server: {message}")
    if status == 400 and ("content_filter" in low or "content_policy" in low):
        return Refused(f"content filter: {message}")
    what = {
        400: "the server refuses the request",
        401: f"the key is not accepted; it is read from the environment variable {settings.key_env}",
        403: f"the key in the environment variable {settings.key_env} may not do this",
        404: f"there is no model {settings.model!r} or no such address",
    }.get(
        status,
        "the server sends us elsewhere, which is not followed"
        if 300 <= status < 400
        else "the server refuses the request",
    )
    todo = {
        401: f"Set {settings.key_env}.",
        403: "Check the rights of the key.",
        404: "Check model and address.",
    }.get(status, "Check model, address and options.")
    return Rejected(
        f"{where}: {what} ({message or 'nothing more is said'}). {todo}", status=status, detail=low
    )
