"""What lies behind the scores of one task.

Log-probabilities of the choices, and what kind of text was answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["AnswerBlock"]

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerBlock:
    """Answers of one model on one task, with the phrasings and instances of its
    `evalkit.scoring.Block`, in that order.
    """

    phrasing_ids: tuple[str, ...]
    """P ids, sorted."""
    instance_ids: tuple[str, ...]
    """N ids, sorted."""
    logprobs: Floats
    """(P, N, C) log-probability of every choice in upstream order, nats, summed; NaN where none. C
    is 0 without choices."""
    tokens: npt.NDArray[np.int32]
    """(P, N, C) tokens of every choice; 0 where none."""
    form: npt.NDArray[np.int32]
    """(P, N) equal where the choices of an instance are asked for in the same texts; -1 where
    none."""
    picked: npt.NDArray[np.int32]
    """(P, N) index of the choice that was given; -1 where none."""
    targets: npt.NDArray[np.int32]
    """(N,) index of the target; -1 where none."""
    refused: Floats
    """(P, N) 1 where a text refuses or abstains, 0 where another text stands, NaN where there is no
    text."""
    adheres: Floats
    """(P, N) 1 where the first line of a text is one of the labels asked for, 0 where not, NaN
    without text or labels."""
    meant: Floats | None = None
    """(P, N) 1 for texts that mean a label asked for, however it is spelled, 0 for others, NaN
    where none is asked for; None where nobody looked."""
    corpus: Mapping[str, Floats] = field(default_factory=dict)
    """Corpus score -> its (P,) values; empty for tasks without."""
    corpus_draws: Mapping[str, Floats] = field(default_factory=dict)
    """Corpus score -> its (P, draws) values over resampled instances, or groups of them."""
    measures: Mapping[str, Floats] = field(default_factory=dict)
    """Measure -> its (P, N) values; NaN where it says nothing."""
    origins: tuple[str, ...] = ()
    """(N,) id of what each instance was made from, its own where of nothing; empty when no instance
    varies anything."""
    factors: tuple[Mapping[str, str], ...] = ()
    """(N,) factor -> level of each instance; empty likewise."""

    def probabilities(self) -> Floats:
        """Return the (P, N, C) softmax over the choices of an instance.

        0 for choices it does not have, NaN where none was scored.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            scored = ~np.isnan(self.logprobs)
            top = np.where(scored, self.logprobs, -np.inf).max(
                axis=2, keepdims=True, initial=-np.inf
            )
            weights = np.where(scored, np.exp(self.logprobs - top), 0.0)
            return np.asarray(
                np.where(
                    scored.any(axis=2, keepdims=True),
                    weights / weights.sum(axis=2, keepdims=True),
                    np.nan,
                )
            )
