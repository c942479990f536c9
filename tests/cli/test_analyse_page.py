"""A table made elsewhere gets pages and figures that say what the table says,
and nothing it does not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalkit.cli.main import invoke


def cells(*, models: tuple[str, ...] = ("m",), seen: bool = True) -> Iterator[list[object]]:
    """Yield the rows of a per-instance table whose last wording loses half of its answers."""
    yield ["model", "task", "phrasing_id", "instance_id", "score", *(["seen"] if seen else [])]
    for at, model in enumerate(models):
        for task in ("one", "two"):
            for p in range(6):
                for i in range(20):
                    right = i % (2 if p == 5 else 5 - at) != 0
                    arm = ["seen" if p < 3 else "unseen"] if seen else []
                    yield [model, task, f"p{p}", f"i{i}", int(right), *arm]


def means() -> Iterator[list[object]]:
    """Yield the rows of a table with one row per wording."""
    yield ["model", "task", "phrasing_id", "score"]
    for task in ("one", "two"):
        for p in range(5):
            yield ["m", task, f"p{p}", 0.9 - 0.1 * p]


def table(path: Path, rows: Iterator[list[object]]) -> str:
    """Write a table and return its path."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return str(path)


def analyse(tmp_path: Path, rows: Iterator[list[object]], *words: str) -> Path:
    """Run the command and return its folder."""
    source = table(tmp_path / "my scores.csv", rows)
    assert invoke(["analyse", source, "--out", str(tmp_path / "out"), "--quiet", *words]) == 0
    return tmp_path / "out"


def test_one_model_gets_a_page_with_its_numbers_and_figures_in_three_forms(tmp_path: Path) -> None:
    """The first sentence, the mean and the arms of the table;
    what it does not say is not claimed.
    """
    out = analyse(tmp_path, cells())
    page = (out / "report.html").read_text(encoding="utf-8")

    assert "2 of 12 wordings cost 20 points or more: all are unseen." in page
    assert "75.0" in page
    assert "by format" not in page.partition("<script")[0].partition("fails by format")[0]
    assert "What the answers are" not in page
    assert "Seen and unseen unknown" not in page
    assert {path.suffix for path in (out / "figures").glob("scores.*")} == {".svg", ".png", ".pdf"}
    assert (out / "figures" / "scores.pdf").read_bytes().startswith(b"%PDF")


def test_of_several_models_each_has_a_page_and_all_have_a_comparison(tmp_path: Path) -> None:
    """Paired differences stand on the page of both."""
    out = analyse(tmp_path, cells(models=("b/one", "two")))

    assert len(list(out.glob("*/report.html"))) == 2
    assert "two against b/one" in (out / "comparison.html").read_text(encoding="utf-8")


def test_a_table_of_means_gets_a_page_without_what_needs_instances(tmp_path: Path) -> None:
    """Marks and spread are there; noise of instances and arms are not claimed."""
    page = (analyse(tmp_path, means()) / "report.html").read_text(encoding="utf-8")

    assert "70.0" in page
    assert "draw of instances" not in page
    assert "Seen and unseen unknown" in page


def test_without_a_page_nothing_is_drawn(tmp_path: Path) -> None:
    """--no-report writes the tables alone."""
    out = analyse(tmp_path, cells(seen=False), "--no-report")

    assert sorted(path.name for path in out.iterdir()) == ["estimates.csv", "phrasings.csv"]


@pytest.mark.parametrize("command", ["analyse", "leaderboard", "compare"])
def test_tables_are_printed_as_markdown_and_as_csv(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Markdown rows have bars; CSV is read back, with comments left out, and cells as they were."""
    source = table(tmp_path / "t.csv", cells(models=("a|b", "=c")))
    places = {
        "analyse": [source],
        "leaderboard": [f"{source}::a|b", f"{source}::=c"],
        "compare": [source, source, "--model-a", "a|b", "--model-b", "=c"],
    }[command]
    capsys.readouterr()

    if command != "leaderboard":  # it writes a file of Markdown
        assert invoke([command, *places, "--markdown"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(line.startswith("|---") for line in lines)
    assert invoke([command, *places, "--csv"]) == 0
    text = capsys.readouterr().out
    rows = [
        row
        for row in csv.reader(
            io.StringIO("\n".join(x for x in text.splitlines() if not x.startswith("#")))
        )
        if row
    ]
    assert len(rows) > 2
    assert not any(cell.startswith("=") for row in rows for cell in row)
    assert invoke([command, *places, "--csv", "--latex"]) == 2
    assert "tables have one form" in capsys.readouterr().err
