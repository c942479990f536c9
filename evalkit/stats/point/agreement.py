"""Do phrasings lead to the same answer: consistency, flip rate, alpha, kappa, label entropy.

``labels[p, i]`` is the integer code of the answer under phrasing p on instance i, -1 when the
answer could not be parsed or is missing. None of these need targets.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from evalkit.stats.point.missing import mean_over

__all__ = [
    "alpha_of",
    "alpha_terms",
    "consistency",
    "consistency_per_instance",
    "entropy_per_instance",
    "equal_partners",
    "fleiss_kappa",
    "flip_rate",
    "krippendorff_alpha",
    "label_counts",
    "label_entropy",
]

Labels = Int[np.ndarray, "phrasing instance"]
Missing = Bool[np.ndarray, "phrasing instance"] | None
Counts = Int[np.ndarray, "instance label"]


def label_counts(labels: Labels) -> Counts:
    """Return how many phrasings gave each label on each instance; codes below 0 are not counted.

    Notes
    -----
    Codes are made dense first, so large codes (hashes of texts) cost nothing.

    Examples
    --------
    >>> label_counts(np.array([[0, 1], [0, -1]])).tolist()
    [[2, 0], [0, 1]]
    """
    n_instances = labels.shape[1]
    used, dense = np.unique(labels, return_inverse=True)
    dense = dense.reshape(labels.shape)
    first = int(np.searchsorted(used, 0))  # dense codes below this one are the negative labels
    n_labels = used.size - first
    place, column = np.nonzero(dense >= first)
    flat = column * n_labels + (dense[place, column] - first)
    return np.bincount(flat, minlength=n_instances * n_labels).reshape(n_instances, n_labels)


def equal_partners(labels: Labels) -> Int[np.ndarray, "phrasing instance"]:
    """For each cell, how many other phrasings gave the same label on the instance.

    0 for codes below 0.

    By sorting each instance's labels: cost and memory do not grow with the number of different
    labels.
    """
    order = np.argsort(labels, axis=0, kind="stable")
    rows = np.take_along_axis(labels, order, axis=0)
    n_phrasings = rows.shape[0]
    starts = np.ones(rows.shape, dtype=bool)
    starts[1:] = rows[1:] != rows[:-1]
    place = np.arange(n_phrasings)[:, None]
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=0)
    ends = np.ones(rows.shape, dtype=bool)
    ends[:-1] = starts[1:]
    last = np.minimum.accumulate(np.where(ends, place, n_phrasings)[::-1], axis=0)[::-1]
    equal = np.empty(rows.shape, dtype=np.int64)
    np.put_along_axis(equal, order, np.where(rows >= 0, last - first, 0), axis=0)
    return equal


def consistency_per_instance(
    labels: Labels, *, missing: Missing = None
) -> Float[np.ndarray, " instance"]:
    """Return per instance the share of unordered phrasing pairs with the same label.

    NaN without pairs.
    """
    here = np.full(labels.shape[1], labels.shape[0]) if missing is None else (~missing).sum(axis=0)
    equal = equal_partners(labels).sum(axis=0) / 2
    pairs = here * (here - 1) / 2
    return np.where(pairs > 0, equal / np.maximum(pairs, 1), np.nan)


def consistency(labels: Labels, *, missing: Missing = None) -> float:
    """Return the share of (instance, unordered phrasing pair) whose two answers are the same.

    Parameters
    ----------
    labels
        Answer codes, -1 for unparsed or missing.
    missing
        True where our side failed. Such cells form no pairs; every other -1 is an unparsed answer,
        which forms pairs but agrees with nothing, not even another unparsed one. Default: none
        missing.

    Notes
    -----
    Mean over instances of the share of equal pairs within the instance. P = 1 or no pair at all:
    NaN.

    References
    ----------
    Nalbandyan et al. 2025, "SCORE: Systematic COnsistency and Robustness Evaluation" (arXiv
    2503.00137), consistency rate.

    Examples
    --------
    >>> consistency(np.array([[0, 1], [0, 2]]))
    0.5
    """
    return float(mean_over(consistency_per_instance(labels, missing=missing)))


def flip_rate(labels: Labels, *, missing: Missing = None) -> float:
    """Return 1 - consistency: the share of phrasing pairs whose answers differ.

    0 iff every instance has one answer.

    Notes
    -----
    Complement of `consistency`; an unparsed answer differs from everything. P = 1 or no pair: NaN.

    References
    ----------
    Nalbandyan et al. 2025, "SCORE" (arXiv 2503.00137), whose consistency rate it complements.

    Examples
    --------
    >>> flip_rate(np.array([[0, 1], [0, 2]]))
    0.5
    """
    return 1 - consistency(labels, missing=missing)


def alpha_terms(
    labels: Labels,
) -> tuple[Float[np.ndarray, " instance"], Float[np.ndarray, "instance label"]]:
    """Return per instance its observed disagreement and its label counts, both 0 below two
    labels.
    """
    counts = label_counts(labels).astype(np.float64)
    m = counts.sum(axis=1)
    counts[m < 2] = 0
    m = counts.sum(axis=1)
    return (m**2 - (counts**2).sum(axis=1)) / np.maximum(m - 1, 1), counts


def alpha_of(
    observed: Float[np.ndarray, "*batch"] | float, totals: Float[np.ndarray, "*batch label"]
) -> Float[np.ndarray, "*batch"]:
    """Return alpha from summed disagreement and summed label counts, over any leading axes.

    NaN when De = 0.
    """
    n = totals.sum(axis=-1)
    expected = n**2 - (totals**2).sum(axis=-1)  # ordered pairs of unlike labels
    usable = expected > 0
    return np.asarray(
        np.where(usable, 1 - observed * (n - 1) / np.where(usable, expected, 1.0), np.nan)
    )


def krippendorff_alpha(labels: Labels) -> float:
    """Return Krippendorff's alpha for nominal data with phrasings as coders.

    Notes
    -----
    alpha = 1 - Do / De. With n_ic phrasings giving label c on instance i, m_i = sum_c n_ic, over
    instances with m_i >= 2: Do = sum_i sum_{c != k} n_ic n_ik / (m_i - 1) / n, De = sum_{c != k}
    n_c n_k / (n (n - 1)), n_c = sum_i n_ic, n = sum_c n_c. Codes below 0 are missing. De = 0 (one
    label ever used): NaN.

    References
    ----------
    Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability". Barrie et al. 2024, "Prompt
    Stability Scoring".

    Examples
    --------
    >>> krippendorff_alpha(np.array([[0, 1, 0, 1], [0, 1, 1, 1]]))
    0.5333333333333333
    """
    observed, totals = alpha_terms(labels)
    return float(alpha_of(observed.sum(), totals.sum(axis=0)))


def fleiss_kappa(labels: Labels) -> float:
    """Return Fleiss' kappa with phrasings as raters, over instances that every phrasing labelled.

    Notes
    -----
    kappa = (Pbar - Pe) / (1 - Pe), Pbar = mean_i sum_c n_ic (n_ic - 1) / (P (P - 1)), Pe = sum_c
    p_c^2, p_c the share of label c. Defined for complete ratings only: an instance with a code
    below 0 is left out. Pe = 1, P < 2 or no complete instance: NaN.

    References
    ----------
    Fleiss 1971, "Measuring nominal scale agreement among many raters", Psychological Bulletin 76.

    Examples
    --------
    >>> round(fleiss_kappa(np.array([[0, 1, 0, 1], [0, 1, 1, 1]])), 4)
    0.4667
    """
    raters = labels.shape[0]
    complete = labels[:, (labels >= 0).all(axis=0)]
    if raters < 2 or complete.shape[1] == 0:
        return float("nan")
    counts = label_counts(complete).astype(np.float64)
    agreement = ((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))).mean()
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((agreement - chance) / (1 - chance)) if chance < 1 else float("nan")


def entropy_per_instance(labels: Labels) -> Float[np.ndarray, " instance"]:
    """Return per instance the entropy, in nats, of its labels over phrasings; NaN without labels.

    Examples
    --------
    >>> entropy_per_instance(np.array([[0, -1], [1, -1]])).round(4).tolist()
    [0.6931, nan]
    """
    # each cell adds -log(share of its label) / m: sum_c n_c / m log(m / n_c)
    there = labels >= 0
    m = there.sum(axis=0)
    same = np.where(there, equal_partners(labels) + 1, 1)
    total = np.where(there, np.log(np.maximum(m, 1)) - np.log(same), 0.0).sum(axis=0)
    return np.where(m > 0, total / np.maximum(m, 1), np.nan)


def label_entropy(labels: Labels, n_labels: int) -> float:
    """Return the mean over instances of the entropy of the labels over phrasings, divided by
    log(n_labels).

    Parameters
    ----------
    labels
        Answer codes, -1 for unparsed or missing; these are left out, and so is an instance with
        nothing else.
    n_labels
        Number of labels the task offers; the entropy of a uniform choice among them is 1.

    Notes
    -----
    0: one answer per instance whatever the wording. n_labels < 2 or no labels at all: NaN.

    References
    ----------
    Errica et al. 2025, "What Did I Do Wrong? Quantifying LLMs' Sensitivity and Consistency to
    Prompt Engineering" (arXiv 2406.12334), sensitivity; there the mean of class probabilities, here
    label counts.

    Examples
    --------
    >>> label_entropy(np.array([[0, 0], [1, 0]]), 2)
    0.5
    """
    if n_labels < 2:
        return float("nan")
    mean = float(mean_over(entropy_per_instance(labels)))
    return mean / float(np.log(n_labels))
