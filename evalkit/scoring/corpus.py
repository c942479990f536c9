"""Scores of many texts as one corpus, as translation papers print them, through sacrebleu."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from evalkit.errors import ExtraMissingError

__all__ = ["CORPUS", "corpus_scores", "resampled_scores"]

Floats: TypeAlias = npt.NDArray[np.float64]

CORPUS = frozenset({"sentence_bleu", "chrf"})
"""Metrics whose tasks have corpus scores too."""


def corpus_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return corpus BLEU (13a tokens, exponential smoothing) and chrF, fractions;
    NaN without texts.

    Parameters
    ----------
    texts
        Answers, one per item; an empty one counts.
    references
        Accepted answers of each item, at least one; numbers may differ.

    Raises
    ------
    ExtraMissingError
        When sacrebleu is not installed.

    Notes
    -----
    Matches and lengths are added over the corpus before they are divided, so this is no mean of
    sentence scores.

    References
    ----------
    Papineni et al. 2002 (BLEU); Popovic 2015 (chrF); M. Post, "A Call for Clarity in Reporting BLEU
    Scores", 2018 (sacrebleu).
    """
    try:
        import sacrebleu
    except ImportError:
        raise ExtraMissingError("corpus BLEU", "hf") from None
    if not texts:
        return {"corpus_bleu": math.nan, "corpus_chrf": math.nan}
    said, streams = [text.strip() for text in texts], _streams(references)
    return {
        "corpus_bleu": min(1.0, sacrebleu.corpus_bleu(said, streams).score / 100),
        "corpus_chrf": min(1.0, sacrebleu.corpus_chrf(said, streams).score / 100),
    }


def resampled_scores(
    texts: Sequence[Mapping[int, str]],
    references: Sequence[Sequence[str]],
    units: Sequence[int],
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Return the (P, n_resamples) corpus scores of resampled units, the same draws for every
    phrasing.

    Parameters
    ----------
    texts
        Of each of P phrasings: position of an instance -> its answer; a missing one adds nothing.
    references
        (N,) accepted answers of every instance.
    units
        (N,) number of the unit that an instance belongs to, from 0 on: its own, or its group's.
    n_resamples
        Number of draws; each takes as many units as there are, with replacement.
    rng
        Source of the draws.

    Notes
    -----
    Matches and lengths of each text are counted once and added up anew in every draw. That uses
    what sacrebleu hands to its own significance tests; a version without it gives an empty answer.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    n = max(units, default=-1) + 1
    times = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples) if n else np.zeros((0, 0))
    found = {}
    for name, metric in (("corpus_bleu", BLEU()), ("corpus_chrf", CHRF())):
        count = getattr(metric, "_extract_corpus_statistics", None)
        score = getattr(metric, "_compute_score_from_stats", None)
        if count is None or score is None or not n or not all(texts):
            return {}
        rows = []
        for said in texts:
            parts = np.array(
                count(
                    [one.strip() for one in said.values()], _streams([references[k] for k in said])
                )
            )
            sums = np.zeros((n, parts.shape[1]), dtype=np.int64)
            np.add.at(sums, [units[k] for k in said], parts)
            totals = (times @ sums).tolist()
            rows.append([min(1.0, score(total).score / 100) for total in totals])
        found[name] = np.array(rows)
    return found


def _streams(references: Sequence[Sequence[str]]) -> Any:
    """References by their place; gaps are None, which sacrebleu's annotations do not say."""
    most = max(map(len, references))
    return [
        [one[place] if place < len(one) else None for one in references] for place in range(most)
    ]
