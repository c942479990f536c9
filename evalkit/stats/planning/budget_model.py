"""The posterior of all phrasing scores given some of the cells: a hierarchical item response model.

P(y[p, i] = 1) = sigmoid(s[p] b[i] + theta[p])

theta[p]  ease of phrasing p: X gamma + a Student effect of scale sigma (8 degrees of freedom), or,
          for a share pi of broken phrasings, normal around -1.5 with deviation 1.5; pi is 0 with
          chance 0.8, else Beta(1, 19);
s[p]      slope, log-normal around 1 with deviation `SLOPE`;
b[i]      ease of instance i: Z delta + a draw from an unknown distribution on a grid of -7 ... 7
          logits, which has a Dirichlet prior around a normal (deviation 2.5), so instances that
          everything gets right are no surprise;
sigma     half-normal with scale 0.3 logits: phrasings of one instruction rarely differ by more than
          twice that.

The estimand is the score over *these* instances: scored cells count as they are, the others as the
number of successes still to come, with its noise. That noise is what plain fits leave out, and why
their spread is wrong. Sampling: Gibbs over the grid for b, Metropolis for the rest; about a second
for 1,600 cells.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit, gammaln, log_expit

__all__ = ["Covariates", "Posterior", "sample_posterior"]

Scores = Float[np.ndarray, "phrasing instance"]

GRID = np.linspace(-7.0, 7.0, 33)
BASE = np.exp(-0.5 * (GRID / 2.5) ** 2) / np.exp(-0.5 * (GRID / 2.5) ** 2).sum()
MASS = 4.0
"""Weight of the base distribution of instances, in instances."""
SLOPE = 0.2
SCALE = 0.3
"""Scale of the half-normal prior of sigma, logits."""
FREEDOM = 8.0
BROKEN_AT, BROKEN_BY = -1.5, 1.5
BROKEN_PRIOR = (1.0, 19.0)
"""Beta prior of the share of broken phrasings where there are any: one in twenty."""
NONE_BROKEN = 0.8
"""Prior chance that no phrasing at all is broken; without it every sparse matrix might hide one,
and no spread were narrow."""


@dataclass(frozen=True, slots=True)
class Covariates:
    """Features of phrasings and instances; centred and scaled by the model."""

    phrasing: Float[np.ndarray, "phrasing feature"] | None = None
    """Features of phrasings: embeddings, layout indicators."""
    instance: Float[np.ndarray, "instance other"] | None = None
    """Features of instances: length, number of choices."""
    groups: Int[np.ndarray, " instance"] | None = None
    """Code of each instance's group; not in the model: cells are spread over groups."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """Draws from the posterior."""

    scores: Float[np.ndarray, "draw phrasing"]
    """a[p] over all instances, in each draw."""
    sigma: Float[np.ndarray, " draw"]
    """Scale of phrasing effects, logits."""
    probability: Float[np.ndarray, "phrasing instance"]
    """Mean probability of every cell."""
    theta_var: Float[np.ndarray, " phrasing"]
    """Posterior variance of theta."""


