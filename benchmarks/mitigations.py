"""Before and after: every mitigation on held-out phrasings of the procedural families, paired with the plain model.

    python benchmarks/mitigations.py --model demo --work build/mitigations --other build/muon-out --seeds 0

Trained methods are trained on the tuning half of the phrasings (source ``evalkit-tuning``) and the training split, and all are evaluated on the other half
(``evalkit-heldout``) and the test split, with negated and wrong controls. Differences are paired on instances by `evalkit.compare`; a failed method is reported, not left out.
What is done already in ``--work`` is not done again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit import catalog
from evalkit.analysis import read_estimates
from evalkit.choosing import Settings
from evalkit.cli.main import invoke
from evalkit.cli.progress import ShownProgress
from evalkit.compare import Settings as Comparing
from evalkit.compare import compare_tables
from evalkit.errors import EvalkitError
from evalkit.records import Suite
from evalkit.run import run
from evalkit.scores import ScoreTable

FAMILIES = ("boolean", "calendar", "comparison", "counting", "markov", "navigation", "regex", "rewrite", "sorting", "tracking")
MEASURES = {"mean": "mean", "min": "worst phrasing", "std": "std", "consistency": "consistency"}
REQUESTS = (
    "instructive:noise=null",
    "instructive:noise=opposite",
    "instructive:noise=shuffled",
    "instructive:noise=random",
    "calibrate",
    "recast",
    "prefix",
    "conjugate:form=leet",
    "conjugate:form=pig-latin",
    "ensemble:m=3,how=mean",
    "ensemble:m=3,how=vote",
)
TRAINED = {
    "soft prompt": ("soft-prompt", ()),
    "soft prompt, no KL": ("soft-prompt", ("--kl-weight", "0")),
    "full tuning": ("full", ()),
    "full tuning, no KL": ("full", ("--kl-weight", "0")),
    "contrastive LoRA": ("contrastive", ()),
}


class Bench:
    """Runs, trains and compares; keeps every result in ``results.json`` of the work folder."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.path = given.work / "results.json"
        self.results: dict[str, Any] = json.loads(self.path.read_text()) if self.path.is_file() else {}

    def evaluate(
        self, name: str, seed: int, *, model: str | None = None, mitigations: tuple[str, ...] = (), extra: dict[str, Any] | None = None
    ) -> None:
        """Run the suite for one method and compare with the plain run."""
        key = f"{name} / seed {seed}"
        if key in self.results:
            return
        suite = Suite(
            name="heldout",
            tasks=tuple(f"procedural/{family}" for family in FAMILIES),
            phrasings=self.given.phrasings,
            sources=("evalkit-heldout",),
            kinds=("correct", "negated", "wrong"),
            limit=self.given.limit,
        )
        out = self.given.work / "runs" / key.replace(" / ", "_").replace(" ", "_").replace("/", "-").replace(":", "_")
        spec = replace(catalog.load_model(model or self.given.model), label=name)
        settings = Settings(model=spec, suite=suite, out=out, mitigations=mitigations, cache=False, resamples=199, fresh=True)
        started = time.monotonic()
        try:
            outcome = run(settings, ShownProgress(quiet=True, label=name))
        except EvalkitError as error:
            self.keep(key, {"failed": str(error)})
            return
        seconds = time.monotonic() - started
        counts = outcome.manifest["counts"]
        found = {"seconds": seconds, "tokens": counts["prompt_tokens"] / counts["requests"], "missing": counts["missing"], **(extra or {})}
        table = ScoreTable.read_parquet(out / "scores.parquet")
        plain = self.given.work / "runs" / "plain_seed_0" / "scores.parquet"
        estimates = compare_tables(ScoreTable.read_parquet(plain), table, settings=Comparing(n_resamples=999)).estimates
        found["difference"] = {
            row.metric: [row.value, row.low, row.high]
            for row in estimates
            if (row.task, row.benchmark) == ("all", "all") and row.metric in MEASURES
        }
        own = read_estimates(out / "estimates.csv")
        found["reliance"] = next((row.value for row in own if (row.task, row.benchmark, row.metric) == ("all", "all", "reliance")), None)
        self.keep(key, found)

    def keep(self, key: str, found: dict[str, Any]) -> None:
        """Store one result and rewrite the table."""
        self.results[key] = found
        self.path.write_text(json.dumps(self.results, indent=1))
        (self.given.work / "table.md").write_text(table(self.results))
        print(f"{key}: {found.get('failed') or found['difference'].get('mean')}", flush=True)

    def attempt(self, name: str, seed: int, make: Callable[[Path], list[str]]) -> Path | None:
        """Make a checkpoint or adapter with ``evalkit align`` unless it is there; None, and a kept failure, when it fails."""
        out: Path = self.given.work / "trained" / f"{name.replace(' ', '_').replace(',', '')}_{seed}"
        if not (out / "evalkit.json").is_file() and invoke(["align", *make(out)]) != 0:
            self.keep(f"{name} / seed {seed}", {"failed": "evalkit align failed, see the lines above"})
            return None
        return out

    def trained(self, name: str, seed: int) -> Path | None:
        """Train one method and evaluate it."""
        method, options = TRAINED[name]
        given = self.given
        tasks = ",".join(f"procedural/{family}" for family in FAMILIES)
        common = ["--method", method, "--model", given.model, "--tasks", tasks, "--sources", "evalkit-tuning", "--steps", str(given.steps)]
        common += ["--seed", str(seed), "--instances", "50", "--device", "auto", *options]
        out = self.attempt(name, seed, lambda path: [*common, "--out", str(path)])
        if out is None:
            return None
        record = json.loads((out / "evalkit.json").read_text())
        extra = {name: record[name] for name in ("trained_parameters", "steps", "before", "after")} | {
            "training_seconds": record["seconds"]
        }
        if method == "full":
            self.evaluate(name, seed, model=str(out), extra=extra)
        else:
            self.evaluate(name, seed, mitigations=(f"adapter:path={out}",), extra=extra)
        return out


