"""What kind of log a path is, and its rows as a frame under our column names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from evalkit.catalog.logs.files import json_of, lines_of
from evalkit.catalog.logs.rows import ONLY, Asked, LogRow
from evalkit.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "is_log", "read_log"]

FORMATS: Mapping[str, str] = {
    "lm-eval": "lm_eval",
    "inspect": "inspect_ai",
    "helm": "helm",
    "eee": "every_eval_ever",
    "promptfoo": "promptfoo",
}
"""Name of a format -> the module that reads it."""
ENDINGS = (".eval", ".json", ".jsonl", ".jsonl.gz", ".jsonl.zst")


def is_log(path: Path) -> bool:
    """Return whether a file or folder holds logs that are recognised."""
    return bool(_found(path))


def _found(path: Path) -> dict[str, list[Path]]:
    """Format -> its files below a path."""
    files = (
        sorted(one for one in path.rglob("*") if one.is_file() and one.name.endswith(ENDINGS))
        if path.is_dir()
        else [path]
        if path.is_file() and path.name.endswith(ENDINGS)
        else []
    )
    found: dict[str, list[Path]] = {}
    for file in files:
        if form := _form(file):
            found.setdefault(form, []).append(file)
    return found


def _form(file: Path) -> str:
    """Format of a file; empty for none."""
    if file.name.endswith(".eval"):
        return "inspect"
    if file.name == "per_instance_stats.json":
        return "helm"
    if ".jsonl" in file.name:
        return _form_of_lines(file)
    if file.name in ("run_spec.json", "scenario_state.json", "scenario.json", "stats.json"):
        return ""
    try:
        content = json_of(file)
    except TableError:
        return ""
    if not isinstance(content, dict):
        return ""
    if {"eval", "samples"} <= content.keys() or {"eval", "plan", "status"} <= content.keys():
        return "inspect"
    results = content.get("results")
    return "promptfoo" if isinstance(results, dict) and "results" in results else ""


def _form_of_lines(file: Path) -> str:
    try:
        first: Any = next((row for _, row in islice(lines_of(file), 1)), None)
    except TableError:
        return "lm-eval" if file.name.startswith("samples_") else ""
    if not isinstance(first, dict):
        return ""
    if {"doc_id", "filtered_resps"} <= first.keys():
        return "lm-eval"
    if {"evaluation_id", "sample_id", "evaluation"} <= first.keys():
        return "eee"
    return "promptfoo" if {"promptIdx", "provider"} <= first.keys() else ""


def read_log(
    path: Path, *, form: str | None = None, asked: Asked | None = None
) -> tuple[pd.DataFrame, tuple[str, ...], tuple[str, ...]]:
    """Return the answers of a log, or of all logs of one format in a folder, what was assumed,
    and what was not ended.

    Parameters
    ----------
    path
        File or folder.
    form
        One of `FORMATS`; None: told from the content.
    asked
        What plays the part of a phrasing, and which score is read.

    Raises
    ------
    TableError
        When there is no such log, it is damaged, or holds several formats.
    """
    import pandas as pd

    if not path.exists():
        raise TableError(f"{path}: there is no such file. Check the path.")
    found = _found(path)
    if form is not None:
        found = {form: found[form]} if form in found else {}
    if not found:
        raise TableError(
            f"{path}: holds no log of {form or ', '.join(FORMATS)}. "
            "Name a file or folder that the harness wrote."
        )
    if len(found) > 1:
        raise TableError(
            f"{path}: holds logs of {' and '.join(sorted(found))}. "
            "Say which with --format, or name a file."
        )
    (name, files), asked = next(iter(found.items())), asked or Asked()
    module = import_module(f"evalkit.catalog.logs.{FORMATS[name]}")
    read = cast("Callable[[Sequence[Path], Asked], Iterator[LogRow]]", module.read)
    try:
        rows = [asdict(row) for row in read(files, asked)]
    except (KeyError, AttributeError, TypeError, IndexError) as error:
        raise TableError(
            f"{path}: is not as {name} writes its logs ({type(error).__name__}: {error}). "
            "Update evalkit, or make a score table of it."
        ) from error
    if not rows:
        raise TableError(
            f"{path}: the log holds no sample. Run the harness with its samples logged."
        )
    frame = pd.DataFrame(rows)
    frame.insert(2, "kind", "correct")
    if frame["repeat"].nunique() < 2:
        frame = frame.drop(columns="repeat")
    ended = getattr(module, "unfinished", None)
    torn = tuple(ended(files)) if ended is not None else ()
    return frame, tuple(_notes(frame, name, len(files))), torn


def _notes(frame: pd.DataFrame, form: str, n_files: int) -> Iterator[str]:
    files = "1 file" if n_files == 1 else f"{n_files} files"
    wordings = sorted(frame["phrasing_id"].unique())
    yield (
        f"read as {form}: {files}, {len(frame):,} answer{'' if len(frame) == 1 else 's'}, "
        f"{'phrasing' if len(wordings) == 1 else 'phrasings'} "
        f"{', '.join(wordings[:5])}{', ...' if len(wordings) > 5 else ''}"
    )
    if len(wordings) == 1:
        why = " and does not say which" if wordings[0] == ONLY else ""
        yield (
            f"the log has one wording{why}: nothing is said of spread over wordings; "
            "name what varies with --phrasing FIELD, or a folder of runs with other prompts"
        )
