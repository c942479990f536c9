"""Statistics of a[p], the mean score of each phrasing, over any leading axes.

`a` has the phrasings on its last axis; whatever stands before (resamples, tasks) is kept. A
phrasing without a single score is NaN and left out. The functions on whole matrices in `location`,
`spread` and `contrast` are these applied to ``phrasing_scores(scores)``; resampling calls them on
batches.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import gammaln

from evalkit.stats.point.missing import mean_over, ordered, pick, std_over

__all__ = [
    "FROM_MEANS",
    "GAPS_FROM_MEANS",
    "lowest_expected",
    "lowest_mean",
    "quantile_of",
    "spread_of",
]

Means = Float[np.ndarray, "*batch phrasing"]
Others = Float[np.ndarray, "*batch other"]
Values = Float[np.ndarray, "*batch"]


def quantile_of(a: Means, q: float) -> Values:
    """Return the `q` quantile over phrasings, linear between order statistics (Hyndman and Fan
    type 7).
    """
    rows, count = ordered(a)
    place = q * (count - 1)
    below = np.asarray(np.floor(place)).astype(np.int64)
    low = pick(rows, below)
    high = pick(rows, np.asarray(np.minimum(below + 1, count - 1)))
    return np.asarray(low + (place - below) * (high - low))


def lowest_mean(a: Means, k: int) -> Values:
    """Return the mean of the `k` lowest phrasings; NaN when there are fewer than `k`."""
    rows, count = ordered(a)
    return (
        np.asarray(np.where(count >= k, mean_over(rows[..., :k]), np.nan))
        if k >= 1
        else np.full(count.shape, np.nan)
    )


def cvar10_of(a: Means) -> Values:
    """Return the mean of the lowest tenth of phrasings, at least one: ceil(P / 10) of them."""
    rows, count = ordered(a)
    k = np.ceil(count / 10)
    kept = np.arange(rows.shape[-1]) < np.expand_dims(k, -1)
    return np.asarray(mean_over(np.where(kept, rows, np.nan)))


def _subset_weights(n: int, m: int) -> Float[np.ndarray, " item"]:
    """Chance that the r-th smallest of `n` is the smallest of a random subset of `m`.

    C(n - r, m - 1) / C(n, m).
    """
    rest = np.arange(n - 1, -1, -1, dtype=np.float64)  # values above the r-th
    log_choose = gammaln(rest + 1) - gammaln(m) - gammaln(np.maximum(rest - m + 1, 0) + 1)
    log_all = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    return np.where(rest >= m - 1, np.exp(log_choose - log_all), 0.0)


def lowest_expected(a: Means, m: int) -> Values:
    """Return the expected minimum of `m` phrasings drawn without replacement from those of `a`,
    exactly.

    The r-th smallest of P is the minimum of a random subset of m with chance C(P - r, m - 1) / C(P,
    m). NaN when fewer than `m` phrasings have a score.
    """
    rows, count = ordered(a)
    result = np.full(count.shape, np.nan)
    for n in np.unique(count):
        if n >= m >= 1:
            chosen = count == n
            result[chosen] = rows[chosen][..., :n] @ _subset_weights(int(n), m)
    return result


def spread_of(a: Means, *, at: int | None = None) -> Values:
    """Return max - min over phrasings, or its exact expectation over random subsets of `at`
    phrasings.
    """
    if at is not None:
        return np.asarray(-lowest_expected(-a, at) - lowest_expected(a, at))
    rows, count = ordered(a)
    return np.asarray(pick(rows, np.asarray(count - 1)) - pick(rows, np.where(count > 0, 0, -1)))


def _max_of(a: Means) -> Values:
    rows, count = ordered(a)
    return pick(rows, np.asarray(count - 1))


def _min_of(a: Means) -> Values:
    rows, count = ordered(a)
    return pick(rows, np.where(count > 0, 0, -1))


def _mean_of(a: Means) -> Values:
    return np.asarray(mean_over(a))


def _sensitivity_of(a: Means) -> Values:
    mean = _mean_of(a)
    usable = mean > 0
    return np.where(usable, np.asarray(std_over(a, ddof=0)) / np.where(usable, mean, 1.0), np.nan)


def _saturation_of(a: Means) -> Values:
    return np.asarray(1 - (_max_of(a) - _mean_of(a)))


FROM_MEANS: dict[str, Callable[[Means], Values]] = {
    "mean": _mean_of,
    "median": lambda a: quantile_of(a, 0.5),
    "min": _min_of,
    "max": _max_of,
    "q05": lambda a: quantile_of(a, 0.05),
    "q25": lambda a: quantile_of(a, 0.25),
    "q75": lambda a: quantile_of(a, 0.75),
    "q95": lambda a: quantile_of(a, 0.95),
    "std": lambda a: np.asarray(std_over(a, ddof=1)),
    "std0": lambda a: np.asarray(std_over(a, ddof=0)),
    "spread": spread_of,
    "worst_3": lambda a: lowest_mean(a, 3),
    "cvar10": cvar10_of,
    "sensitivity": _sensitivity_of,
    "saturation": _saturation_of,
    "cps": lambda a: _saturation_of(a) * _max_of(a),
}
"""Name -> function of a[p], vectorised over leading axes."""


def _gap(seen: Means, unseen: Others) -> Values:
    return np.asarray(_mean_of(seen) - _mean_of(unseen))


def _gap_std(seen: Means, unseen: Others) -> Values:
    return np.asarray(std_over(seen, ddof=1) - std_over(unseen, ddof=1))


def _gap_worst(seen: Means, unseen: Others) -> Values:
    at = int(np.minimum(ordered(seen)[1], ordered(unseen)[1]).min(initial=2**31))
    return np.asarray(lowest_expected(seen, at) - lowest_expected(unseen, at))


GAPS_FROM_MEANS: dict[str, Callable[[Means, Means], Values]] = {
    "gap": _gap,
    "gap_worst": _gap_worst,
    "gap_std": _gap_std,
}
"""Name -> function of (a of the seen phrasings, a of the unseen ones)."""
