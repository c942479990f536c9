"""Scripted models on every suite: who is perfect scores 1, who is deaf to instructions has a
reliance of 0, who obeys has one.

``python benchmarks/controls.py --data DIR [--suites a,b] [--limit 3] [--phrasings 3]`` prints a
table with a row per suite. Suites whose data are not on this machine are named in the last line.
``--rewritten`` prints instead what `perfect` scores under every rewriting of the request alone.

``python benchmarks/controls.py --made [--benchmarks bbq,boolq]`` prints a row per published
benchmark instead: every shipped task that reads a file is asked twelve rows of our own in its
published layout (`made_rows.py`), also by models that are always wrong and that always take the
first choice. What the latter must score is counted from the rows, in the last column.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import made_rows
import numpy as np
from rewritings import REWRITINGS

import evalkit
from evalkit.catalog import list_tasks, load_instances
from evalkit.catalog.paths import data_root
from evalkit.catalog.tasks import list_suites
from evalkit.errors import EvalkitError
from evalkit.scoring import ScoreTable

MODELS = ("perfect", "obeys", "deaf")
ON_ROWS = ("wrong", "first")


def answered(model: str, **options: object) -> tuple[int, Mapping[str, float]]:
    """Return how many tasks a scripted model was asked, and its statistics over all of them."""
    with tempfile.TemporaryDirectory() as folder:
        run = evalkit.run(
            f"scripted:{model}",
            kinds=["correct", "null"],
            tuned_on="none",
            no_report=True,
            quiet=True,
            out=Path(folder) / "run",
            **options,
        )
        rows = run.estimates
    whole = rows[(rows["task"] == "all") & (rows["group"].fillna("") == "")]
    if whole.empty:
        whole = rows[rows["group"].fillna("") == ""]
    tasks = rows.loc[rows["task"] != "all", "task"].nunique()
    return tasks, dict(zip(whole["metric"], whole["value"], strict=False))


def percent(value: float | None) -> str:
    """Return a fraction in percent."""
    return "-" if value is None else f"{100 * value:.1f}"


def row_of(suite: str, given: argparse.Namespace) -> list[str]:
    """Return the cells of one suite: mean and reliance of every model, percent."""
    shown, tasks = [], 0
    for model in MODELS:
        tasks, found = answered(
            model,
            suite=suite,
            available=True,
            data_dir=given.data,
            limit=given.limit,
            phrasings=given.phrasings,
        )
        shown += [percent(found.get("mean")), percent(found.get("reliance_null"))]
    return [suite, str(tasks), *shown]


def row_of_benchmark(files: Sequence[Path], folder: Path, phrasings: int) -> list[str]:
    """Return the cells of the tasks of one benchmark on made rows."""
    tasks = list_tasks(map(str, files))
    shown = []
    for model in (*MODELS, *ON_ROWS):
        _, found = answered(
            model,
            tasks=list(map(str, files)),
            data_dir=folder,
            phrasings=phrasings,
            allow_code_execution=True,
        )
        shown.append(percent(found.get("mean")))
        shown += [percent(found.get("reliance_null"))] * (model in MODELS)
    return [tasks[0].benchmark, str(len(tasks)), *shown, percent(first_share(tasks, folder))]


def first_share(tasks: Sequence[evalkit.records.Task], folder: Path) -> float:
    """Return how often the right choice is the first, the mean over tasks;
    texts have no choices.
    """
    return float(
        np.mean(
            [np.mean([one.target == 0 for one in load_instances(task, folder)]) for task in tasks]
        )
    )


def print_made(given: argparse.Namespace) -> None:
    """Print the table of benchmarks."""
    heads = [f"{model}: {what}" for model in MODELS for what in ("mean", "reliance on null")]
    heads += [f"{model}: mean" for model in ON_ROWS]
    print(f"| benchmark | tasks | {' | '.join(heads)} | right answer first |")
    print(f"|{'---|' * (3 + len(heads))}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = made_rows.write(folder, data_root("tasks"))
        names = sorted({path.parent.name for path in files})
        for benchmark in given.benchmarks.split(",") if given.benchmarks else names:
            mine = [path for path in files if path.parent.name == benchmark]
            print(f"| {' | '.join(row_of_benchmark(mine, folder, given.phrasings))} |", flush=True)


def rewritten(suite: str, given: argparse.Namespace) -> list[str]:
    """Return the cells of one suite: tasks, rewritings made, prompts,
    and what `perfect` scores under them, percent.
    """
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
    parser.add_argument("--made", action="store_true")
    parser.add_argument("--benchmarks", default="")
    parser.add_argument("--limit", type=int, default=3)
    parser.add_argument("--phrasings", type=int, default=3)
    parser.add_argument("--rewritten", action="store_true")
    given = parser.parse_args(words)
    if given.made:
        print_made(given)
        return
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
