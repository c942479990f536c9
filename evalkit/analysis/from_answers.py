"""Statistics of one task that need more than scores.

Probabilities of the choices, and the texts answered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from evalkit import stats
from evalkit.analysis.from_states import calibration_statistics
from evalkit.scoring import AnswerBlock
from evalkit.stats.intervals.fixed_intervals import mean_of_instances
from evalkit.stats.intervals.resample import OVER, percentile

__all__ = ["answer_statistics", "brier_cells"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NO_CHOICES = (
    "needs the log-probability of every choice under every phrasing; these answers are texts"
)
ALONE = "no two phrasings that ask for the same answer texts"
NO_TEXT = "answers are scored by log-probability, none is a text"
CLUSTER = "percentile bootstrap"
"""Method of an interval that holds for grouped instances as well."""
NO_CORPUS_INTERVAL = "not offered: an answer is missing under each of the phrasings, or all are"
OF_TOKENS = {
    name: f"{name.removesuffix('_answer')}_tokens"
    for name in ("ece", "brier_answer", "overconfidence", "aurc", "average_precision")
}
"""Statistic of confidence -> its name where the probability of an answer's tokens is taken for
it.
"""
NO_LABELS = "no fixed set of answers to keep to"


def answer_statistics(
    answers: AnswerBlock, *, headline: Mask, pairs: Mapping[str, str], level: float
) -> dict[str, stats.Interval]:
    """Return posix, prompt_uncertainty, confidence, brier, refusal_rate and label_adherence with
    their intervals.

    Parameters
    ----------
    answers
        Answers of one task.
    headline
        (P,) the phrasings that count.
    pairs
        Perturbed id -> id of its origin; empty when no phrasing is perturbed.
    level
        Level of intervals.

    Notes
    -----
    All are means over instances, so their intervals are for these phrasings on new instances.
    prompt_uncertainty holds every origin against its perturbed copies where there are any, else
    every phrasing against every other; confidence is the mean probability of the model's own
    answer, exp(mean token log-probability), over the phrasings that it starts from.
    """
    mine = {
        name: getattr(answers, name)[headline] for name in ("logprobs", "tokens", "picked", "form")
    }
    found: dict[str, stats.Interval] = {}
    if answers.logprobs.shape[2] == 0 or np.isnan(answers.logprobs[headline]).all():
        names = ("posix", "prompt_uncertainty", "confidence", "brier")
        found |= {name: stats.undefined(math.nan, NO_CHOICES, level=level) for name in names}
    else:
        per_instance = {
            "posix": stats.posix_per_instance(**mine),
            "prompt_uncertainty": _uncertainty(answers, headline, pairs),
            "confidence": stats.instance_scores(
                stats.answer_confidence(mine["logprobs"], mine["tokens"], picked=mine["picked"])
            ),
            "brier": stats.instance_scores(brier_cells(answers)[headline]),
        }
        reasons = {
            "posix": ALONE,
            "prompt_uncertainty": ALONE,
            "confidence": "no answer",
            "brier": "no target among the choices",
        }
        found |= {
            name: _mean(values, reasons[name], level=level) for name, values in per_instance.items()
        }
    texts = answers.refused[headline]
    found["refusal_rate"] = _mean(
        stats.instance_scores(texts), NO_TEXT, level=level, value=_share(texts)
    )
    labelled = answers.adheres[headline]
    none = NO_TEXT if np.isnan(texts).all() else NO_LABELS
    found["label_adherence"] = _mean(
        stats.instance_scores(labelled), none, level=level, value=_share(labelled)
    )
    found |= {name: _corpus(answers, name, headline, level) for name in answers.corpus}
    if answers.meant is not None:
        meant = answers.meant[headline]
        found["label_meant"] = _mean(
            stats.instance_scores(meant), none, level=level, value=_share(meant)
        )
    return found


def _corpus(answers: AnswerBlock, name: str, headline: Mask, level: float) -> stats.Interval:
    """Mean of a corpus score over phrasings; its interval is over instances, or groups of them."""
    kept = answers.corpus[name][headline]
    kept = kept[~np.isnan(kept)]
    value = float(kept.mean()) if kept.size else math.nan
    draws = answers.corpus_draws.get(name)
    if draws is None or not kept.size:
        return stats.undefined(value, NO_CORPUS_INTERVAL, level=level)
    low, high = percentile(draws[headline].mean(axis=0), level=level)
    return stats.Interval(value, low, high, level, method=CLUSTER, over=OVER["fixed"])


def said_statistics(
    said: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    scores: Mapping[str, Floats],
    level: float,
) -> dict[str, stats.Interval]:
    """Return prompt_uncertainty and confidence of generated answers, and how calibrated it is.

    Parameters
    ----------
    said
        Phrasing id -> itself or a perturbed copy -> probability of each instance's own answer under
        that phrasing, NaN without one.
    scores
        Phrasing id -> score of each instance.
    level
        Level of intervals.
    """
    own = np.stack([np.asarray(family[name], dtype=float) for name, family in said.items()])
    changes = [_change(name, family) for name, family in said.items() if len(family) > 1]
    found = {"confidence": _mean(stats.instance_scores(own), "no answer", level=level)}
    found["prompt_uncertainty"] = (
        _mean(stats.instance_scores(np.stack(changes)), "no answer", level=level)
        if changes
        else stats.undefined(math.nan, ALONE, level=level)
    )
    right = np.stack([np.asarray(scores[name], dtype=float) for name in said])
    told = calibration_statistics(own, right, level=level)
    return found | {new: told[name] for name, new in OF_TOKENS.items()}


def _change(name: str, family: Mapping[str, Sequence[float]]) -> Floats:
    """Mean change in the probability of every answer between a phrasing and its copies."""
    own = np.asarray(family[name], dtype=float)
    copies = [np.asarray(values, dtype=float) for copy, values in family.items() if copy != name]
    return stats.instance_scores(np.abs(own - np.stack(copies)))


def brier_cells(answers: AnswerBlock) -> Floats:
    """Return the (P, N) Brier score of every cell.

    NaN where no choice was scored or there is no target.
    """
    probabilities = answers.probabilities()
    p, n, c = probabilities.shape
    if c == 0:
        return np.full((p, n), np.nan)
    return stats.brier_per_cell(
        probabilities.reshape(p * n, c), np.tile(answers.targets, p)
    ).reshape(p, n)


def _uncertainty(answers: AnswerBlock, headline: Mask, pairs: Mapping[str, str]) -> Floats:
    """Prompt uncertainty of every instance."""
    place = {name: number for number, name in enumerate(answers.phrasing_ids)}
    others = np.zeros((len(place), len(place)), dtype=bool)
    for copy, origin in pairs.items():
        others[place[origin], place[copy]] = headline[place[origin]]
    if others.any():
        return stats.uncertainty_per_instance(
            answers.logprobs,
            answers.tokens,
            picked=answers.picked,
            form=answers.form,
            others=others,
        )
    mine = {
        name: getattr(answers, name)[headline] for name in ("logprobs", "tokens", "picked", "form")
    }
    return stats.uncertainty_per_instance(**mine)


def _share(cells: Floats) -> float | None:
    """Mean over all cells; None without any."""
    kept = cells[~np.isnan(cells)]
    return float(kept.mean()) if kept.size else None


def _mean(
    values: Floats, reason: str, *, level: float, value: float | None = None
) -> stats.Interval:
    """Mean over instances with its interval, or the reason why there is none."""
    if np.isnan(values).all():
        return stats.undefined(math.nan, reason, level=level)
    return mean_of_instances(values, value=value, level=level)
