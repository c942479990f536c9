"""Variance components of scores: phrasing, instance, interaction, repeat.

What they say about scores.

The model is y[p, i] = mu + phrasing[p] + instance[i] + interaction[p, i], all effects random,
uncorrelated, mean 0, with variances var_phrasing, var_instance and var_interaction (which holds
everything a second run of the same cell would change, unless there are repeats). For 0/1 scores it
is the Hoeffding decomposition of any exchangeable array, so the moments hold; normality is needed
by some intervals only.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from evalkit.stats.point.missing import mean_over

__all__ = [
    "Components",
    "components",
    "g_coefficient",
    "repeated_components",
    "std_excess",
    "var_instance",
    "var_interaction",
    "var_phrasing",
]

Scores = Float[np.ndarray, "phrasing instance"]


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components as estimated; a negative estimate is kept, see `clipped`."""

    phrasing: float
    """Variance of a phrasing's score over infinitely many instances."""
    instance: float
    """Variance of an instance's score over all phrasings: how much instances differ in
    difficulty."""
    interaction: float
    """Variance of what a phrasing does to an instance beyond both; holds noise between repeats
    unless `repeat` is there."""
    n_phrasings: int
    """Phrasings with a score."""
    n_instances: int
    """Instances with a score."""
    repeat: float = float("nan")
    """Variance between repeats of a cell; NaN without repeats."""

    @property
    def clipped(self) -> "Components":
        """The same with negative estimates at 0, as they are used in every further formula."""
        return Components(
            phrasing=_positive(self.phrasing),
            instance=_positive(self.instance),
            interaction=_positive(self.interaction),
            n_phrasings=self.n_phrasings,
            n_instances=self.n_instances,
            repeat=self.repeat,
        )


def _positive(value: float) -> float:
    return value if value > 0 or np.isnan(value) else 0.0


def _sums(
    scores: Scores,
) -> tuple[
    Float[np.ndarray, "kept_phrasing kept_instance"],
    Float[np.ndarray, "kept_phrasing kept_instance"],
]:
    """Scores centred on their mean with 0 for missing,
    and the mask of scored cells, empty rows and columns dropped.
    """
    there = ~np.isnan(scores)
    if there.all() and scores.size:
        return scores - scores.mean(), np.ones(scores.shape)
    rows, columns = there.any(axis=1), there.any(axis=0)
    there, kept = there[rows][:, columns], scores[rows][:, columns]
    centre = np.nanmean(kept) if kept.size else 0.0
    return np.where(there, kept - centre, 0.0), there.astype(np.float64)


def _solve(
    n: Float[np.ndarray, "..."],
    shape: tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]],
    squares: tuple[Float[np.ndarray, "..."], Float[np.ndarray, "..."]],
    sums: tuple[Float[np.ndarray, "..."], ...],
) -> Float[np.ndarray, "... 3"]:
    """Solve the three moment equations of `components`, over any leading axes.

    NaN where they are singular.
    """
    n_rows, n_columns = shape
    rows, columns = squares[0] / n, squares[1] / n  # sum n_p^2 / n, sum n_i^2 / n
    total, by_row, by_column, grand = sums
    zero = np.zeros_like(n)
    left = np.stack(
        [
            np.stack([n - rows, n_rows - columns, n_rows - 1 + zero], axis=-1),
            np.stack([n_columns - rows, n - columns, n_columns - 1 + zero], axis=-1),
            np.stack([rows - n_columns, columns - n_rows, n - n_rows - n_columns + 1], axis=-1),
        ],
        axis=-2,
    )
    right = np.stack(
        [by_row - grand, by_column - grand, total - by_row - by_column + grand], axis=-1
    )
    usable = (n_rows > 1) & (n_columns > 1) & (n > n_rows + n_columns - 1)
    left = np.where(usable[..., None, None], left, np.eye(3))
    found = np.where(usable[..., None], np.linalg.solve(left, right[..., None])[..., 0], np.nan)
    # subtle: exact zeros come back as 1e-17, and the square root of that is no longer negligible
    noise = 1e-13 * np.asarray(total / n)[..., None]
    return np.where(np.abs(found) <= noise, 0.0, found)


