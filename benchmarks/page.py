"""Size and opening time of ``report.html`` at about 100,000 cells;
prints a table, asserts nothing about time.

``python benchmarks/page.py [--cells 100000] [--repeats 5]``. The run is made by a scripted model on
procedural tasks. Opening is measured in headless Chromium through chromedriver, from the start of
navigation to the end of the load event, and needs both programs; the processor time of the page's
main thread beside it does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import evalkit

sys.path.insert(0, str(Path(__file__).parent))
from chromium import Browser

PHRASINGS = 544
"""Phrasings of the procedural suite, counted per task."""
TIMING = (
    "const t = performance.getEntriesByType('navigation')[0], "
    "p = performance.getEntriesByType('paint')[0]; "
    "return t.loadEventEnd && p ? [t.domInteractive, t.loadEventEnd, p.startTime] : null"
)
"""Milliseconds until the document is ready, loaded, painted first; null while one is to come."""


def made(folder: Path, cells: int) -> Path:
    """Return a run directory of about so many cells."""
    limit = max(1, cells // PHRASINGS)
    run = evalkit.run(
        "scripted:sensitive,sd=0.2",
        "procedural",
        limit=limit,
        tuned_on="evalkit-tuning",
        out=folder / "run",
        cache=False,
        quiet=True,
    )
    print(f"cells                    {run.manifest['counts']['cells']:,}")
    return run.path


def written(path: Path) -> None:
    """Print how long the report takes to write from what is stored."""
    from evalkit.report.writing import write_report
    from evalkit.runs.read import read_run

    start = time.perf_counter(), time.process_time()
    view = read_run(path)
    middle = time.perf_counter(), time.process_time()
    write_report(path, view)
    end = time.perf_counter(), time.process_time()
    print(
        f"read and gather          {middle[0] - start[0]:.2f} s ({middle[1] - start[1]:.2f} s of "
        "processor)"
    )
    print(
        f"draw and write           {end[0] - middle[0]:.2f} s ({end[1] - middle[1]:.2f} s of "
        "processor)"
    )
    print(f"report.html              {(path / 'report.html').stat().st_size / 1000:,.0f} kB")


def opened(page: Path, folder: Path, repeats: int) -> None:
    """Print how long a browser takes to open a page."""
    driver = shutil.which("chromedriver")
    binary = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if driver is None or binary is None:
        print("opening                  not measured: no chromium and chromedriver on this machine")
        return
    found = []
    for number in range(repeats):
        browser = Browser(driver, binary, folder / f"profile-{number}")
        try:
            browser.tell("Performance.enable", timeDomain="threadTicks")
            browser.open(page)
            metrics = {
                item["name"]: item["value"] * 1000
                for item in browser.tell("Performance.getMetrics")["metrics"]
            }
            found.append([*browser.until(TIMING), metrics["TaskDuration"]])
        finally:
            browser.close()
    names = ("document ready", "loaded, script done", "first paint", "processor of the page")
    for name, column in zip(names, zip(*found, strict=True), strict=True):
        print(
            f"{name:24} {statistics.median(column):.0f} ms, median of {repeats} (worst "
            f"{max(column):.0f} ms)"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = made(Path(name), given.cells)
        written(path)
        opened(path / "report.html", Path(name), given.repeats)


if __name__ == "__main__":
    main()
