"""Plain item response models by penalised likelihood.

The point fit that budgeted estimation is measured against.

P(y[p, i] = 1) = sigmoid(theta[p] + b[i]), theta the ease of a phrasing, b that of an instance.
Scores in [0, 1] enter as fractions of a success.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import expit

__all__ = ["Rasch", "fit_rasch", "predicted_scores"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rasch:
    """A fitted Rasch model."""

    phrasing: Floats
    """theta: ease of each phrasing, in logits, covariates included."""
    instance: Floats
    """b: ease of each instance, in logits, covariates included."""

    def probability(self) -> Floats:
        """Return P(y = 1) of every cell."""
        return np.asarray(expit(self.phrasing[:, None] + self.instance))


def fit_rasch(
    scores: Floats,
    *,
    penalty: float = 0.3,
    phrasing_covariates: Floats | None = None,
    instance_covariates: Floats | None = None,
    most_steps: int = 100,
) -> Rasch:
    """Return the Rasch model of a sparse matrix, with covariates of phrasings and instances when
    given.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where not scored.
    penalty
        Ridge penalty on every effect, in units of one observation; 0.3 did best in
        ``benchmarks/budget.py``.
    phrasing_covariates, instance_covariates
        Features whose coefficients are fitted along, with the same penalty: theta = X gamma + u, b
        = Z delta + v.
    most_steps
        Most Newton steps.

    Notes
    -----
    Maximises sum y eta - log(1 + exp(eta)) - penalty / 2 sum of squares, by damped Newton steps on
    the sparse design. Phrasings without a score get the value of their covariates.

    References
    ----------
    Rasch 1960, "Probabilistic Models for Some Intelligence and Attainment Tests". Polo et al. 2024
    (arXiv 2405.17202), section 3.

    Examples
    --------
    >>> fit = fit_rasch(np.array([[1.0, 1.0, np.nan], [np.nan, 0.0, 0.0]]))
    >>> bool(fit.phrasing[0] > fit.phrasing[1])
    True
    """
    n_phrasings, n_instances = scores.shape
    rows, columns = np.nonzero(~np.isnan(scores))
    cells = np.arange(rows.size)
    ones = np.ones(rows.size)
    parts = [
        sparse.csr_array((ones, (cells, rows)), shape=(rows.size, n_phrasings)),
        sparse.csr_array((ones, (cells, columns)), shape=(rows.size, n_instances)),
    ]
    if phrasing_covariates is not None:
        parts.append(sparse.csr_array(phrasing_covariates[rows]))
    if instance_covariates is not None:
        parts.append(sparse.csr_array(instance_covariates[columns]))
    weights = _ridge_logistic(
        sparse.csr_array(sparse.hstack(parts)),
        scores[rows, columns],
        penalty=penalty,
        most_steps=most_steps,
    )
    theta, b = weights[:n_phrasings], weights[n_phrasings : n_phrasings + n_instances]
    rest = weights[n_phrasings + n_instances :]
    if phrasing_covariates is not None:
        theta = theta + phrasing_covariates @ rest[: phrasing_covariates.shape[1]]
        rest = rest[phrasing_covariates.shape[1] :]
    if instance_covariates is not None:
        b = b + instance_covariates @ rest
    return Rasch(theta, b)


def _ridge_logistic(x: sparse.csr_array, y: Floats, *, penalty: float, most_steps: int) -> Floats:
    weights = np.zeros(x.shape[1])
    for _ in range(most_steps):
        p = expit(x @ weights)
        gradient = x.T @ (y - p) - penalty * weights
        hessian = (x.T @ sparse.diags_array(p * (1 - p)) @ x).toarray()
        hessian[np.diag_indices_from(hessian)] += penalty
        step = np.linalg.solve(hessian, gradient)
        weights += step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-12))
        if np.abs(step).max() < 1e-6:
            break
    return weights


def predicted_scores(scores: Floats, fit: Rasch) -> Floats:
    """Return a[p] with cells that were not scored at their probability.

    Examples
    --------
    >>> predicted_scores(np.array([[1.0, np.nan]]), Rasch(np.zeros(1), np.zeros(2))).tolist()
    [0.75]
    """
    return np.asarray(np.where(np.isnan(scores), fit.probability(), scores).mean(axis=1))
