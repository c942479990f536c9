"""Logs of other harnesses are score tables and runs:
what plays the part of a phrasing, what a score is, what is refused.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from foreign_logs import helm, inspect_log, lm_eval, packed_with_zstandard, promptfoo, whole

from evalkit.catalog.logs import Asked, is_log, read_log
from evalkit.catalog.score_tables import Told, read_score_table
from evalkit.cli.main import invoke
from evalkit.errors import TableError
from evalkit.runs.imported import run_of


def scores_of(path: Path, **more: Any) -> dict[tuple[str, str, str], Any]:
    """(task, phrasing, instance) -> score."""
    frame, *_ = read_log(path, **more)
    return {(row.task, row.phrasing_id, row.instance_id): row.score for row in frame.itertuples()}


def test_lm_eval_reads_one_row_a_document_with_the_wording_of_its_template(tmp_path: Path) -> None:
    """Of several filters the first, of several metrics acc, the model of the results;
    other templates have other ids.
    """
    frame, notes, _ = read_log(lm_eval(tmp_path, {"a": [1.0, 0.0], "b": [1.0, 1.0]}))

    assert frame["score"].tolist() == [1.0, 0.0, 1.0, 1.0]
    assert set(frame["model"]) == {"org/m"}
    assert frame["phrasing_id"].nunique() == 2
    assert all(one.startswith("wording-") for one in frame["phrasing_id"])
    assert set(frame["prediction"]) == {"1"}
    assert notes[0].startswith("read as lm-eval: 2 files, 4 answers")


def test_task_variants_are_phrasings_of_one_task(tmp_path: Path) -> None:
    """By the user's word, or by lm-eval's own task@variant; a field of the document does too."""
    named = scores_of(
        lm_eval(tmp_path / "n", {"q_kind": [1.0], "q_curt": [0.0]}), asked=Asked(phrasing="task")
    )
    variants = scores_of(lm_eval(tmp_path / "v", {"q@kind": [1.0], "q@curt": [0.0]}))
    field = scores_of(lm_eval(tmp_path / "f", {"q": [1.0, 0.0]}), asked=Asked(phrasing="doc.tone"))

    assert named == {("owner/set", "q_kind", "0"): 1.0, ("owner/set", "q_curt", "0"): 0.0}
    assert variants == {("q", "kind", "0"): 1.0, ("q", "curt", "0"): 0.0}
    assert set(field) == {("q", "curt", "0"), ("q", "kind", "1")}


def test_the_newest_of_two_runs_in_a_folder_counts(tmp_path: Path) -> None:
    """A task that was run again does not stand there twice."""
    lm_eval(tmp_path, {"a": [0.0]}, date="2026-01-01T00-00-00.0")
    lm_eval(tmp_path, {"a": [1.0]}, date="2026-01-02T00-00-00.0")

    assert list(scores_of(tmp_path).values()) == [1.0]


@pytest.mark.parametrize("status", ["error", "cancelled", "started"])
def test_an_inspect_log_that_was_not_ended_is_named_and_passes_no_gate(
    status: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its rows are read, how it ended is said with the first line of why,
    and a gate ends with 3.
    """
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "home"))
    whole_log = inspect_log(tmp_path / "old.eval", ["C"] * 4)
    torn = inspect_log(tmp_path / "new.eval", ["C"] * 4, status=status)

    assert invoke(["analyse", str(torn)]) == 0
    told = f"new.eval ended with status {status} after 4 of 9 samples (rate limit)"
    assert told in "".join(capsys.readouterr())
    assert invoke(["gate", str(torn), "--baseline", str(whole_log)]) == 3
    assert "inspect eval-retry" in capsys.readouterr().err
    assert invoke(["gate", str(whole_log), "--baseline", str(torn)]) == 3


def test_an_inspect_log_without_samples_says_so(tmp_path: Path) -> None:
    """A JSON log that kept none is recognised, and what to do is named."""
    log = whole(
        tmp_path / "a.json",
        {"version": 2, "status": "success", "eval": {"task": "t"}, "plan": {}, "samples": None},
    )
    del_samples = whole(
        tmp_path / "b.json", {"version": 2, "status": "success", "eval": {"task": "t"}, "plan": {}}
    )
    for path in (log, del_samples):
        with pytest.raises(TableError, match=r"holds no sample\. Run the harness with its samples"):
            read_log(path)


