"""The tutorial notebook runs from top to bottom, shows what its text promises,
and carries no output of its own.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import pytest
from doc_blocks import ROOT

from evalkit.runs.notebook_line import NotebookLine, notebook_line
from evalkit.runs.progress import ShownProgress

NOTEBOOK = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
CELLS = ["".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]


def shown_by(source: str, names: dict[str, Any]) -> Any:
    """Run a cell and return its last expression, as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return (
        None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    )


def test_every_cell_runs_and_shows_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run, comparison, decision and analysis have HTML of their own;
    the second model is held back.
    """
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = [shown_by(source, names) for source in CELLS]
    plt.close("all")

    own = [type(one).__name__ for one in shown if hasattr(one, "_repr_html_")]
    assert [name for name in own if name != "DataFrame"] == [
        *("Run", "Compared", "Gated", "Run", "Analysed"),
    ]
    assert own.count("DataFrame") == 5
    assert names["decision"].outcome == "regression"
    assert "Answer:" in capsys.readouterr().out


def test_it_is_kept_without_outputs() -> None:
    """Outputs are made when the site is built, so none can be stale here."""
    assert all(not cell.get("outputs") for cell in NOTEBOOK["cells"])


class Cell:
    """What IPython's `display` gives: a handle whose content is replaced."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Cell:
        """Show the first line."""
        assert raw
        assert display_id
        self.lines = [data["text/plain"]]
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Replace it."""
        assert raw
        self.lines[-1] = data["text/plain"]


def test_progress_in_a_notebook_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line is replaced in place and nothing of it goes to standard error."""
    cell = Cell()
    line = NotebookLine(cell.display)
    monkeypatch.setattr("evalkit.runs.progress.notebook_line", lambda: line)
    progress = ShownProgress(quiet=False, label="m")
    progress.begin(total=3, stored=0)
    progress.advance([])
    progress.close()

    assert cell.lines == ["3 unique requests, 0 stored already, 3 to ask m"]
    assert capsys.readouterr().err == ""


def test_outside_of_a_kernel_there_is_no_such_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither without IPython nor in its terminal."""
    monkeypatch.setitem(sys.modules, "IPython", None)
    assert notebook_line() is None
    terminal = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", terminal)
    assert notebook_line() is None


def test_a_figure_is_shown_below_its_cell_in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyplot, whose figures a notebook shows, gets the very figure; elsewhere it gets none."""
    from matplotlib.figure import Figure

    from evalkit.runs.notebook_line import shown_below

    plt.close("all")
    shown_below(Figure())
    assert plt.get_fignums() == []
    monkeypatch.setattr("evalkit.runs.notebook_line.in_kernel", lambda: True)
    figure = Figure()
    shown_below(figure)
    assert plt.gcf() is figure
    plt.close("all")
