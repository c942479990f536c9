r"""Echoed tokens -> the log-probability of a continuation, where its place can be proved. Pure.

The tokens of the echo must spell the prompt that was sent, from its first byte to its last; what
stands behind are generated tokens, whatever they look like. Servers spell tokens in many ways:
start tokens in front, pieces of a character as ``bytes:\xe2``, ``<0xE2>``, U+FFFD or nothing at
all, vocabulary forms with ``▁`` or ``Ġ``. Each way is tried; a way that fits in more than one
place proves nothing. Where the texts lose something in the middle of a prompt, offsets that agree
with the text the server returns settle it. Otherwise there is no value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from evalkit.backends.openai.faults import ODD_TRIES, Passing, Refused

__all__ = ["echo_score"]

_MOST_START_TOKENS = 3
"""Tokens before the prompt that a server may put in and echo."""
_LARGEST = 1e-3
"""A log-probability lies at or below 0; a little above is rounding."""
_SPELLED = re.compile(r"bytes:((?:\\x[0-9a-fA-F]{2})+)")
_ONE_BYTE = re.compile(r"<0x([0-9a-fA-F]{2})>")


def echo_score(choice: Mapping[str, Any], sent: str, continuation: str) -> tuple[float, int, bool]:
    """Return log-probability (nats) and token count of a continuation,
    and whether a token crossed the boundary.

    A token that also holds the end of the prompt counts whole.

    Parameters
    ----------
    choice
        Choice with echoed log-probabilities.
    sent
        The whole prompt as it was sent.
    continuation
        Its end.

    Raises
    ------
    Passing
        When there are no tokens with values.
    Refused
        When the place of the continuation cannot be proved, or it has no values.
    """
    tokens, values, offsets = _echoed(choice)
    found = _place(tokens, sent, continuation) or _by_offsets(
        tokens, offsets, choice.get("text"), sent, continuation
    )
    if found is None:
        raise Refused("the echoed tokens cannot be aligned with the prompt that was sent")
    begin, end, crossed = found
    numbers = values[begin:end]
    if not all(_is_logprob(number) for number in numbers):
        raise Refused("the echoed continuation has no log-probability")
    return float(sum(numbers)), len(numbers), crossed


def _is_logprob(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and value <= _LARGEST
    )


def _echoed(choice: Mapping[str, Any]) -> tuple[list[str], list[Any], list[Any]]:
    """Tokens, values and offsets of an answer, in either of the two forms servers use."""
    found = choice.get("logprobs")
    found = found if isinstance(found, dict) else {}
    tokens, values = found.get("tokens"), found.get("token_logprobs")
    offsets = found.get("text_offset")
    if tokens is None and isinstance(found.get("content"), list):
        rows = [row if isinstance(row, dict) else {} for row in found["content"]]
        tokens = [_spelling(row) for row in rows]
        values = [row.get("logprob") for row in rows]
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise Passing("the answer holds no log-probabilities of the prompt", tries=ODD_TRIES)
    texts = ["" if token is None else str(token) for token in tokens]
    return texts, values, offsets if isinstance(offsets, list) else []


def _spelling(row: Mapping[str, Any]) -> Any:
    """Token of a row; its bytes where they are no whole text."""
    told = row.get("bytes")
    if isinstance(told, list) and told and all(isinstance(b, int) and 0 <= b < 256 for b in told):
        try:
            return bytes(told).decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in told)
    return row.get("token")


def _place(tokens: Sequence[str], sent: str, continuation: str) -> tuple[int, int, bool] | None:
    """First and last + 1 token of the continuation, and whether the first begins before it."""
    whole = sent.encode("utf-8", "surrogatepass")
    cut = len(whole) - len(continuation.encode("utf-8", "surrogatepass"))
    for pieces in _readings(tokens, sent):
        for lossy in (False, True):
            for lead in (b"", b" "):
                for skipped in range(_MOST_START_TOKENS + 1):
                    data = lead + whole
                    places = _places(pieces[skipped:], data, cut + len(lead), lossy=lossy)
                    if places:
                        (begin, end, crossed), *more = places
                        return None if more else (begin + skipped, end + skipped, crossed)
    return None


def _readings(tokens: Sequence[str], sent: str) -> Iterator[list[str]]:
    """Texts of the tokens: as they are, and out of the forms that vocabularies use."""
    yield list(tokens)
    if "▁" not in sent and any("▁" in token for token in tokens):
        yield [token.replace("▁", " ") for token in tokens]
    if "Ġ" not in sent and any("Ġ" in token or "Ċ" in token for token in tokens):
        table = _byte_letters()
        yield [
            "bytes:" + "".join(f"\\x{table[letter]:02x}" for letter in token)
            if token and all(letter in table for letter in token)
            else token
            for token in tokens
        ]


@lru_cache(maxsize=1)
def _byte_letters() -> dict[str, int]:
    """Letter -> byte in vocabularies of byte-level BPE (openai/gpt-2:src/encoder.py)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


