"""Is a model as often right as it is sure, and is it surer where it is right?

Cells are pairs of a confidence and a score, both fractions; a pair with either missing is left out,
and none left gives NaN.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

__all__ = [
    "BrierParts",
    "aurc",
    "average_precision",
    "brier_parts",
    "ece_equal_mass",
    "overconfidence",
    "reliability_bins",
    "risk_coverage",
    "sure_errors",
]

SURE = 0.99
"""Probability from which an answer counts as given for certain."""

Cells = Float[np.ndarray, " cell"]


def _kept(confidence: Cells, scores: Cells) -> tuple[Cells, Cells]:
    kept = ~(np.isnan(confidence) | np.isnan(scores))
    return confidence[kept], scores[kept]


def reliability_bins(
    confidence: Cells, scores: Cells, *, bins: int = 10
) -> Float[np.ndarray, "bin 3"]:
    """Return mean confidence, mean score and number of cells of every bin of equal width that holds
    any.

    Notes
    -----
    Bin b holds (b / bins, (b + 1) / bins], 0 goes to the first; as in `ece`.

    References
    ----------
    Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2.

    Examples
    --------
    >>> reliability_bins(np.array([0.75, 0.72, 0.2]), np.array([1.0, 0.0, 0.0])).tolist()
    [[0.2, 0.0, 1.0], [0.735, 0.5, 2.0]]
    """
    p, y = _kept(confidence, scores)
    place = np.clip(np.ceil(p * bins).astype(np.int64) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins).astype(np.float64)
    used = count > 0
    sums = [np.bincount(place, weights=values, minlength=bins)[used] for values in (p, y)]
    return np.column_stack([sums[0] / count[used], sums[1] / count[used], count[used]])


def ece_equal_mass(confidence: Cells, scores: Cells, *, bins: int = 10) -> float:
    """Return the calibration error with `bins` bins of equally many cells, in order of confidence.

    Notes
    -----
    sum_b n_b / n abs(mean score in b - mean confidence in b), where the cells, sorted by
    confidence, are cut into min(bins, n) runs whose sizes differ by one at most. Cells of equal
    confidence stay in one bin: a cut that would part them moves behind them. Bins of equal width
    are nearly empty where a model is always sure; these are not.

    References
    ----------
    Nixon et al. 2019, "Measuring Calibration in Deep Learning" (arXiv 1904.01685), adaptive
    calibration error.

    Examples
    --------
    >>> ece_equal_mass(
    ...     np.array([0.9, 0.9, 0.5, 0.5]), np.array([1.0, 0.0, 1.0, 0.0]), bins=2
    ... )  # (0.4 + 0) / 2
    0.2
    """
    p, y = _kept(confidence, scores)
    if not p.size:
        return float("nan")
    order = np.argsort(p, kind="stable")
    p, y = p[order], y[order]
    cuts = [round(p.size * number / min(bins, p.size)) for number in range(1, min(bins, p.size))]
    cuts = sorted({int(np.searchsorted(p, p[cut - 1], side="right")) for cut in cuts} - {p.size})
    parts = zip(np.split(y, cuts), np.split(p, cuts), strict=True)
    return float(sum(abs((one - other).sum()) for one, other in parts) / p.size)


@dataclass(frozen=True, slots=True)
class BrierParts:
    """Parts of the Brier score of the answers given."""

    score: float
    """Mean of (confidence - score) squared, 0 to 1."""
    reliability: float
    """How far confidence lies from how often answers are right; 0 is calibrated."""
    resolution: float
    """How much surer it is where it is right; larger is better."""
    uncertainty: float
    """What the answers' own share of right ones leaves: m (1 - m)."""
    within: float
    """What lies inside the bins: score - reliability + resolution - uncertainty; 0 where all cells
    of a bin have one confidence."""


def brier_parts(confidence: Cells, scores: Cells, *, bins: int = 10) -> BrierParts:
    """Return the Brier score of (confidence, right or not) and its parts.

    Notes
    -----
    With n_b cells, mean confidence p_b and mean score y_b of bin b, and the mean score m:
    reliability = sum n_b (p_b - y_b)^2 / n, resolution = sum n_b (y_b - m)^2 / n, uncertainty =
    m (1 - m). Right or wrong counts: scores between 0 and 1 make the parts miss the score by their
    own variance, which `within` then holds.

    References
    ----------
    Murphy 1973, "A new vector partition of the probability score", Journal of Applied Meteorology
    12. Stephenson, Coelho and Jolliffe 2008, Weather and Forecasting 23, for what lies within bins.

    Examples
    --------
    >>> parts = brier_parts(np.array([0.9, 0.9, 0.3, 0.3]), np.array([1.0, 0.0, 0.0, 0.0]))
    >>> [round(x, 4) for x in (parts.score, parts.reliability, parts.resolution, parts.uncertainty)]
    [0.25, 0.125, 0.0625, 0.1875]
    """
    p, y = _kept(confidence, scores)
    if not p.size:
        return BrierParts(*[float("nan")] * 5)
    table, mean = reliability_bins(p, y, bins=bins), y.mean()
    share = table[:, 2] / p.size
    score = float(((p - y) ** 2).mean())
    reliability = float((share * (table[:, 0] - table[:, 1]) ** 2).sum())
    resolution = float((share * (table[:, 1] - mean) ** 2).sum())
    uncertainty = float(mean * (1 - mean))
    return BrierParts(
        score,
        reliability,
        resolution,
        uncertainty,
        score - reliability + resolution - uncertainty,
    )


