"""How large the page of a run is, and how soon its cells are there, by the number of cells.

Type: python benchmarks/page_cells.py RUN (a finished run; its cells are replaced by random ones,
which pack worse than those of a model). Prints cells, bytes of the page, CPU seconds of drawing it,
and milliseconds until the first hundred of the wrong cells of a task stand there in Chromium.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from chromium import Browser

from evalkit.report.evidence.cells import TaskCells
from evalkit.report.page import render_page
from evalkit.report.run_view import RunView
from evalkit.runs.read import read_run

SIZES = (10_000, 100_000, 1_000_000)
PHRASINGS = 40
WORDS = [
    "what",
    "is",
    "the",
    "capital",
    "of",
    "year",
    "river",
    "number",
    "does",
    "follow",
    "from",
    "which",
]
SHOW = """
const done = arguments[0], begun = performance.now();
location.hash = '#cells?state=wrong';
const watch = setInterval(() => {
  if (!document.querySelector('#cell-table tbody tr')) return;
  clearInterval(watch);
  done(performance.now() - begun);
}, 5);
"""


def with_cells(run: RunView, total: int, rng: np.random.Generator) -> tuple[RunView, int]:
    """Return the run with about as many random cells, and how many there are."""
    tasks = run.evidence.tasks
    n = max(1, total // len(tasks) // PHRASINGS)
    views = []
    for view in tasks:
        right = rng.random((PHRASINGS, n)) < 0.6
        cells = TaskCells(
            phrasing_ids=tuple(f"phrasing-{p:02d}" for p in range(PHRASINGS)),
            instance_ids=tuple(f"{view.task.name}-{i:08x}" for i in range(n)),
            questions=tuple(f"{' '.join(rng.choice(WORDS, 30))} {i}?" for i in range(n)),
            targets=("A",) * n,
            values=right.astype(float),
            state=np.where(right, 0, 2).astype(np.int8),
            labels=np.where(right, 0, rng.integers(1, 4, right.shape)).astype(np.int32),
            label_names=("A", "B", "C", "D"),
            prompts={},
        )
        views.append(replace(view, cells=cells))
    evidence = replace(run.evidence, tasks=tuple(views))
    return replace(run, evidence=evidence), len(tasks) * PHRASINGS * n


def main() -> None:
    """Print a line per size."""
    run = read_run(Path(sys.argv[1]))
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        raise SystemExit("chromium and chromedriver are needed")
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(driver, binary, Path(folder) / "profile")
        try:
            for size in SIZES:
                view, n = with_cells(run, size, np.random.default_rng(0))
                begun = time.process_time()
                page = Path(folder) / "page.html"
                page.write_text(render_page(view), encoding="utf-8")
                seconds = time.process_time() - begun
                browser.open(page)
                shown = browser.call("POST", "/execute/async", {"script": SHOW, "args": []})
                print(
                    f"{n:,} cells: {page.stat().st_size:,} bytes, {seconds:.1f} s, {shown:.0f} ms"
                )
        finally:
            browser.close()


if __name__ == "__main__":
    main()
