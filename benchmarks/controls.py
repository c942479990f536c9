"""Scripted models on every suite: who is perfect scores 1, who is deaf to instructions has a reliance of 0, who obeys has one.

``python benchmarks/controls.py --data DIR [--suites a,b] [--limit 3] [--phrasings 3]`` prints a table with
a row per suite. Suites whose data are not on this machine are named in the last line.
``--rewritten`` prints instead what `perfect` scores under every rewriting of the request alone.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import evalkit
from evalkit.catalog.tasks import list_suites
from evalkit.errors import EvalkitError
from evalkit.scoring import ScoreTable

MODELS = ("perfect", "obeys", "deaf")
REWRITINGS = (
    "character:rate=0.2",
    "drop:rate=0.2",
    "layout",
    "leet",
    "pig_latin",
    "random",
    "sentence",
    "shuffle",
    "word:rate=0.2,data=none",
    "wrapper",
)
"""What changes the words of the request and asks for the same answers."""


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


def rewritten(suite: str, given: argparse.Namespace) -> list[str]:
    """Return the cells of one suite: tasks, rewritings made, prompts, and what `perfect` scores under them, percent."""
    with tempfile.TemporaryDirectory() as folder:
        run = evalkit.run(
            "scripted:perfect",
            suite,
            available=True,
            data_dir=given.data,
            limit=given.limit,
            phrasings=given.phrasings,
            perturb=list(REWRITINGS),
            kinds=["correct"],
            tuned_on="none",
            no_report=True,
            quiet=True,
            out=Path(folder) / "run",
        )
        frame = ScoreTable.read_parquet(run.path / "scores.parquet").frame
    copies = frame[frame["perturbation"].fillna("") != ""]
    made = copies["perturbation"].str.partition(":")[0].nunique()
    shown = [suite, frame["task"].nunique(), made, len(copies)]
    scores = (f"{100 * copies['score'].mean():.1f}", f"{100 * copies['score'].min():.1f}")
    return [*map(str, shown), *scores]


def main(words: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--suites", default="")
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--phrasings", type=int, default=3)
    parser.add_argument("--rewritten", action="store_true")
    given = parser.parse_args(words)
    names = given.suites.split(",") if given.suites else [one.name for one in list_suites()]
    heads = [f"{model}: {what}" for model in MODELS for what in ("mean", "reliance on null")]
    if given.rewritten:
        heads = ["rewritings", "prompts", "mean", "lowest score"]
    print(f"| suite | tasks | {' | '.join(heads)} |")
    print(f"|{'---|' * (2 + len(heads))}")
    row = rewritten if given.rewritten else row_of
    missing = []
    for name in names:
        try:
            print(f"| {' | '.join(row(name, given))} |", flush=True)
        except EvalkitError as error:
            missing.append(f"{name} ({str(error).splitlines()[0][:90]})")
    if missing:
        print(f"\nNot run: {'; '.join(missing)}.")


if __name__ == "__main__":
    main()
