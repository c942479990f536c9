"""External score tables: which layout, which columns, which complaints."""

import gzip
import os
from pathlib import Path

import pandas as pd
import pytest

from evalkit.catalog.score_tables import read_for_audit, read_score_table
from evalkit.catalog.two_columns import read_pairs
from evalkit.errors import TableError

CELLS = "model,task,phrasing_id,instance_id,score,seen,prediction\nm,t,001,i,1,true,yes\nm,t,002,i,,FALSE,\nm,t,003,i,0.5,,no\n"  # noqa: E501
AGGREGATED = "model,task,phrasing_id,score,n_instances,layout\nm,t,a,0.480,14042,lettered\nm,t,b,0.47,,inline\n"  # noqa: E501


def written(path: Path, text: str) -> Path:
    """Write a text file, gzipped when its name says so, and return its path."""
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "semicolons.csv", "t.parquet"])
def test_cells_read_the_same_from_every_format(tmp_path, name):
    """CSV, gzipped CSV and Parquet give the same rows;
    ids keep their zeros, truth values become seen and unseen.
    """
    if name.endswith("parquet"):
        plain = pd.read_csv(
            written(tmp_path / "x.csv", CELLS),
            dtype={"phrasing_id": str, "seen": str},
            keep_default_na=True,
        )
        plain.to_parquet(tmp_path / name)
    else:
        mark = {"t.tsv": "\t", "semicolons.csv": ";"}.get(name, ",")
        written(tmp_path / name, CELLS.replace(",", mark))
    file = read_score_table(tmp_path / name)

    assert file.layout == "cells"
    assert list(file.frame["phrasing_id"]) == ["001", "002", "003"]
    assert list(file.frame["seen"]) == ["seen", "unseen", "unknown"]
    assert file.frame["score"].isna().tolist() == [False, True, False]
    assert file.frame["prediction"].isna().tolist() == [False, True, False]


def test_aggregated_table_keeps_what_was_printed(tmp_path):
    """Without instance_id the table is aggregated, and the printed score is kept for the audit."""
    file = read_score_table(written(tmp_path / "t.csv", AGGREGATED))

    assert file.layout == "aggregated"
    assert list(file.frame["score_text"]) == ["0.480", "0.47"]
    assert file.frame["n_instances"].isna().tolist() == [False, True]
    assert list(file.frame["layout"]) == ["lettered", "inline"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("model,task,phrasing_id,score\n", "a header but no rows"),
        ("model,score\nm,1\n", "column task, phrasing_id is not there; columns: model, score"),
        ("model,model\nm,n\n", "column 'model' occurs twice"),
        (
            "Model,prompt,id,acc\nm,p,i,1\n",
            "--map model=Model --map \"task='NAME'\" --map phrasing_id=prompt --map score=acc "
            "--map instance_id=id",
        ),
        ("prompt,q1,q2\np,1,0\n", "has to become rows first"),
        ("model;task;phrasing_id;score\nm;t;p;0,5\n", "first '0,5' in row 1.* decimal point"),
        (
            "model,task,phrasing_id,score\nm,t,p,good\n",
            "column score holds 1 values that are no number, first 'good' in row 1",
        ),
        (
            "model,task,phrasing_id,instance_id,score\nm,t,p,i,good\n",
            "column score holds 'good' in line 2, which is no number",
        ),
        ("model,task,phrasing_id,instance_id,score\nm,t,p,i\n", "Expected 5 columns, got 4"),
    ],
)
def test_bad_csv_is_refused_with_the_reason(tmp_path, text, message):
    """Every way a CSV can be wrong has its message, with the path."""
    path = written(tmp_path / "t.csv", text)

    with pytest.raises(TableError, match=message) as caught:
        read_score_table(path)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("name", ["t.csv.gz", "t.parquet"])
def test_cut_file_is_refused(tmp_path, name):
    """A compressed or Parquet file that was cut short is refused, not read in part."""
    whole = "".join(
        [CELLS, *(f"m,t,p{k},i{k * 7919 % 1000},{k % 2},true,yes\n" for k in range(2000))]
    )
    path = written(tmp_path / name, whole) if name.endswith("gz") else tmp_path / name
    if name.endswith("parquet"):
        pd.read_csv(written(tmp_path / "x.csv", whole), dtype=str).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(TableError, match="cut short"):
        read_score_table(path)


def test_other_encoding_is_refused(tmp_path):
    """Text that is not UTF-8 is refused instead of being guessed."""
    path = tmp_path / "t.csv"
    path.write_bytes("modèle,task,phrasing_id,score\n".encode("latin-1"))

    with pytest.raises(TableError, match="not UTF-8"):
        read_score_table(path)


def test_byte_order_mark_and_unicode_ids_are_read(tmp_path):
    """A spreadsheet's byte-order mark does not hide the first column; ids may be of any script."""
    path = tmp_path / "t.csv"
    path.write_bytes(
        "model,task,phrasing_id,instance_id,score\nм,задача,指示-1,é,1\n".encode("utf-8-sig")
    )

    assert list(read_score_table(path).frame["phrasing_id"]) == ["指示-1"]


