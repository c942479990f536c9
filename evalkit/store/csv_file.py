r"""CSV that every reader splits where we did, and no spreadsheet runs.

Python's own writer (before 3.13) leaves a bare carriage return unquoted, so that a row breaks in
two and its second half may begin with a formula.

Not handled here: writing the file (`evalkit.store.atomic`).
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["csv_of", "guarded", "unguarded"]

_FORMULA = frozenset("=+-@＝＋－＠")
"""First characters that make a spreadsheet take text for a formula, also in full width."""
_SEPARATES = re.compile('[",\r\n\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]')
"""Characters that end a cell or, for some reader, a row."""


def guarded(text: str) -> str:
    """Return text that no spreadsheet takes for a formula.

    An apostrophe goes before a dangerous first character, also behind blanks, quotes and characters
    that do not show, and before an apostrophe, so that it can be taken off again.

    Examples
    --------
    >>> guarded("=1+1"), guarded("mmlu"), guarded("'quoted'")
    ("'=1+1", 'mmlu', "''quoted'")
    """
    if not text or text[0].isalnum():
        return text
    shown = next((char for char in text if not _invisible(char)), "")
    return f"'{text}" if text[0] in "'\t\r\n" or shown in _FORMULA else text


def _invisible(char: str) -> bool:
    """Whether a spreadsheet may skip a character at the beginning:
    blanks, quotes, control and format characters.
    """
    return char in " \"'" or unicodedata.category(char)[0] in "CZ"


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if text.startswith("'") else text


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    r"""Return a table as CSV: numbers at full precision, what is undefined empty, lists as JSON.

    Parameters
    ----------
    columns
        Headings.
    rows
        One value per column.

    Examples
    --------
    >>> csv_of(["id", "score"], [["a\r=b", 0.5], ["=c", float("nan")]])
    'id,score\n"a\r=b",0.5\n\'=c,\n'
    """
    lines = [",".join(map(_quoted, columns))]
    lines += [",".join([_quoted(_spelled(value)) for value in row]) for row in rows]
    return "".join(f"{line}\n" for line in lines)


def _spelled(value: Any) -> str:
    if isinstance(value, str):
        return guarded(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(float(value))
    return json.dumps(value) if isinstance(value, list) else str(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SEPARATES.search(cell) else cell