def test_inspect_letters_are_numbers_and_an_error_is_missing(tmp_path: Path) -> None:
    """C, P, I, N and numbers; a sample without score is missing, never 0;
    logs of two templates are two phrasings.
    """
    inspect_log(tmp_path / "a.eval", ["C", "P", "I", "N", 0.25, None])
    inspect_log(tmp_path / "b.eval", ["C"] * 6, template="Please: {prompt}")
    frame, *_ = read_log(tmp_path)
    first = frame[frame["phrasing_id"] == frame["phrasing_id"].iloc[0]]

    assert frame["phrasing_id"].nunique() == 2
    assert first["score"].tolist()[:5] == [1.0, 0.5, 0.0, 0.0, 0.25]
    assert first["score"].isna().tolist()[5]
    assert set(frame["task"]) == {"quiz"}
    assert set(frame["target"]) == {"A"}


def test_inspect_logs_packed_with_zstandard_are_read_alike(tmp_path: Path) -> None:
    """The same rows; a wrong size, a wrong checksum or a claim of gigabytes is refused,
    not unpacked.
    """
    plain, *_ = read_log(inspect_log(tmp_path / "a.eval", ["C", "I", 0.25]))
    packed, *_ = read_log(packed_with_zstandard(tmp_path / "a.eval"))

    assert packed.equals(plain)
    for claims, crc, said in (
        (-1, 0, "size or"),
        (1, 0, "size or"),
        (0, 1, "size or"),
        (1 << 30, 0, "larger"),
    ):
        log = packed_with_zstandard(inspect_log(tmp_path / "b.eval", ["C"]), claims=claims, crc=crc)
        with pytest.raises(TableError, match=said):
            read_log(log)
    torn = packed_with_zstandard(inspect_log(tmp_path / "c.eval", ["C"]))
    content = torn.read_bytes()
    magic = content.index(b"\x28\xb5\x2f\xfd")
    torn.write_bytes(content[:magic] + bytes(4) + content[magic + 4 :])
    with pytest.raises(TableError, match="the log is damaged"):
        read_log(torn)


def test_helm_perturbations_are_perturbations(tmp_path: Path) -> None:
    """The instance's perturbation makes a copy of the wording;
    answers are looked up in the state.
    """
    folder = helm(tmp_path)
    frame, *_ = read_log(folder)

    assert frame["perturbation"].tolist() == ["", "typos"]
    assert frame["phrasing_id"].tolist()[1] == frame["phrasing_id"].tolist()[0] + "+typos"
    assert (frame["model"][0], frame["task"][0]) == ("org/m", "mmlu:subject=x")
    assert (frame["prediction"][0], frame["target"][0]) == ("red", "red")


def test_promptfoo_prompts_are_phrasings_and_a_failed_call_is_missing(tmp_path: Path) -> None:
    """A call that failed has no score; a failed assertion has 0;
    a named score is read on demand.
    """
    path = promptfoo(tmp_path / "out.json", 1.0, n=2)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["results"]["results"][0] |= {"failureReason": 2, "error": "timeout"}
    whole(path, content)
    found = scores_of(path)

    assert found[("intents", "Prompt 1", "test-0")] == 1.0
    assert found[("intents", "Prompt 0", "test-0")] != found[("intents", "Prompt 0", "test-0")]
    assert set(scores_of(path, asked=Asked(metric="tone")).values()) >= {0.5}


def test_gate_compare_and_leaderboard_take_logs_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A paired gate says regression of a log against an earlier one;
    the other way round it does not.
    """
    old = str(promptfoo(tmp_path / "old.json", 0.95, provider="old"))
    new = str(promptfoo(tmp_path / "new.json", 0.5, provider="new"))
    codes = [
        invoke(["gate", new, "--baseline", old]),
        invoke(["compare", old, new]),
        invoke(["leaderboard", old, new]),
    ]
    said = capsys.readouterr().out

    assert codes == [1, 0, 0]
    assert "gate: regression" in said
    assert f"] {new}" in said
    assert "imported" not in said
    assert "new scores lower than old: −45.0 points" in said
    assert invoke(["gate", old, "--baseline", new]) != 1


def test_logs_that_asked_something_else_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer tests in one of them: no decision, and what differs is named."""
    old = str(promptfoo(tmp_path / "old.json", 0.9))
    new = str(promptfoo(tmp_path / "new.json", 0.9, n=40))

    assert invoke(["gate", new, "--baseline", old]) == 2
    assert "instances of intents (60 and 40)" in capsys.readouterr().err


def test_one_of_several_models_is_named_behind_the_log(tmp_path: Path) -> None:
    """Without a name it is refused, saying how to name one;
    the run made of it is kept and found again.
    """
    path = promptfoo(tmp_path / "a.json", 0.9, provider="a")
    both = json.loads(path.read_text(encoding="utf-8"))
    both["results"]["results"] += [
        {**row, "provider": {"id": "b"}} for row in both["results"]["results"]
    ]
    path = whole(tmp_path / "both.json", both)
    with pytest.raises(TableError, match="holds models a, b; one is meant"):
        run_of(path)

    assert run_of(Path(f"{path}::a")) == run_of(Path(f"{path}::a")) != run_of(Path(f"{path}::b"))


