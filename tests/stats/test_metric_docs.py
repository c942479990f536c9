"""Every metric of the list has a pure function whose docstring says formula, edge cases, source
and a worked example.
"""

import inspect

import pytest

from evalkit import stats

METRICS = (
    *(
        "mean",
        "median",
        "min",
        "max",
        "quantile",
        "std",
        "std0",
        "std_excess",
        "spread",
        "worst_k",
        "cvar10",
    ),
    *("gap", "gap_worst", "gap_std", "sensitivity", "pdr", "pdr_std", "saturation", "cps"),
    *("worst_instance", "best_instance", "robust_drop", "consistency", "flip_rate", "pss"),
    *(
        "krippendorff_alpha",
        "fleiss_kappa",
        "label_entropy",
        "posix",
        "prompt_uncertainty",
        "reliance",
        "distance_rho",
    ),
    *(
        "var_phrasing",
        "var_instance",
        "var_interaction",
        "g_coefficient",
        "new_phrasing_interval",
        "required_phrasings",
    ),
    *(
        "cohen_h",
        "hedges_g",
        "kendall_w",
        "rank_intervals",
        "p_best",
        "competition_rank",
        "accuracy_norm",
        "ece",
        "brier",
        "rate",
    ),
)


@pytest.mark.parametrize("metric", METRICS)
def test_metric_is_documented(metric):
    """Notes, References and Examples are there,
    and the docstring says when the value is undefined.
    """
    text = inspect.getdoc(getattr(stats, metric)) or ""

    assert [
        name for name in ("Notes", "References", "Examples") if f"{name}\n---" not in text
    ] == []
    assert "NaN" in text


def test_no_components_ask_for_no_number_of_phrasings():
    """One phrasing says nothing of its variance: None, not the largest number that is tried."""
    nan = float("nan")
    assert (
        stats.required_phrasings(
            stats.Components(nan, nan, nan, n_phrasings=1, n_instances=1), half=0.01
        )
        is None
    )
