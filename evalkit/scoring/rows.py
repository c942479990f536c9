"""Validation of score rows: any data frame in, the columns of a score table out, sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from evalkit.errors import TableError

__all__ = [
    "COLUMNS",
    "EXTRA_NUMBERS",
    "FORMS",
    "KEY",
    "LATER",
    "NUMBERS",
    "PHRASING_COLUMNS",
    "STATES",
    "STATUSES",
    "TRAITS",
    "normalised",
]

Floats: TypeAlias = npt.NDArray[np.float64]

STATUSES = ("ok", "unparsed", "truncated", "missing", "not_asked")
"""Names behind the codes of `Block.status`."""
STATES = ("right", "partial", "wrong", "refused", "cut", "unusable", "missing", "not_asked")
"""Names behind the codes of `Block.state`: what an answer is, as `evalkit.scoring.states` says."""
FORMS = ("whole", "line", "other")
"""Names behind the codes of `Block.form`: how much of a text is in the form asked for."""
KEY = ("model", "task", "phrasing_id", "instance_id")
"""Columns that name a cell; rows are sorted by them."""
SEEN = ("seen", "unseen", "unknown")
TEXT_DEFAULTS = {
    "phrasing_source": "",
    "seen": "unknown",
    "layout": "",
    "label_space": "",
    "perturbation": "",
    "target": "",
    "kind": "correct",
    "position": "",
    "wrapper": "",
    "stratum": "",
    "meaning": "",
    "of": "",
    "language": "",
}
LATER = ("position", "wrapper", "stratum", "meaning", "of", "language")
"""Columns that version 0.1.0 did not write: empty in a table, they say nothing."""
NUMBERS = ("score", "probability", "target_probability")
EXTRA_NUMBERS = ("judged",)
"""Columns of fractions that a table may have besides `COLUMNS`: what a judge says of an answer."""
COLUMNS = (
    *(
        "model",
        "benchmark",
        "task",
        "phrasing_id",
        "phrasing_source",
        "seen",
        "layout",
        "label_space",
        "perturbation",
    ),
    *(
        "instance_id",
        "score",
        "status",
        "prediction",
        "target",
        "kind",
        "probability",
        "target_probability",
        "state",
        "form",
    ),
    *("position", "wrapper", "stratum", "meaning", "of", "language"),
)
"""Columns of every score table, in file order; factor columns follow."""
PHRASING_COLUMNS = (
    "benchmark",
    "phrasing_source",
    "seen",
    "layout",
    "label_space",
    "perturbation",
    "kind",
)
TRAITS = ("layout", "label_space", "position", "wrapper", "stratum", "meaning", "of", "language")
"""Columns of `Block.traits`: what is known of a phrasing beside its words."""


def normalised(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Return the rows of a valid score table.

    `COLUMNS`, then extras, text as categories, sorted by `KEY`.

    Parameters
    ----------
    frame
        As for `evalkit.scoring.ScoreTable.from_frame`.
    origin
        Name for messages.

    Raises
    ------
    TableError
        As documented there.
    """
    return _sorted(_columns(frame, origin), origin)


