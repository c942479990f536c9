"""Which phrasings a tuning set holds: seen, near or unseen, with the rows that show it.

``exact``: the phrasing's literal stretches stand in the row as written, in order. ``normalised``:
its words do, whatever the case, punctuation, line breaks and whatever fills the slots. ``near``:
its words do with few edits (`evalkit.catalog.library.align`). Exact and normalised copies make a
phrasing seen. A phrasing of fewer than `LEAST_WORDS` words outside slots is ``unknown``: such words
stand in any large collection. Not handled: paraphrases that share few words, and translations.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Literal

from evalkit.catalog.library.align import Aligner, Alignment
from evalkit.catalog.library.overlap import Chunk, Index, chunk_of
from evalkit.catalog.library.patterns import Pattern, make_patterns, normalised_words
from evalkit.errors import UsageError
from evalkit.records import Phrasing

__all__ = ["LEAST_WORDS", "NEAR", "Evidence", "Label", "Match", "label_phrasings"]

Match = Literal["exact", "normalised", "near"]
Label = Literal["seen", "near", "unseen", "unknown"]
NEAR = 0.8
"""Least likeness of a near copy."""
LEAST_WORDS = 4
"""Fewest words outside slots that a phrasing is judged by."""
SHORT = 8
"""A phrasing of fewer words counts as seen only where it stands as a sentence or line of its
own."""
_CHUNK = 8192
_RANK: dict[str, int] = {"near": 1, "normalised": 2, "exact": 3}
_EXCERPT = 160
_LONGEST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A row that holds a phrasing or a near copy."""

    row: str
    """File or data set, and number of the row from 1."""
    match: Match
    """How the row holds it."""
    likeness: float
    """1 for the same words."""
    excerpt: str
    """The stretch of the row, at most 160 characters."""


class _Row:
    """One row as it is compared: text, words, and what bounds a likeness.

    Computed once for all patterns.
    """

    def __init__(self, where: str, text: str, aligner: Aligner) -> None:
        self.where = where
        self.text = text
        self.words = normalised_words(text)[:_LONGEST]
        self.joined = f" {' '.join(self.words)} "
        self.held = aligner.row_words(self.words)


@dataclass(slots=True, kw_only=True)
class Finding:
    """What was found for one phrasing."""

    phrasing_id: str
    """Phrasing."""
    label: Label = "unseen"
    """``seen``, ``near``, ``unseen``, or ``unknown`` when it has too few words."""
    evidence: list[Evidence] = field(default_factory=list)
    """Best rows found, best first."""


class _Search:
    """Patterns with the evidence found so far; stops looking for what is settled."""

    def __init__(self, patterns: Sequence[Pattern], *, near: float, keep: int) -> None:
        self.patterns = patterns
        self.index = Index(patterns)
        self.aligner = Aligner(patterns, self.index.vocabulary)
        self.near = near
        self.keep = keep
        self.found: list[list[Evidence]] = [[] for _ in patterns]

    def settled(self, number: int) -> bool:
        """Return whether enough rows hold the pattern exactly."""
        found = self.found[number]
        return len(found) == self.keep and found[-1].match == "exact"

    def chunk(
        self, rows: Sequence[tuple[str, str]], pairs: Chunk | None = None
    ) -> dict[int, list[Evidence]]:
        """Return the evidence in one chunk of rows by pattern number, best first.

        Does not depend on other chunks.
        """
        pairs = (
            chunk_of([text for _, text in rows], self.index.vocabulary) if pairs is None else pairs
        )
        self.found = [[] for _ in self.patterns]
        current: _Row | None = None
        last = -1
        found_rows, numbers = self.index.candidates(pairs)
        for row, number in zip(found_rows.tolist(), numbers.tolist(), strict=True):
            if self.settled(number):
                continue
            if row != last or current is None:
                where, text = rows[row]
                current, last = _Row(where, text, self.aligner), row
            self.look(number, current)
        return {number: evidence for number, evidence in enumerate(self.found) if evidence}

    def look(self, number: int, row: _Row) -> None:
        """Compare one pattern with one row and keep the row when it is better than what is kept."""
        pattern = self.patterns[number]
        found = self.found[number]
        worst = _RANK[found[-1].match] if len(found) == self.keep else 0
        likely = self.aligner.bound(number, row.held)
        if likely < self.near:
            return
        whole = likely == 1.0 and _in_order(
            row.joined, [f" {' '.join(piece)} " for piece in pattern.pieces]
        )
        if whole:
            exact = any(_in_order(row.text, literals) for literals in pattern.literals)
            if len(pattern.words) < SHORT and not _stands_alone(row.text, pattern):
                return
            match: Match = "exact" if exact else "normalised"
            if _RANK[match] > worst:
                alignment = self.aligner.align(number, row.words)
                self._add(
                    number,
                    Evidence(
                        row=row.where,
                        match=match,
                        likeness=1.0,
                        excerpt=_excerpt(row.text, alignment.start, alignment.end),
                    ),
                )
            return
        if _RANK["near"] <= worst or len(pattern.words) < LEAST_WORDS + 1:
            return
        alignment = self.aligner.align(number, row.words)
        if alignment.likeness >= self.near and (
            len(pattern.words) >= SHORT or _near_alone(row.words, alignment, pattern)
        ):
            excerpt = _excerpt(row.text, alignment.start, alignment.end)
            self._add(
                number,
                Evidence(
                    row=row.where,
                    match="near",
                    likeness=round(alignment.likeness, 3),
                    excerpt=excerpt,
                ),
            )

    def _add(self, number: int, evidence: Evidence) -> None:
        self.found[number] = _best([*self.found[number], evidence], self.keep)


