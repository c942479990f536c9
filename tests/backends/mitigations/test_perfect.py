"""A model that is always right stays right under every mitigation that only rewrites what is
asked.
"""

from __future__ import annotations

import pytest

import evalkit

REWRITING = ("prefix", "recast", "conjugate:form=leet", "conjugate:form=pig-latin")


@pytest.mark.parametrize("mitigation", REWRITING)
def test_a_perfect_model_stays_perfect(mitigation, tmp_path):
    """On every procedural family, numbers and strings among them."""
    found = evalkit.run(
        "scripted:perfect",
        tasks=["procedural/*"],
        phrasings=1,
        limit=8,
        mitigation=[mitigation],
        out=tmp_path / "run",
        quiet=True,
    ).estimates
    means = found[(found.metric == "mean") & (found.group.fillna("") == "")]

    assert len(means) >= 17
    assert set(means.value) == {1.0}