def test_directory_puts_files_together_and_counts_repeated_rows_once(tmp_path):
    """Rows that two files hold alike count once, and the notes say so."""
    written(tmp_path / "a.csv", AGGREGATED)
    written(tmp_path / "b.csv", AGGREGATED + "m,t,c,0.5,14042,lettered\n")
    file = read_score_table(tmp_path)

    assert sorted(file.frame["phrasing_id"]) == ["a", "b", "c"]
    assert "2 rows stand in more than one file" in file.notes[-1]


def test_unknown_suffix_and_absent_file_are_named(tmp_path):
    """What is no table and what is not there are told apart."""
    with pytest.raises(TableError, match="there is no such file"):
        read_score_table(tmp_path / "no.csv")
    with pytest.raises(TableError, match=r"'\.xlsx' is not a known table format"):
        read_score_table(written(tmp_path / "t.xlsx", "x"))


def test_instructioneval_layout_is_recognised(tmp_path):
    """The lead paper's columns become ours: unobserved is unseen, shots become part of the task,
    excluded rows go.
    """
    text = (
        "Model,Dataset,Collection,Type,ID,Shots,Performance,Metric,Include?\n"
        "m,MMLU_General,NIV2,QA,1,0,0.480516621,Logits,True\n"
        "m,MMLU_General,MMLU,Unobserved,1,1,0.47,Logits,True\n"
        "m,MMLU_General,MMLU,Unobserved,2,0,0.1,Logits,False\n"
    )
    file = read_score_table(written(tmp_path / "t.csv", text))

    assert file.layout == "instructioneval"
    assert list(file.frame["phrasing_id"]) == ["NIV2/QA/1", "MMLU/Unobserved/1"]
    assert list(file.frame["seen"]) == ["seen", "unseen"]
    assert list(file.frame["task"]) == ["MMLU_General", "MMLU_General (1-shot)"]
    assert list(file.frame["score_text"]) == ["0.480516621", "0.47"]
    assert "1 rows with Include? False were left out" in file.notes[-1]


LEAD = "Model,Dataset,Collection,Type,ID,Shots,Performance,Metric,Include?\n"


def test_instructioneval_arms_kinds_and_groups(tmp_path):
    """The authors' own prompt is not seen, controls are kinds and not seen either, data sets
    have the paper's groups.
    """
    rows = [
        ("Winowhy", "NIV2,BC", "seen", "correct", "BBL-BC"),
        ("Winowhy", "BBL,Default", "unseen", "correct", "BBL-BC"),
        ("Winowhy", "Alpaca,Default", "unseen", "correct", "BBL-BC"),
        ("Language_Identification", "T0,Classification", "seen", "correct", "BBL-MC"),
        ("Novel_Concepts", "Alpaca,Unobserved", "unseen", "correct", "BBL-QA"),
        ("MMLU_General", "T0,QA", "seen", "correct", "MMLU"),
        ("Crash_Blossom", "BBL,Random", "unseen", "random", ""),
        ("Crash_Blossom", "BBL,Negation", "unseen", "negated", ""),
        ("Crash_Blossom", "BBL,Incorrect", "unseen", "wrong", ""),
        ("Crash_Blossom", "BBL,Correct", "unseen", "correct", ""),
    ]
    text = "".join(f"m,{task},{kind},1,0,0.5,Logits,True\n" for task, kind, *_ in rows)
    frame = read_score_table(written(tmp_path / "t.csv", LEAD + text)).frame

    got = zip(frame["seen"], frame["kind"], frame["benchmark"], strict=True)
    assert list(got) == [tuple(rest) for _, _, *rest in rows]


def test_instructioneval_cells_without_a_number_and_stated_twice(tmp_path):
    """PD is missing, a row that stands twice counts once,
    and two scores of one phrasing leave both out; each is said.
    """
    text = (
        "m,Winowhy,BBL,Unobserved,1,0,PD,Logits,True\n"
        "m,Winowhy,BBL,Unobserved,2,0,0.25,Logits,True\n"
        "m,Winowhy,BBL,Unobserved,2,0,0.25,Logits,True\n"
        "m,Winowhy,NIV2,BC,3,0,0.5,Logits,True\n"
        "m,Winowhy,NIV2,BC,3,0,0.75,Logits,True\n"
    )
    file = read_score_table(written(tmp_path / "t.csv", LEAD + text))

    assert list(file.frame["phrasing_id"]) == ["BBL/Unobserved/1", "BBL/Unobserved/2"]
    assert file.frame["score"].isna().tolist() == [True, False]
    assert [note.partition(",")[0] for note in file.notes[1:]] == [
        "1 scores are no numbers",
        "1 rows stand twice word for word and count once",
        "2 rows contradict another row and were left out",
    ]