def _best(evidence: list[Evidence], keep: int) -> list[Evidence]:
    """Return the best rows, first come first among equals."""
    return sorted(evidence, key=lambda item: (-_RANK[item.match], -item.likeness))[:keep]


def _in_order(text: str, parts: Iterable[str]) -> bool:
    """Return whether all parts stand in `text`, one after the other."""
    position = 0
    for part in parts:
        place = text.find(part, position)
        if place < 0:
            return False
        position = place + len(part) - (1 if part.endswith(" ") else 0)
    return True


def _stands_alone(text: str, pattern: Pattern) -> bool:
    """Return whether the words stand as a sentence, clause or line of their own,
    not inside a longer one.
    """
    gap = r"(?:[\W_]+(?:.{0,2000}?[\W_])?)"
    body = gap.join(r"[\W_]+".join(map(re.escape, piece)) for piece in pattern.pieces)
    start = r"(?<!\w)" if pattern.open_start else r"(?:\A|[\n.:;!?\"'“‘(\[>*#-]\s*)"
    end = r"(?!\w)" if pattern.open_end else r"(?=\s*(?:\Z|[\n.:;!?\"'”’)\]<{]|[-–—](?!\w)))"
    return (
        re.search(
            start + body + end, unicodedata.normalize("NFKC", text), re.IGNORECASE | re.DOTALL
        )
        is not None
    )


def _near_alone(words: list[str], place: Alignment, pattern: Pattern) -> bool:
    """Return whether a short near copy begins or ends the row's text.

    Inside a longer sentence it shows nothing.
    """
    return place.start == 0 or place.end == len(words) or len(words) <= 3 * len(pattern.words)


def _excerpt(text: str, start: int, end: int) -> str:
    """Return the stretch of `text` from word `start` to word `end`, shortened in the middle."""
    spans = [match.span() for match in re.finditer(r"[^\W_]+", text)]
    first = spans[min(start, len(spans) - 1)][0] if spans else 0
    last = spans[min(max(end, 1), len(spans)) - 1][1] if spans else len(text)
    shown = " ".join(text[first : max(last, first)].split())
    return (
        shown
        if len(shown) <= _EXCERPT
        else f"{shown[: _EXCERPT // 2 - 2]} ... {shown[-(_EXCERPT // 2 - 3) :]}"
    )


def _chunks(rows: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk


_worker: _Search | None = None
"""Search of a worker process."""


def _start_worker(search: _Search) -> None:
    global _worker
    _worker = search


def _work(rows: Sequence[tuple[str, str]]) -> tuple[int, dict[int, list[Evidence]]]:
    """Return size and evidence of one chunk, in a worker process."""
    if _worker is None:
        raise RuntimeError("worker process was not started")
    return len(rows), _worker.chunk(rows)


def _results(
    search: _Search, rows: Iterable[tuple[str, str]], workers: int
) -> Iterator[tuple[int, dict[int, list[Evidence]]]]:
    """Yield size and evidence of every chunk, in order.

    The first one also says which word pairs are worth looking up.
    """
    chunks = _chunks(rows)
    first = next(chunks, None)
    if first is None:
        return
    pairs = chunk_of([text for _, text in first], search.index.vocabulary)
    search.index.fit(pairs, n_rows=len(first))
    yield len(first), search.chunk(first, pairs)
    second = next(chunks, None)
    if second is None:
        return
    if workers == 1:
        for chunk in chain([second], chunks):
            yield len(chunk), search.chunk(chunk)
        return
    from concurrent.futures import Future, ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_start_worker, initargs=(search,)
    ) as pool:
        waiting: deque[Future[tuple[int, dict[int, list[Evidence]]]]] = deque()
        for chunk in chain([second], chunks):
            waiting.append(pool.submit(_work, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def label_phrasings(
    phrasings: Iterable[Phrasing],
    rows: Iterable[tuple[str, str]],
    *,
    near: float = NEAR,
    keep: int = 3,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
) -> tuple[list[Finding], int]:
    """Return a finding per phrasing, in order, and the number of rows read.

    Parameters
    ----------
    phrasings
        What is looked for.
    rows
        (where, text) of every row of the tuning set; read once, in chunks.
    near
        Least likeness of a near copy, above 0.5 and at most 1.
    keep
        Rows kept as evidence per phrasing.
    workers
        Processes that look; results do not depend on it.
    progress
        Called with the number of rows read so far.

    Raises
    ------
    UsageError
        When `near` is out of range.
    """
    if not 0.5 < near <= 1:
        raise UsageError(
            f"near: {near} is not accepted; a likeness above 0.5 and at most 1 is. "
            f"Give one such as {NEAR}."
        )
    wanted = list(phrasings)
    patterns = make_patterns(wanted)
    able = [pattern for pattern in patterns if len(pattern.words) >= LEAST_WORDS]
    search = _Search(able, near=near, keep=keep)
    found: list[list[Evidence]] = [[] for _ in able]
    count = 0
    for size, evidence in _results(search, rows, workers):
        count += size
        for number, better in evidence.items():
            found[number] = _best(found[number] + better, keep)
        if progress is not None:
            progress(count)
    findings = {
        phrasing_id: _finding(phrasing_id, rows_found)
        for pattern, rows_found in zip(able, found, strict=True)
        for phrasing_id in pattern.phrasing_ids
    }
    unknown = [Finding(phrasing_id=phrasing.id, label="unknown") for phrasing in wanted]
    return [findings.get(one.phrasing_id, one) for one in unknown], count


def _finding(phrasing_id: str, rows: Sequence[Evidence]) -> Finding:
    """Return what rows of the tuning set, best first, say of a phrasing."""
    label: Label = "unseen" if not rows else "near" if rows[0].match == "near" else "seen"
    return Finding(phrasing_id=phrasing_id, label=label, evidence=list(rows))