def _places(
    pieces: Sequence[str], data: bytes, cut: int, *, lossy: bool
) -> list[tuple[int, int, bool]]:
    """Every (begin, end, crossed) at which the pieces spell `data` and then its part from `cut`
    on.
    """
    reached: list[set[int]] = [{0}]
    for piece in pieces:
        reached.append({end for at in reached[-1] for end in _ends(piece, data, at, lossy=lossy)})
        if not reached[-1]:
            break
    found: set[tuple[int, int, bool]] = set()
    for end in range(1, len(reached)):
        last = len(data)
        if last in reached[end] and any(
            at < last and last in _ends(pieces[end - 1], data, at, lossy=lossy)
            for at in reached[end - 1]
        ):
            found |= _begins(pieces[:end], data, cut, reached=reached, lossy=lossy)
    return sorted(found)


def _begins(
    pieces: Sequence[str], data: bytes, cut: int, *, reached: Sequence[set[int]], lossy: bool
) -> set[tuple[int, int, bool]]:
    """Where the continuation may begin when `pieces` are all that is echoed."""
    after, found = {len(data)}, set()
    for index in range(len(pieces) - 1, -1, -1):
        before = {
            at
            for at in reached[index]
            if after.intersection(_ends(pieces[index], data, at, lossy=lossy))
        }
        for at in before:
            ends = after.intersection(_ends(pieces[index], data, at, lossy=lossy))
            if at <= cut and any(end > cut for end in ends):
                begin = _with_empty(pieces, index, data, cut) if at == cut else index
                found.add((begin, len(pieces), at < cut))
        after = before
    return found


def _with_empty(pieces: Sequence[str], index: int, data: bytes, cut: int) -> int:
    """Begin of a continuation with the empty pieces before it.

    A decoder gives nothing until a character is whole, so they belong to a first character of
    several bytes; before any other they belong to nothing that was sent.
    """
    begin = index
    while cut and data[cut] >= 0x80 and begin and pieces[begin - 1] == "":
        begin -= 1
    return begin


def _ends(piece: str, data: bytes, at: int, *, lossy: bool) -> set[int]:
    """Places where a piece that begins at `at` can end."""
    if not piece:
        return {at, *(_high(data, {at}, 4) if lossy else ())}
    spelled = _SPELLED.fullmatch(piece)
    raw = (
        bytes.fromhex(spelled[1].replace("\\x", ""))
        if spelled
        else piece.encode("utf-8", "surrogatepass")
    )
    ends = {at + len(raw)} if data.startswith(raw, at) else set()
    if (one := _ONE_BYTE.fullmatch(piece)) and data[at : at + 1] == bytes.fromhex(one[1]):
        ends.add(at + 1)
    if "\ufffd" in piece:
        places = {at}
        for part in re.split("(\ufffd)", piece):
            known = part.encode("utf-8", "surrogatepass")
            places = (
                {
                    end
                    for place in places
                    for end in _high(data, {place}, 3)
                    if _broken(data[place:end])
                }
                if part == "\ufffd"
                else {place + len(known) for place in places if data.startswith(known, place)}
            )
        ends |= places
    return ends


def _broken(piece: bytes) -> bool:
    """Whether bytes are no whole characters: a decoder that gives U+FFFD did not have all of
    one.
    """
    try:
        piece.decode()
    except UnicodeDecodeError:
        return True
    return False


def _high(data: bytes, places: set[int], most: int) -> set[int]:
    """Places after one to `most` bytes of characters that have several."""
    found = set()
    for place in places:
        for width in range(1, most + 1):
            if place + width > len(data) or data[place + width - 1] < 0x80:
                break
            found.add(place + width)
    return found


def _by_offsets(
    tokens: Sequence[str], offsets: Sequence[Any], text: Any, sent: str, continuation: str
) -> tuple[int, int, bool] | None:
    """The same by the server's offsets, where they agree with the text it returns from there on."""
    if not isinstance(text, str) or not text.startswith(sent) or len(offsets) != len(tokens):
        return None
    if not all(isinstance(offset, int) for offset in offsets):
        return None
    cut = len(sent) - len(continuation)
    begins = [index for index, offset in enumerate(offsets) if offset <= cut]
    ends = [index for index, offset in enumerate(offsets) if offset >= len(sent)]
    if not begins or not continuation:
        return None
    begin, end = begins[-1], ends[0] if ends else len(tokens)
    place = offsets[begin]
    for index in range(begin, end):
        token = tokens[index]
        if not token or offsets[index] != place or not text.startswith(token, place):
            return None
        place += len(token)
    empty_before = begin > 0 and not tokens[begin - 1]
    return None if place != len(sent) or empty_before else (begin, end, offsets[begin] < cut)
