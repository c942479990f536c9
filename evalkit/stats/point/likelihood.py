"""Metrics from probabilities: posix, prompt uncertainty, calibration error, Brier score.

Log-probabilities are natural (nats) and summed over the tokens of the answer.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from evalkit.stats.point.missing import mean_over

__all__ = [
    "answer_confidence",
    "brier",
    "brier_per_cell",
    "ece",
    "posix",
    "posix_of_set",
    "posix_per_instance",
    "prompt_uncertainty",
    "uncertainty_per_instance",
]

LogProbs = Float[np.ndarray, "phrasing instance choice"]
Tokens = Int[np.ndarray, "phrasing instance choice"]
Cells = Int[np.ndarray, "phrasing instance"]


def posix_of_set(
    logprobs: Float[np.ndarray, "answer phrasing"], lengths: Int[np.ndarray, " answer"]
) -> float:
    """Return POSIX of one set of phrasings with the same meaning.

    Parameters
    ----------
    logprobs
        ``logprobs[q, p]``: log-probability, nats, of answer r_q (given under phrasing q) under
        phrasing p. Square.
    lengths
        Tokens of each answer r_q: its own length, never the allowed length.

    Notes
    -----
    (1 / (P (P - 1))) sum_{p != q} abs(log P(r_q | x_p) - log P(r_q | x_q)) / len r_q, nats per
    token. 0 iff every phrasing gives each answer the probability that the phrasing it came from
    does. An empty answer (length 0) makes the set NaN; so does a missing log-probability, and P <
    2.

    References
    ----------
    Chatterjee et al. 2024, "POSIX: A Prompt Sensitivity Index For Large Language Models" (arXiv
    2410.02185), equation 1.

    Examples
    --------
    >>> posix_of_set(
    ...     np.array([[-1.0, -3.0], [-4.0, -2.0]]), np.array([2, 1])
    ... )  # (2 / 2 + 2 / 1) / 2
    1.5
    """
    n = lengths.size
    if logprobs.shape != (n, n):
        raise ValueError(
            f"posix_of_set: logprobs has shape {logprobs.shape} for {n} answers; "
            "one row and one column per phrasing is accepted."
        )
    if n < 2 or (lengths < 1).any():
        return float("nan")
    differences = np.abs(logprobs - np.diagonal(logprobs)[:, None]) / lengths[:, None]
    return float(differences.sum() / (n * (n - 1)))


def posix(sets: list[tuple[Float[np.ndarray, "_ _"], Int[np.ndarray, " _"]]]) -> float:
    """Return the mean of `posix_of_set` over sets (one per instance); undefined sets are left out.

    Notes
    -----
    mean over sets of (1 / (P (P - 1))) sum_{p, q} abs(log P(r_q | x_p) - log P(r_q | x_q)) / len
    r_q, nats per token. No defined set: NaN.

    References
    ----------
    Chatterjee et al. 2024 (arXiv 2410.02185), equation 1.

    Examples
    --------
    >>> posix(
    ...     [
    ...         (np.zeros((2, 2)), np.array([1, 1])),
    ...         (np.array([[0.0, -1.0], [-1.0, 0.0]]), np.array([1, 1])),
    ...     ]
    ... )
    0.5
    """
    return float(
        mean_over(
            np.array(
                [posix_of_set(logprobs, lengths) for logprobs, lengths in sets], dtype=np.float64
            )
        )
    )


def posix_per_instance(
    logprobs: LogProbs, tokens: Tokens, *, picked: Cells, form: Cells
) -> Float[np.ndarray, " instance"]:
    """Return POSIX of the phrasings of every instance of a task whose choices are scored.

    Parameters
    ----------
    logprobs
        Log-probability of every choice, nats, summed over its tokens; NaN where there is none.
    tokens
        Tokens of every choice.
    picked
        The choice each phrasing answers with; -1 for none.
    form
        Phrasings with the same number on an instance ask for the choices in the same texts; -1 for
        none.

    Notes
    -----
    The answer r_q is the choice picked under phrasing q, and every phrasing has its
    log-probability, so nothing more has to be asked. Only pairs that write their answers alike are
    compared: the probability of "B" and that of "Paris" are not of one answer. With equal forms and
    nothing missing it is `posix_of_set` of each instance; missing cells leave their pairs out; no
    pair: NaN.

    Examples
    --------
    >>> logprobs = np.array(
    ...     [[[-1.0, -4.0]], [[-3.0, -2.0]]]
    ... )  # two phrasings, one instance, two choices; picked 0 and 1
    >>> alike, tokens = np.zeros((2, 1), dtype=int), np.array([[[2, 1]], [[2, 1]]])
    >>> posix_per_instance(
    ...     logprobs, tokens, picked=np.array([[0], [1]]), form=alike
    ... ).tolist()  # as in posix_of_set
    [1.5]
    """
    total, count = np.zeros(picked.shape[1]), np.zeros(picked.shape[1])
    for kept, mine in _alike(form, picked, n_choices=logprobs.shape[2]):
        lengths = tokens[:, :, mine].astype(np.float64)
        answered = kept & (picked == mine) & (lengths >= 1)
        _add_pairs(
            total,
            count,
            np.where(kept, logprobs[:, :, mine], np.nan),
            np.where(answered, 1.0 / np.maximum(lengths, 1.0), 0.0),
        )
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _alike(
    form: Cells, picked: Cells, *, n_choices: int
) -> Iterator[tuple[Bool[np.ndarray, "phrasing instance"], int]]:
    """Yield every way of writing the answers as the cells that use it,
    with each choice that some cell picks.
    """
    for number in np.unique(form[form >= 0]):
        kept = form == number
        yield from ((kept, mine) for mine in range(n_choices) if (kept & (picked == mine)).any())


def _add_pairs(
    total: Float[np.ndarray, " instance"],
    count: Float[np.ndarray, " instance"],
    values: Float[np.ndarray, "phrasing instance"],
    weights: Float[np.ndarray, "phrasing instance"],
) -> None:
    """Add, per instance, the sum over q and p != q of weights[q] abs(values[p] - values[q]),
    and how many such pairs have weights[q] > 0.

    Sorted, a pair i < j adds (values[j] - values[i]) (weights[i] + weights[j]), so running sums
    replace the P^2 pairs. Values count from the least one, so that equal ones add exactly 0. NaN
    values are in no pair.
    """
    known = ~np.isnan(values)
    there = known.any(axis=0)
    least = np.zeros(values.shape[1])
    least[there] = np.nanmin(values[:, there], axis=0)
    order = np.argsort(values, axis=0)  # NaN come last
    x = np.take_along_axis(np.where(known, values - least, 0.0), order, axis=0)
    present = np.take_along_axis(known, order, axis=0).astype(np.float64)
    w = np.take_along_axis(np.where(known, weights, 0.0), order, axis=0)
    below, weight_below = np.cumsum(present, axis=0) - present, np.cumsum(w, axis=0) - w
    sum_below, weighted_below = (
        np.cumsum(x * present, axis=0) - x * present,
        np.cumsum(x * w, axis=0) - x * w,
    )
    total += np.maximum(
        x * (weight_below * present + below * w) - present * weighted_below - w * sum_below, 0.0
    ).sum(axis=0)
    count += (w > 0).sum(axis=0) * (present.sum(axis=0) - 1)


def uncertainty_per_instance(
    logprobs: LogProbs,
    tokens: Tokens,
    *,
    picked: Cells,
    form: Cells,
    others: Bool[np.ndarray, "phrasing phrasing"] | None = None,
) -> Float[np.ndarray, " instance"]:
    """Return the prompt uncertainty of every instance of a task whose choices are scored.

    Parameters
    ----------
    logprobs, tokens, picked, form
        As for `posix_per_instance`.
    others
        ``others[q, p]``: whether p is one of the phrasings that q is held against; None: all but q.

    Notes
    -----
    Mean over pairs (q, p) of abs(p(y0 given q) - p(y0 given p)), y0 the choice picked under q and p
    = exp(mean token log-probability); see `prompt_uncertainty`. Pairs that write their answers
    differently and pairs with a missing cell are left out; no pair: NaN.

    Examples
    --------
    >>> logprobs = np.log(np.array([[[0.75, 0.25]], [[0.5, 0.5]]]))
    >>> pair, alike = np.array([[False, True], [False, False]]), np.zeros((2, 1), dtype=int)
    >>> found = uncertainty_per_instance(
    ...     logprobs, np.ones((2, 1, 2), dtype=int), picked=alike, form=alike, others=pair
    ... )
    >>> found.round(6).tolist()
    [0.25]
    """
    total, count = np.zeros(picked.shape[1]), np.zeros(picked.shape[1])
    if others is None:
        for kept, choice in _alike(form, picked, n_choices=logprobs.shape[2]):
            lengths = np.where(tokens[:, :, choice] < 1, np.nan, tokens[:, :, choice])
            probability = np.where(kept, np.exp(logprobs[:, :, choice] / lengths), np.nan)
            _add_pairs(total, count, probability, (kept & (picked == choice)).astype(np.float64))
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)
    for mine in np.flatnonzero(others.any(axis=1)):
        held = np.flatnonzero(others[mine])
        rows = np.concatenate([[mine], held])
        probability = _probability(logprobs[rows], tokens[rows], picked[mine])
        change = np.abs(probability[1:] - probability[0])
        kept = (
            (form[held] == form[mine]) & (form[mine] >= 0) & (picked[mine] >= 0) & ~np.isnan(change)
        )
        total += np.where(kept, change, 0.0).sum(axis=0)
        count += kept.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _probability(
    logprobs: LogProbs, tokens: Tokens, choice: Int[np.ndarray, " instance"]
) -> Float[np.ndarray, "phrasing instance"]:
    """Return exp(mean token log-probability), under every phrasing, of one choice per instance.

    NaN without tokens.
    """
    place = np.broadcast_to(np.maximum(choice, 0)[None, :, None], (*logprobs.shape[:2], 1))
    length = np.take_along_axis(tokens, place, axis=2)[:, :, 0].astype(np.float64)
    return np.exp(
        np.take_along_axis(logprobs, place, axis=2)[:, :, 0] / np.where(length < 1, np.nan, length)
    )


def answer_confidence(
    logprobs: LogProbs, tokens: Tokens, *, picked: Cells
) -> Float[np.ndarray, "phrasing instance"]:
    """Return exp(mean token log-probability) of the choice given in every cell.

    NaN where there is none.

    Examples
    --------
    >>> answer_confidence(
    ...     np.log(np.array([[[0.25, 0.5]]])), np.array([[[2, 1]]]), picked=np.array([[0]])
    ... ).tolist()
    [[0.5]]
    """
    place = np.maximum(picked, 0)[:, :, None]
    answer = np.take_along_axis(logprobs, place, axis=2)[:, :, 0]
    length = np.take_along_axis(tokens, place, axis=2)[:, :, 0].astype(np.float64)
    return np.where(
        (picked >= 0) & (length >= 1), np.exp(answer / np.where(length < 1, np.nan, length)), np.nan
    )


def prompt_uncertainty(
    original: Float[np.ndarray, " instance"], perturbed: Float[np.ndarray, "phrasing instance"]
) -> float:
    """Return the mean over instances and perturbed phrasings of abs(p(y0 | I0) - p(y0 | Ij)).

    Parameters
    ----------
    original
        Probability under the original phrasing of the model's own answer y0 to it: exp(mean token
        log-probability).
    perturbed
        Probability of the same y0 under each perturbed phrasing.

    Notes
    -----
    In [0, 1]; needs no targets. With the mean of `original` it places a task on the map of Active
    Instruction Tuning: ambiguous (high uncertainty, high probability), difficult (low, low), easy
    (low, high). NaN where missing.

    References
    ----------
    Kung et al. 2023, "Active Instruction Tuning" (arXiv 2311.00288), section 2.2.

    Examples
    --------
    >>> prompt_uncertainty(np.array([0.75, 0.5]), np.array([[0.5, 0.5], [0.75, 0.25]]))
    0.125
    """
    return float(mean_over(np.abs(perturbed - original).ravel()))


def ece(
    confidence: Float[np.ndarray, " cell"], scores: Float[np.ndarray, " cell"], *, bins: int = 10
) -> float:
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
    sum_b n_b / n abs(mean score in b - mean confidence in b). Cells with either value missing are
    left out; none left: NaN. Biased upward when bins hold few cells, so compare it at the same n
    and bins.

    References
    ----------
    Naeini, Cooper and Hauskrecht 2015, "Obtaining Well Calibrated Probabilities Using Bayesian
    Binning". Guo et al. 2017, "On Calibration of Modern Neural Networks", equation 3.

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


def brier(
    probabilities: Float[np.ndarray, "cell label"], targets: Int[np.ndarray, " cell"]
) -> float:
    """Return the Brier score: mean over cells of sum over labels (p_c - 1[c is the target])^2.

    Notes
    -----
    In [0, 2], the original form over all labels; with two labels it is twice the mean squared error
    of one of them. Cells with a missing probability or a target below 0 are left out; none left:
    NaN.

    References
    ----------
    Brier 1950, "Verification of forecasts expressed in terms of probability", Monthly Weather
    Review 78.

    Examples
    --------
    >>> brier(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, 1]))  # (0.125 + 0.5) / 2
    0.3125
    """
    return float(mean_over(brier_per_cell(probabilities, targets)))


def brier_per_cell(
    probabilities: Float[np.ndarray, "cell label"], targets: Int[np.ndarray, " cell"]
) -> Float[np.ndarray, " cell"]:
    """Return the Brier score of every cell.

    NaN where a probability is missing or the target is below 0.

    Examples
    --------
    >>> brier_per_cell(np.array([[0.75, 0.25], [0.5, 0.5]]), np.array([0, -1])).tolist()
    [0.125, nan]
    """
    truth = np.zeros_like(probabilities)
    known = np.flatnonzero(targets >= 0)
    truth[known, targets[known]] = 1.0
    return np.where(targets >= 0, ((probabilities - truth) ** 2).sum(axis=1), np.nan)
