"""What the audit finds, and what it leaves alone."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from evalkit.analysis.audit import CHECKS, audit
from evalkit.catalog.score_tables import read_for_audit, read_score_table
from evalkit.cli.audit import command as audit_command
from evalkit.errors import TableError, UsageError


def aggregated(texts: list[str], **columns) -> pd.DataFrame:
    """Return an aggregated table of one model and task with the printed scores."""
    n = len(texts)
    base = {
        "model": "m",
        "task": "t",
        "phrasing_id": [f"p{k}" for k in range(n)],
        "score": [float(x) for x in texts],
        "score_text": texts,
    }
    return pd.DataFrame({**base, **columns})


def cells(scores: np.ndarray, **columns) -> pd.DataFrame:
    """Return a per-instance table of one model and task from a matrix of phrasings x instances."""
    p, n = scores.shape
    return pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": np.repeat([f"p{k}" for k in range(p)], n),
            "instance_id": np.tile([f"i{k}" for k in range(n)], p),
            "score": scores.ravel(),
            **columns,
        }
    )


def checks_of(frame: pd.DataFrame, **options) -> list[str]:
    """Return the names of the checks that found something."""
    return [finding.check for finding in audit(frame, **options)]


def coin(p: int, n: int, seed: int = 1) -> np.ndarray:
    """Return a matrix of independent 0/1 scores."""
    return np.random.default_rng(seed).integers(0, 2, size=(p, n)).astype(float)


def test_sound_tables_have_no_findings():
    """A table that is what it claims to be is left alone."""
    assert audit(cells(coin(5, 200)), aggregated=False) == []
    assert [
        (f.check, f.level)
        for f in audit(
            aggregated([f"{k / 250:.6f}" for k in (100, 101, 117, 133)]),
            aggregated=True,
            declared=250,
        )
    ] == [("fits", "note")]


def test_scores_that_are_no_whole_number_of_the_declared_n_are_found_with_the_n_that_fits():
    """Scores made from 13,627 items but declared as 14,042: both sides are reported."""
    frame = aggregated([f"{k / 13627:.9f}" for k in (6548, 6517, 6559, 6571, 6113)])
    found = {
        finding.check: finding.message for finding in audit(frame, aggregated=True, declared=14042)
    }

    assert found["whole_number"].startswith(
        "5 of 5 scores are not a whole number of the declared 14,042 instances; first phrasing 'p0'"
    )
    assert found["fits"] == "5 of 5 scores fit 13,627 instances"


def test_rounding_is_taken_into_account():
    """Scores printed to three decimals cannot tell 14,042 items from 13,627,
    and the audit says so instead of guessing.
    """
    found = audit(
        aggregated([f"{k / 13627:.3f}" for k in (6548, 6517, 6559)]),
        aggregated=True,
        declared=14042,
    )

    assert [(f.check, f.level) for f in found] == [("whole_number", "note")]
    assert "printed too coarsely" in found[0].message


def test_arms_with_different_n_are_found():
    """One comparison whose two arms come from different numbers of items."""
    seen = [f"{k / 13560:.9f}" for k in (6341, 6402, 6555, 6601)]
    unseen = [f"{k / 14041:.9f}" for k in (6600, 6501, 6703, 6807)]
    found = audit(aggregated(seen + unseen, seen=["seen"] * 4 + ["unseen"] * 4), aggregated=True)

    assert "13,560 (4 rows) and 14,041 (4 rows)" in next(
        f.message for f in found if f.check == "different_n"
    )
    assert any("(4 seen) fit 13,560" in f.message for f in found)


def test_stated_n_that_differs_within_a_comparison_is_found():
    """Two n_instances inside one (model, task) are an error of their own."""
    assert "different_n" in checks_of(
        aggregated(["0.5", "0.4"], n_instances=[10.0, 20.0]), aggregated=True
    )


def test_percentages_are_read_as_such():
    """Aggregated scores up to 100 are percentages, and their decimals shift along."""
    found = audit(
        aggregated([f"{100 * k / 250:.2f}" for k in (100, 101, 117, 133, 141, 153)]),
        aggregated=True,
        declared=250,
    )

    assert {(f.check, f.level) for f in found} == {("range", "note"), ("fits", "note")}


def test_duplicate_texts_are_found_whatever_their_case_and_spacing():
    """Two phrasings with the same words count as one."""
    frame = aggregated(
        ["0.5", "0.6", "0.7"], text=["Pick  the letter.", "pick the letter. ", "Choose one."]
    )
    found = [f for f in audit(frame, aggregated=True) if f.check == "duplicate_text"]

    assert [f.message[:32] for f in found] == ["phrasings p0, p1 have the same t"]


def test_duplicated_cells_are_found():
    """A cell that occurs twice with different scores is named."""
    frame = cells(coin(2, 30))
    again = frame.iloc[[3]].assign(score=1 - frame.loc[3, "score"])
    found = audit(pd.concat([frame, again]), aggregated=False)

    assert found[0].message == (
        "1 cells occur more than once, 1 of them with different scores; first model 'm', "
        "task 't', phrasing_id 'p0', instance_id 'i3'"
    )


def test_unfinished_cells_counted_as_zero_are_found():
    """A phrasing that ends in 60 zeros after scoring a half is flagged;
    the same zeros as missing are not.
    """
    scores = coin(4, 200)
    scores[2, 140:] = 0
    found = [f for f in audit(cells(scores), aggregated=False) if f.check == "unfinished"]
    scores[2, 140:] = np.nan

    assert [f.message[:13] for f in found] == ["phrasings p2 "]
    assert "unfinished" not in checks_of(cells(scores), aggregated=False)


def test_a_hard_task_is_not_called_unfinished():
    """Long runs of zeros are expected where hardly anything is right."""
    scores = (np.random.default_rng(0).random((5, 400)) < 0.01).astype(float)

    assert "unfinished" not in checks_of(cells(scores), aggregated=False)


def test_zero_without_an_answer_is_pointed_out():
    """A score of 0 beside an empty prediction may be a missing cell; a stated status settles it."""
    scores = coin(2, 50)
    scores[0, 0] = 0
    prediction = np.full(scores.size, "yes", dtype=object)
    prediction[0] = None
    status = np.where(prediction == None, "unparsed", "ok")  # noqa: E711 elementwise

    assert checks_of(cells(scores, prediction=prediction), aggregated=False) == ["unfinished"]
    assert checks_of(cells(scores, prediction=prediction, status=status), aggregated=False) == []


def test_different_instance_sets_are_found_between_phrasings_arms_and_models():
    """Every level at which instances can differ has its finding."""
    frame = cells(coin(2, 40), seen=np.repeat(["seen", "unseen"], 40))
    less = frame.drop(index=range(70, 80))
    other = frame[frame["instance_id"] != "i0"].assign(model="n")

    assert checks_of(less, aggregated=False) == ["instance_sets", "instance_sets"]
    assert [f.message for f in audit(pd.concat([frame, other]), aggregated=False)] == [
        "models were scored on different instances (m 40, n 39; 39 shared)"
    ]


def test_copied_phrasing_is_found():
    """Two phrasings with the same score on every instance are worth a look."""
    scores = coin(3, 60)
    scores[1] = scores[0]

    assert [f.message[:58] for f in audit(cells(scores), aggregated=False)] == [
        "phrasings have the same score on every instance: p0 = p1; "
    ]


def test_a_mean_of_exactly_zero_among_good_ones_is_pointed_out():
    """In an aggregated table a phrasing at 0 may be one that never finished."""
    assert "unfinished" in checks_of(aggregated(["0.52", "0", "0.49"]), aggregated=True)


def test_empty_tables_are_refused():
    """No rows, or no number among the scores, is an error and not a clean bill."""
    with pytest.raises(TableError, match="no rows"):
        audit(aggregated([]), aggregated=True)
    with pytest.raises(TableError, match="no score is a number"):
        audit(aggregated(["nan"]), aggregated=True)


def test_every_finding_belongs_to_a_documented_check():
    """The list of checks that --json prints covers what is reported."""
    frame = aggregated(
        [f"{k / 13627:.9f}" for k in (6548, 6517, 6559, 6571, 6113)] + ["0"], text=["a"] * 6
    )

    assert set(checks_of(frame, aggregated=True, declared=14042)) <= set(CHECKS)


def test_command_exits_1_only_when_strict(tmp_path):
    """Findings alone do not fail the command."""
    from evalkit.cli.audit import command

    path = tmp_path / "t.csv"
    path.write_text("model,task,phrasing_id,score\nm,t,a,0.480516621\nm,t,b,0.478241726\n")
    runner = CliRunner()
    lenient, strict = (
        runner.invoke(command, [str(path), "--n", "14042", *more]) for more in ([], ["--strict"])
    )

    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "not a whole number of the declared 14,042" in " ".join(lenient.output.split())


def test_bad_size_is_refused(tmp_path):
    """--n takes numbers of instances."""
    from evalkit.cli.audit import command

    path = tmp_path / "t.csv"
    path.write_text("model,task,phrasing_id,score\nm,t,a,0.5\n")
    result = CliRunner().invoke(command, [str(path), "--n", "many"])

    assert isinstance(result.exception, UsageError)


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("EVALKIT_DATA")
    or not Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv").is_dir(),
    reason="needs instructioneval/result_csv under EVALKIT_DATA",
)
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Main/MMLU/Flan-T5-XL.csv", {"70 of 70 scores (50 seen, 20 unseen) fit 13,627 instances"}),
        (
            "Main/MMLU/T0++.csv",
            {
                (
                    "24 of 33 scores (8 seen, 16 unseen) fit 14,042 instances to single "
                    "precision, the declared number"
                ),
                "9 of 33 scores (5 seen, 4 unseen) fit 13,627 instances to single precision",
            },
        ),
        (
            "Shots/MMLU/Flan-T5-XXL.csv",
            {"70 of 70 scores (50 seen, 20 unseen) fit 14,041 instances to single precision"},
        ),
    ],
)
def test_public_tables_fit_the_items_they_were_made_from(name, expected):
    """The lead paper's MMLU rows fit 13,627, 14,042 or 14,041 items, differently from file to
    file and arm to arm.
    """
    file = read_score_table(Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv", name))
    found = audit(file.frame, aggregated=True)

    assert {f.message for f in found if f.check == "fits"} == expected


def test_scores_that_are_no_numbers_are_findings_and_not_refusals(tmp_path):
    """A cell that says PD is named with its count; the other checks go on with what is left."""
    frame = aggregated([f"{k / 250:.6f}" for k in (100, 101, 117, 133)])
    frame.loc[1, ["score", "score_text"]] = [np.nan, "PD"]
    frame.drop(columns="score").rename(columns={"score_text": "score"}).to_csv(
        tmp_path / "t.csv", index=False
    )
    (file,), faults = read_for_audit(tmp_path / "t.csv")
    found = {f.check: f for f in audit(file.frame, aggregated=True)}

    assert not faults
    assert found["no_number"].level == "error"
    assert "1 of 4 scores are no numbers: 'PD' (1)" in found["no_number"].message
    assert "missing" not in found
    assert "3 of 3 scores fit 250 instances" in found["fits"].message


def test_texts_for_scores_of_cells_are_findings_too(tmp_path):
    """Per instance likewise: the file is read, and the texts are counted."""
    frame = cells(coin(2, 30)).astype({"score": object})
    frame.loc[[3, 4], "score"] = "n/a?"
    frame.to_csv(tmp_path / "t.csv", index=False)
    (file,), _ = read_for_audit(tmp_path / "t.csv")

    (found,) = [f for f in audit(file.frame, aggregated=False) if f.check == "no_number"]
    assert "2 of 60 scores are no numbers: 'n/a?' (2)" in found.message


def test_a_folder_is_audited_file_by_file(tmp_path):
    """A file that is no score table is a finding with its reason; the others are audited."""
    aggregated(["0.5000", "0.2500"]).drop(columns="score_text").to_csv(
        tmp_path / "a.csv", index=False
    )
    cells(np.vstack([coin(1, 30)] * 2)).to_csv(tmp_path / "b.csv", index=False)
    (tmp_path / "notes.csv").write_text("words,more\nno,table\n", encoding="utf-8")
    result = CliRunner().invoke(audit_command, [str(tmp_path), "--json"])

    found = json.loads(result.stdout)
    assert result.exit_code == 0
    assert found["layout"] == "aggregated, cells"
    assert {f["check"] for f in found["findings"]} >= {"readable", "same_cells"}
    (fault,) = [f["message"] for f in found["findings"] if f["check"] == "readable"]
    assert "notes.csv: column model" in fault


def test_models_of_different_n_are_named_without_a_declared_n():
    """Two models whose scores of one task fit 250 and 256 instances cannot be set side by side."""
    tables = [
        aggregated([f"{k / n:.6f}" for k in (101, 103, 117, 133)], model=name)
        for name, n in (("a", 250), ("b", 256), ("c", 250))
    ]
    found = audit(pd.concat(tables), aggregated=True)

    (between,) = [f for f in found if not f.model]
    assert (between.check, between.level, between.task) == ("different_n", "error", "t")
    assert "a 250, b 256, c 250" in between.message


def test_even_counts_of_one_model_are_not_another_n():
    """Scores that fit 250 because all counts are even fit 500 too."""
    tables = [
        aggregated([f"{k / 500:.6f}" for k in counts], model=name)
        for name, counts in (("a", (101, 103, 217, 233)), ("b", (102, 104, 218, 234)))
    ]
    found = audit(pd.concat(tables), aggregated=True)

    assert {f.fitted for f in found if f.check == "fits"} == {250, 500}
    assert not [f for f in found if f.check == "different_n"]
