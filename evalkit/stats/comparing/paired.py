"""Tests of two runs on the same instances and phrasings.

Flips, McNemar, sign flips, Wilcoxon, non-inferiority.

Everything here is paired: a cell counts only when both runs have a score there. Instances, not
cells, are the independent units: ten phrasings of one question are one question.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.intervals.crossed import crossed_error
from evalkit.stats.intervals.resample import Question

__all__ = [
    "Flips",
    "NonInferiority",
    "flips",
    "mcnemar",
    "mcnemar_chi2",
    "mcnemar_clustered",
    "mcnemar_mid",
    "non_inferiority",
    "not_worse",
    "paired_difference",
    "sign_flip",
    "two_sided",
    "wilcoxon_over_tasks",
]

Scores = Float[np.ndarray, "phrasing instance"]


def paired_difference(old: Scores, new: Scores) -> Scores:
    """Return new - old, NaN where either is missing.

    Examples
    --------
    >>> paired_difference(np.array([[1.0, np.nan]]), np.array([[0.5, 1.0]])).tolist()
    [[-0.5, nan]]
    """
    return np.asarray(new - old)


@dataclass(frozen=True, slots=True)
class Flips:
    """Cells whose verdict changed between two runs, both ways."""

    lost: int
    """Right in the old run, wrong in the new one."""
    gained: int
    """Wrong in the old run, right in the new one."""
    old_right: int
    """Right in the old run."""
    n: int
    """Cells with a score in both runs."""

    @property
    def collateral_damage(self) -> float:
        """Share of what the old run had right that the new one has wrong.

        NaN when it had nothing right.
        """
        return self.lost / self.old_right if self.old_right else float("nan")


def flips(
    old: Float[np.ndarray, "..."], new: Float[np.ndarray, "..."], *, right_from: float = 0.5
) -> Flips:
    """Return the flips between two runs; a score of `right_from` or more counts as right.

    Examples
    --------
    >>> found = flips(np.array([1.0, 1.0, 1.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0, 1.0, 1.0]))
    >>> found.lost, found.gained, found.collateral_damage
    (2, 1, 0.5)
    """
    there = ~(np.isnan(old) | np.isnan(new))
    before, after = old[there] >= right_from, new[there] >= right_from
    return Flips(
        int((before & ~after).sum()),
        int((~before & after).sum()),
        int(before.sum()),
        int(there.sum()),
    )


def mcnemar(lost: int, gained: int) -> float:
    """Return the exact two-sided McNemar p of a discordant pair: binomial, min(1, 2 P(X <= min)).

    Notes
    -----
    For independent instances under one phrasing. No discordant instance: 1.

    References
    ----------
    McNemar 1947, Psychometrika 12; statsmodels.stats.contingency_tables.mcnemar with exact=True.

    Examples
    --------
    >>> mcnemar(2, 1)
    1.0
    >>> mcnemar(0, 5)
    0.0625
    """
    from scipy import stats as distributions

    if lost + gained == 0:
        return 1.0
    return float(min(1.0, 2 * distributions.binom.cdf(min(lost, gained), lost + gained, 0.5)))


def mcnemar_mid(lost: int, gained: int) -> float:
    """Return the mid-p of McNemar's test.

    The exact p less the chance of exactly this discordant pair.

    Notes
    -----
    p = 2 P(X <= min) - P(X = min), X binomial. Closer to its level than the exact test, which is
    conservative; it may exceed the level a little. No discordant instance, or as many either way:
    1.

    References
    ----------
    Fagerland, Lydersen and Laake 2013, "The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional", BMC Medical Research Methodology 13.

    Examples
    --------
    >>> round(mcnemar_mid(0, 5), 9)
    0.03125
    """
    from scipy import stats as distributions

    if lost == gained:
        return 1.0
    exact = 2 * distributions.binom.cdf(min(lost, gained), lost + gained, 0.5)
    return float(exact - distributions.binom.pmf(min(lost, gained), lost + gained, 0.5))


def mcnemar_chi2(lost: int, gained: int) -> float:
    """Return the p of McNemar's chi-square test with continuity correction,
    as older tables print it.

    Notes
    -----
    (abs(lost - gained) - 1)^2 / (lost + gained) against chi-square with one degree of freedom. No
    discordant instance: 1.

    References
    ----------
    Edwards 1948, Psychometrika 13; statsmodels.stats.contingency_tables.mcnemar with exact=False,
    correction=True.

    Examples
    --------
    >>> round(mcnemar_chi2(10, 30), 6)
    0.002663
    """
    from scipy import stats as distributions

    if lost + gained == 0:
        return 1.0
    return float(distributions.chi2.sf((abs(lost - gained) - 1) ** 2 / (lost + gained), 1))


def _exact_sign_flip(steps: Float[np.ndarray, " instance"]) -> float:
    """Exact two-sided p of a sum of whole numbers whose signs are exchangeable, through its
    characteristic function.
    """
    sizes, counts = np.unique(np.abs(steps[steps != 0]).astype(np.int64), return_counts=True)
    top = int((sizes * counts).sum())
    if top == 0:
        return 1.0
    length = 2 * top + 1
    angle = 2 * np.pi * np.arange(length // 2 + 1) / length
    wave = np.ones(angle.size)
    for size, count in zip(sizes, counts, strict=True):
        wave *= np.cos(size * angle) ** int(count)
    chance = np.maximum(
        np.fft.irfft(wave, n=length), 0.0
    )  # chance[k]: the sum is k, negative sums from the end
    observed = int(abs(steps.sum()))
    if observed == 0:
        return 1.0
    return float(min(1.0, 2 * chance[observed : top + 1].sum()))


def sign_flip(
    differences: Float[np.ndarray, " instance"],
    *,
    rng: np.random.Generator,
    n_resamples: int = 9999,
) -> float:
    """Return the two-sided paired permutation p of the sum of per-instance differences, signs
    flipped per instance.

    Parameters
    ----------
    differences
        One number per instance: the sum (not the mean) of new - old over its phrasings, so that an
        instance enters once. NaN are left out.
    rng
        Source of the random flips, used only when the differences are not whole numbers.
    n_resamples
        Random flips then; p = (1 + at least as extreme) / (1 + n_resamples).

    Notes
    -----
    Whole-number differences (0/1 scores) are enumerated exactly by convolution, however many there
    are. With one phrasing that is the exact McNemar test. No instance: NaN; no difference anywhere:
    1.

    References
    ----------
    Fisher 1935, "The Design of Experiments", section 21. Phipson and Smyth 2010 for the + 1.

    Examples
    --------
    >>> round(sign_flip(np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0]), rng=np.random.default_rng(0)), 9)
    0.0625
    """
    steps = differences[~np.isnan(differences)]
    if steps.size == 0:
        return float("nan")
    if (steps == np.round(steps)).all() and np.abs(steps).sum() < 5e6:
        return _exact_sign_flip(steps)
    observed, extreme = abs(float(steps.sum())), 0
    tolerance = 1e-12 * float(np.abs(steps).sum())
    size = max(1, min(1000, 4_000_000 // steps.size))
    for start in range(0, n_resamples, size):
        signs = rng.integers(0, 2, size=(min(size, n_resamples - start), steps.size)) * 2 - 1
        extreme += int((np.abs(signs @ steps) >= observed - tolerance).sum())
    return (1 + extreme) / (1 + n_resamples)


def mcnemar_clustered(old: Scores, new: Scores) -> float:
    """Return the exact McNemar p of two 0/1 runs over all phrasings, clustered by instance.

    Notes
    -----
    d[i] = sum over phrasings of new - old; under the null the two runs of an instance may be
    swapped, all its phrasings together, so every d[i] keeps its size and takes either sign. The
    distribution of sum d is exact. One phrasing: the exact McNemar test.

    Raises
    ------
    ValueError
        When a score is neither 0 nor 1.

    References
    ----------
    Eliasziw and Donner 1991, "Application of the McNemar test to non-independent matched pair
    data", for the question.

    Examples
    --------
    >>> round(mcnemar_clustered(np.zeros((10, 5)), np.eye(10)[:, :5]), 9)
    0.0625
    """
    difference = paired_difference(old, new)
    there = ~np.isnan(difference)
    for scores in (old, new):
        odd = scores[there & (scores != 0) & (scores != 1)]
        if odd.size:
            raise ValueError(
                f"mcnemar_clustered: a score is {odd[0]}; 0 and 1 are accepted. "
                "Use sign_flip for other scores."
            )
    sums = np.where(there, difference, 0.0).sum(axis=0)[there.any(axis=0)]
    return _exact_sign_flip(sums) if sums.size else float("nan")


def wilcoxon_over_tasks(old: Float[np.ndarray, " task"], new: Float[np.ndarray, " task"]) -> float:
    """Return the two-sided Wilcoxon signed-rank p over tasks.

    Tasks with a NaN or no difference are left out.

    Notes
    -----
    Exact up to 50 tasks without ties, else normal approximation, as SciPy does. No task with a
    difference: 1 if there is any task, else NaN.

    References
    ----------
    Wilcoxon 1945, Biometrics Bulletin 1; `scipy.stats.wilcoxon` with zero_method="wilcox".

    Examples
    --------
    >>> wilcoxon_over_tasks(
    ...     np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.2, 0.4, 0.6, 0.8, 1.0])
    ... )
    0.0625
    """
    from scipy import stats as distributions

    there = ~(np.isnan(old) | np.isnan(new))
    difference = (new - old)[there]
    if difference.size == 0:
        return float("nan")
    if (difference == 0).all():
        return 1.0
    return float(distributions.wilcoxon(difference).pvalue)


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether a new run is at most a margin worse than an old one."""

    difference: float
    """Mean of new - old."""
    bound: float
    """Lower one-sided confidence bound of the difference; NaN when there are too few phrasings or
    instances."""
    p: float
    """One-sided p of the hypothesis that new is worse by the margin or more."""
    holds: bool
    """Whether the bound lies above minus the margin."""


