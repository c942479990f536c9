"""A run as a folder that can be pushed to the Hugging Face hub: a data set with its card,
and a model's ``model-index``.

Texts of the benchmark stay out of it: neither prompts nor answers nor correct answers are in its
files, so that a published run leaks no test set. Nothing here talks to the hub.

References
----------
huggingface/huggingface_hub, `repocard_data.py`: `DatasetCardData` (``configs`` name the data files
that the hub's viewer shows), `EvalResult` and ``model-index``.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import ExtraMissingError, UsageError
from evalkit.records.statistics import statistic
from evalkit.report.run_view import RunView
from evalkit.report.summary import cost_sentence, summary_rows
from evalkit.store.atomic import write_atomic

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_hub_folder"]

TABLES = {
    "scores": "data/scores.parquet",
    "estimates": "data/estimates.csv",
    "phrasings": "data/phrasings.csv",
}
"""Configuration of the data set -> its file."""
TEXTS = ("prediction", "target")
"""Columns of ``scores.parquet`` that hold texts of the benchmark or of the model."""
IN_INDEX = ("mean", "seen_mean", "unseen_mean", "gap", "min", "std", "spread")
"""Statistics that a ``model-index`` gets, per benchmark."""


def write_hub_folder(run: RunView, path: Path, out: Path, scores: pd.DataFrame) -> list[Path]:
    """Write ``README.md``, ``model_card.md``, ``data/`` and ``figures/``, and return the files.

    Parameters
    ----------
    run
        The run.
    path
        Its directory.
    out
        Folder.
    scores
        Its cells, columns as in ``scores.parquet``.

    Raises
    ------
    ExtraMissingError
        When the hub's client, whose cards these are, is not installed.
    UsageError
        When the folder holds such files of somebody else.
    StoreError
        When the folder cannot be written.
    """
    try:
        import huggingface_hub as hub
    except ImportError as error:
        raise ExtraMissingError("--to hub-folder", "hub") from error
    buffer = io.BytesIO()
    scores.drop(columns=[name for name in TEXTS if name in scores]).to_parquet(buffer, index=False)
    files: dict[str, bytes | str] = {TABLES["scores"]: buffer.getvalue()}
    for name in ("estimates", "phrasings"):
        if (path / f"{name}.csv").is_file():
            files[TABLES[name]] = (path / f"{name}.csv").read_bytes()
    if figure := _figure(run):
        files["figures/scores.png"] = figure
    card = hub.DatasetCardData(
        pretty_name=f"{run.manifest.model.label} on {run.manifest.suite.name}",
        tags=["evalkit", "evaluation", "robustness"],
        configs=[
            {"config_name": name, "data_files": place, "default": name == "scores"}
            for name, place in TABLES.items()
            if place in files
        ],
    )
    files["README.md"] = f"---\n{card.to_yaml()}\n---\n\n{_text(run, files)}"
    label = run.manifest.model.label
    index = hub.ModelCardData(
        model_name=label, eval_results=[hub.EvalResult(**row) for row in _results(run)]
    )
    files["model_card.md"] = f"---\n{index.to_yaml()}\n---\n\n{_index_text(label)}"
    _refuse_others(out, files)
    for place, content in files.items():
        write_atomic(out / place, content)
    return [out / place for place in files]


def _figure(run: RunView) -> bytes | None:
    """The main figure as PNG; None where it cannot be drawn."""
    from evalkit.report.drawings import drawings
    from evalkit.report.figures.canvas import figure_bytes

    found = drawings(run.evidence, run.estimates, counts=run.manifest.totals)
    draw = next((one.draw for one in found if one.name == "scores"), None)
    return None if draw is None else figure_bytes(draw(), form="png")


def _refuse_others(out: Path, files: Iterable[str]) -> None:
    """Raise UsageError where a file would be replaced in a folder whose card is not one of ours."""
    taken = [place for place in files if (out / place).exists()]
    card = out / "README.md"
    head = card.read_bytes()[:2000] if card.is_file() else b""
    if taken and not (head.startswith(b"---") and b"\n- evalkit\n" in head):
        raise UsageError(
            f"--out: {out} holds {', '.join(taken[:3])}, which evalkit did not write. Name another."
        )


def _text(run: RunView, files: dict[str, Any]) -> str:
    """Markdown of the data set's card."""
    manifest = run.manifest
    title = f"{manifest.model.label} on {manifest.suite.name}"
    heads, rows = summary_rows(run.estimates)
    level = manifest.intervals.level if manifest.intervals else 0.95
    limit = manifest.suite.limit
    parts = [
        f"# {title}",
        cost_sentence(run.evidence.costs),
        f"Percentage points with {level:.0%} intervals, mean over tasks.",
        "\n".join(_row(row) for row in (heads, ["---"] * len(heads), *rows)),
        "![Score of every wording, by task](figures/scores.png)"
        if "figures/scores.png" in files
        else "",
        "## What is in it",
        "\n".join(f"- `{place}`: {WHAT[name]}" for name, place in TABLES.items() if place in files),
        "Prompts, answers and correct answers are left out, so that no test set leaks from here.",
        "## How it was made",
        f"evalkit {manifest.evalkit}, suite `{manifest.suite.name}` ({manifest.suite.digest}), "
        f"{'all instances' if limit is None else f'{limit} instances per task'}, "
        f"seed {manifest.seed}, model fingerprint `{manifest.model.fingerprint_digest}`.",
        "The numbers can be made again from the cells: `evalkit analyse data/scores.parquet`.",
        "Say under which licence you publish it (`license:` above): wordings and scores of a "
        "benchmark may carry the benchmark's.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


WHAT = {
    "scores": "one row per cell: task, wording, instance, score, status",
    "estimates": "every statistic with its interval, fractions",
    "phrasings": "every wording's score",
}


def _row(cells: Sequence[str]) -> str:
    plain = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(plain)} |"


def _index_text(label: str) -> str:
    return (
        f"The results of {label} as `model-index`, to be merged into the card of the model itself:"
        "\n\n```python\nfrom huggingface_hub import metadata_load, metadata_update\n\n"
        'metadata_update("NAME/MODEL", metadata_load("model_card.md"))\n```\n'
    )


def _results(run: RunView) -> Iterator[dict[str, Any]]:
    """Arguments of one `EvalResult` per benchmark and statistic."""
    for row in run.estimates:
        if row.task != "all" or row.group or row.metric not in IN_INDEX:
            continue
        if row.benchmark == "all" or math.isnan(row.value):
            continue
        bounded = {} if math.isnan(row.low) else {"low": row.low, "high": row.high}
        yield {
            "task_type": "text-generation",
            "dataset_type": row.benchmark,
            "dataset_name": row.benchmark,
            "dataset_args": {
                "tasks": row.n_tasks,
                "phrasings": row.n_phrasings,
                "instances": row.n_instances,
            },
            "metric_type": row.metric,
            "metric_name": statistic(row.metric).title,
            "metric_value": row.value,
            **({"metric_args": {**bounded, "level": row.level}} if bounded else {}),
        }