def test_an_audit_reads_rows_that_contradict_each_other(tmp_path):
    """They are what it is for."""
    text = "".join(f"m,Winowhy,NIV2,BC,3,0,{x},Logits,True\n" for x in (0.5, 0.75, "PD"))
    (file,), faults = read_for_audit(written(tmp_path / "t.csv", LEAD + text))

    assert (len(file.frame), faults) == (3, [])
    assert list(file.frame["score_text"]) == ["0.5", "0.75", "PD"]


def test_predictions_can_stand_for_scores_of_cells_only(tmp_path):
    """A table of answers is one of cells; means of answers do not exist."""
    text = "model,task,phrasing_id,instance_id,prediction\nm,t,p,i,A\n"
    file = read_score_table(written(tmp_path / "t.csv", text))
    assert file.frame["score"].isna().all()
    assert "the table has no scores" in file.notes[0]
    with pytest.raises(TableError, match="column score is not there"):
        read_score_table(
            written(tmp_path / "u.csv", "model,task,phrasing_id,prediction\nm,t,p,A\n")
        )


@pytest.mark.data
@pytest.mark.skipif(
    not os.environ.get("EVALKIT_DATA")
    or not Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv").is_dir(),
    reason="needs instructioneval/result_csv under EVALKIT_DATA",
)
def test_public_tables_of_the_lead_paper_are_read_whole():
    """The 16 public files hold 1,072 rows, 140 of which stand in two folders."""
    file = read_score_table(Path(os.environ["EVALKIT_DATA"], "instructioneval/result_csv"))

    assert (len(file.frame), len(set(file.frame["model"]))) == (932, 9)


def test_pairs_are_read_and_contradictions_refused(tmp_path):
    """Each attacked id has one reference; a second, different one is refused with its line."""
    assert read_pairs(written(tmp_path / "p.csv", "attacked_id,reference_id\na,r\nb,r\n")) == {
        "a": "r",
        "b": "r",
    }
    with pytest.raises(TableError, match=r"q\.csv:3: attacked_id 'a' has references 'r' and 's'"):
        read_pairs(written(tmp_path / "q.csv", "attacked_id,reference_id\na,r\na,s\n"))
    with pytest.raises(TableError, match="attacked_id and reference_id are needed"):
        read_pairs(written(tmp_path / "r.csv", "x\n1\n"))


ROWS = [
    {"model": "m", "task": "t", "phrasing_id": "01", "instance_id": 7, "score": True},
    {"model": "m", "task": "t", "phrasing_id": "02", "instance_id": 7, "score": False},
    {"model": "m", "task": "t", "phrasing_id": "03", "instance_id": 7, "prediction": "x"},
]


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "t.jsonl.zst"])
def test_json_lines_are_read_packed_or_not(tmp_path, name):
    """One object per line; true is 1, what a row lacks is missing, ids stay text."""
    import json

    import pyarrow as pa

    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    path = tmp_path / name
    if name.endswith("zst"):
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(text.encode())
    else:
        written(path, text)

    frame = read_score_table(path).frame

    assert list(frame["phrasing_id"]) == ["01", "02", "03"]
    assert list(frame["instance_id"].astype(str)) == ["7", "7", "7"]
    assert frame["score"].tolist()[:2] == [1.0, 0.0]
    assert frame["score"].isna().tolist() == [False, False, True]
    assert frame["prediction"].isna().tolist() == [True, True, False]


@pytest.mark.parametrize("words", [("True", "False"), ("true", "false"), ("TRUE", "FALSE")])
def test_csv_truth_values_are_scores_as_they_are_in_parquet(tmp_path, words):
    """A column of nothing but true and false is 1 and 0; empty stays missing."""
    head = "model,task,phrasing_id,instance_id,score\n"
    text = f"{head}m,t,a,i,{words[0]}\nm,t,b,i,{words[1]}\nm,t,c,i,\n"

    scores = read_score_table(written(tmp_path / "t.csv", text)).frame["score"]

    assert scores.tolist()[:2] == [1.0, 0.0]
    assert scores.isna().tolist() == [False, False, True]


def test_truth_values_among_numbers_are_refused(tmp_path):
    """A column that holds true and 0.5 says neither what true is worth nor what 0.5 is of."""
    text = "model,task,phrasing_id,instance_id,score\nm,t,a,i,True\nm,t,b,i,0.5\n"

    with pytest.raises(TableError, match=r"column score holds 1 values that are no number, first"):
        read_score_table(written(tmp_path / "t.csv", text))


def test_labels_without_scores_are_read(tmp_path):
    """Predictions with an empty score column are rows with a missing score."""
    text = "model,task,phrasing_id,instance_id,score,prediction\nm,t,a,i,,yes\nm,t,b,i,,no\n"

    frame = read_score_table(written(tmp_path / "t.csv", text)).frame

    assert frame["score"].isna().all()
    assert frame["prediction"].tolist() == ["yes", "no"]
