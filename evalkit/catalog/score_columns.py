"""Columns of score tables made elsewhere -> ours: which layout a table has, and what its columns are called here.

Layouts
-------
cells
    ``model, task, phrasing_id, instance_id, score``, optionally ``seen, prediction, target,
    probability, repeat``.
aggregated
    The same without ``instance_id``; ``n_instances`` when known.
instructioneval
    The public tables of Sun et al. (2023), arXiv 2306.11270: ``Model, Dataset, Collection, Type,
    ID, Shots, Performance, Metric, Include?``. A phrasing is Collection/Type/ID; it is seen unless
    Type or Collection says Unobserved (the paper's word for unseen).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evalkit.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = [
    "NUMBERS",
    "Layout",
    "ScoreFile",
    "layout_of",
    "percent_hint",
    "score_file",
    "understood",
]

INSTRUCTIONEVAL = (
    "Model",
    "Dataset",
    "Collection",
    "Type",
    "ID",
    "Shots",
    "Performance",
    "Metric",
    "Include?",
)
PUBLISHED_SIZES = {"MMLU_General": 14042}
"""Instances of the data sets of the instructioneval layout: MMLU test split, Hendrycks et al.
(2021), arXiv 2009.03300."""
NUMBERS = ("score", "probability", "target_probability", "n_instances")
TRUTHS = {
    "true": "seen",
    "1": "seen",
    "yes": "seen",
    "false": "unseen",
    "0": "unseen",
    "no": "unseen",
    "": "unknown",
}
Layout: TypeAlias = Literal["cells", "aggregated", "instructioneval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFile:
    """Rows of an external score table under our column names."""

    frame: pd.DataFrame
    """Rows; text columns as categories. Aggregated layouts have ``score_text``, the score as it was
    printed."""
    layout: Layout
    """Which layout was recognised."""
    origin: str
    """Path, for messages."""
    notes: tuple[str, ...] = ()
    """What was left out or assumed while reading."""


def score_file(frame: pd.DataFrame, *, origin: str = "the frame") -> ScoreFile:
    """Return the rows of a score table that is a frame already.

    Parameters
    ----------
    frame
        Columns as in a file of one of the layouts; left as it is.
    origin
        Its name in messages.

    Raises
    ------
    TableError
        When it is empty, lacks needed columns, or holds text where numbers belong.
    """
    names, path = [str(name) for name in frame.columns], Path(origin)
    layout = layout_of(names, path)
    coded = frame.rename(columns=str).reset_index(drop=True)
    texts = [name for name in names if name not in NUMBERS or coded[name].dtype.kind not in "fiu"]
    return understood(coded.astype(dict.fromkeys(texts, "category")), layout, path)


def understood(
    frame: pd.DataFrame,
    layout: Layout,
    path: Path,
) -> ScoreFile:
    """Return the rows of a table of a layout, under our column names.

    Parameters
    ----------
    frame
        As it was read, text columns as categories; changed in place.
    layout
        As `layout_of` says.
    path
        For messages.

    Raises
    ------
    TableError
        When it has no rows, or text where numbers belong.
    """
    import pandas as pd

    if frame.empty:
        raise TableError(f"{path}: the table has a header but no rows; at least one is needed.")
    if layout == "instructioneval":
        return _from_instructioneval(frame, path)
    if "seen" in frame:
        frame["seen"] = _mapped(
            frame["seen"], lambda text: TRUTHS.get(text.strip().lower(), text.strip())
        )
    if "prediction" in frame and "" in frame["prediction"].cat.categories:
        frame["prediction"] = frame["prediction"].cat.remove_categories([""])
    if layout == "cells" and isinstance(frame["score"].dtype, pd.CategoricalDtype):
        frame["score"] = _numbers(_truths(frame["score"]), "score", path)
    if layout == "aggregated":
        frame["score_text"] = frame["score"].astype(object)
        frame["score"] = _numbers(frame["score"], "score", path)
        if "n_instances" in frame:
            frame["n_instances"] = _numbers(frame["n_instances"], "n_instances", path)
    return ScoreFile(frame=frame, layout=layout, origin=str(path))


def layout_of(names: list[str], path: Path) -> Layout:
    """Return the layout of a table with these columns; raise TableError when it is none, naming what is absent."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(
            f"{path}: column {twice[0]!r} occurs twice in the header; every column needs its own name."
        )
    if set(INSTRUCTIONEVAL) <= set(names):
        return "instructioneval"
    absent = [name for name in ("model", "task", "phrasing_id", "score") if name not in names]
    if absent:
        hint = (
            " A column per phrasing or model has to become rows first, for instance with pandas.melt."
            if "score" in absent
            else ""
        )
        raise TableError(
            f"{path}: column {', '.join(absent)} is not there; columns: {', '.join(names)}. Accepted: model, task, phrasing_id, score, with "
            f"instance_id (per instance) or without (aggregated), or the layout {', '.join(INSTRUCTIONEVAL)}.{hint}"
        )
    return "cells" if "instance_id" in names else "aggregated"


