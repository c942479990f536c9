"""``evalkit check RUN`` recounts everything and tells sound, unfinished and damaged runs apart."""

from __future__ import annotations

import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from manifests import told, write

from evalkit.analysis import read_estimates, write_estimates
from evalkit.cli.main import invoke
from evalkit.runs.check import agree, check_run, check_store
from evalkit.store.atomic import file_digest
from evalkit.store.directory import RunDir

ASK = [
    *"--tasks procedural/boolean --limit 5 --phrasings 4 --no-cache --resamples 100".split(),
    "--quiet",
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small finished run."""
    out = tmp_path_factory.mktemp("finished") / "run"
    assert invoke(["run", "--model", "scripted:noise", *ASK, "--out", str(out)]) == 0
    return out


def sql(path: Path, statement: str) -> None:
    """Change a store behind evalkit's back."""
    db = sqlite3.connect(path / "responses.sqlite")
    db.execute(statement)
    db.commit()
    db.close()


def edit_manifest(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """Change a manifest and give it the digest that fits."""
    content = told(path)
    change(content)
    write(path, content)


def replace_text(path: Path, old: str, new: str) -> None:
    """Change a text file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


DAMAGE: list[tuple[str, Callable[[Path], object], str]] = [
    ("manifest cut", lambda run: (run / "manifest.json").write_text("{"), "manifest.json"),
    (
        "manifest edited",
        lambda run: replace_text(run / "manifest.json", '"seed": 0', '"seed": 1'),
        "its own digest",
    ),
    (
        "counts edited",
        lambda run: edit_manifest(run, lambda m: m["counts"].update(unparsed=3)),
        "unparsed 3 instead of 0",
    ),  # type: ignore[attr-defined]
    (
        "payload changed",
        lambda run: sql(run, "UPDATE responses SET payload=x'5b5d' WHERE id=3"),
        "1 rows fail their checksum",
    ),
    (
        "row of another model",
        lambda run: sql(run, "UPDATE models SET fingerprint='x'"),
        "20 rows fail their checksum",
    ),
    (
        "row deleted",
        lambda run: sql(run, "DELETE FROM responses WHERE id=3"),
        "missing 0 instead of 1",
    ),
    (
        "record changed",
        lambda run: sql(run, "UPDATE records SET payload=x'5b5d' WHERE kind LIKE 'task/%'"),
        "fail their checksum",
    ),
    (
        "store cut",
        lambda run: (run / "responses.sqlite").write_bytes(
            (run / "responses.sqlite").read_bytes()[:9000]
        ),
        "responses.sqlite",
    ),
    ("store gone", lambda run: (run / "responses.sqlite").unlink(), "no such file"),
    (
        "scores cut",
        lambda run: (run / "scores.parquet").write_bytes(b"PAR1"),
        "is not the file its manifest was written for",
    ),
    ("scores gone", lambda run: (run / "scores.parquet").unlink(), "scores.parquet: is not there"),
    (
        "scores of another run",
        lambda run: edit_manifest(run, lambda m: m.update(scores_digest="0" * 32)),
        "is not the file its manifest was written for",
    ),
    ("estimates edited", lambda run: replace_text(run / "estimates.csv", "0.", "0.1"), "estimates"),
    ("estimates gone", lambda run: (run / "estimates.csv").unlink(), "estimates.csv"),
]


@pytest.mark.parametrize(
    ("spoil", "part"), [row[1:] for row in DAMAGE], ids=[row[0] for row in DAMAGE]
)
def test_damage_is_found_and_named(
    spoil: Callable[[Path], object],
    part: str,
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whatever was changed by hand or by the disk: exit 4, the file by name,
    and nothing is written.
    """
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    spoil(run)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    code = invoke(["check", str(run)])
    shown = capsys.readouterr().err

    assert (code, part in shown, "Traceback" in shown) == (4, True, False), shown
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_sound_run_is_said_to_be_sound(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every part is listed with its numbers."""
    code = invoke(["check", str(finished)])
    shown = capsys.readouterr().out

    assert (
        code,
        "20 responses" in shown,
        "20 cells, 0 missing" in shown,
        shown.strip().endswith(": sound"),
    ) == (0, True, True, True), shown


def test_json_says_the_same(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """State and problems per run, beside the files."""
    code = invoke(["check", str(finished), "--json"])
    found = json.loads(capsys.readouterr().out)

    assert (code, found["runs"][str(finished)]["state"], found["problems"]) == (0, "sound", [])


def test_a_run_with_missing_cells_is_partial(tmp_path: Path) -> None:
    """Nothing is damaged, and nothing is complete."""
    invoke(["run", "--model", "scripted:nan,rate=0.3", *ASK, "--out", str(tmp_path / "run")])
    found = check_run(tmp_path / "run")

    assert (found.state, found.exit_code, "cells have no answer" in found.problems[0]) == (
        "partial",
        3,
        True,
    )


def test_a_run_that_was_cut_off_is_partial(finished: Path, tmp_path: Path) -> None:
    """Stored answers are verified; the line that goes on is shown."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    edit_manifest(run, lambda manifest: manifest.update(state="partial", counts={}))
    found = check_run(run)

    assert (found.state, len(found.checked), "was not finished" in found.problems[0]) == (
        "partial",
        2,
        True,
    )


def test_a_store_alone_can_be_checked(finished: Path, tmp_path: Path) -> None:
    """The cache that runs share is such a file."""
    file = tmp_path / "responses.sqlite"
    shutil.copy(finished / "responses.sqlite", file)
    before = check_store(file).exit_code
    sql(tmp_path, "UPDATE responses SET checksum=x'00' WHERE id=1")

    assert (before, check_store(file).exit_code) == (0, 4)


def test_damage_weighs_more_than_a_wrong_file(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several paths at once: the worst decides the exit code, all are reported."""
    (tmp_path / "wrong.yaml").write_text("- id: a\n- text: [unclosed\n")
    shutil.copy(finished / "responses.sqlite", tmp_path / "x.sqlite")
    first = invoke(["check", str(tmp_path / "wrong.yaml"), str(finished)])
    (tmp_path / "x.sqlite").write_bytes(b"nothing")
    second = invoke(
        ["check", str(tmp_path / "wrong.yaml"), str(tmp_path / "x.sqlite"), str(finished)]
    )

    assert (first, second, "wrong.yaml" in capsys.readouterr().err) == (2, 4, True)


@pytest.mark.parametrize(("moved", "state"), [(1e-12, "sound"), (1e-8, "sound"), (1e-4, "damaged")])
def test_a_digit_that_another_processor_moves_is_no_damage(
    moved: float, state: str, finished: Path, tmp_path: Path
) -> None:
    """Estimates agree to within rounding; a change that a reader could see is damage."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    rows = read_estimates(run / "estimates.csv")
    write_estimates(
        [
            replace(row, value=row.value * (1 + moved)) if row.metric == "mean" else row
            for row in rows
        ],
        run / "estimates.csv",
    )
    content = told(run)
    content["estimates_digest"] = file_digest(run / "estimates.csv")
    write(run, content)

    assert check_run(run).state == state


def test_what_is_counted_is_compared_to_the_letter(finished: Path) -> None:
    """One instance more is another estimate, however close the number; NaN equals NaN."""
    rows = read_estimates(finished / "estimates.csv")

    assert any(math.isnan(row.value) for row in rows)
    assert agree(rows, rows[::-1])
    assert not agree(rows, [replace(rows[0], n_instances=rows[0].n_instances + 1), *rows[1:]])
    assert not agree(rows, rows[1:])
    assert not agree(rows, [replace(rows[0], value=math.nan, low=0.0), *rows[1:]])


def test_a_log_that_was_cut_is_said(finished: Path, tmp_path: Path) -> None:
    """The lock keeps how many answers were safe; a store that holds fewer has lost its log."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    with RunDir(run) as directory:
        directory.acknowledge(25)
    outcome = check_run(run)

    assert outcome.exit_code == 4
    assert any("holds 20 answers, 25 were safe: 5 are gone" in line for line in outcome.problems)


def test_a_copy_without_its_lock_says_that_answers_may_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only store and manifest of a stopped run were copied:
    `check` and the next run say so, once.
    """
    from evalkit.runs.progress import ShownProgress

    run, copy = tmp_path / "run", tmp_path / "copy"
    words = [word for word in ASK if word != "--quiet"]
    line = ["run", "--model", "scripted:noise,batch=4", *words]
    with monkeypatch.context() as stopped:
        stopped.setattr(ShownProgress, "stop_requested", True)
        assert invoke([*line, "--out", str(run)]) == 130
    copy.mkdir()
    for name in ("manifest.json", "responses.sqlite"):
        shutil.copy(run / name, copy)
    asked = "whether answers of its log (responses.sqlite-wal) are missing cannot be told"

    assert not any(asked in text for text in check_run(run).checked)
    assert any(asked in text for text in check_run(copy).checked)
    capsys.readouterr()
    assert invoke([*line, "--out", str(copy)]) == 0
    assert asked in capsys.readouterr().err
    assert check_run(copy).state == "sound"
    assert invoke([*line, "--out", str(copy)]) == 0
    assert asked not in capsys.readouterr().err


def test_answers_that_are_gone_are_asked_again_with_a_word(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The resumed run says how many, and is whole afterwards."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    sql(run, "DELETE FROM responses WHERE id IN (3, 4)")
    words = [word for word in ASK if word != "--quiet"]
    assert invoke(["run", "--model", "scripted:noise", *words, "--out", str(run)]) == 0
    said = capsys.readouterr().err

    assert "holds 18 answers, 20 were safe: 2 are gone" in said
    assert "They are asked again." in said
    assert check_run(run).state == "sound"
