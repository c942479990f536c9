"""Columns of score tables made elsewhere -> ours: which layout a table has,
and what its columns are called here.

Layouts
-------
cells
    ``model, task, phrasing_id, instance_id, score``, optionally ``seen, prediction, target,
    probability, repeat``.
aggregated
    The same without ``instance_id``; ``n_instances`` when known.
instructioneval
    The public tables of Sun et al. (2023), see `evalkit.catalog.instructioneval`.

A table of cells may lack ``score`` when it has ``prediction``: agreement of answers needs no more.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from evalkit.catalog import instructioneval
from evalkit.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

__all__ = [
    "NAMES",
    "NUMBERS",
    "Layout",
    "ScoreFile",
    "layout_of",
    "percent_hint",
    "refuse_columns",
    "score_file",
    "understood",
]

NUMBERS = ("score", "probability", "target_probability", "n_instances", "judged")
TRUTHS = {
    "true": "seen",
    "1": "seen",
    "yes": "seen",
    "false": "unseen",
    "0": "unseen",
    "no": "unseen",
    "": "unknown",
}
MAX_COLUMNS = 1000
"""Most columns of a table."""
_OTHER_NAMES = {
    "model": ("model_name", "model_id", "system", "engine"),
    "task": ("dataset", "benchmark", "subject", "task_name", "suite"),
    "phrasing_id": ("phrasing", "prompt", "prompt_id", "template", "instruction", "variant"),
    "instance_id": ("id", "instance", "doc_id", "sample_id", "question_id", "example_id", "index"),
    "score": ("acc", "accuracy", "correct", "is_correct", "exact_match", "value"),
}
"""Our columns -> what others call them."""
NAMES = ("model", "task", "phrasing_id", "instance_id")
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
    unfinished: tuple[str, ...] = ()
    """Which of its logs were not ended, and why; among `notes` too."""


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
    frame: pd.DataFrame, layout: Layout, path: Path, *, whole: bool = False
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
    whole
        For an audit: scores that are no numbers stay in ``score_text``, rows that contradict each
        other stay too.

    Raises
    ------
    TableError
        When it has no rows, or text where numbers belong.
    """
    import pandas as pd

    if frame.empty:
        raise TableError(f"{path}: the table has a header but no rows; at least one is needed.")
    notes: tuple[str, ...] = ()
    if layout == "instructioneval":
        frame, notes = instructioneval.renamed(frame)
    elif not whole:
        _refuse_lookalikes(frame, path)
    if "seen" in frame:
        frame["seen"] = _mapped(
            frame["seen"], lambda text: TRUTHS.get(text.strip().lower(), text.strip())
        )
    if "prediction" in frame and "" in frame["prediction"].cat.categories:
        frame["prediction"] = frame["prediction"].cat.remove_categories([""])
    if "score" not in frame:
        frame["score"] = float("nan")
        notes += ("the table has no scores: only the agreement of its predictions is given",)
    if layout == "aggregated":
        frame["score_text"] = frame["score"].astype(object)
        if "n_instances" in frame:
            frame["n_instances"] = _numbers(frame["n_instances"], "n_instances", path)
    if layout != "cells" or isinstance(frame["score"].dtype, pd.CategoricalDtype):
        texts = _texts(_truths(frame["score"]) if layout == "cells" else frame["score"])
        strange = _strange(texts)
        if strange.any() and (whole or layout == "instructioneval"):
            frame["score_text"] = texts
            odd = texts[strange]
            notes += (
                f"{len(odd)} scores are no numbers, first {odd.iloc[0]!r}, and count as missing",
            )
            texts = texts.where(~strange, "")
        frame["score"] = _numbers(texts, "score", path)
    if layout == "instructioneval" and not whole:
        frame, told = instructioneval.settled(frame)
        notes += told
    return ScoreFile(frame=frame, layout=layout, origin=str(path), notes=notes)


def _refuse_lookalikes(frame: pd.DataFrame, path: Path) -> None:
    """Refuse names that differ in blanks or unseen letters alone:
    one phrasing would count as two.
    """
    for column in (name for name in NAMES if hasattr(frame.get(name), "cat")):
        names = {str(name) for name in frame[column].cat.categories}
        for name in sorted(names):
            plain = name.isascii() and name.isprintable() and name == name.strip()
            if not plain and _plainly(name) != name and _plainly(name) in names:
                raise TableError(
                    f"{path}: column {column} holds {name!r} and {_plainly(name)!r}, which differ "
                    "only in what cannot be seen. Write both alike."
                )