def of_training(bench: Bench, seed: int) -> None:
    """Everything that is trained, and what is made of it."""
    model = bench.given.model
    made = {name: bench.trained(name, seed) for name in TRAINED}
    first, second = made["full tuning"], made["full tuning, no KL"]
    if first is None or second is None:
        return
    base = catalog.load_model(model).name
    bench.evaluate("arithmetic: plain + 0.5 (full tuning - plain)", seed, mitigations=(f"arithmetic:tuned={first},base={base},scale=0.5",))
    bench.evaluate("interpolate with full tuning, alpha 0.5", seed, mitigations=(f"interpolate:with={first},alpha=0.5",))
    names = ["--method", "model-stock", "--model", model, "--with", str(first), "--with", str(second)]
    stock = bench.attempt("model stock of both full tunings", seed, lambda path: [*names, "--out", str(path)])
    if stock is not None:
        bench.evaluate("model stock of both full tunings", seed, model=str(stock))


def without_training(bench: Bench) -> None:
    """Everything that is switched on without training."""
    other = bench.given.other
    if other:
        bench.evaluate("contrast with an earlier stage, weight 0.5", 0, mitigations=(f"contrast:with={other}",))
        for alpha in (0.25, 0.5, 0.75):
            bench.evaluate(f"interpolate with an earlier stage, alpha {alpha}", 0, mitigations=(f"interpolate:with={other},alpha={alpha}",))
    for text in REQUESTS:
        bench.evaluate(text, 0, mitigations=(text,))


def table(results: dict[str, Any]) -> str:
    """Return the before/after table: differences to the plain model in percentage points with intervals, and cost."""
    lines = [
        f"| method / seed | {' | '.join(MEASURES.values())} | reliance on the instruction (not paired) | prompt tokens per request | run, s | trained parameters | training, s |"
    ]
    lines.append("|" + " --- |" * (len(MEASURES) + 6))
    for key, found in results.items():
        if "failed" in found:
            lines.append(f"| {key} | failed: {found['failed']} |" + " |" * (len(MEASURES) + 4))
            continue
        cells = [_shown(found["difference"].get(metric)) for metric in MEASURES]
        reliance = found.get("reliance")
        cost = [
            "-" if reliance is None or reliance != reliance else f"{100 * reliance:.1f}",
            f"{found['tokens']:.0f}",
            f"{found['seconds']:.0f}",
            f"{found.get('trained_parameters', 0):,}",
            f"{found.get('training_seconds', 0):.0f}",
        ]
        lines.append(f"| {key} | {' | '.join([*cells, *cost])} |")
    return "\n".join(lines) + "\n"


def _shown(cell: list[float] | None) -> str:
    if cell is None or cell[0] is None or cell[0] != cell[0]:
        return "-"
    value, low, high = (100 * number if number is not None else float("nan") for number in cell)
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def main() -> None:
    """Run everything that is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--other", default="", help="another checkpoint of the same architecture: an earlier stage of the model")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--phrasings", type=int, default=6)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--only", choices=("all", "trained", "requests"), default="all")
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    if given.fresh:
        shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True, exist_ok=True)
    bench = Bench(given)
    bench.evaluate("plain", 0)
    for seed in [int(part) for part in given.seeds.split(",")] if given.only != "requests" else []:
        of_training(bench, seed)
    if given.only != "trained":
        without_training(bench)
    print((given.work / "table.md").read_text())


if __name__ == "__main__":
    main()
