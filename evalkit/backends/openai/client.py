"""One server over HTTP: limits, retries, deadlines and accounting around a single POST.

Not handled here: what is asked and what the answer means (`evalkit.backends.openai.answers`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Any, TypeVar

from evalkit.backends.openai.answers import tokens_used
from evalkit.backends.openai.faults import ODD_TRIES, Passing, Refused, body_of, redacted
from evalkit.backends.openai.settings import HttpSettings
from evalkit.errors import BackendError, ExtraMissingError

__all__ = ["Account", "Client", "readable_key"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
MAX_BODY = 64 * 2**20
"""Largest answer read, bytes."""
_LETTERS_PER_TOKEN = 4
_LISTING_SECONDS = 10.0
"""Most seconds the list of models is waited for: a run goes on without it."""


@dataclass(slots=True)
class Account:
    """What was sent, lost and spent."""

    attempts: int = 0
    """HTTP requests sent."""
    retries: int = 0
    """Attempts beyond the first of each request."""
    rate_limited: int = 0
    """Answers with status 429."""
    prompt_tokens: int = 0
    """Prompt tokens by the server's count."""
    generated_tokens: int = 0
    """Generated tokens by the server's count."""
    waited: float = 0.0
    """Seconds spent between attempts, added over requests under way at once."""


def readable_key(key: str, name: str) -> str:
    """Return a key without white space around it.

    Raises
    ------
    BackendError
        When it cannot stand in a header; the value is not shown.
    """
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BackendError(
            f"environment variable {name}: holds letters that a key cannot have. Set it anew."
        )
    return key


