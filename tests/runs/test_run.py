"""The corridor end to end on scripted models: every metric has a model that trips it,
and nothing is asked twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_runs import SUITE, Silent, settings

from evalkit import catalog
from evalkit.analysis import read_estimates
from evalkit.backends.scripted import ScriptedBackend
from evalkit.cli.summary import print_summary
from evalkit.errors import Interrupted, StoreError
from evalkit.records import Ask, Response, Score
from evalkit.records.manifest import Intervals
from evalkit.report.limits import limits
from evalkit.report.terminal import counted
from evalkit.runs.execute import run
from evalkit.runs.finish import finish
from evalkit.scoring.stored import score_run
from evalkit.store.directory import RunDir, read_manifest


def estimates(out: Path, task: str = "all") -> dict[str, float]:
    """Return the estimates of a run by metric."""
    return {
        row.metric: row.value
        for row in read_estimates(out / "estimates.csv")
        if row.task == task and row.benchmark in {"procedural"}
    }


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            "perfect",
            {"mean": 1.0, "spread": 0.0, "gap": 0.0, "consistency": 1.0, "worst_instance": 1.0},
        ),
        ("wrong", {"mean": 0.0, "max": 0.0, "best_instance": 0.0}),
        (
            "seen_only",
            {
                "mean": 0.5,
                "gap": 1.0,
                "seen_mean": 1.0,
                "unseen_mean": 0.0,
                "worst_instance": 0.0,
                "best_instance": 1.0,
                "spread": 1.0,
            },
        ),
        ("knows,accuracy=0.5", {"spread": 0.0, "std": 0.0, "gap": 0.0, "pss": 0.0}),
        ("refuses", {"mean": 0.0, "unparsed_rate": 1.0, "missing_rate": 0.0, "consistency": 0.0}),
    ],
)
def test_a_known_behaviour_gives_the_known_estimates(
    script: str, expected: dict[str, float], tmp_path: Path
) -> None:
    """Each behaviour trips the metrics it was made for."""
    run(settings(script, tmp_path / "run"), Silent())
    found = estimates(tmp_path / "run")

    assert {name: found[name] for name in expected} == pytest.approx(expected)


def rows_of(path: Path) -> list[Score]:
    """Return the cells of a run as rows."""
    return [row for part in score_run(path)[1] for row in part.rows()]


def test_position_bias_follows_the_first_choice(tmp_path: Path) -> None:
    """Always the first choice: the predictions are the first choices."""
    run(
        settings("first", tmp_path / "run", suite=replace(SUITE, tasks=("procedural/comparison",))),
        Silent(),
    )
    scores = rows_of(tmp_path / "run")
    firsts = {
        instance.id: instance.choices[0]
        for instance in catalog.load_instances(catalog.load_task("procedural/comparison"))
    }

    assert all(score.prediction == firsts[score.instance_id] for score in scores)


def test_a_run_that_is_complete_asks_nothing_again(tmp_path: Path) -> None:
    """The second time costs nothing and gives the same bytes."""
    run(settings("noise", tmp_path / "run"), Silent())
    before = [
        (tmp_path / "run" / name).read_bytes()
        for name in ("scores.parquet", "estimates.csv", "leaderboard.csv")
    ]
    progress = Silent()
    run(settings("noise", tmp_path / "run"), progress)
    after = [
        (tmp_path / "run" / name).read_bytes()
        for name in ("scores.parquet", "estimates.csv", "leaderboard.csv")
    ]

    assert (progress.asked, before == after) == (0, True)


def test_an_interrupted_run_goes_on_and_equals_an_undisturbed_one(tmp_path: Path) -> None:
    """Stopped after every second batch until complete:
    byte-identical results, nothing asked twice.
    """
    undisturbed = Silent()
    run(settings("noise,batch=16", tmp_path / "whole"), undisturbed)
    asked = 0
    for _ in range(100):
        progress = Silent(stop_after=2)
        try:
            run(settings("noise,batch=16", tmp_path / "cut"), progress)
        except Interrupted:
            asked += progress.asked
            assert read_manifest(tmp_path / "cut").state == "partial"
            continue
        asked += progress.asked
        break

    assert asked == undisturbed.asked
    for name in ("scores.parquet", "estimates.csv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_batch_size_changes_no_byte(tmp_path: Path) -> None:
    """Order and size of batches do not reach the results."""
    run(settings("noise,batch=1000", tmp_path / "a"), Silent())
    run(settings("noise,batch=3", tmp_path / "b"), Silent())

    assert (tmp_path / "a" / "estimates.csv").read_bytes() == (
        tmp_path / "b" / "estimates.csv"
    ).read_bytes()


def test_failures_are_missing_counted_and_asked_again(tmp_path: Path) -> None:
    """A NaN is no answer: the cell is missing, the exit code says incomplete, the next run asks
    only for it.
    """
    outcome = run(settings("nan,rate=0.2", tmp_path / "run"), Silent())
    missing = outcome.manifest.totals.missing
    again = Silent()
    run(settings("nan,rate=0.2", tmp_path / "run"), again)

    assert (outcome.exit_code, missing > 0, outcome.failures, outcome.manifest.state) == (
        3,
        True,
        {"nan": again.asked},
        "partial",
    )


def test_another_model_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    """Results of two models are never mixed."""
    run(settings("noise,seed=1", tmp_path / "run"), Silent())

    with pytest.raises(StoreError, match="holds another run"):
        run(settings("noise,seed=2", tmp_path / "run"), Silent())


def test_a_model_that_changed_between_resumes_is_refused_with_both_fingerprints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same name, other weights: refused, and the way out is named."""
    run(settings("noise", tmp_path / "run"), Silent())
    monkeypatch.setattr(
        ScriptedBackend, "fingerprint", lambda self: {"backend": "scripted", "weights": "changed"}
    )

    with pytest.raises(
        StoreError, match=r"fingerprint [0-9a-f]{12} then, [0-9a-f]{12} now .*--fresh"
    ):
        run(settings("noise", tmp_path / "run"), Silent())


