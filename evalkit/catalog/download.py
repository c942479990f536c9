"""One file from an address, bounded in time and size, and never from somewhere else than asked.

The time a server may take grows with what it has sent, so that one that drips a byte a second ends
soon and a large file over a slow line does not. No address that a data file names, and no redirect,
leads to another protocol or to a machine of the inner network, unless a person named its host.
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from evalkit.catalog.opening import MAX_DATA_BYTES, parse_json
from evalkit.errors import EnvironmentFault, EvalkitError, UsageError

__all__ = ["Answer", "answered", "endpoint", "short_text", "wrong_content"]

PATIENCE_S = 30.0
"""Longest wait for a connection, for the head of an answer, and for the first bytes."""
SLOWEST = 4096
"""Bytes a second below which a server is given up."""
_PIECE = 1 << 16


def endpoint(name: str, default: str) -> str:
    """Return the address a user set for a service in an environment variable,
    without a slash behind.
    """
    return (os.environ.get(name) or default).rstrip("/")


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)  # the host unquoted, as urllib asks for it
    return parts.scheme, unquote(parts.hostname or ""), parts.port


def is_internal(url: str) -> bool:
    """Whether the host of an address is this machine or one of an inner network, by any of its
    addresses.

    A name that is not known here counts as outside: a proxy may know it.
    """
    host = _origin(url)[1]
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return any(_inner(str(item[4][0])) for item in found)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _inner(address: str) -> bool:
    """Whether an address is not one of the outer network, also where IPv6 wraps an IPv4 address.

    >>> [
    ...     _inner(text)
    ...     for text in ("169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "1.1.1.1")
    ... ]
    [True, True, True, False]
    """
    found = ipaddress.ip_address(address.split("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        wrapped = found.ipv4_mapped or found.sixtofour
        if found in _NAT64:
            wrapped = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        found = wrapped or found
    return not found.is_global or found.is_multicast


@dataclass(frozen=True, slots=True)
class _Reach:
    """Which hosts may be asked."""

    service: str
    """Address of the service the user named; empty for an address that a data file names."""
    allowed: frozenset[str]
    """Hosts, with or without a port, that the user named beside it."""

    def guards(self, url: str) -> bool:
        """Whether an address must lie outside this network, since nobody named its host."""
        if self.service and _origin(url) == _origin(self.service):
            return False
        scheme, host, port = _origin(url)
        number = port or (443 if scheme == "https" else 80)
        shown = f"[{host}]" if ":" in host else host
        return not {host, shown, f"{shown}:{number}"} & self.allowed

    def refuses(self, url: str) -> bool:
        """Whether an address must lie outside this network and does not."""
        return self.guards(url) and is_internal(url)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web addresses of the outer network, or to hosts the user named."""

    def __init__(self, reach: _Reach) -> None:
        self._reach = reach

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request; raise EnvironmentFault for a place that may not be asked."""
        before, after = _origin(req.full_url), _origin(newurl)
        secure = after[0] == "https" or (after[0] == "http" and before[0] == "http")
        if not secure or self._reach.refuses(newurl):
            fp.close()
            raise EnvironmentFault(
                f"{req.full_url}: redirects to {newurl[:200]}, which is not followed; "
                "a web address outside this network is accepted. Correct the address."
            )
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and after != before:
            found.remove_header("Authorization")
        return found


class _Watch:
    """Ends a connection that has had its time, whatever it waits for."""

    def __init__(self, reach: _Reach) -> None:
        self.ended = False
        self._reach = reach
        self.deadline = time.monotonic() + PATIENCE_S
        self._sockets: list[socket.socket] = []
        self._done = threading.Event()

    def connect(self, *args: Any, outside: bool, **options: Any) -> socket.socket:
        """Connect as `socket.create_connection` does, and keep a hand on the connection.

        Raises
        ------
        OSError
            When the other end must lie outside this network and does not: a name may have another
            address than a moment ago.
        """
        made = socket.create_connection(*args, **options)
        if outside and _inner(made.getpeername()[0]):
            made.close()
            raise OSError("its name now leads into the inner network")
        self._sockets.append(made.dup())
        return made

    def _look(self) -> None:
        while not self._done.wait(max(0.01, self.deadline - time.monotonic())):
            if time.monotonic() >= self.deadline:
                self.ended = True
                for item in self._sockets:
                    with suppress(OSError):
                        item.shutdown(socket.SHUT_RDWR)
                return

    def handlers(self) -> list[Any]:
        """Return handlers whose connections are watched."""

        def watched(kind: Any, req: Any) -> Any:
            outside = not req.has_proxy() and self._reach.guards(req.full_url)

            def make(*args: Any, **options: Any) -> Any:
                connection = kind(*args, **options)
                connection._create_connection = partial(self.connect, outside=outside)
                return connection

            return make

        class Plain(urllib.request.HTTPHandler):
            def http_open(self, req: Any) -> Any:
                return self.do_open(watched(http.client.HTTPConnection, req), req)

        class Secure(urllib.request.HTTPSHandler):
            def https_open(self, req: Any) -> Any:
                return self.do_open(watched(http.client.HTTPSConnection, req), req)

        return [Plain(), Secure()]

    def __enter__(self) -> _Watch:
        threading.Thread(target=self._look, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for item in self._sockets:
            item.close()


class Answer:
    """What a web address answers with; its body is read once, piece by piece."""

    def __init__(self, url: str, answer: Any, watch: _Watch) -> None:
        self.url = url
        self.kind: str = answer.headers.get("Content-Type", "")
        self._answer, self._watch = answer, watch

    def pieces(self, *, limit: int = MAX_DATA_BYTES) -> Iterator[bytes]:
        """Yield the body.

        Parameters
        ----------
        limit
            Most bytes taken.

        Raises
        ------
        EnvironmentFault
            When it is longer than `limit`, shorter than announced, or comes slower than `SLOWEST`.
        """
        too_large = EnvironmentFault(
            f"{self.url}: is longer than {limit} bytes; at most that is got. "
            "Place the file by hand."
        )
        digits = self._answer.headers.get("Content-Length", "")[:20]
        announced = int(digits) if digits.isascii() and digits.isdigit() else 0
        if announced > limit:
            raise too_large
        began, got = time.monotonic(), 0
        while piece := self._piece(got):
            got += len(piece)
            if got > limit:
                raise too_large
            self._watch.deadline = began + PATIENCE_S + got / SLOWEST
            yield piece
        if got < announced:
            raise EnvironmentFault(
                f"{self.url}: broke off after {got} of {announced} bytes. Try again."
            )

    def _piece(self, got: int) -> bytes:
        reason: Exception | None = None
        try:
            piece: bytes = self._answer.read1(_PIECE)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason, piece = error, b""
        if self._watch.ended:
            raise EnvironmentFault(
                f"{self.url}: sends less than {SLOWEST} bytes a second; given up after {got} "
                "bytes. Try later, or place the file by hand."
            ) from reason
        if reason is not None:
            raise EnvironmentFault(
                f"{self.url}: broke off after {got} bytes: {reason}. Try again."
            ) from reason
        return piece


@contextmanager
def answered(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    service: str = "",
    allowed: Collection[str] = (),
) -> Iterator[Answer]:
    """Open what stands at a web address.

    Parameters
    ----------
    url
        Its address, http or https.
    headers
        Further request headers; ``Authorization`` goes to this host only.
    service
        Address of the service the user named, within which redirects are followed wherever it
        lies; empty for an address that a data file names.
    allowed
        Hosts of the inner network, ``HOST`` or ``HOST:PORT``, that the user lets be asked.

    Raises
    ------
    UsageError
        When it is no web address, or one of the inner network whose host nobody allowed.
    EnvironmentFault
        When it cannot be reached, answers with an error, takes too long, or redirects to another
        protocol or into the inner network.
    """
    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url[:200]}: only http and https are accepted. Correct the address.")
    reach = _Reach(service, frozenset(host.lower() for host in allowed))
    if _refused(url, reach):
        host = urlsplit(url).netloc.rpartition("@")[2]
        raise UsageError(
            f"{url[:200]}: lies in the inner network, where a data file may not send you. "
            f"If you know it, add --allow-host {host}; else correct the address."
        )
    with _Watch(reach) as watch:
        try:
            request = urllib.request.Request(
                url, headers={"User-Agent": "evalkit", **(headers or {})}
            )
            opener = urllib.request.build_opener(_Redirects(reach), *watch.handlers())
            answer = opener.open(request, timeout=PATIENCE_S)
        except urllib.error.HTTPError as error:
            error.close()
            raise EnvironmentFault(
                f"{url}: answered {error.code} {error.reason}. "
                "Check the name and the revision, or try later."
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _unreached(url, error, late=watch.ended) from error
        with answer:
            if watch.ended:  # a head cut short by us reads like a whole one
                raise _unreached(url, TimeoutError(), late=True)
            yield Answer(url, answer, watch)


def _refused(url: str, reach: _Reach) -> bool:
    try:
        return reach.refuses(url)
    except ValueError as error:
        raise _unreached(url, error, late=False) from error


def _unreached(url: str, error: Exception, *, late: bool) -> EvalkitError:
    """Return what to say of an address that gave no answer."""
    if isinstance(error, http.client.InvalidURL | ValueError):
        return UsageError(f"{url[:200]!r}: is no web address: {error}. Correct it.")
    cause = getattr(error, "reason", error)
    if late or isinstance(cause, TimeoutError):
        return EnvironmentFault(
            f"{url}: gave no answer for {PATIENCE_S:.0f} s. Check the network, or try later."
        )
    return EnvironmentFault(f"{url}: cannot be reached: {cause}. Check the network and proxies.")


def short_text(url: str, *, headers: Mapping[str, str] | None = None, service: str = "") -> str:
    """Return a short answer as text; see `answered`."""
    with answered(url, headers=headers, service=service) as answer:
        body = b"".join(answer.pieces(limit=1 << 20))
    return body.decode("utf-8", "replace")


def wrong_content(name: str, kind: str, head: bytes, tail: bytes) -> str:
    """Return why bytes cannot be the file that was asked for; empty when they can.

    Parameters
    ----------
    name
        Name of the file.
    kind
        Content type of the answer.
    head, tail
        First and last bytes.

    Examples
    --------
    >>> wrong_content("a.jsonl", "text/html", b"<html>log in", b"<html>log in")
    'is a web page, such as a log-in page'
    >>> wrong_content("a.jsonl", "", b'{"a": 1}', b'{"a": 1}')
    ''
    """
    if not head:
        return "is empty"
    suffix = PurePosixPath(name).suffix.lower()
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    if suffix not in (".html", ".htm", ".xml") and (
        kind.partition(";")[0].strip().lower() == "text/html"
        or start.startswith((b"<!doctype html", b"<html"))
    ):
        return "is a web page, such as a log-in page"
    if suffix == ".parquet" and not (head.startswith(b"PAR1") and tail.endswith(b"PAR1")):
        return "is no whole Parquet file"
    if suffix == ".gz" and not head.startswith(b"\x1f\x8b"):
        return "is not packed with gzip"
    if suffix in (".json", ".jsonl", ".ndjson"):
        last = tail.rstrip().rpartition(b"\n")[2]
        closes = last.endswith((b"}", b"]")) if suffix == ".json" else _parses(last, tail)
        if start[:1] not in (b"{", b"[") or not closes:
            return f"is no whole {suffix} file"
    return ""


def _parses(line: bytes, tail: bytes) -> bool:
    """Whether the last line of JSON Lines is whole, as far as the last bytes tell."""
    if len(line) == len(tail.rstrip()) and not line.startswith((b"{", b"[")):
        return line.endswith((b"}", b"]"))  # a line longer than the bytes looked at
    try:
        parse_json(line)
    except (ValueError, RecursionError):
        return False
    return True