def components(scores: Scores) -> Components:
    """Return the variance components of `scores` by the crossed analysis of variance.

    Notes
    -----
    Complete data: var_phrasing = (MSp - MSe) / N, var_instance = (MSi - MSe) / P, var_interaction =
    MSe, with the mean squares of the two-way layout without replication. Missing cells: Henderson's
    first method. With n cells, n_p in row p, n_i in column i, row sums R_p, column sums C_i, grand
    sum G, T0 = sum y^2, TA = sum R_p^2 / n_p, TB = sum C_i^2 / n_i, Tm = G^2 / n, and the three
    equations E[TA - Tm] = (n - sum n_p^2 / n) vp + (P - sum n_i^2 / n) vi + (P - 1) ve, E[TB - Tm]
    = (N - sum n_p^2 / n) vp + (n - sum n_i^2 / n) vi + (N - 1) ve, E[T0 - TA - TB + Tm] = (sum
    n_p^2 / n - N) vp + (sum n_i^2 / n - P) vi + (n - P - N + 1) ve are solved. Unbiased when cells
    are missing at random; with complete data the two are the same. Negative estimates are returned
    as they are. P < 2 or N < 2: NaN.

    References
    ----------
    Brennan 2001, "Generalizability Theory", chapter 3. Henderson 1953, "Estimation of Variance and
    Covariance Components", Biometrics 9, method 1; Searle, Casella and McCulloch 1992, "Variance
    Components", section 5.3.

    Examples
    --------
    >>> found = components(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    >>> round(found.phrasing, 4), round(found.instance, 4), round(found.interaction, 4)
    (0.0, 0.1667, 0.1667)
    """
    y, there = _sums(scores)
    n_rows, n_columns = y.shape
    if n_rows < 2 or n_columns < 2:
        nan = float("nan")
        return Components(nan, nan, nan, n_phrasings=n_rows, n_instances=n_columns)
    by_row, by_column = there.sum(axis=1), there.sum(axis=0)
    n = np.asarray(by_row.sum())
    sums = (
        np.asarray((y**2).sum()),
        np.asarray((y.sum(axis=1) ** 2 / by_row).sum()),
        np.asarray((y.sum(axis=0) ** 2 / by_column).sum()),
        np.asarray(y.sum() ** 2 / n),
    )
    squares = np.asarray((by_row**2).sum()), np.asarray((by_column**2).sum())
    found = _solve(n, (np.asarray(float(n_rows)), np.asarray(float(n_columns))), squares, sums)
    return Components(
        float(found[0]), float(found[1]), float(found[2]), n_phrasings=n_rows, n_instances=n_columns
    )


def repeated_components(scores: Float[np.ndarray, "phrasing instance repeat"]) -> Components:
    """Return the components with the variance between repeats of a cell taken out of the
    interaction.

    Notes
    -----
    repeat = pooled variance within cells. The cell means give phrasing, instance and interaction +
    repeat x mean(1 / n repeats of the cell); the last term is subtracted. Without any cell scored
    twice `repeat` is NaN and the result is that of `components` on the cell means.

    Examples
    --------
    >>> y = np.array([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 1.0]]])
    >>> repeated_components(y).repeat
    0.25
    """
    there = ~np.isnan(scores)
    count = there.sum(axis=2)
    means = mean_over(scores)
    found = components(means)
    spare = float(np.maximum(count - 1, 0).sum())
    if spare == 0:
        return found
    within = float(np.where(there, (scores - means[:, :, None]) ** 2, 0.0).sum() / spare)
    share = float((1 / count[count > 0]).mean())
    return Components(
        found.phrasing,
        found.instance,
        found.interaction - within * share,
        n_phrasings=found.n_phrasings,
        n_instances=found.n_instances,
        repeat=within,
    )


def var_phrasing(scores: Scores) -> float:
    """Return the variance of phrasing effects, negative estimates as they are.

    NaN below two phrasings or instances.

    Notes
    -----
    Complete data: (MSp - MSe) / N, see `components`.

    References
    ----------
    Brennan 2001, "Generalizability Theory", chapter 3.

    Examples
    --------
    >>> var_phrasing(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    """
    return components(scores).phrasing


def var_instance(scores: Scores) -> float:
    """Return the variance of instance effects (difficulty), negative estimates as they are.

    Notes
    -----
    Complete data: (MSi - MSe) / P, see `components`. NaN below two phrasings or instances.

    References
    ----------
    Brennan 2001, "Generalizability Theory", chapter 3.

    Examples
    --------
    >>> var_instance(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    return components(scores).instance


def var_interaction(scores: Scores) -> float:
    """Return the variance of phrasing x instance effects together with noise between repeats.

    Notes
    -----
    Complete data: MSe, see `components`. NaN below two phrasings or instances.

    References
    ----------
    Brennan 2001, "Generalizability Theory", chapter 3.

    Examples
    --------
    >>> var_interaction(np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    """
    return components(scores).interaction


def std_excess(scores: Scores) -> float:
    """Return sqrt(max(0, var_phrasing)).

    The spread over phrasings without the noise of having N instances only.

    Notes
    -----
    var(a) of `std` expects var_phrasing + var_interaction / N; the second part is subtracted. 0
    when the raw component is negative: then the phrasings differ by less than noise alone would
    make them. The raw sign is that of `var_phrasing`. NaN below two phrasings or instances.

    References
    ----------
    Brennan 2001, "Generalizability Theory", chapter 3, for the component; its root is a metric of
    ours.

    Examples
    --------
    >>> std_excess(np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]))
    0.0
    """
    return float(np.sqrt(_positive(var_phrasing(scores))))


def g_coefficient(scores: Scores) -> float:
    """Return the share of the variance of a cell that is not phrasing: 1 - vp / (vp + vi + ve).

    Notes
    -----
    Components at 0 where negative. 1: wording does not move scores. No variance at all: NaN.

    References
    ----------
    Brennan 2001, "Generalizability Theory", for components as shares of the total; metric of
    evalkit.

    Examples
    --------
    >>> g_coefficient(np.array([[1.0, 0.0], [1.0, 0.0]]))
    1.0
    """
    found = components(scores).clipped
    total = found.phrasing + found.instance + found.interaction
    return 1 - found.phrasing / total if total > 0 else float("nan")
