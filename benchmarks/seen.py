"""Recall, precision and speed of the seen detector on planted copies.

A tuning set is made from the phrasing library itself: a drawn part of the phrasings is planted once
each, in one of six ways, in rows with an instance and an answer around it; the other phrasings are
decoys that must come out unseen, which is hard because they ask the same tasks. Every other row is
filler: chains over the library's own word pairs (the worst case for an index of word pairs), with a
body of Zipf-distributed words. Type: python benchmarks/seen.py --rows 1000000
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from evalkit.catalog.library.patterns import make_patterns, normalised_words
from evalkit.catalog.library.seen import LEAST_WORDS, label_phrasings
from evalkit.catalog.library.training import training_rows
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.noise import VOCABULARY
from evalkit.records import Phrasing

WAYS = (
    "verbatim",
    "filled slots",
    "case and punctuation",
    "one typing slip in ten words",
    "one word in ten dropped",
    "two words in fifteen replaced",
)
EXPECTED = {
    way: "near" if "in" in way.split() and way[:3] in {"one", "two"} else "seen" for way in WAYS
}


def library() -> list[Phrasing]:
    """Return every shipped phrasing that has words enough to be judged."""
    found = [
        phrasing
        for path in sorted(data_root("paraphrases").rglob("*.yaml"))
        for phrasing in read_phrasing_file(path)
    ]
    return [
        phrasing
        for phrasing in found
        if sum(len(piece) for piece in make_patterns([phrasing])[0].pieces) >= LEAST_WORDS
    ]


def filled(text: str, rng: np.random.Generator) -> str:
    """Return `text` with every slot replaced by a few words."""
    import re

    return re.sub(
        r"\{\{.*?\}\}",
        lambda _: " ".join(rng.choice(VOCABULARY, size=int(rng.integers(1, 8)))),
        text,
    )


def planted(phrasing: Phrasing, way: str, rng: np.random.Generator) -> str | None:
    """Return a copy of the phrasing made in one of `WAYS`; None when it has nothing to change."""
    if way == "verbatim":
        return phrasing.text
    if way == "filled slots":
        return filled(phrasing.text, rng) if "{{" in phrasing.text else None
    if way == "case and punctuation":
        text = filled(phrasing.text, rng)
        return (
            text.upper()
            if rng.random() < 0.5
            else text.lower().replace(".", " -").replace(",", "").replace("\n", "  ")
        )
    specs = {
        "one typing slip in ten words": "character:rate=0.1,kind=swap",
        "one word in ten dropped": "drop:rate=0.1",
    }
    spec = specs.get(way, "random:rate=0.13")
    made, _ = apply([phrasing], [spec], seed=int(rng.integers(1 << 30)))
    return filled(made[0].text, rng) if made else None


class Filler:
    """Rows that look like instructions made of the library's own word pairs."""

    def __init__(self, phrasings: list[Phrasing], rng: np.random.Generator) -> None:
        follow: dict[str, list[str]] = defaultdict(list)
        for phrasing in phrasings:
            words = normalised_words(phrasing.text)
            for first, second in pairwise(words):
                follow[first].append(second)
        self.follow, self.starts, self.rng = dict(follow), sorted(follow), rng
        body = [
            f"{a}{b}"
            for a in ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t", "v"]
            for b in ("an", "et", "ilo", "ora", "une", "ack", "ish", "ead")
        ]
        self.body = np.array([*sorted(follow), *body, *(f"{a}{b}" for a in body for b in body)])
        weights = 1 / np.arange(1, len(self.body) + 1)
        self.cumulative = np.cumsum(weights / weights.sum())

    def chain(self, length: int) -> str:
        """Return `length` words, each one that follows the last somewhere in the library."""
        words = [self.starts[int(self.rng.integers(len(self.starts)))]]
        for draw in self.rng.random(length - 1):
            after = self.follow.get(words[-1]) or self.starts
            words.append(after[int(draw * len(after))])
        return " ".join(words)

    def words(self, length: int) -> str:
        """Return `length` words drawn by Zipf's law."""
        return " ".join(self.body[np.searchsorted(self.cumulative, self.rng.random(length))])


def rows(
    phrasings: list[Phrasing], *, count: int, share: float, rng: np.random.Generator
) -> tuple[Iterator[dict[str, str]], dict[str, str]]:
    """Return the rows of a tuning set and, per planted phrasing id, the way it was planted."""
    truth: dict[str, str] = {}
    copies: list[str] = []
    for phrasing in phrasings:
        if rng.random() < share:
            way = WAYS[int(rng.integers(len(WAYS)))]
            copy = planted(phrasing, way, rng)
            if copy is not None:
                truth[phrasing.id] = way
                copies.append(copy)
    filler = Filler(phrasings, rng)
    places = {
        int(place): copy
        for place, copy in zip(
            rng.choice(count, size=len(copies), replace=False), copies, strict=True
        )
    }

    def generate() -> Iterator[dict[str, str]]:
        for number in range(count):
            body = filler.words(int(rng.integers(20, 120)))
            lead = places.get(number) or filler.chain(int(rng.integers(8, 30)))
            text = f"{lead}\n\n{body}" if number % 3 else f"{body}\n\n{lead}"
            yield {"instruction": text, "output": filler.words(int(rng.integers(1, 40)))}

    return generate(), truth


def main() -> None:
    """Plant, look, and print recall per way, precision, time and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    phrasings = library()
    generated, truth = rows(phrasings, count=options.rows, share=options.share, rng=rng)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tuning.jsonl"
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in generated)
        size = path.stat().st_size
        start, own = time.perf_counter(), time.process_time()
        findings, count = label_phrasings(
            phrasings, training_rows(str(path)), workers=options.workers
        )
        seconds = time.perf_counter() - start
        cpu = time.process_time() - own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for finding in findings:
        table[truth.get(finding.phrasing_id, "decoy (not planted)")][finding.label] += 1
    print(f"{len(phrasings)} phrasings, {len(truth)} planted; {count} rows, {size / 1e6:.0f} MB")
    print(
        f"{seconds:.1f} s ({cpu:.1f} s of CPU), peak memory "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB, "
        "of the largest worker "
        f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6:.2f} GB"
    )
    print("planted as | n | seen | near | unseen | recall (seen or near)")
    for way in [*WAYS, "decoy (not planted)"]:
        row = table[way]
        n = sum(row.values())
        print(
            f"{way} | {n} | {row['seen']} | {row['near']} | {row['unseen']} | "
            f"{(row['seen'] + row['near']) / max(n, 1):.3f}"
        )
    flagged = [finding for finding in findings if finding.label in {"seen", "near"}]
    right = sum(finding.phrasing_id in truth for finding in flagged)
    seen = [finding for finding in flagged if finding.label == "seen"]
    print(
        f"precision: {right / max(len(flagged), 1):.4f} of seen or near, "
        f"{sum(f.phrasing_id in truth for f in seen) / max(len(seen), 1):.4f} of seen"
    )
    for finding in flagged:
        if finding.phrasing_id not in truth:
            print("false:", finding.label, finding.phrasing_id, finding.evidence[0])
    for finding in findings:
        if finding.label == "unseen" and finding.phrasing_id in truth:
            print("missed:", truth[finding.phrasing_id], finding.phrasing_id)


if __name__ == "__main__":
    main()
