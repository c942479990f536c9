"""Reductions that leave missing values (NaN) out, without warnings and over any leading axes.

Everything in `evalkit.stats` treats NaN as *missing*: left out of the reduction, never counted as
0. A reduction over nothing is NaN.
"""

import numpy as np
from jaxtyping import Float, Int, Shaped

__all__ = ["mean_over", "ordered", "pick", "scored", "std_over"]


def mean_over(values: Shaped[np.ndarray, "..."], *, axis: int = -1) -> Shaped[np.ndarray, "..."]:
    """Return the mean along `axis` of what is not NaN; NaN where nothing is left.

    Examples
    --------
    >>> mean_over(np.array([[0.0, np.nan, 1.0], [np.nan, np.nan, np.nan]])).tolist()
    [0.5, nan]
    """
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    total = np.where(there, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def std_over(
    values: Shaped[np.ndarray, "..."], *, ddof: int, axis: int = -1
) -> Shaped[np.ndarray, "..."]:
    """Return the standard deviation along `axis` of what is not NaN, two-pass.

    NaN below ddof + 1 values.

    Examples
    --------
    >>> std_over(np.array([0.6, 0.4, np.nan]), ddof=0).item()
    0.09999999999999998
    """
    there = ~np.isnan(values)
    count = there.sum(axis=axis)
    centre = np.expand_dims(mean_over(values, axis=axis), axis)
    squares = np.where(there, (values - centre) ** 2, 0.0).sum(axis=axis)
    # subtle: equal values whose mean rounds give 1e-17 instead of 0; max == min decides
    low = np.where(there, values, np.inf).min(axis=axis, initial=np.inf)
    high = np.where(there, values, -np.inf).max(axis=axis, initial=-np.inf)
    squares = np.where(low == high, 0.0, squares)
    return np.where(count > ddof, np.sqrt(squares / np.maximum(count - ddof, 1)), np.nan)


def ordered(
    values: Float[np.ndarray, "*batch item"],
) -> tuple[Float[np.ndarray, "*batch item"], Int[np.ndarray, "*batch"]]:
    """Return `values` sorted along the last axis with NaN last, and how many are not NaN."""
    return np.sort(values, axis=-1), np.asarray((~np.isnan(values)).sum(axis=-1))


def pick(
    values: Float[np.ndarray, "*batch item"], index: Int[np.ndarray, "*batch"]
) -> Float[np.ndarray, "*batch"]:
    """Return ``values[..., index]`` row by row; NaN for an index outside the row."""
    size = values.shape[-1]
    if size == 0:
        return np.full(index.shape, np.nan)
    inside = (index >= 0) & (index < size)
    taken = np.take_along_axis(
        values, np.minimum(np.maximum(index, 0), size - 1)[..., None], axis=-1
    )[..., 0]
    return np.where(inside, taken, np.nan)


def scored(
    scores: Float[np.ndarray, "phrasing instance"],
) -> Float[np.ndarray, "kept_phrasing kept_instance"]:
    """Return the matrix without the phrasings and instances that have no score.

    Examples
    --------
    >>> scored(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()
    [[1.0]]
    """
    there = ~np.isnan(scores)
    if scores.size and there.all():
        return scores
    return np.asarray(scores[there.any(axis=1)][:, there.any(axis=0)])
