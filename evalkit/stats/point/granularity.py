"""Which number of instances a printed mean score can come from.

A mean of n scores that are 0 or 1 is k / n for a whole number k. A printed mean v with half a unit
of its last decimal h fits n when some k has abs(v - k/n) <= h. With n h well below 1 few wrong n
fit, so the number of instances behind a published accuracy can be recovered, or shown to differ
from the declared one.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

__all__ = ["Fit", "find_counts", "fits", "half_unit"]

SINGLE = 2.0**-23
"""Relative rounding of single precision, twice over: a mean and a conversion."""
DOUBLE_FLOOR = 1e-13
"""Rounding of a mean computed in double precision."""
SIGNIFICANT_DIGITS_OF_A_DOUBLE = 15


@dataclass(frozen=True, slots=True)
class Fit:
    """A number of instances that explains some of the printed means."""

    n: int
    """Number of instances; its multiples fit these rows as well."""
    rows: tuple[int, ...]
    """Indices of the rows that fit it and no number found before it."""
    single: bool
    """Whether they fit only up to rounding in single precision."""
    chance: float
    """Expected number of n up to the largest tried that fit as many rows by accident."""


def half_unit(text: str) -> float:
    """Return half a unit in the last printed decimal of a number, at least the rounding of double
    precision.

    Notes
    -----
    Trailing zeros count as printed: ``0.480`` is known to 0.0005, ``0.48`` to 0.005.

    Examples
    --------
    >>> half_unit("0.480")
    0.0005
    >>> half_unit("4.8e-1")
    0.005
    """
    mantissa, _, exponent = text.strip().lower().partition("e")
    decimals = len(mantissa.partition(".")[2]) - (int(exponent) if exponent else 0)
    digits = len(mantissa.lstrip("-+0.").replace(".", ""))
    if digits >= SIGNIFICANT_DIGITS_OF_A_DOUBLE:
        return DOUBLE_FLOOR
    return float(max(0.5 * 10.0**-decimals, DOUBLE_FLOOR))


def fits(
    means: Float[np.ndarray, " row"],
    half: Float[np.ndarray, " row"],
    n: int | Int[np.ndarray, "candidate 1"],
) -> Bool[np.ndarray, "*candidate row"]:
    """Return whether each printed mean can be a whole number of n, for one n or a column of them.

    Notes
    -----
    A mean fits n when abs(v n - round(v n)) <= h n. NaN fits nothing.

    References
    ----------
    Brown and Heathers 2017, "The GRIM Test", Social Psychological and Personality Science 8.

    Examples
    --------
    >>> fits(np.array([0.333, 0.3]), np.array([0.0005, 0.05]), 3).tolist()
    [True, True]
    >>> fits(np.array([0.25]), np.array([0.005]), 3).tolist()
    [False]
    """
    items = means * n
    return np.asarray(np.abs(items - np.rint(items)) <= half * n + 1e-9)


def find_counts(
    means: Float[np.ndarray, " row"],
    half: Float[np.ndarray, " row"],
    *,
    n_max: int = 100_000,
    most: int = 6,
) -> list[Fit]:
    """Return the numbers of instances that explain the printed means, the one with most rows first.

    Parameters
    ----------
    means
        Printed means in [0, 1]; NaN is left out.
    half
        Half a unit in the last decimal of each.
    n_max
        Largest number tried.
    most
        Most numbers returned.

    Notes
    -----
    A wrong n fits a row with chance min(1, 2 h n). The n with the largest sum of -log(that chance)
    over the rows it fits is tried first; multiples of the true n fit as well but are less
    surprising. A number is accepted when, by the binomial tail, fewer than
    0.01 numbers up to `n_max` are expected to fit as many rows by accident. Means are granted the
    rounding of single precision, since many evaluators average in it. Rows printed too coarsely to
    tell are never explained.
    """
    width = np.maximum(half, SINGLE * np.abs(means))
    results: list[Fit] = []
    rest = np.flatnonzero(~np.isnan(means))
    while rest.size and len(results) < most:
        fit = _best(means, width, rest, n_max=n_max)
        if fit is None:
            break
        n, rows, chance = fit
        exact = bool(fits(means[rows], half[rows], n).all())
        results.append(Fit(n, tuple(int(r) for r in rows), not exact, chance))
        rest = np.setdiff1d(rest, rows)
    return results


def _best(
    means: Float[np.ndarray, " row"],
    half: Float[np.ndarray, " row"],
    rest: Int[np.ndarray, " rest"],
    *,
    n_max: int,
) -> tuple[int, Int[np.ndarray, " fitting"], float] | None:
    """Return (n, rows it fits, expected equals by accident) of the most likely n,
    or None when accident would do as well.
    """
    from scipy.stats import binom

    probe = rest if rest.size <= 300 else rest[:: rest.size // 300 + 1]
    best = (0.0, 0)
    for start in range(1, n_max + 1, 4096):
        numbers = np.arange(start, min(start + 4096, n_max + 1))[:, None]
        surprise = -np.log(np.minimum(1.0, 2 * half[probe] * numbers))
        gain = np.where(fits(means[probe], half[probe], numbers), surprise, 0.0).sum(axis=1)
        at = int(np.argmax(gain))
        if gain[at] > best[0]:
            best = (float(gain[at]), start + at)
    n = best[1]
    if n < 1:
        return None
    rows = rest[fits(means[rest], half[rest], n)]
    by_chance = float(np.minimum(1.0, 2 * half[rest] * n).mean())
    expected = float(binom.sf(rows.size - 1, rest.size, by_chance)) * n_max
    return (n, rows, expected) if expected < 0.01 else None