def non_inferiority(
    old: Scores,
    new: Scores,
    *,
    margin: float | int,
    question: Question = "fixed",
    level: float = 0.95,
) -> NonInferiority:
    """Test whether new is at most `margin` (a fraction, above 0) worse than old, paired on cells.

    Notes
    -----
    t = (difference + margin) / standard error, one-sided at 1 - `level`, with the standard error
    and degrees of freedom of `mean_interval` on the cell differences.

    References
    ----------
    Piaggio et al. 2012, "Reporting of Noninferiority and Equivalence Randomized Trials", JAMA 308.

    Examples
    --------
    >>> old = np.tile([1.0, 0.0], (2, 50))
    >>> non_inferiority(old, old, margin=0.01).holds
    True
    """
    if margin <= 0:
        raise ValueError(
            f"non_inferiority: margin is {margin}; a fraction above 0 is accepted, "
            "such as 0.01 for one point."
        )
    difference = paired_difference(old, new)
    return not_worse(*crossed_error(difference, question=question), margin=margin, level=level)


def two_sided(value: float, variance: float, df: float) -> float:
    """Return the p of no difference from a value, its variance and degrees of freedom;
    NaN without a variance.

    Examples
    --------
    >>> round(two_sided(0.1, 0.0025, 20.0), 4), two_sided(0.0, 0.0, 9.0)
    (0.0593, 1.0)
    """
    from scipy import stats as distributions

    if np.isnan(variance):
        return float("nan")
    if variance == 0:
        return float(value == 0)
    return float(2 * distributions.t.sf(abs(value) / np.sqrt(variance), df))


def not_worse(
    value: float, variance: float, df: float, *, margin: float | int, level: float
) -> NonInferiority:
    """Return whether a difference lies above minus the margin, from its variance and degrees of
    freedom.

    Examples
    --------
    >>> not_worse(0.0, 0.0001, 50.0, margin=0.05, level=0.95).holds
    True
    """
    from scipy import stats as distributions

    if np.isnan(variance):
        return NonInferiority(value, float("nan"), float("nan"), holds=False)
    if variance == 0:
        return NonInferiority(value, value, float(value <= -margin), holds=value > -margin)
    bound = value - float(distributions.t.ppf(level, df)) * float(np.sqrt(variance))
    p = float(distributions.t.sf((value + margin) / np.sqrt(variance), df))
    return NonInferiority(value, bound, p, holds=bound > -margin)
