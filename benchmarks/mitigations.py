"""Before and after: every mitigation on held-out phrasings of the procedural families, paired with
the plain model.

    python benchmarks/mitigations.py --model demo --work build/mitigations --csv
    docs/mitigations_demo.csv

Trained methods see seven families: pairs of a tuning phrasing (source ``evalkit-tuning``) and our
paraphrases of it (``evalkit-paraphrase``), on the training split. All are evaluated on the test
split in held-out phrasings (``evalkit-heldout``) and tuning phrasings, with negated and wrong
controls. Three families (`OTHERS`, chosen before anything was measured: an easy one, a generated
one, a hard one) are trained on by no mitigation: what changes there is collateral.
Differences are paired on instances by `evalkit.analysis.compare`; a failed method is reported, not
left out. What is done already in ``--work`` is not done again.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit import catalog
from evalkit.analysis.compare import Settings as Comparing
from evalkit.analysis.compare import compare_tables
from evalkit.cli.main import invoke
from evalkit.errors import EvalkitError
from evalkit.records import ModelSpec, Suite
from evalkit.runs.execute import run
from evalkit.runs.progress import ShownProgress
from evalkit.runs.settings import Settings
from evalkit.scoring import ScoreTable

ALIGNED = ("boolean", "calendar", "counting", "navigation", "rewrite", "sorting", "tracking")
OTHERS = ("comparison", "markov", "regex")
HELD_OUT = ("mean", "min", "std", "consistency", "reliance")
"""Estimates over held-out phrasings of the aligned families."""
COLUMNS = {
    "mean": "mean",
    "gap": "gap",
    "min": "worst phrasing",
    "std": "std",
    "consistency": "consistency",
    "reliance": "reliance",
    "others": "other families",
}
COSTS = ("trained_parameters", "training_seconds", "prompt_tokens", "run_seconds")
REQUESTS = (
    *(
        "instructive:noise=null",
        "instructive:noise=opposite",
        "instructive:noise=shuffled",
        "instructive:noise=random",
    ),
    *("calibrate", "recast", "prefix", "conjugate:form=leet", "conjugate:form=pig-latin"),
    *("ensemble:m=3,how=mean", "ensemble:m=3,how=vote"),
)
DRAWN = ("instructive:noise=shuffled", "instructive:noise=random")
"""Those that draw something."""
TRAINED = {
    "soft prompt": ("soft-prompt", ()),
    "soft prompt, no KL": ("soft-prompt", ("--kl-weight", "0")),
    "prefix at every layer": ("prefix", ()),
    "full tuning": ("full", ()),
    "full tuning, no KL": ("full", ("--kl-weight", "0")),
    "contrastive LoRA": ("contrastive", ()),
}


class Bench:
    """Runs, trains and compares; keeps every result in ``results.json`` of the work folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.path = given.work / "results.json"
        self.spec: ModelSpec = catalog.load_model(given.model, device="cpu")
        self.results: dict[str, Any] = (
            json.loads(self.path.read_text()) if self.path.is_file() else {}
        )

    def evaluate(
        self,
        name: str,
        seed: int,
        *,
        model: Path | None = None,
        mitigations: tuple[str, ...] = (),
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Run the suite for one method and compare with the plain run."""
        key = f"{name} / seed {seed}"
        if key in self.results:
            return
        suite = Suite(
            name="heldout",
            tasks=tuple(f"procedural/{family}" for family in (*ALIGNED, *OTHERS)),
            phrasings=self.given.phrasings,
            sources=("evalkit-heldout", "evalkit-tuning"),
            kinds=("correct", "negated", "wrong"),
            limit=self.given.limit,
        )
        out = (
            self.given.work
            / "runs"
            / "".join(letter if letter.isalnum() else "_" for letter in key)
        )
        spec = replace(self.spec, label=name, **({"name": str(model)} if model else {}))
        settings = Settings(
            model=spec,
            suite=suite,
            out=out,
            mitigations=mitigations,
            cache=False,
            resamples=199,
            fresh=True,
        )
        started = time.process_time()
        try:
            outcome = run(settings, ShownProgress(quiet=True, label=name))
            table = ScoreTable.read_parquet(out / "scores.parquet")
            plain = ScoreTable.read_parquet(
                self.given.work / "runs" / "plain___seed_0" / "scores.parquet"
            )
            found = differences(plain, table)
        except EvalkitError as error:
            self.keep(key, {"failed": str(error)})
            return
        counts = outcome.manifest.totals
        cost = {
            "run_seconds": time.process_time() - started,
            "prompt_tokens": counts.prompt_tokens / counts.requests,
        }
        self.keep(
            key,
            {
                "difference": found,
                "own": levels(table),
                "missing": counts.missing,
                **cost,
                **(extra or {}),
            },
        )

    def keep(self, key: str, found: dict[str, Any]) -> None:
        """Store one result and rewrite the tables."""
        self.results[key] = found
        self.path.write_text(json.dumps(self.results, indent=1))
        (self.given.work / "table.md").write_text(table_of(self.results))
        if self.given.csv:
            write_csv(self.results, self.given.csv)
        print(f"{key}: {found.get('failed') or found['difference'].get('mean')}", flush=True)

    def attempt(self, name: str, seed: int, make: Callable[[Path], list[str]]) -> Path | None:
        """Make a checkpoint or adapter with ``evalkit align`` unless it is there; None,
        and a kept failure, when it fails.
        """
        out: Path = (
            self.given.work / "trained" / f"{name.replace(' ', '_').replace(',', '')}_{seed}"
        )
        if not (out / "evalkit.json").is_file() and invoke(["align", *make(out)]) != 0:
            self.keep(
                f"{name} / seed {seed}", {"failed": "evalkit align failed, see the lines above"}
            )
            return None
        return out

    def trained(self, name: str, seed: int) -> Path | None:
        """Train one method and evaluate it."""
        method, options = TRAINED[name]
        given = self.given
        tasks = ",".join(f"procedural/{family}" for family in ALIGNED)
        common = [
            "--method",
            method,
            "--model",
            given.model,
            "--tasks",
            tasks,
            "--sources",
            "evalkit-tuning,evalkit-paraphrase",
        ]
        common += [
            "--steps",
            str(given.steps),
            "--seed",
            str(seed),
            "--instances",
            "100",
            "--device",
            "cpu",
            *options,
        ]
        started = time.process_time()
        out = self.attempt(name, seed, lambda path: [*common, "--out", str(path)])
        if out is None:
            return None
        record = json.loads((out / "evalkit.json").read_text())
        kept = out.parent / f"{out.name}.seconds"
        if not kept.is_file():
            kept.write_text(str(time.process_time() - started))
        extra = {name: record[name] for name in ("trained_parameters", "steps", "before", "after")}
        extra["training_seconds"] = float(kept.read_text())
        if method == "full":
            self.evaluate(name, seed, model=out, extra=extra)
        else:
            # the references are tuning phrasings, evaluated as seen ones; held-out phrasings are in
            # no training
            self.evaluate(
                name, seed, mitigations=(f"adapter:path={out},overlap=allow",), extra=extra
            )
        return out


def parts(table: ScoreTable) -> dict[str, ScoreTable]:
    """Return the aligned families in both halves, in held-out phrasings with controls,
    and the other families in held-out phrasings.
    """
    aligned, others = (
        [f"procedural/{family}" for family in families] for families in (ALIGNED, OTHERS)
    )
    held = {
        "phrasing_source": ["evalkit-heldout", "evalkit-heldout+perturbed"]
    }  # the second: derived wrong instructions
    return {
        "both": table.select({"task": aligned}),
        "held": table.select({"task": aligned, **held}),
        "others": table.select({"task": others, **held}),
    }


def differences(plain: ScoreTable, table: ScoreTable) -> dict[str, list[float]]:
    """Return value, low and high of the difference of every measure."""
    old, new = parts(plain), parts(table)
    found = {
        name: {
            row.metric: [row.value, row.low, row.high]
            for row in compare_tables(
                old[name], new[name], settings=Comparing(n_resamples=499)
            ).estimates
            if (row.task, row.benchmark) == ("all", "all")
        }
        for name in old
    }
    measures = {name: found["held"][name] for name in HELD_OUT if name in found["held"]}
    return {
        **measures,
        "gap": found["both"]["gap"],
        "seen_mean": found["both"]["seen_mean"],
        "others": found["others"]["mean"],
    }


def levels(table: ScoreTable) -> dict[str, float]:
    """Return the scores themselves, means over families: held-out, seen, under controls,
    and of the other families.
    """

    def mean(part: ScoreTable, **where: str) -> float:
        frame = part.select({name: [value] for name, value in where.items()}).frame
        return float(
            frame.groupby(["task", "phrasing_id"], observed=True)["score"]
            .mean()
            .groupby("task", observed=True)
            .mean()
            .mean()
        )

    found = parts(table)
    correct = {"kind": "correct"}
    return {
        "held-out": mean(found["held"], **correct),
        "seen": mean(found["both"], phrasing_source="evalkit-tuning"),
        "negated": mean(found["held"], kind="negated"),
        "wrong": mean(found["held"], kind="wrong"),
        "others": mean(found["others"], **correct),
    }


def of_training(bench: Bench, seed: int) -> None:
    """Everything that is trained, and what is made of it."""
    made = {name: bench.trained(name, seed) for name in TRAINED}
    first, second = made["full tuning"], made["full tuning, no KL"]
    if first is None or second is None:
        return
    base = bench.spec.name
    bench.evaluate(
        "arithmetic: plain + 0.5 (full tuning - plain)",
        seed,
        mitigations=(f"arithmetic:tuned={first},base={base},scale=0.5",),
    )
    bench.evaluate(
        "contrast: full tuning + 0.5 (full tuning - plain)",
        seed,
        model=first,
        mitigations=(f"contrast:with={base},weight=0.5",),
    )
    for alpha in (0.25, 0.5, 0.75):
        bench.evaluate(
            f"interpolate with full tuning, alpha {alpha}",
            seed,
            mitigations=(f"interpolate:with={first},alpha={alpha}",),
        )
    names = [
        "--method",
        "model-stock",
        "--model",
        bench.given.model,
        "--with",
        str(first),
        "--with",
        str(second),
    ]
    stock = bench.attempt(
        "model stock of both full tunings", seed, lambda path: [*names, "--out", str(path)]
    )
    if stock is not None:
        bench.evaluate("model stock of both full tunings", seed, model=stock)


def by_method(results: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return method -> its results, a seed each."""
    found: dict[str, list[dict[str, Any]]] = {}
    for key, result in results.items():
        found.setdefault(key.rpartition(" / seed ")[0], []).append(result)
    return found


def table_of(results: dict[str, Any]) -> str:
    """Return the before/after tables: what held-out wordings gain, then what it costs elsewhere;
    differences to the plain model in percentage points.

    Over several seeds: the mean, and from the lowest to the highest end of their intervals.
    """
    wording, elsewhere = list(COLUMNS)[:5], list(COLUMNS)[5:]
    costs = ["trained parameters", "training, CPU s", "prompt tokens per request"]
    first = [["method", "seeds", *(COLUMNS[metric] for metric in wording)]]
    second = [["method", *(COLUMNS[metric] for metric in elsewhere), *costs]]
    failures = []
    for name, found in by_method(results).items():
        fine = [result for result in found if "failed" not in result]
        if len(fine) < len(found):
            why = "; ".join(
                dict.fromkeys(result["failed"] for result in found if "failed" in result)
            )
            failures.append(f"- {name}: {len(found) - len(fine)} of {len(found)} failed: {why}")
        if not fine or name == "plain":
            continue
        cells = {
            metric: over_seeds([result["difference"].get(metric) for result in fine])
            for metric in COLUMNS
        }
        cost = [f"{fine[0].get('trained_parameters', 0):,}"]
        cost += [
            f"{sum(result.get(part, 0) for result in fine) / len(fine):.0f}"
            for part in ("training_seconds", "prompt_tokens")
        ]
        first.append([name, str(len(fine)), *(cells[metric] for metric in wording)])
        second.append([name, *(cells[metric] for metric in elsewhere), *cost])
    return "\n".join([*markdown(first), "", *markdown(second), "", *failures]).rstrip("\n") + "\n"


def markdown(rows: list[list[str]]) -> list[str]:
    """Return the lines of a table; the first row is its head."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]


def over_seeds(cells: Iterable[list[float] | None]) -> str:
    """Return the mean and the outermost ends in percentage points;
    a dash where a seed has no value.

    >>> over_seeds([[0.01, -0.01, 0.02], [0.03, 0.0, 0.05]])
    '+2.0 [-1.0, +5.0]'
    """
    found = [
        [math.nan if number is None else 100 * number for number in cell or [math.nan] * 3]
        for cell in cells
    ]
    value, low, high = (
        sum(cell[0] for cell in found) / len(found),
        min(cell[1] for cell in found),
        max(cell[2] for cell in found),
    )
    if math.isnan(value):
        return "-"
    return f"{value:+.1f}" if math.isnan(low) else f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def write_csv(results: dict[str, Any], path: Path) -> None:
    """Write every seed of every method: a row per measure, and the levels and costs."""
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["method", "seed", "measure", "value", "low", "high"])
        for key, found in results.items():
            name, _, seed = key.rpartition(" / seed ")
            if "failed" in found:
                rows.writerow([name, seed, "failed", "", "", ""])
                continue
            for metric, cell in found["difference"].items():
                rows.writerow(
                    [
                        name,
                        seed,
                        f"difference of {metric}",
                        *(f"{number:.6f}" if number is not None else "" for number in cell),
                    ]
                )
            for level, value in found["own"].items():
                rows.writerow([name, seed, f"score, {level}", f"{value:.6f}", "", ""])
            for cost in COSTS:
                if cost in found:
                    rows.writerow([name, seed, cost, f"{found[cost]:.6g}", "", ""])
            for side in ("before", "after"):
                for where, measured in found.get(side, {}).items():
                    for loss in ("cross_entropy", "kl"):
                        rows.writerow(
                            [
                                name,
                                seed,
                                f"{loss} of {where} pairs {side}",
                                f"{measured[loss]:.6f}",
                                "",
                                "",
                            ]
                        )


def main() -> None:
    """Run everything that is not done yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="demo")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--csv", type=Path, help="file that takes every seed of every method")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--limit", type=int, default=12)
    parser.add_argument("--phrasings", type=int, default=12)
    parser.add_argument("--steps", type=int, default=75)
    parser.add_argument("--only", choices=("all", "trained", "requests"), default="all")
    parser.add_argument(
        "--methods", nargs="*", help="names as in the table; default all that --only leaves"
    )
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    if given.fresh:
        shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(given)
    bench.evaluate("plain", 0)
    seeds = [int(part) for part in given.seeds.split(",")]
    if given.only != "trained":
        for text in REQUESTS:
            if given.methods and text not in given.methods:
                continue
            for seed in seeds if text in DRAWN else seeds[:1]:
                bench.evaluate(
                    text, seed, mitigations=(f"{text},seed={seed}" if text in DRAWN else text,)
                )
    for seed in seeds if given.only != "requests" else []:
        if given.methods:
            for name in TRAINED:
                if name in given.methods:
                    bench.trained(name, seed)
        else:
            of_training(bench, seed)
    print((given.work / "table.md").read_text())


if __name__ == "__main__":
    main()