class Client:
    """Sends bodies to one server; made and used on one event loop.

    Parameters
    ----------
    settings
        Server and limits.
    key
        Key sent as bearer token; empty for none. It is kept here alone and taken out of everything
        that comes back.
    """

    def __init__(self, settings: HttpSettings, key: str) -> None:
        try:
            import httpx
            import tenacity
        except ImportError as error:
            raise ExtraMissingError("backend 'openai'", "openai") from error
        self._httpx = httpx
        self._tenacity = tenacity
        self._settings = settings
        self._key = key
        self._http = httpx.AsyncClient(
            headers={**settings.headers(key), "content-type": "application/json"},
            timeout=httpx.Timeout(settings.timeout, connect=min(10.0, settings.timeout)),
            limits=httpx.Limits(
                max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency
            ),
        )
        self._random = random.Random()
        self._hold = 0.0
        self._next = 0.0
        self.account = Account()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def cost(self) -> float:
        """Return what was spent, in the currency of the prices."""
        account, settings = self.account, self._settings
        return (
            account.prompt_tokens * settings.price_in
            + account.generated_tokens * settings.price_out
        ) / 1e6

    def stats(self) -> dict[str, Any]:
        """Return the account, with the cost where prices are known."""
        found = asdict(self.account)
        return {**found, "cost": self.cost} if self._settings.known_cost else found

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[dict[str, Any]], T],
        *,
        tries: int | None = None,
    ) -> T:
        """Return what `read` makes of the answer to one body, trying again what may heal.

        Parameters
        ----------
        path
            End of the address.
        body
            What is sent.
        read
            Takes the answer apart; raises Passing when it is none, which counts as a failed
            attempt.
        tries
            Attempts; the setting when None.

        Raises
        ------
        Passing
            After the last attempt.
        Refused, BackendError
            At once.
        """
        most = tries or self._settings.tries
        content = json.dumps(body, ensure_ascii=True).encode("ascii")
        tenacity = self._tenacity
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=lambda state: state.attempt_number >= min(most, _fault(state).tries or most),
            wait=lambda state: self._pause(_fault(state), state.attempt_number),
            before_sleep=self._noted,
            sleep=asyncio.sleep,
            reraise=True,
        )
        answer: T = await retrying(self._attempt, path, content, read)
        return answer

    def _pause(self, fault: Passing, attempt: int) -> float:
        """Seconds before the next attempt: what the server asks for, else doubling.

        Always with jitter, never above the cap.
        """
        settings = self._settings
        if fault.wait is not None:
            return (
                min(fault.wait, settings.longest_wait)
                + self._random.uniform(0.0, 0.1) * settings.backoff
            )
        return min(
            settings.backoff * 2.0 ** (attempt - 1), settings.longest_wait
        ) * self._random.uniform(0.5, 1.0)

    def _noted(self, state: Any) -> None:
        self.account.retries += 1
        self.account.waited += state.next_action.sleep
        _log.info(
            "%s: %s; attempt %d in %.1f s",
            self._settings.url,
            _fault(state),
            state.attempt_number + 1,
            state.next_action.sleep,
        )

    async def _attempt(self, path: str, content: bytes, read: Callable[[dict[str, Any]], T]) -> T:
        """Send once, within limits and deadline."""
        settings, httpx = self._settings, self._httpx
        if settings.max_cost and self.cost >= settings.max_cost:
            raise Refused(f"spending ceiling of {settings.max_cost:g} reached")
        await self._turn(len(content))
        self.account.attempts += 1
        try:
            async with asyncio.timeout(settings.timeout):
                status, headers, text = await self._exchange("POST", path, content)
        except (TimeoutError, httpx.TimeoutException):
            raise Passing("timeout") from None
        except httpx.HTTPError as error:
            said = redacted(str(error), self._key) or type(error).__name__
            raise Passing(f"connection failed: {said}") from None
        if status == 429:
            self.account.rate_limited += 1
        try:
            body = body_of(status, headers, text, settings=settings, path=path, key=self._key)
        except Passing as fault:
            if fault.wait:
                self._hold = max(self._hold, monotonic() + min(fault.wait, settings.longest_wait))
            raise
        prompt, generated = tokens_used(body)
        self.account.prompt_tokens += prompt
        self.account.generated_tokens += generated
        return read(body)

    async def models(self) -> list[Any]:
        """Return what the server lists under ``models``; nothing where it lists none in time."""
        settings = self._settings
        try:
            async with asyncio.timeout(min(settings.timeout, _LISTING_SECONDS)):
                status, headers, text = await self._exchange("GET", "models")
            told = body_of(status, headers, text, settings=settings, path="models", key=self._key)
        except (TimeoutError, self._httpx.HTTPError, Passing, Refused, BackendError):
            return []
        rows = told.get("data")
        return rows if isinstance(rows, list) else []

    async def _exchange(
        self, method: str, path: str, content: bytes | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and body of one exchange."""
        async with self._http.stream(
            method, self._settings.address(path), content=content
        ) as answer:
            if "," in answer.headers.get("content-encoding", ""):
                raise Passing("the answer is packed more than once", tries=1)  # a bomb, unbounded
            parts, size = [], 0
            async for part in answer.aiter_bytes():
                size += len(part)
                if size > MAX_BODY:
                    raise Passing(f"the answer is larger than {MAX_BODY // 2**20} MiB", tries=1)
                parts.append(part)
        whole = b"".join(parts)
        try:
            return answer.status_code, answer.headers, whole.decode()
        except UnicodeDecodeError:
            if answer.status_code == 200:  # letters that are lost would be scored as said
                raise Passing("the answer is not UTF-8", tries=ODD_TRIES) from None
            return answer.status_code, answer.headers, whole.decode("utf-8", "replace")

    async def _turn(self, size: int) -> None:
        """Wait until the server's wish to be left alone and the rate limits allow the next
        request.
        """
        settings = self._settings
        spacing = 60.0 / settings.rpm if settings.rpm else 0.0
        if settings.tpm:
            spacing = max(spacing, size / _LETTERS_PER_TOKEN * 60.0 / settings.tpm)
        start = max(monotonic(), self._next, self._hold)
        self._next = max(self._next, start) + spacing
        while (left := max(start, self._hold) - monotonic()) > 0.0:
            await asyncio.sleep(left)


def _fault(state: Any) -> Passing:
    """Failure of the last attempt."""
    fault = state.outcome.exception()
    assert isinstance(fault, Passing)  # nothing else is tried again
    return fault
