"""Metrics from probabilities: posix, prompt uncertainty, calibration error, Brier score.

Log-probabilities are natural (nats) and summed over the tokens of the answer.
"""

import numpy as np
from jaxtyping import Float, Int

from evalkit.stats.missing import mean_over

__all__ = ["brier", "ece", "posix", "posix_of_set", "prompt_uncertainty"]


def posix_of_set(logprobs: Float[np.ndarray, "answer phrasing"], lengths: Int[np.ndarray, " answer"]) -> float:
    """Return POSIX of one set of phrasings with the same meaning.

    Parameters
    ----------
    logprobs
        ``logprobs[q, p]``: log-probability, nats, of answer r_q (given under phrasing q) under phrasing p. Square.
    lengths
        Tokens of each answer r_q: its own length, never the allowed length.

    Notes
    -----
    (1 / (P (P - 1))) sum_{p != q} abs(log P(r_q | x_p) - log P(r_q | x_q)) / len r_q, nats per token. 0 iff every phrasing
    gives each answer the probability that the phrasing it came from does. An empty answer (length 0) makes the
    set NaN; so does a missing log-probability, and P < 2.

    References
    ----------
    Chatterjee et al. 2024, "POSIX: A Prompt Sensitivity Index For Large Language Models" (arXiv 2410.02185), equation 1.

    Examples
    --------
    >>> posix_of_set(np.array([[-1.0, -3.0], [-4.0, -2.0]]), np.array([2, 1]))  # (2 / 2 + 2 / 1) / 2
    1.5
    """
    n = lengths.size
    if logprobs.shape != (n, n):
        raise ValueError(
            f"posix_of_set: logprobs has shape {logprobs.shape} for {n} answers; one row and one column per phrasing is accepted."
        )
    if n < 2 or (lengths < 1).any():
        return float("nan")
    differences = np.abs(logprobs - np.diagonal(logprobs)[:, None]) / lengths[:, None]
    return float(differences.sum() / (n * (n - 1)))


def posix(sets: list[tuple[Float[np.ndarray, "_ _"], Int[np.ndarray, " _"]]]) -> float:
    """Return the mean of `posix_of_set` over sets (one per instance); undefined sets are left out.

    Examples
    --------
    >>> posix([(np.zeros((2, 2)), np.array([1, 1])), (np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([1, 1]))])
    0.5
    """
    return float(mean_over(np.array([posix_of_set(logprobs, lengths) for logprobs, lengths in sets], dtype=np.float64)))


def prompt_uncertainty(original: Float[np.ndarray, " instance"], perturbed: Float[np.ndarray, "phrasing instance"]) -> float:
    """Return the mean over instances and perturbed phrasings of abs(p(y0 | I0) - p(y0 | Ij)).

    Parameters
    ----------
    original
        Probability under the original phrasing of the model's own answer y0 to it: exp(mean token log-probability).
    perturbed
        Probability of the same y0 under each perturbed phrasing.

    Notes
    -----
    In [0, 1]; needs no targets. With the mean of `original` it places a task on the map of Active Instruction Tuning:
    ambiguous (high uncertainty, high probability), difficult (low, low), easy (low, high). NaN where missing.

    References
    ----------
    Kung et al. 2023, "Active Instruction Tuning" (arXiv 2311.00288), section 2.2.

    Examples
    --------
    >>> prompt_uncertainty(np.array([0.75, 0.5]), np.array([[0.5, 0.5], [0.75, 0.25]]))
    0.125
    """
    return float(mean_over(np.abs(perturbed - original).ravel()))


def ece(confidence: Float[np.ndarray, " cell"], scores: Float[np.ndarray, " cell"], *, bins: int = 10) -> float:
    """Return the expected calibration error with `bins` equal bins of confidence.

    Parameters
    ----------
    confidence
        Probability of the given answer, a fraction.
    scores
        Score of the cell, 0 or 1 (a fraction is accepted).
    bins
        Number of bins; bin b holds (b / bins, (b + 1) / bins], 0 goes to the first.

    Notes
    -----
    sum_b n_b / n abs(mean score in b - mean confidence in b). Cells with either value missing are left out; none left: NaN.
    Biased upward when bins hold few cells, so compare it at the same n and bins.

    References
    ----------
    Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning". Guo et al. 2017,
    "On Calibration of Modern Neural Networks", equation 3.

    Examples
    --------
    >>> ece(np.array([0.75, 0.75]), np.array([1.0, 0.0]))
    0.25
    """
    kept = ~(np.isnan(confidence) | np.isnan(scores))
    if not kept.any():
        return float("nan")
    p, y = confidence[kept], scores[kept]
    place = np.clip(np.ceil(p * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=y - p, minlength=bins)
    return float(np.abs(gaps).sum() / p.size)


def brier(probabilities: Float[np.ndarray, "cell label"], targets: Int[np.ndarray, " cell"]) -> float:
    """Return the Brier score: mean over cells of sum over labels (p_c - 1[c is the target])^2.

    Notes
    -----
    In [0, 2], the original form over all labels; with two labels it is twice the mean squared error of one of them.
    Cells with a missing probability or a target below 0 are left out; none left: NaN.

    References
    ----------
    Brier 1950, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78.

    Examples
    --------
    >>> brier(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1]))  # (0.125 + 0.5) / 2
    0.3125
    """
    kept = ~np.isnan(probabilities).any(axis=1) & (targets >= 0)
    p = probabilities[kept]
    if p.shape[0] == 0:
        return float("nan")
    truth = np.zeros_like(p)
    truth[np.arange(p.shape[0]), targets[kept]] = 1.0
    return float(((p - truth) ** 2).sum(axis=1).mean())
