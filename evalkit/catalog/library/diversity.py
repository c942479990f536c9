"""How different the phrasings of a set are, and which few stand for all of them.

Numbers over words need nothing; with embeddings the distance is that of meanings, and the Vendi
score says how many wholly different phrasings a set is worth.

References
----------
Lin. ROUGE, 2004. Friedman, Dieng. The Vendi score, TMLR 2023. Gonzalez. Clustering to minimize the
maximum intercluster distance, 1985 (farthest-first choice: within twice the best radius).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from evalkit.catalog.library.likeness import rouge_l
from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.errors import UsageError
from evalkit.records import Phrasing

__all__ = ["Diversity", "How", "choose_k", "distances", "diversity", "vendi_score"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
How = Literal["k-center", "facility"]
"""Ways to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """What a set of phrasings is like; None where there is nothing to measure."""

    phrasings: int
    """How many."""
    words: int
    """Words outside slots, all together."""
    type_token_ratio: float | None
    """Different words over words; falls as texts are added, so compare sets of like size."""
    rouge_l: float | None
    """Mean ROUGE-L F over pairs: 0 without a common word, 1 for the same words."""
    nearest_rouge_l: float | None
    """Mean over phrasings of the ROUGE-L F with the nearest other one."""
    vendi: float | None
    """Vendi score, from 1 (all alike) to the number of phrasings; needs embeddings."""
    neighbours: tuple[tuple[str, str, float], ...]
    """Per phrasing: its id, the nearest other's id, and their ROUGE-L F; most alike first."""


def _words(phrasing: Phrasing) -> list[str]:
    return normalised_words(" ".join(pieces_of(phrasing.text)))


def distances(phrasings: Sequence[Phrasing], rows: Floats | None = None) -> Floats:
    """Return how far apart phrasings are, in [0, 1] over words and [0, 2] over embeddings, shape
    (phrasing, phrasing).

    Parameters
    ----------
    phrasings
        At least one.
    rows
        Unit embeddings, shape (phrasing, dimension): one minus their cosine; None: one minus
        ROUGE-L.
    """
    if rows is not None:
        return np.asarray(1.0 - rows @ rows.T, dtype=np.float64)
    words = [_words(phrasing) for phrasing in phrasings]
    found = np.zeros((len(words), len(words)))
    for one in range(len(words)):
        for two in range(one):
            found[one, two] = found[two, one] = 1.0 - rouge_l(words[one], words[two])
    return found


def vendi_score(rows: Floats) -> float:
    """Return the exponential of the entropy of the eigenvalues of the similarities over n.

    Parameters
    ----------
    rows
        Unit embeddings, shape (phrasing, dimension); at least one.
    """
    values = np.linalg.eigvalsh(rows @ rows.T / len(rows))
    positive = values[values > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def diversity(phrasings: Sequence[Phrasing], rows: Floats | None = None) -> Diversity:
    """Return the numbers of a set.

    Parameters
    ----------
    phrasings
        The set.
    rows
        Unit embeddings, shape (phrasing, dimension), for the Vendi score.
    """
    words = [word for phrasing in phrasings for word in _words(phrasing)]
    alike = 1.0 - distances(phrasings)
    np.fill_diagonal(alike, -1.0)
    several = len(phrasings) > 1
    nearest = alike.argmax(axis=1) if several else []
    neighbours = sorted(
        (
            (phrasings[place].id, phrasings[other].id, float(alike[place, other]))
            for place, other in enumerate(nearest)
        ),
        key=lambda found: (-found[2], found[0]),
    )
    pairs = alike[np.triu_indices(len(phrasings), 1)]
    return Diversity(
        phrasings=len(phrasings),
        words=len(words),
        type_token_ratio=len(set(words)) / len(words) if words else None,
        rouge_l=float(pairs.mean()) if several else None,
        nearest_rouge_l=float(alike.max(axis=1).mean()) if several else None,
        vendi=vendi_score(rows) if rows is not None and len(rows) else None,
        neighbours=tuple(neighbours),
    )


def choose_k(apart: Floats, k: int, *, how: How = "k-center") -> list[int]:
    """Return k places that cover all.

    Parameters
    ----------
    apart
        Distances, shape (phrasing, phrasing).
    k
        How many; between 1 and their number.
    how
        ``k-center``: the most central one, then always the one farthest from those chosen, so that
        none is far from all of them (odd ones are chosen early). ``facility``: always the one that
        brings all phrasings nearest to their nearest chosen one, so that the chosen stand for the
        many (odd ones are chosen late).

    Raises
    ------
    UsageError
        When there are fewer than k, or k is less than 1.

    Notes
    -----
    The first k of a larger choice are the choice of k.

    References
    ----------
    Gonzalez 1985 (farthest-first for k-center); Cornuejols, Fisher, Nemhauser 1977 (greedy facility
    location).
    """
    if not 1 <= k <= len(apart):
        raise UsageError(
            f"--pick {k}: there are {len(apart)} phrasings to choose from; "
            f"1 to {len(apart)} is accepted."
        )
    if how == "facility":
        return _facility(apart, k)
    chosen = [int(apart.max(axis=1).argmin())]
    while len(chosen) < k:
        left = apart[chosen].min(axis=0)
        left[chosen] = -1.0
        chosen.append(int(left.argmax()))
    return chosen


def _facility(apart: Floats, k: int) -> list[int]:
    """Greedy facility location: each choice lowers the sum of distances to the nearest chosen
    one most.
    """
    nearest = np.full(len(apart), apart.max() + 1.0)
    chosen: list[int] = []
    while len(chosen) < k:
        sums = np.minimum(apart, nearest).sum(axis=1)
        sums[chosen] = np.inf
        chosen.append(int(sums.argmin()))
        nearest = np.minimum(nearest, apart[chosen[-1]])
    return chosen