class _Chain:
    """State of the sampler; every step leaves the posterior invariant."""

    def __init__(self, scores: Scores, covariates: Covariates, rng: np.random.Generator) -> None:
        self.scores, self.rng = scores, rng
        self.n_phrasings, self.n_instances = scores.shape
        self.rows, columns = np.nonzero(~np.isnan(scores))
        order = np.argsort(columns, kind="stable")
        self.rows, self.columns = self.rows[order], columns[order]
        self.y = scores[self.rows, self.columns]
        self.starts = np.flatnonzero(np.diff(self.columns, prepend=-1))
        self.x, self.z = (
            _standard(covariates.phrasing, self.n_phrasings),
            _standard(covariates.instance, self.n_instances),
        )
        self.gamma, self.delta = np.zeros(self.x.shape[1]), np.zeros(self.z.shape[1])
        self.theta, self.log_slope, self.u = (
            np.zeros(self.n_phrasings),
            np.zeros(self.n_phrasings),
            np.zeros(self.n_instances),
        )
        self.log_weights = np.log(BASE)
        self.sigma, self.broken_share = 0.2, 0.05
        self.broken = np.zeros(self.n_phrasings, dtype=bool)
        self.precision = np.ones(self.n_phrasings)  # of each Student effect, times sigma^2
        count = np.bincount(self.rows, minlength=self.n_phrasings)
        self.step_theta = 2.4 / np.sqrt(1 / 0.3**2 + 0.15 * count)
        self.step_slope, self.step_delta = np.full(self.n_phrasings, 0.2), 0.1

    def _log_likelihood(
        self,
        theta: Float[np.ndarray, " phrasing"],
        log_slope: Float[np.ndarray, " phrasing"],
        b: Float[np.ndarray, " instance"],
    ) -> Float[np.ndarray, " phrasing"]:
        """Log-likelihood of the scored cells of each phrasing."""
        eta = np.exp(log_slope)[self.rows] * b[self.columns] + theta[self.rows]
        terms = self.y * log_expit(eta) + (1 - self.y) * log_expit(-eta)
        return np.asarray(np.bincount(self.rows, weights=terms, minlength=self.n_phrasings))

    def _ease(self) -> Float[np.ndarray, " instance"]:
        return self.u + self.z @ self.delta

    def step(self, *, tuning: bool) -> None:
        self._instances()
        self.current = self._log_likelihood(self.theta, self.log_slope, self._ease())
        for _ in range(3):
            self._phrasings(tuning=tuning)
        self._slopes(tuning=tuning)
        self._scale()
        self._kinds()
        if self.x.shape[1]:
            self._phrasing_covariates()
        if self.z.shape[1]:
            self._instance_covariates()

    def _instances(self) -> None:
        """Draw every b on the grid, then the weights of the grid."""
        slope = np.exp(self.log_slope)[self.rows]
        fixed = slope * (self.z @ self.delta)[self.columns] + self.theta[self.rows]
        eta = slope[:, None] * GRID + fixed[:, None]  # (cell, grid)
        terms = self.y[:, None] * eta + log_expit(-eta)
        table = np.tile(self.log_weights, (self.n_instances, 1))
        if self.starts.size:
            table[self.columns[self.starts]] += np.add.reduceat(terms, self.starts, axis=0)
        place = np.argmax(table + self.rng.gumbel(size=table.shape), axis=1)
        self.u = GRID[place]
        weights = self.rng.gamma(np.bincount(place, minlength=GRID.size) + MASS * BASE)
        self.log_weights = np.log(np.maximum(weights / weights.sum(), 1e-300))

    def _centre(self) -> Float[np.ndarray, " phrasing"]:
        return np.asarray(np.where(self.broken, BROKEN_AT, self.x @ self.gamma))

    def _phrasings(self, *, tuning: bool) -> None:
        variance = np.where(self.broken, BROKEN_BY**2, self.sigma**2 / self.precision)
        centre = self._centre()
        proposed = self.theta + self.rng.standard_normal(self.n_phrasings) * self.step_theta
        likelihood = self._log_likelihood(proposed, self.log_slope, self._ease())
        prior = -0.5 * ((proposed - centre) ** 2 - (self.theta - centre) ** 2) / variance
        taken = np.log(self.rng.random(self.n_phrasings)) < likelihood - self.current + prior
        self.theta, self.current = (
            np.where(taken, proposed, self.theta),
            np.where(taken, likelihood, self.current),
        )
        if tuning:
            self.step_theta *= np.exp(0.1 * (taken - 0.4))

    def _slopes(self, *, tuning: bool) -> None:
        proposed = self.log_slope + self.rng.standard_normal(self.n_phrasings) * self.step_slope
        likelihood = self._log_likelihood(self.theta, proposed, self._ease())
        prior = -0.5 * (proposed**2 - self.log_slope**2) / SLOPE**2
        taken = np.log(self.rng.random(self.n_phrasings)) < likelihood - self.current + prior
        self.log_slope, self.current = (
            np.where(taken, proposed, self.log_slope),
            np.where(taken, likelihood, self.current),
        )
        if tuning:
            self.step_slope *= np.exp(0.1 * (taken - 0.4))

    def _scale(self) -> None:
        """Draw sigma twice: given the effects, and with the effects scaled along,
        so that a small sigma cannot get stuck.
        """
        effect = (self.theta - self.x @ self.gamma)[~self.broken]
        squares, n = float((self.precision[~self.broken] * effect**2).sum()), effect.size
        for _ in range(2):
            proposed = self.sigma * np.exp(0.25 * self.rng.standard_normal())
            ratio = (1 - n) * np.log(proposed / self.sigma) - 0.5 * squares * (
                1 / proposed**2 - 1 / self.sigma**2
            )
            if np.log(self.rng.random()) < ratio - 0.5 * (proposed**2 - self.sigma**2) / SCALE**2:
                self.sigma = float(proposed)
        for _ in range(2):
            proposed = self.sigma * np.exp(0.5 * self.rng.standard_normal())
            centre = self.x @ self.gamma
            theta = np.where(
                self.broken, self.theta, centre + (self.theta - centre) * proposed / self.sigma
            )
            likelihood = self._log_likelihood(theta, self.log_slope, self._ease())
            ratio = likelihood.sum() - self.current.sum() + np.log(proposed / self.sigma)
            if np.log(self.rng.random()) < ratio - 0.5 * (proposed**2 - self.sigma**2) / SCALE**2:
                self.theta, self.current, self.sigma = theta, likelihood, float(proposed)

    def _kinds(self) -> None:
        """Draw which phrasings are broken, their share,
        and the precision of each Student effect.
        """
        effect = (self.theta - self.x @ self.gamma) / self.sigma
        student = gammaln((FREEDOM + 1) / 2) - gammaln(FREEDOM / 2) - 0.5 * np.log(FREEDOM * np.pi)
        whole = (
            student
            - (FREEDOM + 1) / 2 * np.log1p(effect**2 / FREEDOM)
            - np.log(self.sigma)
            + np.log1p(-self.broken_share)
        )
        shifted = (self.theta - BROKEN_AT) / BROKEN_BY
        broken = (
            -0.5 * shifted**2
            - np.log(BROKEN_BY * np.sqrt(2 * np.pi))
            + np.log(max(self.broken_share, 1e-300))
        )
        self.broken = self.rng.random(self.n_phrasings) < expit(broken - whole)
        self.broken_share = self._share()
        self.precision = self.rng.gamma((FREEDOM + 1) / 2, 2 / (FREEDOM + effect**2))
        self.precision[self.broken] = 1.0

    def _share(self) -> float:
        """Draw the share of broken phrasings; exactly 0 where none is broken at all."""
        n_broken, (a, b) = int(self.broken.sum()), BROKEN_PRIOR
        if n_broken == 0:
            accident = np.exp(
                gammaln(a + b)
                - gammaln(b)
                + gammaln(b + self.n_phrasings)
                - gammaln(a + b + self.n_phrasings)
            )
            if self.rng.random() < NONE_BROKEN / (NONE_BROKEN + (1 - NONE_BROKEN) * accident):
                return 0.0
        return float(self.rng.beta(a + n_broken, b + self.n_phrasings - n_broken))

    def _phrasing_covariates(self) -> None:
        """Draw gamma from its normal posterior given theta; prior deviation 0.5 each."""
        used, weight = ~self.broken, self.precision / self.sigma**2
        x = self.x[used]
        precision = (x * weight[used, None]).T @ x + np.eye(x.shape[1]) / 0.5**2
        half = np.linalg.cholesky(precision)
        mean = np.linalg.solve(precision, x.T @ (weight[used] * self.theta[used]))
        self.gamma = mean + np.linalg.solve(half.T, self.rng.standard_normal(mean.size))

    def _instance_covariates(self) -> None:
        proposed = self.delta + self.step_delta * self.rng.standard_normal(self.delta.size)
        likelihood = self._log_likelihood(self.theta, self.log_slope, self.u + self.z @ proposed)
        ratio = (
            likelihood.sum() - self.current.sum() - 0.5 * float((proposed**2 - self.delta**2).sum())
        )
        if np.log(self.rng.random()) < ratio:
            self.delta, self.current = proposed, likelihood

    def probability(self) -> Float[np.ndarray, "phrasing instance"]:
        return np.asarray(
            expit(np.exp(self.log_slope)[:, None] * self._ease() + self.theta[:, None])
        )

    def realised(self, p: Float[np.ndarray, "phrasing instance"]) -> Float[np.ndarray, " phrasing"]:
        """One draw of a[p]: scored cells as they are, the rest with the noise of single cells."""
        open_cells = np.isnan(self.scores)
        variance = p[self.rows, self.columns] * (1 - p[self.rows, self.columns])
        excess = float(
            ((self.y - p[self.rows, self.columns]) ** 2).sum() / max(variance.sum(), 1e-12)
        )
        noise = (
            min(excess, 1.0) if ((self.y > 0) & (self.y < 1)).any() else 1.0
        )  # graded scores vary less than 0/1 ones
        deviation = (
            np.sqrt(noise * np.where(open_cells, p * (1 - p), 0.0).sum(axis=1)) / self.n_instances
        )
        drawn = np.where(open_cells, p, self.scores).mean(
            axis=1
        ) + deviation * self.rng.standard_normal(self.n_phrasings)
        return np.asarray(np.clip(drawn, 0.0, 1.0))