def test_a_changed_phrasing_is_asked_anew_and_nothing_else(tmp_path: Path) -> None:
    """Only what changed is computed."""
    file = tmp_path / "mine.yaml"
    body = (
        "- {id: mine-1, source: me, text: 'First of mine.'}\n- {id: mine-2, source: me, text: "
        "'Second of mine.'}\n"
    )
    file.write_text(body, encoding="utf-8")
    suite = replace(SUITE, tasks=("procedural/comparison",))
    given = replace(settings("noise", tmp_path / "run", suite=suite), phrasing_files=(file,))
    given = replace(given, suite=replace(suite, sources=("me",), phrasings=None))
    run(given, Silent())
    file.write_text(body.replace("Second of mine", "Another one"), encoding="utf-8")
    progress = Silent()
    run(given, progress)

    assert progress.asked == 10


def test_responses_are_shared_between_runs_through_the_cache(tmp_path: Path) -> None:
    """A larger run asks only for what is new."""
    given = replace(settings("noise", tmp_path / "small"), cache=True)
    small, large = Silent(), Silent()
    run(given, small)
    run(replace(given, out=tmp_path / "large", suite=replace(SUITE, limit=20)), large)

    assert (small.asked, large.asked) == (240, 240)


def test_scores_are_recomputed_without_model_and_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finishing from the stored responses gives the same bytes,
    with catalog and backends out of reach.
    """
    run(settings("noise", tmp_path / "run"), Silent())
    before = (tmp_path / "run" / "estimates.csv").read_bytes()
    (tmp_path / "run" / "estimates.csv").unlink()
    (tmp_path / "run" / "scores.parquet").unlink()
    monkeypatch.setattr(catalog, "load_task", lambda *args: pytest.fail("the catalog was read"))
    with RunDir(tmp_path / "run") as directory:
        finish(directory, read_manifest(tmp_path / "run"), Intervals(level=0.95, resamples=100))

    assert (tmp_path / "run" / "estimates.csv").read_bytes() == before


def _behind(path: Path, statement: str) -> None:
    """Change a store behind evalkit's back."""
    db = sqlite3.connect(path / "responses.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


def test_a_damaged_response_is_named_and_asked_anew_by_the_same_command(tmp_path: Path) -> None:
    """Detected, never used; typing the same line again mends it, to the last byte."""
    run(settings("noise", tmp_path / "run"), Silent())
    before = [
        (tmp_path / "run" / name).read_bytes() for name in ("scores.parquet", "estimates.csv")
    ]
    _behind(tmp_path / "run", "UPDATE responses SET payload=x'5b5d' WHERE id IN (5, 9)")
    with pytest.raises(StoreError, match="2 responses fail their checksum"):
        run(settings("noise", tmp_path / "run"), Silent())
    progress = Silent()
    run(settings("noise", tmp_path / "run"), progress)

    assert progress.asked == 2
    assert [
        (tmp_path / "run" / name).read_bytes() for name in ("scores.parquet", "estimates.csv")
    ] == before


def test_a_damaged_record_is_made_anew(tmp_path: Path) -> None:
    """Which request answers which cell is rendered again; nothing is asked again."""
    run(settings("noise", tmp_path / "run"), Silent())
    before = (tmp_path / "run" / "scores.parquet").read_bytes()
    _behind(
        tmp_path / "run",
        "UPDATE records SET payload=x'7b7d' WHERE kind LIKE 'blocks/%' AND position=1",
    )
    progress = Silent()
    run(settings("noise", tmp_path / "run"), progress)

    assert (progress.asked, (tmp_path / "run" / "scores.parquet").read_bytes() == before) == (
        0,
        True,
    )


def test_two_processes_on_one_run_do_not_mix(tmp_path: Path) -> None:
    """The second says who works there."""
    run(settings("noise", tmp_path / "run"), Silent())
    with (
        RunDir(tmp_path / "run"),
        pytest.raises(StoreError, match="another process is working on this run"),
    ):
        run(settings("noise", tmp_path / "run"), Silent())


def test_a_manifest_that_was_changed_is_noticed(tmp_path: Path) -> None:
    """The manifest carries its own digest."""
    run(settings("noise", tmp_path / "run"), Silent())
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["counts"]["missing"] = 7
    path.write_text(json.dumps(manifest), encoding="utf-8")

    with pytest.raises(StoreError, match="does not match its own digest"):
        read_manifest(tmp_path / "run")


def test_moved_choices_are_mapped_back(tmp_path: Path) -> None:
    """A model that knows the answers is as good and as consistent when choices are moved."""
    suite = replace(
        SUITE,
        tasks=("procedural/boolean",),
        phrasings=None,
        perturbations=("order:kind=reverse", "labels"),
    )
    run(settings("perfect", tmp_path / "run", suite=suite), Silent())
    scores = rows_of(tmp_path / "run")

    assert ({score.score for score in scores}, len({score.perturbation for score in scores})) == (
        {1.0},
        3,
    )


def test_derived_controls_are_labelled_and_obeyed(tmp_path: Path) -> None:
    """A model that obeys is right under correct instructions only."""
    suite = replace(SUITE, tasks=("procedural/comparison",), kinds=("correct", "null", "random"))
    run(settings("obeys", tmp_path / "run", suite=suite), Silent())
    scores = rows_of(tmp_path / "run")

    assert {(score.kind, score.score) for score in scores} == {
        ("correct", 1.0),
        ("null", 0.0),
        ("random", 0.0),
    }


def test_seen_is_unknown_when_nothing_is_said_of_the_tuning(tmp_path: Path) -> None:
    """Nothing is guessed."""
    run(settings("noise", tmp_path / "run", tuned_on=None), Silent())
    scores = rows_of(tmp_path / "run")

    assert {score.seen for score in scores} == {"unknown"}


class Close(ScriptedBackend):
    """Says which precision its weights have, and answers some requests so closely that rounding
    decides.
    """

    def fingerprint(self) -> dict[str, str]:
        """Return the fingerprint with a precision."""
        return {**super().fingerprint(), "dtype": "bfloat16"}

    def run(self, asks: Sequence[Ask]) -> Iterator[list[Response]]:
        """Answer half of the requests with margins of a tenth of a nat, the others with two
        nats.
        """
        for batch in super().run(asks):
            close = {response.key: response.key[0] < "8" for response in batch}
            yield [
                replace(
                    r,
                    logprobs=tuple(
                        -(0.1 if close[r.key] else 2.0) * i for i in range(len(r.logprobs))
                    ),
                    boundary=close[r.key],
                )
                for r in batch
            ]


class Cut(ScriptedBackend):
    """Is ended by the limit on tokens in every third answer."""

    def run(self, asks: Sequence[Ask]) -> Iterator[list[Response]]:
        """Answer as told, every third time without an end."""
        for batch in super().run(asks):
            yield [
                replace(r, text="a long story", finish_reason="length" if n % 3 == 0 else "stop")
                for n, r in enumerate(batch)
            ]


def test_answers_cut_by_the_limit_are_counted_beside_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stand in the manifest, the summary and the report;
    a run without any says nothing of them.
    """
    whole = run(settings("perfect", tmp_path / "whole"), Silent()).manifest
    monkeypatch.setattr("evalkit.backends.scripted.ScriptedBackend", Cut)
    outcome = run(replace(settings("perfect", tmp_path / "cut"), report=True), Silent())
    counts = outcome.manifest.totals
    print_summary(outcome.manifest, read_estimates(outcome.path / "estimates.csv"))
    said = capsys.readouterr().out
    page = (outcome.path / "report.html").read_text(encoding="utf-8")

    assert whole.totals.cut == 0
    assert 0 < counts.cut < counts.cells
    assert f"{counts.cut:,} answers cut by max_tokens before the model was done" in said
    assert f"{counts.cut:,} answers cut by max_tokens" in page


def test_decisions_within_rounding_are_counted_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells whose best two choices lie closer than the precision resolves stand in the manifest,
    the summary and the report.
    """
    plain = run(settings("noise", tmp_path / "plain"), Silent())
    monkeypatch.setattr("evalkit.backends.scripted.ScriptedBackend", Close)
    close = run(
        settings(
            "noise", tmp_path / "close", suite=replace(SUITE, tasks=("procedural/comparison",))
        ),
        Silent(),
    )
    counts = close.manifest.totals
    print_summary(close.manifest, read_estimates(tmp_path / "close" / "estimates.csv"))
    said = capsys.readouterr().out
    heads = [limit.head for limit in limits(close.manifest)]

    assert plain.manifest.totals.unstable is None
    assert 0 < counts.boundary == counts.unstable < counts.cells == counts.requests
    assert f"{counted(counts.unstable, 'decision')} within the rounding" in said
    assert f"{counted(counts.boundary, 'prompt')} merged with the choices" in said
    assert any(head.startswith(f"{counts.unstable:,} decisions within rounding") for head in heads)
    assert any(head.endswith("prompts merge with their answer") for head in heads)


def test_limit_that_the_suite_sets_itself_is_no_limited_run(tmp_path: Path) -> None:
    """A suite of three instances stands for itself;
    fewer than it asks for, by an option, are a part of it.
    """
    import evalkit

    path = tmp_path / "small.yaml"
    path.write_text(
        "name: small\ndescription: Three instances.\ntasks: [procedural/boolean]\nphrasings: "
        "2\nlimit: 3\n",
        encoding="utf-8",
    )
    whole = evalkit.run(
        "scripted:perfect", str(path), out=tmp_path / "whole", cache=False, quiet=True
    )
    part = evalkit.run(
        "scripted:perfect", str(path), out=tmp_path / "part", limit=2, cache=False, quiet=True
    )

    assert (whole.manifest.limited, part.manifest.limited) == (False, True)
