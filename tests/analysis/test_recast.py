"""Gain of a form with its interval and test, and F1 of relations, in a run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp

import evalkit
from evalkit import stats
from evalkit.analysis.dimensions import _p_of
from evalkit.stats import Part


def test_the_test_is_students_over_origins():
    """One wording, six differences: the p of a t-test on them; 1 where nothing changes."""
    changes = np.array([[1.0, 0.0, -1.0, 1.0, 1.0, 0.0]])

    error = stats.error_of_means([Part(("a",), changes)], question="fixed")
    same = stats.error_of_means([Part(("a",), np.zeros((1, 6)))], question="fixed")

    assert _p_of(error) == pytest.approx(ttest_1samp(changes[0], 0).pvalue)
    assert _p_of(same) == 1.0


def letters_only(request):
    """Answer B, C or D wherever letters are listed, and say true to everything else."""
    if request.kind == "generate":
        return "none" if "wrong -> right" in request.text else "The cat sat."
    scores = [-float(place) for place in range(len(request.continuations))]
    return evalkit.Response(
        key=request.key, logprobs=tuple(scores), token_counts=(1,) * len(scores)
    )


def test_a_model_that_always_takes_the_first_gains_nothing_by_letters(tmp_path):
    """Labels, letters and statements list the same first choice: no gain;
    of two claims it is right on one.
    """
    run = evalkit.run(
        letters_only, "recast", limit=12, phrasings=2, out=tmp_path / "r", no_report=True
    )
    rows = run.estimates
    rows = rows[(rows["task"] == "all") & (rows["benchmark"] == "all")]
    found = {(row.metric, row.group): row for row in rows.itertuples()}

    assert found["delta", "recast=letters"].value == 0.0
    assert found["delta", "recast=statements"].value == 0.0
    assert found["p_of_delta", "recast=letters"].value == 1.0
    assert found["mean", "recast=truefalse"].value == 0.5
    assert found["mean", "claim=right"].value == 1.0
    assert found["relation_f1", "recast=labels"].value == pytest.approx(
        found["relation_f1", "recast=statements"].value
    )
    assert ("relation_f1", "recast=truefalse") not in found
    assert ("delta", "recast=labels") not in found
    assert found["delta", "recast=edits"].low <= found["delta", "recast=edits"].value