def _standard(
    features: Float[np.ndarray, "item feature"] | None, n_items: int
) -> Float[np.ndarray, "item kept"]:
    """Features centred and scaled; constant ones dropped."""
    if features is None:
        return np.zeros((n_items, 0))
    deviation = features.std(axis=0)
    return np.asarray(
        (features - features.mean(axis=0))[:, deviation > 0] / deviation[deviation > 0]
    )


def sample_posterior(
    scores: Scores,
    *,
    rng: np.random.Generator,
    covariates: Covariates | None = None,
    n_resamples: int = 300,
    n_tuning: int = 200,
) -> Posterior:
    """Return draws of every phrasing's score over all instances, given the scored cells.

    Parameters
    ----------
    scores
        Scores in [0, 1], NaN where not scored; at least one cell.
    rng
        Source of all draws.
    covariates
        Features of phrasings and instances.
    n_resamples
        Draws kept, every second step.
    n_tuning
        Steps before the first draw.

    Notes
    -----
    A phrasing without a scored cell gets draws from the population of phrasings. Graded scores
    enter as fractions of a success, with their noise scaled to what the scored cells show.

    References
    ----------
    Bock and Aitkin 1981, "Marginal maximum likelihood estimation of item parameters", Psychometrika
    46, for the free distribution of instances. Polo et al. 2024, "Efficient multi-prompt evaluation
    of LLMs" (arXiv 2405.17202), for the question.
    """
    if np.isnan(scores).all():
        raise ValueError("sample_posterior: no cell is scored; at least one is needed.")
    chain = _Chain(scores, covariates or Covariates(), rng)
    kept, sigma, theta = [], [], []
    mean = np.zeros(scores.shape)
    for step in range(n_tuning + 2 * n_resamples):
        chain.step(tuning=step < n_tuning)
        if step >= n_tuning and (step - n_tuning) % 2 == 0:
            p = chain.probability()
            mean += p / n_resamples
            kept.append(chain.realised(p))
            sigma.append(chain.sigma)
            theta.append(chain.theta)
    return Posterior(np.array(kept), np.array(sigma), mean, np.asarray(np.var(theta, axis=0)))
