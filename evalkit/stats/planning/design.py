"""How many phrasings and instances are enough: half-width of a mean, power to show a gap."""

from dataclasses import dataclass

import numpy as np

from evalkit.stats.intervals.crossed import LEAST_IN_ARM
from evalkit.stats.point.variance import Components

__all__ = ["Design", "designs", "gap_power", "half_width", "proven_share", "required_phrasings"]

MOST = 100_000
"""Most phrasings per arm a search considers."""


def half_width(
    found: Components, *, n_phrasings: int, n_instances: float | int, level: float = 0.95
) -> float:
    """Return the expected half-width of the interval of the mean over new phrasings and new
    instances.

    Parameters
    ----------
    found
        Variance components, from a pilot run or stated.
    n_phrasings
        Planned number of phrasings P.
    n_instances
        Planned number of instances N; ``inf``: the instances are all there are.
    level
        Nominal level.

    Notes
    -----
    t sqrt(vp / P + vi / N + ve / (P N)), degrees of freedom by Satterthwaite at the expected mean
    squares. P < 2: NaN.

    Examples
    --------
    >>> pilot = Components(0.0025, 0.15, 0.05, n_phrasings=10, n_instances=100)
    >>> round(half_width(pilot, n_phrasings=10, n_instances=1000), 4)
    0.0417
    """
    from scipy import stats as distributions

    if n_phrasings < 2:
        return float("nan")
    vp, vi, ve = found.clipped.phrasing, found.clipped.instance, found.clipped.interaction
    first = vp / n_phrasings + ve / (n_phrasings * n_instances)
    second = vi / n_instances
    total = first + second
    if total == 0:
        return 0.0
    spent = first**2 / (n_phrasings - 1) + (
        second**2 / (n_instances - 1) if np.isfinite(n_instances) else 0.0
    )
    return float(distributions.t.ppf((1 + level) / 2, total**2 / spent) * np.sqrt(total))


def required_phrasings(
    found: Components,
    *,
    half: float | int,
    n_instances: float | int = float("inf"),
    level: float = 0.95,
) -> int | None:
    """Return the smallest number of phrasings with an expected half-width of the mean of at most
    `half`.

    Parameters
    ----------
    found
        Variance components.
    half
        Half-width asked for, a fraction above 0.
    n_instances
        Instances N that will be used; ``inf`` (default): only new phrasings are in question, the
        instances are given.
    level
        Nominal level.

    Returns
    -------
    int or None
        At least 2; None when no number of phrasings is enough, because vi / N alone is too large:
        more instances are needed then.

    Notes
    -----
    The smallest P with `half_width` <= `half`. NaN components: None.

    References
    ----------
    Lior et al. 2025, "ReliableEval" (arXiv 2505.22169), for the question; the formula is that of
    `half_width`.

    Examples
    --------
    >>> pilot = Components(0.0025, 0.15, 0.05, n_phrasings=10, n_instances=100)
    >>> required_phrasings(pilot, half=0.02)
    27
    """
    if not half > 0:
        raise ValueError(
            f"required_phrasings: half is {half}; a fraction above 0 is accepted, "
            "such as 0.01 for one point."
        )
    if (
        not half_width(found, n_phrasings=MOST, n_instances=n_instances, level=level) <= half
    ):  # NaN is not enough either
        return None
    low, high = 1, MOST  # half-width at low is too wide, at high narrow enough
    while high - low > 1:
        middle = (low + high) // 2
        narrow = half_width(found, n_phrasings=middle, n_instances=n_instances, level=level) <= half
        low, high = (low, middle) if narrow else (middle, high)
    return high