def _plainly(name: str) -> str:
    """A name without blanks around it and letters that are not printed, in composed form."""
    shown = "".join(letter for letter in name if letter.isprintable() or letter.isspace())
    return unicodedata.normalize("NFC", shown.strip())


def refuse_columns(names: list[str], path: Path) -> None:
    """Raise TableError for too many columns, and for one that stands there twice."""
    if len(names) > MAX_COLUMNS:
        raise TableError(
            f"{path}: has {len(names)} columns; at most {MAX_COLUMNS} are accepted. A column per "
            "phrasing or instance has to become rows first, for instance with pandas.melt."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TableError(
            f"{path}: column {twice[0]!r} occurs twice in the header; every column needs its own "
            "name."
        )


def layout_of(names: list[str], path: Path) -> Layout:
    """Return the layout of a table with these columns;
    raise TableError when it is none, naming what is absent.
    """
    refuse_columns(names, path)
    if set(instructioneval.COLUMNS) <= set(names):
        return "instructioneval"
    answers = {"prediction", "instance_id"} <= set(names)
    needed = ("model", "task", "phrasing_id", *(() if answers else ("score",)))
    absent = [name for name in needed if name not in names]
    if absent:
        told = _other_names(absent, names)
        mapped = f" Say which column is which: {' '.join(told)}." if told else ""
        hint = (
            " A column per phrasing or model has to become rows first, "
            "for instance with pandas.melt."
            if "score" in absent and not told
            else ""
        )
        raise TableError(
            f"{path}: column {', '.join(absent)} is not there; columns: {', '.join(names)}. "
            "Accepted: model, task, phrasing_id, score, with instance_id (per instance; "
            "prediction can stand for score there) or without (aggregated), "
            f"or the layout {', '.join(instructioneval.COLUMNS)}.{mapped}{hint}"
        )
    return "cells" if "instance_id" in names else "aggregated"


def _other_names(absent: list[str], names: list[str]) -> list[str]:
    """Return the ``--map`` of a table that has wordings and scores under other names, if it has."""
    found = {name: name for name in _OTHER_NAMES if name in names}
    for ours, others in _OTHER_NAMES.items():
        like = (name for name in names if name.strip().lower() in (ours, *others))
        if ours not in found and (theirs := next(like, None)):
            found[ours] = theirs
    if not {"phrasing_id", "score"} <= {*found}:
        return []
    found = {**dict.fromkeys(absent, "'NAME'"), **found}
    pairs = [f"{ours}={theirs}" for ours, theirs in found.items() if ours != theirs]
    return [
        f'--map "{pair}"' if "'NAME'" in pair else f"--map {shlex.quote(pair)}" for pair in pairs
    ]


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
    """Return what to do about a score that is a percentage, or has a decimal comma."""
    if text.strip().endswith("%"):
        return " Leave the % sign out and divide by 100."
    return " Write a decimal point." if re.fullmatch(r"\s*-?\d*,\d+\s*", text) else ""


def _texts(column: pd.Series) -> pd.Series:
    return column.astype(object).where(column.notna(), "").map(lambda value: str(value).strip())


def _strange(column: pd.Series) -> pd.Series:
    """Return where a column holds something that is neither a number nor a word for missing."""
    import pandas as pd

    texts = _texts(column)
    absent = texts.str.lower().isin(["", "nan", "na", "null", "none"])
    return pd.to_numeric(texts.where(texts != ""), errors="coerce").isna() & ~absent


def _numbers(column: pd.Series, name: str, path: Path) -> pd.Series:
    import pandas as pd

    texts, strange = _texts(column), _strange(column)
    if strange.any():
        first = int(strange.to_numpy().argmax())
        raise TableError(
            f"{path}: column {name} holds {int(strange.sum())} values that are no number, "
            f"first {texts.iloc[first]!r} in row {first + 1}; numbers are accepted, "
            f"empty means missing.{percent_hint(texts.iloc[first])}"
        )
    return pd.to_numeric(texts.where(texts != ""), errors="coerce").astype("float64")
