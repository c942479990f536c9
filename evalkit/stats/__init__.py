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
from evalkit.stats.association import distance_rho, distance_to_seen
from evalkit.stats.compare import consistency_difference, difference_intervals, on_shared_cells
from evalkit.stats.component_intervals import consistency_interval, pss_interval, var_instance_interval, var_interaction_interval
from evalkit.stats.contrast import accuracy_norm, gap, gap_std, gap_worst, on_shared_instances, pdr, pdr_std, reliance
from evalkit.stats.crossed import gap_interval, mean_interval, new_phrasing_interval
from evalkit.stats.design import Design, designs, gap_power, half_width, required_phrasings
from evalkit.stats.effect import cohen_h, hedges_g
from evalkit.stats.fixed_intervals import (
    alpha_interval,
    best_instance_interval,
    entropy_interval,
    noncentral_interval,
    pdr_interval,
    robust_drop_interval,
    worst_instance_interval,
)
from evalkit.stats.instances import best_instance, pss, pss_per_instance, robust_drop, worst_instance
from evalkit.stats.intervals import gap_intervals, label_intervals, score_intervals
from evalkit.stats.likelihood import (
    answer_confidence,
    brier,
    brier_per_cell,
    ece,
    posix,
    posix_of_set,
    posix_per_instance,
    prompt_uncertainty,
    uncertainty_per_instance,
)
from evalkit.stats.location import cvar10, instance_scores, max, mean, median, min, phrasing_scores, quantile, worst_k
from evalkit.stats.multiplicity import benjamini_hochberg, holm
from evalkit.stats.normal_order import normal_scores
from evalkit.stats.paired import (
    Flips,
    NonInferiority,
    flips,
    mcnemar,
    mcnemar_clustered,
    non_inferiority,
    paired_difference,
    sign_flip,
    wilcoxon_over_tasks,
)
from evalkit.stats.phrasing_means import FROM_MEANS, GAPS_FROM_MEANS
from evalkit.stats.pivot import gap_pivots, pivots
from evalkit.stats.ranking import competition_rank, kendall_w, p_best, rank_intervals
from evalkit.stats.rates import rate, rate_interval, rate_per_phrasing
from evalkit.stats.resample import Interval, Question, bootstrap, resampled_means, undefined
from evalkit.stats.spread import cps, saturation, sensitivity, sensitivity_over_tasks, spread, std, std0
from evalkit.stats.suite import over_tasks, suite_bootstrap, suite_gap_interval, suite_mean_interval
from evalkit.stats.variance import (
    Components,
    components,
    g_coefficient,
    repeated_components,
    std_excess,
    var_instance,
    var_interaction,
    var_phrasing,
)

__all__ = [
    "FROM_MEANS",
    "GAPS_FROM_MEANS",
    "Components",
    "Design",
    "Flips",
    "Interval",
    "NonInferiority",
    "Question",
    "accuracy_norm",
    "alpha_interval",
    "answer_confidence",
    "benjamini_hochberg",
    "best_instance",
    "best_instance_interval",
    "bootstrap",
    "brier",
    "brier_per_cell",
    "cohen_h",
    "competition_rank",
    "components",
    "consistency",
    "consistency_difference",
    "consistency_interval",
    "consistency_per_instance",
    "cps",
    "cvar10",
    "designs",
    "difference_intervals",
    "distance_rho",
    "distance_to_seen",
    "ece",
    "entropy_interval",
    "fleiss_kappa",
    "flip_rate",
    "flips",
    "g_coefficient",
    "gap",
    "gap_interval",
    "gap_intervals",
    "gap_pivots",
    "gap_power",
    "gap_std",
    "gap_worst",
    "half_width",
    "hedges_g",
    "holm",
    "instance_scores",
    "kendall_w",
    "krippendorff_alpha",
    "label_counts",
    "label_entropy",
    "label_intervals",
    "max",
    "mcnemar",
    "mcnemar_clustered",
    "mean",
    "mean_interval",
    "median",
    "min",
    "new_phrasing_interval",
    "non_inferiority",
    "noncentral_interval",
    "normal_scores",
    "on_shared_cells",
    "on_shared_instances",
    "over_tasks",
    "p_best",
    "paired_difference",
    "pdr",
    "pdr_interval",
    "pdr_std",
    "phrasing_scores",
    "pivots",
    "posix",
    "posix_of_set",
    "posix_per_instance",
    "prompt_uncertainty",
    "pss",
    "pss_interval",
    "pss_per_instance",
    "quantile",
    "rank_intervals",
    "rate",
    "rate_interval",
    "rate_per_phrasing",
    "reliance",
    "repeated_components",
    "required_phrasings",
    "resampled_means",
    "robust_drop",
    "robust_drop_interval",
    "saturation",
    "score_intervals",
    "sensitivity",
    "sensitivity_over_tasks",
    "sign_flip",
    "spread",
    "std",
    "std0",
    "std_excess",
    "suite_bootstrap",
    "suite_gap_interval",
    "suite_mean_interval",
    "uncertainty_per_instance",
    "undefined",
    "var_instance",
    "var_instance_interval",
    "var_interaction",
    "var_interaction_interval",
    "var_phrasing",
    "wilcoxon_over_tasks",
    "worst_instance",
    "worst_instance_interval",
    "worst_k",
]
