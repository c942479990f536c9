"""``evalkit compare RUN_A RUN_B RUN_C ...``: several changed models against one plain model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.cli.options import print_json, print_table
from evalkit.records.questions import WORDS, asked, of_differences
from evalkit.records.statistics import shown_in
from evalkit.report.compared import robustness
from evalkit.report.terminal import say
from evalkit.report.text import number, starred, with_interval

if TYPE_CHECKING:
    from evalkit.analysis.candidates import Candidate, Cost, Suggestion
    from evalkit.analysis.compare import Settings
    from evalkit.records import Estimate
    from evalkit.records.manifest import Manifest
    from evalkit.scoring import ScoreTable

__all__ = ["cost_of", "cost_text", "manifest_of", "show_many"]


def show_many(
    plain: tuple[Path, ScoreTable],
    others: Sequence[tuple[Path, ScoreTable]],
    settings: Settings,
    *,
    out: Path | None,
    as_json: bool,
    notes: Sequence[str],
) -> None:
    """Print what every run changes and costs, and the best training-free one with its interval."""
    from evalkit.analysis import write_estimates
    from evalkit.analysis.candidates import Candidate, changes_of, suggestion

    names = _names([path for path, _ in others])
    base = manifest_of(plain[0])
    found = [
        Candidate(name=name, table=table, cost=cost_of(base, manifest_of(path)))
        for name, (path, table) in zip(names, others, strict=True)
    ]
    changes = [changes_of(plain[1], candidate, settings) for candidate in found]
    best = suggestion(plain[1], found, changes, settings)
    if out:
        write_estimates([row for rows in changes for row in rows], out / "estimates.csv")
    if as_json:
        candidates = [
            {"name": one.name, "cost": asdict(one.cost), "estimates": [asdict(row) for row in rows]}
            for one, rows in zip(found, changes, strict=True)
        ]
        print_json(
            {
                "notes": list(notes),
                "candidates": candidates,
                "best_training_free": None if best is None else asdict(best),
            }
        )
        return
    for note in notes:
        say(note)
    _print_side_by_side(plain[1].models[0], found, changes, settings)
    say(_said(best))


def _print_side_by_side(
    plain: str,
    found: Sequence[Candidate],
    changes: Sequence[Sequence[Estimate]],
    settings: Settings,
) -> None:
    """Print a row per run, and what its stars mean."""
    question = WORDS[of_differences(asked(settings.question))]
    rows = [
        [one.name, *_cells(change, question), *_costs(one.cost)]
        for one, change in zip(found, changes, strict=True)
    ]
    title = (
        f"minus {plain}, percentage points, mean over tasks "
        f"with {settings.level:.0%} intervals for {question}"
    )
    heads = [entry.title for entry in shown_in("candidates")]
    print_table(["run", *heads, "tokens", "trained parameters"], rows, title=title)
    columns = {entry.name for entry in shown_in("candidates")}
    over = [
        row
        for change in changes
        for row in change
        if (row.benchmark, row.task) == ("all", "all") and row.metric in columns
    ]
    for line in starred(over, question):
        say(line)
    for one, change in zip(found, changes, strict=True):
        say(f"{one.name}: {robustness(change)}")


def _names(paths: Sequence[Path]) -> list[str]:
    """Return folder names, or whole paths where two folders have the same name."""
    names = [path.resolve().name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _cells(change: Sequence[Estimate], question: str) -> list[str]:
    rows = {row.metric: row for row in change if (row.benchmark, row.task) == ("all", "all")}
    return [with_interval(rows.get(entry.name), question) for entry in shown_in("candidates")]


def _costs(cost: Cost) -> list[str]:
    ratio = "-" if cost.tokens_ratio is None else f"x {cost.tokens_ratio:.2f}"
    return [ratio, "-" if cost.trained_parameters is None else f"{cost.trained_parameters:,}"]


def cost_text(cost: Cost) -> str:
    """Return the cost of one change as a line; empty when nothing is known."""
    parts = (
        []
        if cost.tokens_ratio is None
        else [f"prompt tokens per request x {cost.tokens_ratio:.2f}"]
    )
    if cost.trained_parameters:
        parts.append(
            f"{cost.trained_parameters:,} parameters trained in {cost.training_seconds or 0:.0f} s"
        )
    return "cost: " + ", ".join(parts) if parts else ""


def _said(best: Suggestion | None) -> str:
    if best is None:
        return "No suggestion: none of the runs is of the same model without training."
    what = "unseen phrasings" if best.metric == "unseen_mean" else "the mean"
    interval = f"{number(best.value)} [{number(best.low)}, {number(best.high)}]"
    chosen = (
        f"best of {best.n_candidates} on {what}, {best.level:.1%} interval, "
        "so that the choice is paid for"
    )
    if best.holds:
        return f"Without training, {best.name} is suggested: {interval} ({chosen})."
    return (
        f"No suggestion: the best without training, {best.name}, has {interval}, "
        f"which does not lie above 0 ({chosen})."
    )


def cost_of(plain: Manifest | None, changed: Manifest | None) -> Cost:
    """Return what a run costs beside the plain one, by their manifests and what `evalkit align`
    left beside weights; without counts nothing is known.
    """
    from evalkit.analysis.candidates import Cost

    if plain is None or changed is None or not (plain.totals.requests and changed.totals.requests):
        return Cost()
    marks = [run.model.fingerprint for run in (plain, changed)]
    same = all(marks[0].get(name) == marks[1].get(name) for name in ("weights", "adapter"))
    if "weights" not in marks[0]:  # nothing but its name tells such a model from another
        names = [(run.model.backend, run.model.name) for run in (plain, changed)]
        same = same and names[0] == names[1]
    record = {} if same else _trained(changed)
    per_request = [run.totals.prompt_tokens / run.totals.requests for run in (plain, changed)]
    return Cost(
        tokens_ratio=per_request[1] / per_request[0] if per_request[0] else None,
        trained_parameters=0 if same else record.get("trained_parameters"),
        training_seconds=0.0 if same else record.get("seconds"),
        training_free=same,
    )


def _trained(run: Manifest) -> dict[str, Any]:
    """Return the record of the adapter or checkpoint a run used, where it still lies there."""
    from evalkit.tuning.adapters import adapter_paths, read_record

    for path in [*adapter_paths(run.mitigations), Path(run.model.name)]:
        if record := read_record(path):
            return record
    return {}


def manifest_of(path: Path) -> Manifest | None:
    """Return the manifest of a run; None for a plain table."""
    from evalkit.store.directory import is_run_dir, read_manifest

    return read_manifest(path) if is_run_dir(path) else None