def gap_power(
    gap: float,
    found: Components,
    *,
    n_seen: int,
    n_unseen: int,
    n_instances: float | int,
    var_gap_instance: float = 0.0,
    level: float = 0.95,
) -> float:
    """Return the chance that the interval of the gap excludes 0 when the gap is `gap`.

    Parameters
    ----------
    gap
        True gap, a fraction; the sign does not matter.
    found
        Variance components; phrasing effects are taken as equally variable in both arms.
    n_seen, n_unseen
        Phrasings per arm, at least 3 each.
    n_instances
        Instances, the same for both arms.
    var_gap_instance
        Variance over instances of the gap itself; 0 when seen and unseen wording differ by the same
        on all.
    level
        Nominal level of the interval.

    Notes
    -----
    V = (vp + ve / N)(1 / Ps + 1 / Pu) + vg / N; instance difficulty cancels. Power of a two-sided t
    test with non-centrality gap / sqrt(V) and degrees of freedom by Satterthwaite, as
    `gap_interval` uses them. Fewer than three phrasings in an arm: NaN.

    References
    ----------
    Cohen 1988, chapter 2, for power of a t test through the non-central t distribution.

    Examples
    --------
    >>> pilot = Components(0.0004, 0.15, 0.05, n_phrasings=10, n_instances=100)
    >>> round(gap_power(0.05, pilot, n_seen=5, n_unseen=5, n_instances=500), 2)
    0.87
    """
    from scipy import stats as distributions

    sizes = (n_seen, n_unseen)
    if min(sizes) < LEAST_IN_ARM or n_instances < 2:
        return float("nan")
    one = found.clipped.phrasing + found.clipped.interaction / n_instances
    arms = [one / size for size in sizes]
    total = sum(arms) + var_gap_instance / n_instances
    if total == 0:
        return 1.0 if gap != 0 else 0.0
    spent = sum(arm**2 / (size - 1) for arm, size in zip(arms, sizes, strict=True))
    shared = (
        found.clipped.interaction / n_instances * sum(1 / size for size in sizes)
        + var_gap_instance / n_instances
    )
    spent += shared**2 / (n_instances - 1) if np.isfinite(n_instances) else 0.0
    df = total**2 / spent
    centre, edge = abs(gap) / float(np.sqrt(total)), float(distributions.t.ppf((1 + level) / 2, df))
    return float(distributions.nct.sf(edge, df, centre) + distributions.nct.cdf(-edge, df, centre))


@dataclass(frozen=True, slots=True)
class Design:
    """Phrasings per arm and instances that reach the power asked for."""

    n_per_arm: int
    """Seen phrasings, and as many unseen ones."""
    n_instances: int
    """Instances, the same for all phrasings."""
    power: float
    """Power reached."""

    @property
    def n_cells(self) -> int:
        """Cells to evaluate."""
        return 2 * self.n_per_arm * self.n_instances


def designs(
    gap: float,
    found: Components,
    *,
    n_instances: tuple[int, ...] = (50, 100, 200, 500, 1000, 2000),
    power: float = 0.8,
    var_gap_instance: float = 0.0,
    level: float = 0.95,
) -> list[Design]:
    """Return for each number of instances the fewest phrasings per arm that show a gap with the
    power asked for.

    Notes
    -----
    Numbers of instances for which no number of phrasings up to 100,000 is enough are left out. Sort
    by `n_cells` for the cheapest.

    Examples
    --------
    >>> pilot = Components(0.0004, 0.15, 0.05, n_phrasings=10, n_instances=100)
    >>> [(d.n_per_arm, d.n_instances) for d in designs(0.05, pilot, n_instances=(100, 1000))]
    [(7, 100), (5, 1000)]
    """
    if gap == 0:
        raise ValueError(
            "designs: gap is 0; the size of gap that must not be missed is accepted, such as 0.02."
        )
    result = []
    for n in n_instances:

        def reached(arm: int, n: int = n) -> float:
            return gap_power(
                gap,
                found,
                n_seen=arm,
                n_unseen=arm,
                n_instances=n,
                var_gap_instance=var_gap_instance,
                level=level,
            )

        low, high = LEAST_IN_ARM - 1, LEAST_IN_ARM
        while high < MOST and reached(high) < power:
            low, high = high, high * 2
        if high >= MOST:
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if reached(middle) >= power else (middle, high)
        result.append(Design(high, n, reached(high)))
    return result


def proven_share(n_phrasings: int, *, level: float = 0.95) -> float:
    """Return which share of phrasings like these is shown to score the least of them or more.

    Notes
    -----
    (1 - level)^(1 / P): were the share smaller, all P draws would reach the least score they show
    with a chance below 1 - level. It holds whatever the distribution of wording effects, for the
    instances at hand. NaN without a phrasing.

    References
    ----------
    Wilks 1941, "Determination of Sample Sizes for Setting Tolerance Limits", Annals of Mathematical
    Statistics 12.

    Examples
    --------
    >>> [round(proven_share(n), 2) for n in (10, 30, 59)]
    [0.74, 0.9, 0.95]
    """
    return float((1 - level) ** (1 / n_phrasings)) if n_phrasings > 0 else float("nan")