@pytest.mark.parametrize(
    ("name", "content", "asked", "said"),
    [
        ("x.json", {"results": {"results": []}}, None, "holds no sample"),
        ("x.json", {"eval": {"model": "m"}, "samples": [7]}, None, "is not as inspect writes"),
        ("x.json", {"something": 1}, None, "holds no log of lm-eval, inspect"),
        ("x.json", {"eval": {"model": "m"}, "samples": [{"id": 1, "scores": {"a": {"value": "?"}}}]}, None, "score '?' is no number"),  # noqa: E501
        ("x.json", {"eval": {"model": "m"}, "samples": [{"id": 1, "scores": {"a": {"value": 1}}}]}, Asked(phrasing="metadata.p"), "has no field 'metadata'; there is id, scores, eval"),  # noqa: E501
        ("x.json", {"eval": {"model": "m"}, "samples": [{"id": 1, "scores": {"a": {"value": 1}}}]}, Asked(metric="b"), "there is a. Name one"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(
    name: str, content: Any, asked: Asked | None, said: str, tmp_path: Path
) -> None:
    """One message: where, what, and what to do."""
    with pytest.raises(TableError) as caught:
        read_log(whole(tmp_path / name, content), asked=asked)
    assert said in str(caught.value)


def test_damaged_archives_and_files_are_no_accident(tmp_path: Path) -> None:
    """A zip cut in half, one without its head, JSON cut short, an absent path."""
    good = inspect_log(tmp_path / "good.eval", ["C"])
    headless = tmp_path / "headless.eval"
    with zipfile.ZipFile(headless, "w") as archive:
        archive.writestr("_journal/start.json", "{}")
    cut = tmp_path / "cut.eval"
    cut.write_bytes(good.read_bytes()[:40])
    for path, said in (
        (headless, "the evaluation was not finished"),
        (cut, "cut.eval"),
        (tmp_path / "absent.json", "there is no such file"),
    ):
        with pytest.raises(TableError) as caught:
            read_log(path)
        assert said in str(caught.value)
    assert not is_log(whole(tmp_path / "plain.json", [1, 2]))


def test_columns_of_a_table_may_have_other_names(tmp_path: Path) -> None:
    """--map gives ours=theirs; a value in quotes stands for all rows;
    an absent column is named with those there are.
    """
    path = tmp_path / "t.csv"
    path.write_text("prompt,item,ok\np1,1,1\np2,1,0\n", encoding="utf-8")
    names = {
        "phrasing_id": "prompt",
        "instance_id": "item",
        "score": "ok",
        "model": "'m'",
        "task": "'t'",
    }
    found = read_score_table(path, Told(renamed=names)).frame

    assert found["score"].tolist() == [1.0, 0.0]
    assert set(found["model"]) == {"m"}
    with pytest.raises(TableError, match=r"has no column 'okay'; columns: prompt, item, ok"):
        read_score_table(path, Told(renamed={**names, "score": "okay"}))
    words = ["--map", "phrasing_id=prompt", "--map", "instance_id=item", "--map", "score=ok"]
    assert (
        invoke(["analyse", str(path), *words, "--map", "model='m'", "--map", "task='t'", "--quiet"])
        == 0
    )
    assert invoke(["analyse", str(path), "--map", "score"]) == 2


def test_a_run_written_as_records_reads_back_without_a_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every Eval Ever out and in: the same cells under the same phrasings, intervals in the
    aggregate.
    """
    words = ["--tasks", "procedural/boolean", "--limit", "6", "--phrasings", "4", "--no-cache"]
    run = str(tmp_path / "run")
    assert invoke(["run", "--model", "scripted:noise", *words, "--out", run, "--quiet"]) == 0
    out = tmp_path / "eee"
    assert invoke(["export", run, "--what", "every-eval-ever", "--out", str(out)]) == 0
    (record,) = [path for path in out.iterdir() if path.suffix == ".json"]
    told = json.loads(record.read_text(encoding="utf-8"))
    mean = next(
        row for row in told["evaluation_results"] if row["evaluation_result_id"] == "all#mean"
    )
    capsys.readouterr()
    assert invoke(["compare", run, str(out), "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)

    assert told["schema_version"] == "0.3.0"
    interval = mean["score_details"]["uncertainty"]["confidence_interval"]
    assert interval["lower"] <= mean["score_details"]["score"] <= interval["upper"]
    assert {(t["lost"], t["gained"], t["n_cells"]) for t in compared["tests"]} == {(0, 0, 24)}
    first = json.loads(next(iter(out.glob("*.jsonl"))).read_text(encoding="utf-8").splitlines()[0])
    assert first["input"]["raw"].endswith("Answer:")
