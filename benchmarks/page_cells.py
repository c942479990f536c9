"""How large the page of a run is, and how soon its cells are there, by the number of cells.

Type: python benchmarks/page_cells.py RUN [--repeats 5] (a finished run; its cells are replaced by
random ones, which pack worse than those of a model). Prints cells, bytes of the page and CPU
seconds of drawing it; then, of headless Chromium started anew for each repeat, medians with the
worst: milliseconds from the start of navigation to the first paint and to the end of the load
event, processor time of the page's main thread, and the time until the first hundred of the wrong
cells of a task stand there. Asserts nothing about time.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from chromium import Browser
from page import TIMING

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


def opened(page: Path, programs: tuple[str, str], profile: Path) -> list[float]:
    """Return milliseconds of one opening: first paint, loaded, main thread, cells shown."""
    browser = Browser(*programs, profile)
    try:
        browser.tell("Performance.enable", timeDomain="threadTicks")
        browser.open(page)
        _, loaded, painted = browser.until(TIMING)
        metrics = browser.tell("Performance.getMetrics")["metrics"]
        busy = next(item["value"] for item in metrics if item["name"] == "TaskDuration")
        shown = browser.call("POST", "/execute/async", {"script": SHOW, "args": []})
    finally:
        browser.close()
    return [painted, loaded, busy * 1000, shown]


def main() -> None:
    """Print a line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    run = read_run(given.run)
    driver, binary = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or binary is None:
        raise SystemExit("chromium and chromedriver are needed")
    print("cells, bytes, s of drawing; ms: first paint, loaded, main thread, wrong cells shown")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        for size in SIZES:
            view, n = with_cells(run, size, np.random.default_rng(0))
            begun = time.process_time()
            page.write_text(render_page(view), encoding="utf-8")
            seconds = time.process_time() - begun
            found = [
                opened(page, (driver, binary), Path(folder) / f"profile-{size}-{number}")
                for number in range(given.repeats)
            ]
            times = (
                f"{statistics.median(column):.0f} (worst {max(column):.0f})"
                for column in zip(*found, strict=True)
            )
            print(f"{n:,}, {page.stat().st_size:,}, {seconds:.1f}; {', '.join(times)}", flush=True)


if __name__ == "__main__":
    main()
