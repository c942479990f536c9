"""Scripted models on every suite: who is perfect scores 1, who is deaf to instructions has a reliance of 0, who obeys has one.

``python benchmarks/controls.py --data DIR [--suites a,b] [--limit 3] [--phrasings 3]`` prints a table with
a row per suite. Suites whose data are not on this machine are named in the last line.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import evalkit
from evalkit.catalog.tasks import list_suites
from evalkit.errors import EvalkitError

MODELS = ("perfect", "obeys", "deaf")


def row_of(suite: str, given: argparse.Namespace) -> list[str]:
    """Return the cells of one suite: mean and reliance of every model, percent."""
    cells = []
    for model in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            run = evalkit.run(
                f"scripted:{model}",
                suite,
                available=True,
                data_dir=given.data,
                limit=given.limit,
                phrasings=given.phrasings,
                kinds=["correct", "null"],
                tuned_on="none",
                no_report=True,
                quiet=True,
                out=Path(folder) / "run",
            )
            rows = run.estimates
            whole = rows[(rows["task"] == "all") & (rows["group"].fillna("") == "")]
            if whole.empty:
                whole = rows[rows["group"].fillna("") == ""]
            found = dict(zip(whole["metric"], whole["value"], strict=False))
            n_tasks = rows.loc[rows["task"] != "all", "task"].nunique()
            cells.append((n_tasks, found.get("mean"), found.get("reliance_null")))
    shown = ["-" if value is None else f"{100 * value:.1f}" for cell in cells for value in cell[1:]]
    return [suite, str(cells[0][0]), *shown]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--suites", default="")
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--phrasings", type=int, default=3)
    given = parser.parse_args(words)
    names = given.suites.split(",") if given.suites else [one.name for one in list_suites()]
    heads = [f"{model}: {what}" for model in MODELS for what in ("mean", "reliance on null")]
    print(f"| suite | tasks | {' | '.join(heads)} |")
    print(f"|{'---|' * (2 + len(heads))}")
    missing = []
    for name in names:
        try:
            print(f"| {' | '.join(row_of(name, given))} |", flush=True)
        except EvalkitError as error:
            missing.append(f"{name} ({str(error).splitlines()[0][:90]})")
    if missing:
        print(f"\nNot run: {'; '.join(missing)}.")


if __name__ == "__main__":
    main()
