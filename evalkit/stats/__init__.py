"""Room 8: statistics on arrays; NumPy and SciPy only.

Arrays are shaped (phrasing, instance); NaN is missing; labels are integer codes with -1 for unparsed or
missing. Undefined is NaN, never 0.
"""

from evalkit.stats.agreement import (
    consistency,
    consistency_per_instance,
    fleiss_kappa,
    flip_rate,
    krippendorff_alpha,
    label_counts,
    label_entropy,
)
from evalkit.stats.contrast import accuracy_norm, gap, gap_std, gap_worst, on_shared_instances, pdr, pdr_std, reliance
from evalkit.stats.instances import best_instance, pss, pss_per_instance, robust_drop, worst_instance
from evalkit.stats.location import cvar10, instance_scores, max, mean, median, min, phrasing_scores, quantile, worst_k
from evalkit.stats.phrasing_means import FROM_MEANS, GAPS_FROM_MEANS
from evalkit.stats.resample import Interval, Question, bootstrap, resampled_means, undefined
from evalkit.stats.spread import cps, saturation, sensitivity, sensitivity_over_tasks, spread, std, std0

__all__ = [
    "FROM_MEANS",
    "GAPS_FROM_MEANS",
    "Interval",
    "Question",
    "accuracy_norm",
    "best_instance",
    "bootstrap",
    "consistency",
    "consistency_per_instance",
    "cps",
    "cvar10",
    "fleiss_kappa",
    "flip_rate",
    "gap",
    "gap_std",
    "gap_worst",
    "instance_scores",
    "krippendorff_alpha",
    "label_counts",
    "label_entropy",
    "max",
    "mean",
    "median",
    "min",
    "on_shared_instances",
    "pdr",
    "pdr_std",
    "phrasing_scores",
    "pss",
    "pss_per_instance",
    "quantile",
    "reliance",
    "resampled_means",
    "robust_drop",
    "saturation",
    "sensitivity",
    "sensitivity_over_tasks",
    "spread",
    "std",
    "std0",
    "undefined",
    "worst_instance",
    "worst_k",
]
