"""What MinHash would cost and find, beside the seen detector (see
docs/decisions/0006-seen-detector.md).

datasketch's MinHash and LSH over word triples of whole rows, phrasings indexed, on the rows
`benchmarks/seen.py` makes. Copies stand in rows with an instance and an answer around them, as in
real tuning sets. Type: python benchmarks/seen_minhash.py
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
from datasketch import MinHash, MinHashLSH
from seen import WAYS, library, rows

from evalkit.catalog.library.patterns import normalised_words
from evalkit.catalog.library.seen import label_phrasings

ROWS = 4000


def sketch(text: str) -> MinHash:
    """Return the MinHash of the word triples of a text."""
    words = normalised_words(text)
    triples = {" ".join(words[i : i + 3]).encode() for i in range(max(1, len(words) - 2))}
    made = MinHash(num_perm=128)
    made.update_batch(list(triples))
    return made


def main() -> None:
    """Print rows per second and recall of both."""
    phrasings = library()
    generated, truth = rows(phrasings, count=ROWS, share=0.4, rng=np.random.default_rng(0))
    texts = ["\n".join(row.values()) for row in generated]
    for threshold in (0.1, 0.3, 0.5):
        index = MinHashLSH(threshold=threshold, num_perm=128)
        for phrasing in phrasings:
            index.insert(phrasing.id, sketch(phrasing.text))
        start = time.perf_counter()
        found = {name for text in texts for name in index.query(sketch(text))}
        seconds = time.perf_counter() - start
        print(
            f"MinHash, Jaccard {threshold}: {ROWS / seconds:.0f} rows/s; {_recall(found, truth)}; "
            f"{len(found - set(truth))} false"
        )
    start = time.perf_counter()
    findings, _ = label_phrasings(phrasings, [(str(n), text) for n, text in enumerate(texts)])
    seconds = time.perf_counter() - start
    ours = {finding.phrasing_id for finding in findings if finding.label in {"seen", "near"}}
    print(
        f"word pairs and alignment: {ROWS / seconds:.0f} rows/s; {_recall(ours, truth)}; "
        f"{len(ours - set(truth))} false"
    )


def _recall(found: set[str], truth: dict[str, str]) -> str:
    counts = Counter(truth.values())
    hits = Counter(way for name, way in truth.items() if name in found)
    return ", ".join(f"{way} {hits[way]}/{counts[way]}" for way in WAYS)


if __name__ == "__main__":
    main()
