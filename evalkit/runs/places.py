"""Where a run stands in a series: read from its label, its model's name, or a file."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from math import isfinite
from pathlib import Path

from evalkit.errors import UsageError

__all__ = ["gaps", "place_in", "read_places"]

_DAY = r"\d{4}-\d{2}-\d{2}|\d{8}"
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_STEP = ("step", "steps", "checkpoint", "ckpt", "global_step", "iter", "iteration")
"""Words that stand before the number of a step."""


def place_in(name: str, x: str) -> float | None:
    """Return the number that a name holds for an axis; None where it holds none.

    The word may stand before the number or behind it; the last such number counts. A day is counted
    from year 1 on.

    >>> place_in("runs/sft/checkpoint-1500", "step"), place_in("tulu-300k_tokens", "tokens")
    (1500.0, 300000.0)
    >>> place_in("sweep/alpha-0.25", "alpha"), place_in("final", "step")
    (0.25, None)
    >>> place_in("nightly-20260301", "date") - place_in("nightly-2026-02-28", "date")
    1.0
    """
    if x == "date":
        days = re.findall(rf"(?<!\d)(?:{_DAY})(?!\d)", name)
        return _day(days[-1]) if days else None
    words = _STEP if x == "step" else (x, f"{x}s") if not x.endswith("s") else (x, x[:-1])
    word = "|".join(re.escape(one) for one in sorted(words, key=len, reverse=True))
    number = r"(\d+(?:\.\d+)?)([kmbt]?)"
    found = re.findall(rf"(?<![a-z])(?:{word})[-_=]?{number}(?![a-z\d])", name, re.IGNORECASE)
    found = found or re.findall(
        rf"(?<![\d.a-z]){number}[-_ ]?(?:{word})(?![a-z])", name, re.IGNORECASE
    )
    return float(found[-1][0]) * _UNITS[found[-1][1].lower()] if found else None


def _day(text: str) -> float | None:
    """Return a day counted from year 1 on; None for what is no day."""
    try:
        return float(date.fromisoformat(text).toordinal())
    except ValueError:
        return None


def read_places(path: Path) -> dict[str, float]:
    """Return name -> place of a CSV file with the columns ``run`` and ``x``: numbers, or days such
    as 2026-03-01.

    Raises
    ------
    UsageError
        When the file cannot be read so, with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--x-file {path}: cannot be read: {error}. Name a CSV file.") from error
    found: dict[str, float] = {}
    days = any(re.fullmatch(r"\d{4}-\d{2}-\d{2}", row.get("x") or "") for row in rows)
    for line, row in enumerate(rows, start=2):
        name, text = row.get("run"), row.get("x") or ""
        try:
            value = _day(text) if days else float(text)
        except ValueError:
            value = None
        if not name or value is None or not isfinite(value) or name in found:
            raise UsageError(
                f"--x-file {path}:{line}: {row!r} is not understood; a column run with every run "
                "once and a column x with a number, or in every line a day such as 2026-03-01, "
                "are accepted."
            )
        found[name] = value
    return found


def gaps(places: Mapping[str, float] | Sequence[float]) -> list[float]:
    """Return the places that seem to be missing from a regular series:
    multiples of its usual distance.

    >>> gaps([100.0, 200.0, 400.0, 500.0]), gaps([1, 2, 4, 8]), gaps([0, 0.5, 1])
    ([300.0], [], [])
    """
    xs = sorted(places.values() if isinstance(places, Mapping) else places)
    steps = [round(b - a, 9) for a, b in pairwise(xs)]
    usual, times = Counter(steps).most_common(1)[0] if steps else (0.0, 0)
    if usual <= 0 or times * 2 <= len(steps):
        return []
    found: list[float] = []
    for start, step in zip(xs, steps, strict=False):
        count = step / usual
        if count > 1 and abs(count - round(count)) < 1e-6:
            found += [round(start + i * usual, 9) for i in range(1, round(count))]
    return found