def _columns(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    absent = [name for name in (*KEY, "score") if name not in frame]
    if absent:
        raise TableError(
            f"{origin}: column {', '.join(absent)} is not there; columns: "
            f"{', '.join(map(str, frame.columns))}. "
            f"A per-instance table needs {', '.join(KEY)}, score."
        )
    if len(frame) == 0:
        raise TableError(f"{origin}: the table has no rows; at least one cell is needed.")
    out: dict[str, Any] = {}
    for name in KEY:
        out[name] = _text(frame[name], name, origin, required=True)
    out["benchmark"] = (
        _text(frame["benchmark"], "benchmark", origin)
        if "benchmark" in frame
        else _benchmark(out["task"])
    )
    for name, default in TEXT_DEFAULTS.items():
        out[name] = (
            _text(frame[name], name, origin, default=default)
            if name in frame
            else _constant(default, len(frame))
        )
    _check_values(out["seen"], "seen", allowed=SEEN, origin=origin)
    out["prediction"] = (
        _text(frame["prediction"], "prediction", origin, default=None)
        if "prediction" in frame
        else _constant(None, len(frame))
    )
    for name in NUMBERS:
        out[name] = (
            _fractions(frame[name], name, origin) if name in frame else np.full(len(frame), np.nan)
        )
    out["status"] = _status(frame, out["score"], origin)
    out["form"] = (
        _text(frame["form"].mask(frame["form"] == ""), "form", origin, default=None)
        if "form" in frame
        else _constant(None, len(frame))
    )
    _check_values(out["form"], "form", allowed=FORMS, origin=origin)
    out["state"] = _state(frame, out["score"], out["status"], origin)
    extras = [str(name) for name in frame.columns if name not in COLUMNS]
    for name in extras:
        if name in EXTRA_NUMBERS:
            out[name] = _fractions(frame[name], name, origin)
        else:
            out[name] = (
                frame[name].to_numpy() if name == "repeat" else _text(frame[name], name, origin)
            )
    return pd.DataFrame({name: out[name] for name in [*COLUMNS, *extras]})


def _text(
    column: pd.Series, name: str, origin: str, *, default: str | None = "", required: bool = False
) -> pd.Categorical:
    """Codes into sorted names. Numbers become their shortest spelling.

    Empty ones `default` (None: no value).
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, uniques = column.cat.codes.to_numpy().astype(np.int64), [*column.cat.categories]
    else:
        codes, found = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=True)
        codes, uniques = codes.astype(np.int64), list(found)
    names = [_spelling(value) for value in uniques]
    empty = (codes < 0) | np.isin(
        codes, [k for k, text in enumerate(names) if required and not text.strip()]
    )
    if required and empty.any():
        raise TableError(
            f"{origin}: column {name} is empty in {int(empty.sum())} rows, "
            f"first in row {int(np.argmax(empty)) + 1}; every cell needs one."
        )
    if default is not None and empty.any():
        codes = np.where(empty, len(names), codes)
        names.append(default)
    used = np.unique(codes[codes >= 0])
    order = sorted({names[k] for k in used})
    place = {text: k for k, text in enumerate(order)}
    lookup = np.full(len(names) + 1, -1, dtype=np.int64)
    lookup[used] = [place[names[k]] for k in used]
    return pd.Categorical.from_codes(
        cast(Any, lookup[codes]), categories=pd.Index(order, dtype=object)
    )


def _spelling(value: Any) -> str:
    text = (
        str(int(value))
        if isinstance(value, float | np.floating) and float(value).is_integer()
        else str(value)
    )
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode(
        "utf-8"
    )  # a lone surrogate cannot be stored as text


def _constant(value: str | None, n: int) -> pd.Categorical:
    codes = np.full(n, -1 if value is None else 0, dtype=np.int8)
    return pd.Categorical.from_codes(
        cast(Any, codes), categories=pd.Index([] if value is None else [value], dtype=object)
    )


def _benchmark(task: pd.Categorical) -> pd.Categorical:
    names = [name.partition("/")[0] if "/" in name else "" for name in task.categories]
    order = sorted(set(names))
    lookup = np.array([order.index(name) for name in names])
    return pd.Categorical.from_codes(
        cast(Any, lookup[task.codes]), categories=pd.Index(order, dtype=object)
    )


def _check_values(
    column: pd.Categorical, name: str, *, allowed: Sequence[str], origin: str
) -> None:
    strange = [text for text in column.categories if text not in allowed]
    if strange:
        raise TableError(
            f"{origin}: column {name} holds {strange[0]!r}; accepted: {', '.join(allowed)}."
        )


def _fractions(column: pd.Series, name: str, origin: str) -> Floats:
    """Numbers in [0, 1] with NaN for missing; rounding dust of 1e-9 is clipped."""
    try:
        numbers: Floats = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        strange = np.asarray(pd.to_numeric(column, errors="coerce").isna() & column.notna())
        first = int(np.argmax(strange))
        raise TableError(
            f"{origin}: column {name} holds {int(strange.sum())} values that are no number, "
            f"first {column.iloc[first]!r} in row {first + 1}; numbers from 0 to 1 are accepted, "
            "empty means missing."
        ) from None
    with np.errstate(invalid="ignore"):
        bad = (numbers < -1e-9) | (numbers > 1 + 1e-9)
    if bad.any():
        first = int(np.argmax(bad))
        hint = " Divide percentages by 100." if 1 < numbers[first] <= 100 else ""
        raise TableError(
            f"{origin}: column {name}: {int(bad.sum())} of {len(numbers)} values lie outside [0, "
            f"1], first {numbers[first]:g} in row {first + 1}; scores are fractions.{hint}"
        )
    return cast(Floats, np.clip(numbers, 0.0, 1.0))


def _status(frame: pd.DataFrame, score: Floats, origin: str) -> pd.Categorical:
    """Status of every row, checked against its score.

    Derived from it when the column is absent or empty.
    """
    missing = np.isnan(score)
    codes = np.where(missing, STATUSES.index("missing"), 0)
    if "status" in frame:
        given = _text(frame["status"], "status", origin, default="")
        _check_values(given, "status", allowed=(*STATUSES, ""), origin=origin)
        lookup = np.array([STATUSES.index(text) if text else -1 for text in given.categories])
        stated = lookup[given.codes]
        codes = np.where(stated >= 0, stated, codes)
    scoreless = np.isin(codes, [STATUSES.index("missing"), STATUSES.index("not_asked")])
    for wrong, what in (
        (
            scoreless & ~missing,
            "status missing or not_asked but a score; such a cell has none, not 0",
        ),
        (
            ~scoreless & missing,
            "no score but a status other than missing or not_asked; only such cells have none",
        ),
        (
            (codes == STATUSES.index("unparsed")) & (score > 0),
            "status unparsed but a score above 0; an unusable answer scores 0",
        ),
    ):
        if wrong.any():
            raise TableError(
                f"{origin}: {int(wrong.sum())} rows have {what}. "
                f"First in row {int(np.argmax(wrong)) + 1}."
            )
    return pd.Categorical.from_codes(cast(Any, codes), categories=pd.Index(STATUSES, dtype=object))


def _state(
    frame: pd.DataFrame, score: Floats, status: pd.Categorical, origin: str
) -> pd.Categorical:
    """What every answer is; from status and score where the column is absent or empty."""
    place = {name: code for code, name in enumerate(STATES)}
    of_status = {"ok": "wrong", "unparsed": "unusable", "truncated": "wrong"}
    codes = np.array([place[of_status.get(name, name)] for name in STATUSES])[status.codes]
    codes = np.where((codes == place["wrong"]) & (score > 0), place["partial"], codes)
    codes = np.where((codes == place["partial"]) & (score >= 1 - 1e-9), place["right"], codes)
    if "state" in frame:
        given = _text(frame["state"], "state", origin, default="")
        _check_values(given, "state", allowed=(*STATES, ""), origin=origin)
        lookup = np.array([place.get(text, -1) for text in given.categories])
        stated = lookup[given.codes]
        codes = np.where(stated >= 0, stated, codes)
    empty = np.isin(codes, [place["missing"], place["not_asked"]])
    wrong = empty != np.isnan(score)
    if wrong.any():
        raise TableError(
            f"{origin}: {int(wrong.sum())} rows have a score and state missing, "
            f"or none and another state. First in row {int(np.argmax(wrong)) + 1}."
        )
    return pd.Categorical.from_codes(cast(Any, codes), categories=pd.Index(STATES, dtype=object))


def _sorted(frame: pd.DataFrame, origin: str) -> pd.DataFrame:
    """Rows by key (and repeat), after refusing duplicate cells and phrasings with contradicting
    columns.
    """
    keys = [frame[name].cat.codes.to_numpy() for name in KEY]
    if "repeat" in frame:
        keys.append(pd.factorize(frame["repeat"].to_numpy(), sort=True)[0])
    order = np.lexsort(keys[::-1])
    if not np.array_equal(order, np.arange(len(order))):
        frame = frame.iloc[order].reset_index(drop=True)
        keys = [key[order] for key in keys]
    same = np.ones(max(len(frame) - 1, 0), dtype=bool)
    for number, key in enumerate(keys):
        same &= key[1:] == key[:-1]
        if number == 2 and same.any():
            _check_phrasings(frame, same, origin)
    if same.any():
        row = frame.iloc[int(np.argmax(same))]
        raise TableError(
            f"{origin}: {int(same.sum())} cells occur twice, first "
            f"{', '.join(f'{name} {row[name]!r}' for name in KEY)}; one row per cell is accepted. "
            "Add a column 'repeat' when they are repeats."
        )
    return frame


def _check_phrasings(frame: pd.DataFrame, same: npt.NDArray[np.bool_], origin: str) -> None:
    for name in PHRASING_COLUMNS:
        codes = frame[name].cat.codes.to_numpy()
        differs = same & (codes[1:] != codes[:-1])
        if differs.any():
            at = int(np.argmax(differs))
            one, other = frame.iloc[at], frame.iloc[at + 1]
            raise TableError(
                f"{origin}: model {one['model']!r}, task {one['task']!r}, "
                f"phrasing {one['phrasing_id']!r} has {name} {one[name]!r} and {other[name]!r}; "
                f"a phrasing has one {name} per model and task."
            )
