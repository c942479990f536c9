"""Scores of many texts as one corpus, as translation papers print them, through sacrebleu."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evalkit.errors import ExtraMissingError

__all__ = ["CORPUS", "corpus_scores"]

CORPUS = frozenset({"sentence_bleu", "chrf"})
"""Metrics whose tasks have corpus scores too."""


def corpus_scores(texts: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Return corpus BLEU (13a tokens, exponential smoothing) and chrF, fractions; NaN without texts.

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
    most = max(map(len, references))
    streams: Any = [  # gaps are None, which sacrebleu's annotations do not say
        [one[place] if place < len(one) else None for one in references] for place in range(most)
    ]
    said = [text.strip() for text in texts]
    return {
        "corpus_bleu": min(1.0, sacrebleu.corpus_bleu(said, streams).score / 100),
        "corpus_chrf": min(1.0, sacrebleu.corpus_chrf(said, streams).score / 100),
    }
