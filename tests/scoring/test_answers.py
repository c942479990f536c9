"""Estimates from stored answers, end to end: recomputed by hand from the store,
and without a model by 'evalkit score'.
"""

from __future__ import annotations

import csv
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from toy_runs import SUITE, Silent, settings

from evalkit.analysis import read_estimates
from evalkit.cli.main import invoke
from evalkit.errors import BackendError
from evalkit.phrasings.prompts import answer_labels
from evalkit.runs.execute import run
from evalkit.scoring.stored import score_run
from evalkit.store.blocks import stored_jobs
from evalkit.store.responses import Store

CHOICES = replace(SUITE, tasks=("procedural/boolean",))


def estimates(path: Path, task: str) -> dict[str, float]:
    """Return metric -> value of one task of a run."""
    return {
        row.metric: row.value for row in read_estimates(path / "estimates.csv") if row.task == task
    }


def per_phrasing(path: Path) -> list[dict[str, str]]:
    """Return the rows of ``phrasings.csv``."""
    with (path / "phrasings.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_posix_and_brier_are_those_of_the_stored_log_probabilities(tmp_path: Path) -> None:
    """Loops over the store with the formulas of the metrics page."""
    run(settings("noise", tmp_path / "run", suite=CHOICES), Silent())
    manifest, cells, _ = score_run(tmp_path / "run")
    picked = {
        (row.phrasing_id, row.instance_id): row.prediction for part in cells for row in part.rows()
    }
    with Store(tmp_path / "run" / "responses.sqlite", read_only=True) as store:
        (job,) = stored_jobs(store, manifest.suite)
        answers = {}
        for phrasing, block in zip(job.phrasings, job.blocks, strict=True):
            keys = block.each()
            found = store.get(manifest.model.fingerprint_digest, keys)
            for key, instance in zip(keys, job.instances, strict=True):
                labels = answer_labels(phrasing, instance.choices, ())
                answers[phrasing.id, instance.id] = (found[key], labels)
    posix, brier = [], []
    for instance in job.instances:
        terms = []
        for mine in job.phrasings:
            response, form = answers[mine.id, instance.id]
            choice = instance.choices.index(picked[mine.id, instance.id])
            weights = np.exp(response.logprobs)
            brier.append(
                ((weights / weights.sum() - np.eye(len(weights))[instance.target]) ** 2).sum()
            )
            for other in job.phrasings:
                theirs, other_form = answers[other.id, instance.id]
                if other is not mine and form == other_form:
                    terms.append(
                        abs(response.logprobs[choice] - theirs.logprobs[choice])
                        / response.token_counts[choice]
                    )
        posix.append(np.mean(terms))
    found = estimates(tmp_path / "run", "procedural/boolean")

    assert len({form for _, form in answers.values()}) > 1
    assert found["posix"] == pytest.approx(np.mean(posix), abs=5e-4)
    assert found["brier"] == pytest.approx(np.mean(brier), abs=5e-4)
    assert np.mean(
        [float(row["brier"]) for row in per_phrasing(tmp_path / "run")]
    ) == pytest.approx(found["brier"], abs=5e-4)


def test_refusals_are_counted_and_keep_to_no_label(tmp_path: Path) -> None:
    """A model that refuses everything, asked for choices by text."""
    run(settings("refuses", tmp_path / "run", suite=CHOICES), Silent())
    found = estimates(tmp_path / "run", "procedural/boolean")

    assert [found[name] for name in ("refusal_rate", "label_adherence", "unparsed_rate")] == [
        1.0,
        0.0,
        1.0,
    ]
    assert math.isnan(found["posix"])
    assert {
        (row["refusal_rate"], row["label_adherence"], row["missing_rate"])
        for row in per_phrasing(tmp_path / "run")
    } == {("1.0", "0.0", "0.0")}


def test_representations_need_a_backend_that_has_them(tmp_path: Path) -> None:
    """A scripted model has no hidden states, and the message says which models have."""
    with pytest.raises(
        BackendError,
        match=r"--representations: this backend gives no hidden states; a Transformers model",
    ):
        run(
            replace(settings("noise", tmp_path / "run", suite=CHOICES), representations=2), Silent()
        )


def test_distances_are_stored_so_that_score_needs_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo model represents its phrasings once; the second run asks nothing,
    and 'evalkit score' gives the same bytes.
    """
    pytest.importorskip("torch")
    words = [
        *"--model demo --tasks procedural/boolean --limit 4 --resamples 100 --no-cache".split(),
        "--quiet",
    ]
    target = ["--out", str(tmp_path / "run")]
    assert invoke(["run", *words, *target]) == 0
    before = estimates(tmp_path / "run", "procedural/boolean")
    assert invoke(["run", *words, *target, "--representations", "2"]) == 0
    after = estimates(tmp_path / "run", "procedural/boolean")
    kept = [(tmp_path / "run" / name).read_bytes() for name in ("estimates.csv", "phrasings.csv")]
    rows = per_phrasing(tmp_path / "run")
    shutil.rmtree(tmp_path / "home", ignore_errors=True)
    monkeypatch.setattr("evalkit.backends.hf.backend.HFBackend.embed", None)
    assert invoke(["score", str(tmp_path / "run"), "--quiet"]) == 0

    assert math.isnan(before["distance_rho"])
    assert -1 <= after["distance_rho"] <= 1
    assert {
        name: value for name, value in before.items() if not name.startswith("distance")
    } == pytest.approx(
        {name: value for name, value in after.items() if not name.startswith("distance")},
        nan_ok=True,
    )
    assert all(float(row["distance"]) > 0 for row in rows)
    assert [
        (tmp_path / "run" / name).read_bytes() for name in ("estimates.csv", "phrasings.csv")
    ] == kept
