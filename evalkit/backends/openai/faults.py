"""What can go wrong over HTTP, sorted into three.

It may pass, this request is lost, or the run must stop. Pure.

===============  ===================================================================================
`Passing`        tried again: 408, 409, 425, 429, 5xx, timeouts, broken connections, bodies that are
                 no answer
`Refused`        this request gets `Response.error`: content filter, prompt too long, spending ceiling
`Rejected`       a client error that may lie in this request: where a short known prompt is
                 answered, this request gets `Response.error`, else the run stops
`BackendError`   the run stops with exit code 4: 401, 404, redirects, quota used up, wrong model
===============  ===================================================================================

``docs/http_backend.md`` has the whole table.
"""  # noqa: E501

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

from evalkit.backends.openai.settings import HttpSettings
from evalkit.catalog.opening import NamedTwice, parse_json
from evalkit.errors import BackendError

__all__ = [
    "Passing",
    "Refused",
    "Rejected",
    "body_of",
    "cleaned",
    "redacted",
    "retry_after",
    "too_long",
]

ODD_TRIES = 3
"""Attempts when the server answers, but with something that is no answer: more of the same seldom
heals."""
_TRANSIENT = frozenset({408, 409, 425, 429})
_ANSWERED = frozenset({200, 201, 203})
_DOUBTFUL = frozenset({*range(400, 500)} - {401, 402, 404, 405, 407, 410, 426} - _TRANSIENT)
"""Client errors that may lie in one request alone: 406 and 418 are what firewalls say of a text."""
_SURELY_TOO_LONG = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size|maximum context length"
)
_TOO_LONG = re.compile(
    _SURELY_TOO_LONG.pattern
    + r"|(?:context|prompt|input|sequence|message|request|text|token).{0,80}"
    r"(?:exceed|too (?:long|large|many|big)|longer than|larger than|greater than|more than"
    r"|must be <=?|must be (?:less|at most|shorter)|at most|maximum|limit|does not fit|overflow)"
    r"|(?:exceed|too (?:long|many)|longer than|larger than|greater than|maximum|max_).{0,80}"
    r"(?:context|prompt|input|sequence|token|model[ _]len)",
)
"""What servers of any kind say when a prompt is too long: words about the text and words about a
limit, in either order. It is asked only behind the statuses of a refused request."""
_OF_A_SETTING = re.compile(
    r"logprobs|temperature|max_(?:completion_)?tokens'? (?:is|must|value)|rate limit|per min"
)
"""Words of limits that lie in a setting and not in the prompt."""


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
        What the server said: code, kind and message.
    """

    def __init__(self, message: str, *, status: int, detail: str) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail

    @property
    def doubtful(self) -> bool:
        """Return whether the fault may lie in this one request."""
        return self.status in _DOUBTFUL

    @property
    def certain(self) -> bool:
        """Return whether the prompt is too long beyond doubt."""
        return self.status == 413 or _SURELY_TOO_LONG.search(self.detail.lower()) is not None

    def for_one(self, said: str) -> Refused:
        """Return the same fault as that of one request, given what the server said of it."""
        long = self.status == 413 or too_long(said)
        what = "prompt too long for the server" if long else f"refused with status {self.status}"
        return Refused(f"{what}: {said}" if said else what)


def too_long(message: str) -> bool:
    """Return whether a refusal says that the prompt is too long for the model.

    >>> too_long(
    ...     "The input token count (4390) exceeds the maximum number of tokens allowed (4096)."
    ... )
    True
    >>> too_long("unknown field 'seed'"), too_long("top_logprobs: 20 is larger than the limit of 5")
    (False, False)
    """
    low = message.lower()
    setting = _OF_A_SETTING.search(low) is not None and "context" not in low
    return not setting and _TOO_LONG.search(low) is not None


@lru_cache(maxsize=4)
def _spellings(key: str) -> re.Pattern[str]:
    """The key with any letter written as an escape of JSON, of an address or of HTML."""
    return re.compile(
        "".join(
            rf"(?:{re.escape(letter)}|\\+u00{ord(letter):02x}|\\+x{ord(letter):02x}"
            rf"|%{ord(letter):02x}|&#0*{ord(letter)};|&#x0*{ord(letter):02x};"
            rf"|\\+{re.escape(letter)})"
            for letter in key
        ),
        re.IGNORECASE,
    )


def redacted(text: str, key: str) -> str:
    """Return `text` with every occurrence of the key replaced, however its letters are spelled.

    >>> redacted(r"key \u0073k-1 and sk%2D1", "sk-1")
    'key *** and ***'
    """
    if not key:
        return text
    text = text.replace(key, "***")
    return _spellings(key).sub("***", text) if any(mark in text for mark in "\\%&") else text


def cleaned(value: Any, key: str) -> Any:
    """Return a JSON value with the key taken out of every text in it."""
    if isinstance(value, str):
        return redacted(value, key)
    if isinstance(value, dict):
        return {redacted(name, key): cleaned(item, key) for name, item in value.items()}
    if isinstance(value, list):
        return [cleaned(item, key) for item in value]
    return value


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds a server asks to wait.

    ``retry-after-ms``, or ``retry-after`` in seconds or as a date.

    A date in the past is 0; what cannot be read is None.

    >>> retry_after(
    ...     {"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, datetime(2026, 11, 21, 10, tzinfo=UTC)
    ... )
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


def _said(text: str, key: str) -> tuple[str, str]:
    """Message and code of an error body; the beginning of the body when it has another form."""
    try:
        error = cleaned(json.loads(text), key)
    except (ValueError, RecursionError):
        return " ".join(text.split())[:200], ""
    error = error.get("error", error) if isinstance(error, dict) else error
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or json.dumps(error)
        return " ".join(str(message).split())[
            :300
        ], f"{error.get('code') or ''} {error.get('type') or ''}".strip()
    return " ".join(str(error).split())[:300], ""


def body_of(
    status: int,
    headers: Mapping[str, str],
    text: str,
    *,
    settings: HttpSettings,
    path: str,
    key: str = "",
) -> dict[str, Any]:
    """Return the body of an answer.

    Parameters
    ----------
    status, headers, text
        The answer.
    settings
        For the names in messages.
    path
        What was asked, such as ``chat/completions``.
    key
        Taken out of everything.

    Raises
    ------
    Passing, Refused, BackendError
        When it is none; see the table above.
    """
    text = redacted(text.removeprefix("\ufeff"), key)
    if status not in _ANSWERED:
        raise _failure(status, headers, _said(text, key), settings=settings, path=path)
    try:
        body = parse_json(text)
        if "\\" in text:
            body = cleaned(body, key)
    except NamedTwice as error:
        raise Passing(f"the answer says two things: {error}", tries=ODD_TRIES) from None
    except (ValueError, RecursionError):
        raise Passing("the answer is no JSON (cut short?)") from None
    if not isinstance(body, dict):
        raise Passing(f"the answer is a JSON {type(body).__name__}, not an object", tries=ODD_TRIES)
    if body.get("error"):
        message, code = _said(text, key)
        if too_long(f"{code} {message}"):
            raise Refused(f"prompt too long for the server: {message}")
        raise Passing(f"status 200 with an error inside: {message}", tries=ODD_TRIES)
    return body


def _failure(
    status: int,
    headers: Mapping[str, str],
    said: tuple[str, str],
    *,
    settings: HttpSettings,
    path: str,
) -> Exception:
    """What a status other than 200 means."""
    message, code = said
    low = f"{code} {message}".lower()
    where = f"{settings.url}/{path}: status {status}"
    if "insufficient_quota" in low:
        return BackendError(
            f"{where}: the quota of the key in {settings.key_env} is used up ({message}). "
            "Add credit, then type the same command again."
        )
    if 200 <= status < 300:
        return Passing(f"status {status} in place of an answer", tries=ODD_TRIES)
    if status >= 500 and too_long(low):
        return Refused(f"prompt too long for the server: {message}")
    if status in _TRANSIENT or status >= 500:
        return Passing(
            f"server error {status}: {message}" if message else f"server error {status}",
            wait=retry_after(headers, datetime.now(UTC)),
        )
    if status in _DOUBTFUL and ("content_filter" in low or "content_policy" in low):
        return Refused(f"content filter: {message}")
    what = {
        400: "the server refuses the request",
        401: "the key is not accepted; it is read from the environment variable "
        f"{settings.key_env}",
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
        f"{where}: {what} ({message or 'nothing more is said'}). {todo}",
        status=status,
        detail=f"{code} {message}".strip(),
    )