def _truths(column: pd.Series) -> pd.Series:
    """Return scores with true and false as 1 and 0 where the column holds nothing else."""
    texts = column.astype(object).where(column.notna(), "").map(lambda text: str(text).strip())
    words = {"true": "1", "false": "0", "": ""}
    if set(texts.str.lower()) <= set(words):
        return texts.str.lower().map(words)
    return texts


def _mapped(column: pd.Series, rule: Any) -> pd.Series:
    """Apply a rule to the distinct texts of a column."""
    texts = column.astype(object).where(column.notna(), "")
    rules: Mapping[Any, str] = {text: rule(str(text)) for text in texts.unique()}
    return texts.map(rules).astype("category")


def percent_hint(text: str) -> str:
    """Return what to do about a score that is a percentage; empty when it is none."""
    return " Leave the % sign out and divide by 100." if text.strip().endswith("%") else ""


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    import pandas as pd

    texts = column.astype(object).where(column.notna(), "").map(lambda value: str(value).strip())
    numbers = pd.to_numeric(texts.where(texts != ""), errors="coerce").astype("float64")
    strange = (
        numbers.isna() & (texts != "") & ~texts.str.lower().isin(["nan", "na", "null", "none"])
    )
    if strange.any():
        first = int(strange.to_numpy().argmax())
        raise TableError(
            f"{path}: column {name} holds {int(strange.sum())} values that are no number, first {texts.iloc[first]!r} in row {first + 1}; "
            f"numbers are accepted, empty means missing.{percent_hint(texts.iloc[first])}"
        )
    return numbers


def _from_instructioneval(frame: pd.DataFrame, path: Path) -> ScoreFile:
    import pandas as pd

    text = {name: frame[name].astype(str).str.strip() for name in INSTRUCTIONEVAL}
    out = pd.DataFrame({"model": text["Model"]})
    shots = text["Shots"].where(text["Shots"] != "0", "")
    out["task"] = text["Dataset"] + shots.map(lambda k: f" ({k}-shot)" if k else "")
    out["phrasing_id"] = text["Collection"] + "/" + text["Type"] + "/" + text["ID"]
    out["phrasing_source"] = text["Collection"]
    unseen = (text["Type"] + " " + text["Collection"]).str.contains("unobserved", case=False)
    out["seen"] = unseen.map({True: "unseen", False: "seen"})
    out["score"] = _numbers(frame["Performance"], "Performance", path)
    out["score_text"] = text["Performance"]
    out["n_instances"] = text["Dataset"].map(PUBLISHED_SIZES).astype("float64")
    out["shots"], out["metric"] = text["Shots"], text["Metric"]
    kept = text["Include?"].str.lower() != "false"
    notes = [
        "layout instructioneval: a phrasing is Collection/Type/ID, seen unless Type or Collection says Unobserved"
    ]
    if not kept.all():
        notes.append(f"{path}: {int((~kept).sum())} rows with Include? False were left out")
    return ScoreFile(
        frame=out[kept].reset_index(drop=True),
        layout="instructioneval",
        origin=str(path),
        notes=tuple(notes),
    )
