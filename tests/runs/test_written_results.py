"""Results of calls become the pages that the commands write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from foreign_logs import promptfoo

import evalkit
from evalkit.cli.main import invoke
from evalkit.errors import TableError, UsageError


def frame(models: tuple[str, ...] = ("m",)) -> pd.DataFrame:
    """A table whose last wording loses half of its answers."""
    rows = [
        {
            "model": model,
            "task": "b/t",
            "phrasing_id": f"p{p}",
            "instance_id": f"i{i}",
            "score": float(i % (2 if p == 5 else 5) != 0),
        }
        for model in models
        for p in range(6)
        for i in range(20)
    ]
    return pd.DataFrame(rows)


def test_an_analysis_writes_the_pages_of_the_command(tmp_path: Path) -> None:
    """Of a frame as of its file: the same estimates, figures and numbers on the page."""
    frame().to_csv(tmp_path / "t.csv", index=False)
    (page,) = evalkit.analyse(frame(), resamples=200, question="phrasings").write(tmp_path / "ours")
    words = ["--resamples", "200", "--out", str(tmp_path / "theirs"), "--quiet"]
    assert invoke(["analyse", str(tmp_path / "t.csv"), *words]) == 0
    ours, theirs = (
        {str(one.relative_to(place)) for one in place.rglob("*.*")}
        for place in (tmp_path / "ours", tmp_path / "theirs")
    )

    assert page == tmp_path / "ours" / "report.html"
    assert ours == theirs - {"phrasings.csv"}
    assert (tmp_path / "ours/estimates.csv").read_text() == (
        tmp_path / "theirs/estimates.csv"
    ).read_text()
    assert "1 of 6 wordings costs 20 points or more" in page.read_text(encoding="utf-8")


def test_several_models_have_a_page_each_and_the_comparison(tmp_path: Path) -> None:
    """As on the command line."""
    pages = evalkit.analyse(frame(("a", "b")), resamples=200).write(tmp_path)

    assert [str(page.relative_to(tmp_path)) for page in pages] == [
        "comparison.html",
        "a/report.html",
        "b/report.html",
    ]


def test_a_table_without_scores_and_the_folder_of_a_run_are_refused(tmp_path: Path) -> None:
    """Nothing is written, and the reason is said."""
    empty = evalkit.analyse(frame().assign(score=np.nan), resamples=200)
    with pytest.raises(TableError, match="has no scores, so there is nothing to draw"):
        empty.write(tmp_path / "out")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="is the directory of a run"):
        evalkit.analyse(frame(), resamples=200).write(tmp_path / "run")

    assert not (tmp_path / "out").exists()
    assert [one.name for one in (tmp_path / "run").iterdir()] == ["manifest.json"]


def test_gate_takes_logs_and_writes_its_page(tmp_path: Path) -> None:
    """The decision of the command on the same logs; equal logs are refused as one run is."""
    old, new = (
        promptfoo(tmp_path / f"{name}.json", share, provider=name)
        for name, share in (("old", 0.9), ("new", 0.5))
    )
    found = evalkit.gate(new, old)
    page = found.write(tmp_path / "gate.html")
    assert (
        invoke(["gate", str(new), "--baseline", str(old), "--html", str(tmp_path / "c.html")]) == 1
    )

    assert (found.outcome, found.exit_code) == ("regression", 1)
    ours, theirs = (one.read_text(encoding="utf-8") for one in (page, tmp_path / "c.html"))
    assert ours.count("regression") == theirs.count("regression") > 3
    with pytest.raises(evalkit.EvalkitError, match="candidate and baseline at once"):
        evalkit.gate(new, new)