def overconfidence(confidence: Cells, scores: Cells) -> float:
    """Return mean confidence minus mean score: above 0, a model is surer than it is right.

    Notes
    -----
    mean(confidence - score) over the cells that have both. It is linear in the cells, so that two
    runs can be compared cell by cell; `ece` is not.

    References
    ----------
    Lichtenstein, Fischhoff and Phillips 1982, "Calibration of probabilities", over- and
    underconfidence.

    Examples
    --------
    >>> overconfidence(np.array([0.9, 0.7]), np.array([1.0, 0.0]))
    0.3
    """
    p, y = _kept(confidence, scores)
    return round(float((p - y).mean()), 15) if p.size else float("nan")


def sure_errors(
    confidence: Float[np.ndarray, "..."], scores: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Return of every cell how wrong it is where its confidence is 0.99 or more,
    and 0 where it is less.

    Notes
    -----
    1 - score where confidence >= 0.99, NaN where either is missing. A calibrated model is wrong in
    at most one of a hundred such answers, so that the mean over all cells is at most 0.01. Unlike
    `overconfidence`, which averages how much surer a model is than right, it notices a model that
    is certain of few answers without being right more often.

    References
    ----------
    None; by definition.

    Examples
    --------
    >>> sure_errors(np.array([0.999, 0.999, 0.9]), np.array([1.0, 0.0, 0.0])).tolist()
    [0.0, 1.0, 0.0]
    """
    found = np.where(confidence >= SURE, 1.0 - scores, 0.0)
    return np.where(np.isnan(confidence) | np.isnan(scores), np.nan, found)


def risk_coverage(confidence: Cells, scores: Cells) -> Float[np.ndarray, "cell 2"]:
    """Return coverage and risk when only the surest k cells are answered, k = 1 to n.

    Notes
    -----
    coverage = k / n, risk = 1 - mean score of the k cells of highest confidence. Cells of equal
    confidence cannot be told apart: each of them adds their mean score.

    References
    ----------
    El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification", JMLR 11.

    Examples
    --------
    >>> risk_coverage(np.array([0.9, 0.5]), np.array([1.0, 0.0])).tolist()
    [[0.5, 0.0], [1.0, 0.5]]
    """
    p, y = _kept(confidence, scores)
    _, place, count = np.unique(-p, return_inverse=True, return_counts=True)
    mean = np.bincount(place, weights=y, minlength=count.size) / np.maximum(count, 1)
    said = mean[np.sort(place)]
    k = np.arange(1, p.size + 1)
    return np.column_stack([k / max(p.size, 1), 1.0 - np.cumsum(said) / k])


def aurc(confidence: Cells, scores: Cells) -> float:
    """Return the area under the risk-coverage curve: the mean risk over all coverages.

    Notes
    -----
    (1 / n) sum_k risk of the k surest cells. 0 where everything is right; equal to 1 - mean score
    where confidence says nothing (all equal). Smaller is better.

    References
    ----------
    Geifman, Uziel and El-Yaniv 2019, "Bias-Reduced Uncertainty Estimation for Deep Neural
    Classifiers" (arXiv 1805.08206), section 3.

    Examples
    --------
    >>> (
    ...     aurc(np.array([0.9, 0.5]), np.array([1.0, 0.0])),
    ...     aurc(np.array([0.5, 0.9]), np.array([1.0, 0.0])),
    ... )
    (0.25, 0.75)
    """
    curve = risk_coverage(confidence, scores)
    return float(curve[:, 1].mean()) if curve.size else float("nan")


def average_precision(confidence: Cells, scores: Cells) -> float:
    """Return the average precision of confidence as a sign of being right.

    Notes
    -----
    sum over distinct confidences, from high to low, of (recall gained there) x (precision of all
    cells at least that sure), a cell counting as right by its score. NaN without a right cell. It
    is the share of right cells where confidence says nothing.

    References
    ----------
    Zhang et al. 2024, "R-Tuning" (arXiv 2311.09677), which orders answers by confidence so.

    Examples
    --------
    >>> round(
    ...     average_precision(np.array([0.9, 0.8, 0.7]), np.array([1.0, 0.0, 1.0])), 4
    ... )  # (1 + 2/3) / 2
    0.8333
    """
    p, y = _kept(confidence, scores)
    if not p.size or y.sum() <= 0:
        return float("nan")
    _, place, count = np.unique(-p, return_inverse=True, return_counts=True)
    gained = np.bincount(place, weights=y, minlength=count.size)
    return float((gained / y.sum() * np.cumsum(gained) / np.cumsum(count)).sum())
