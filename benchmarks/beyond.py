"""What each suite of docs/beyond.md says of a real model, at a size whose intervals mean something.

    python benchmarks/beyond.py MODEL --out DIR [--only wrapper,shots] [--table]

From the root of the repository. Every piece is one `evalkit run`: it is printed, so it can be
typed, and the same command again goes on where it stopped. `--table` asks nothing and prints the
levels of finished pieces as Markdown.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

HERE = "benchmarks/beyond_tasks"
CHOICES = "procedural/calendar,procedural/comparison,procedural/regex"
DEFENCES = ("reminder", "sandwich", "instructional", "isolation", "incontext", "reserved")
WRAPPERS = ("role", "system", "alpaca", "vicuna", "nlu")
READY = (
    "medqa/us4,fpb/all_agree,superglue/rte,superglue/cb,pawsx/de,bbq/age,bbq/religion,"
    "mmlu_pro/health,gpqa/diamond"
)


def each(kind: str, names: Sequence[str]) -> str:
    """Return one perturbation per name."""
    return " ".join(f"--perturb {kind}:kind={name}" for name in names)


PIECES: dict[str, str] = {
    "meta": "--suite meta --limit 20 --phrasings 5",
    "probes": "--suite probes --limit 40 --phrasings 4",
    "wrapper": f"--tasks {CHOICES} --limit 15 --phrasings 4 {each('wrapper', WRAPPERS)}",
    "uncertainty": "--tasks procedural/comparison,procedural/regex,procedural/sorting,procedural/rewrite "  # noqa: E501
    "--limit 6 --phrasings 3 --perturb drop:rate=0.2,n=3 --uncertainty 10",
    "recast": "--suite recast --limit 20 --phrasings 4",
    "shots": "--tasks procedural/calendar,procedural/comparison --limit 10 "
    "--phrasings 3 --perturb shots:k=1,n=2 --perturb shots:k=4,n=3 "
    "--perturb shots:k=4,vary=order,n=3 --perturb shots:k=4,source=bm25 "
    "--perturb shots:k=4,answers=shuffled",
    "injection": "--tasks injection/injected_comparison --limit 12 --phrasings 3",
    "defences": f"--tasks {HERE}/attacked.yaml --limit 10 --phrasings 3 "
    + each("defence", DEFENCES),
    "context": f"--tasks {HERE}/passages.yaml --limit 10 --phrasings 3",
    "languages": "--suite languages --limit 3 --phrasings 12",
    "ready": f"--tasks {READY} --limit 20 --phrasings 3",
    "rules": f"--tasks {HERE}/regex_rules.yaml --phrasings 4",
    "diversity": "--suite diversity --limit 12 --phrasings 3",
    "composition": f"--tasks {HERE}/several.yaml --limit 12 --phrasings 3",
    "ten": f"--tasks {HERE}/ten.yaml --limit 3 --phrasings 1",
    "reasoning": "--tasks reasoning/reasoned_navigate --limit 15 --phrasings 3",
}
"""Name -> the options behind `evalkit run --model MODEL`."""


def command(name: str, model: str, out: Path) -> list[str]:
    """Return the words of one piece."""
    return [
        *("run", "--model", model, *shlex.split(PIECES[name])),
        *("--dtype", "float32", "--out", str(out / name)),
    ]


def levels(run: Path) -> pd.DataFrame:
    """Return every level over all tasks of a run, a column per statistic that levels have,
    in percent.
    """
    rows = pd.read_csv(run / "estimates.csv", dtype={"group": str}).fillna({"group": ""})
    tasks = rows.loc[rows["task"] != "all", "task"].nunique()
    rows = rows[((rows["task"] == "all") | (tasks == 1)) & ~rows["group"].str.contains("base=")]
    kept = {"mean", "share_solved", *rows.loc[rows["group"] != "", "metric"]} - {"std"}
    rows = rows[rows["metric"].isin(kept)]
    shown = [
        f"{value:.3f}" if metric == "p_of_delta" else said(value, low, high)
        for metric, value, low, high in zip(
            rows["metric"], rows["value"], rows["low"], rows["high"], strict=True
        )
    ]
    return (
        rows.assign(shown=shown)
        .pivot_table(index="group", columns="metric", values="shown", aggfunc="first", sort=False)
        .fillna("")
    )


def said(value: float, low: float, high: float) -> str:
    """Return a percentage with its interval."""
    if pd.isna(value):
        return ""
    tail = "" if pd.isna(low) else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f}{tail}"


def main(words: Sequence[str] | None = None) -> int:
    """Run the pieces, or print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default=",".join(PIECES))
    parser.add_argument("--table", action="store_true")
    given = parser.parse_args(words)
    for name in given.only.split(","):
        typed = command(name, given.model, given.out)
        print(f"\n{name}: evalkit {shlex.join(typed)}", flush=True)
        if given.table:
            print(levels(given.out / name).to_markdown())
        elif code := subprocess.run(
            [sys.executable, "-m", "evalkit", *typed], check=False
        ).returncode:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
