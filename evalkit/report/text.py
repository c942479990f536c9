"""Untrusted text made safe to look at, and numbers as they are shown.

Fractions in, percentage points out.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from evalkit.records import Estimate

__all__ = [
    "asked_of",
    "bracket",
    "carried",
    "estimate_text",
    "finite",
    "finite_json",
    "grouped",
    "markdown_cell",
    "number",
    "p_shown",
    "points",
    "proven",
    "says_something",
    "script_json",
    "share",
    "signed",
    "starred",
    "state_counts",
    "visible",
    "with_interval",
]

FEW_IN_ARM = 3
"""Most phrasings of an arm that are said to carry a gap."""
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def visible(text: Any) -> str:
    r"""Return text with every control, direction and other hidden character spelled out.

    Line breaks and tabs stay.

    Joiners (U+200C, U+200D) stay too: scripts and emoji need them.

    Examples
    --------
    >>> visible("a\u202eb\r\nc\x00")
    'a⟨U+202E⟩b\nc⟨U+0000⟩'
    """
    return _HIDDEN.sub(
        lambda found: f"⟨U+{ord(found.group()):04X}⟩", str(text).replace("\r\n", "\n")
    )


def script_json(value: Any) -> str:
    r"""Return JSON that is safe inside a script element.

    Nothing in it can end the element or a line of script.

    Examples
    --------
    >>> script_json({"a": "</script>"})
    '{"a":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def finite_json(value: Any) -> Any:
    """Return a value as JSON can hold it: what is no finite number is None.

    >>> finite_json({"a": (1.5, float("nan"))})
    {'a': [1.5, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_json(item) for item in value]
    return value


def finite(value: float | None, *, digits: int = 4) -> float | None:
    """Return a rounded number for JSON; None where it does not exist."""
    return None if value is None or value != value else round(float(value), digits)


def number(
    value: float | None, *, digits: int = 1, scale: float = 100.0, sign: bool = False
) -> str:
    """Return a fraction in percentage points; a dash where it does not exist.

    >>> number(0.4567), number(None), number(0.5, sign=True), number(-0.2), number(-0.00001)
    ('45.7', '-', '+50.0', '−20.0', '0.0')
    """
    if value is None or value != value:
        return "-"
    text = f"{value * scale:{'+' if sign else ''}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def points(value: float | None, *, digits: int = 1) -> str:
    """Return a fraction in percentage points; a long dash where it does not exist.

    Examples
    --------
    >>> points(0.4567), points(None), points(-0.00001)
    ('45.7', '–', '0.0')
    """
    return "–" if value is None or value != value else number(value, digits=digits)


def signed(value: float | None, *, digits: int = 1) -> str:
    """Return a difference in percentage points with its sign.

    Examples
    --------
    >>> signed(0.031), signed(-0.2), signed(0.0)
    ('+3.1', '−20.0', '0.0')
    """
    return "–" if value is None or value != value else number(value, digits=digits, sign=True)


def share(value: float | None) -> str:
    """Return a share in per cent.

    Something that is neither nothing nor all never shows as 0% or 100%.

    Examples
    --------
    >>> share(0.25), share(0.0), share(0.0101), share(0.0001), share(0.9999)
    ('25%', '0%', '1.0%', '<0.1%', '>99%')
    """
    if value is None or value != value:
        return "–"
    if 0 < value < 0.001:
        return "<0.1%"
    if 0.99 < value < 1:
        return ">99%"
    return f"{value:.1%}" if 0 < value < 0.1 else f"{value:.0%}"


def state_counts(states: Mapping[str, int]) -> str:
    """Return how many answers are in which state, right ones first.

    >>> state_counts({"cut": 2, "right": 1})
    '1 right, 2 cut'
    """
    order = ("right", "partial", "wrong", "refused", "cut", "unusable")
    return ", ".join(f"{states[name]:,} {name}" for name in order if states.get(name))


def bracket(low: float, high: float) -> str:
    """Return an interval in percentage points, or nothing where there is none.

    Examples
    --------
    >>> bracket(0.1, 0.25)
    '[10.0, 25.0]'
    """
    return "" if low != low or high != high else f"[{points(low)}, {points(high)}]"


def p_shown(p: float) -> str:
    """Return a p value for a table; empty where there is none.

    >>> p_shown(0.04321), p_shown(0.0001), p_shown(float("nan"))
    ('0.043', '<0.001', '')
    """
    return "" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def estimate_text(row: Estimate | None, asked: str = "") -> str:
    """Return ``estimate [low, high]`` in percentage points, or a p-value as it is;
    a dash where it does not exist.

    A star where the interval answers another question than the one asked, when that is given.
    """
    if row is None:
        return "–"
    if row.metric == "p_of_delta":
        return "–" if math.isnan(row.value) else p_shown(row.value)
    found = bracket(row.low, row.high)
    star = "*" if found and asked and row.question not in {"", asked} else ""
    return f"{points(row.value)} {found}{star}".strip()


def markdown_cell(text: Any) -> str:
    r"""Return untrusted text for one cell or line of Markdown: no markup, no HTML, no line break.

    Examples
    --------
    >>> markdown_cell("a|b\n<i>*c*")
    'a\\|b &lt;i&gt;\\*c\\*'
    """
    line = " ".join(visible(text).split())
    for char, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(char, safe)
    return re.sub(r"([\\`*_\[\]|~#!$])", r"\\\1", line)


def asked_of(rows: Iterable[Estimate]) -> str:
    """Return the words of the question that the mean of a table answers;
    empty without an interval.
    """
    return next((row.question for row in rows if row.metric == "mean" and row.question), "")


def with_interval(row: Estimate | None, question: str) -> str:
    """Return a value in percentage points with its interval;
    a star where that answers another question.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "b", "task": "t"}
    >>> row = Estimate(**of, metric="mean", value=0.5, low=0.4, high=0.6, question="q")
    >>> with_interval(row, "q"), with_interval(row, "another"), with_interval(None, "q")
    ('50.0 [40.0, 60.0]', '50.0 [40.0, 60.0]*', '-')
    >>> with_interval(Estimate(**of, metric="gap", value=-0.2, low=-0.3, high=0.0001), "")
    '−20.0 [−30.0, 0.0]'
    """
    if row is None or row.value != row.value:
        return "-"
    if row.low != row.low:
        return number(row.value)
    star = "" if not row.question or row.question == question else "*"
    return f"{number(row.value)} {bracket(row.low, row.high)}{star}"


def says_something(row: Estimate) -> bool:
    """Return whether a statistic is of this many phrasings: one has no spread,
    and its worst is its mean.

    Examples
    --------
    >>> row = Estimate(
    ...     model="m", benchmark="b", task="t", metric="spread", value=0.0, n_phrasings=1
    ... )
    >>> says_something(row)
    False
    """
    return row.n_phrasings != 1 or row.metric not in _of_several()


def _of_several() -> set[str]:
    """Statistics that compare phrasings."""
    from evalkit.stats import FROM_MEANS

    return {*FROM_MEANS, "worst_instance", "best_instance", "std_excess"} - {"mean"}


def starred(rows: Iterable[Estimate], question: str, *, named: bool = True) -> list[str]:
    """Return what the stars of `with_interval` mean, a line per question.

    The statistics are named, but where one question is all there is and rows go by other words.

    Examples
    --------
    >>> of = {"model": "m", "benchmark": "b", "task": "t"}
    >>> row = Estimate(**of, metric="std", value=0.5, low=0.4, high=0.6, question="q")
    >>> starred([row], "another")
    ['* std: interval for q']
    """
    others: dict[str, dict[str, None]] = {}
    for row in rows:
        if row.low == row.low and row.question and row.question != question:
            others.setdefault(row.question, {})[row.metric] = None
    if len(others) == 1 and not named:
        return [f"* interval for {words}" for words in others]
    return [f"* {', '.join(names)}: interval for {words}" for words, names in others.items()]


def grouped(rows: Iterable[Estimate]) -> list[str]:
    """Return what is said of instances in groups, a line per task;
    empty where they are not grouped.

    Examples
    --------
    >>> row = Estimate(
    ...     model="m", benchmark="b", task="t", metric="mean", value=0.5, n_instances=60, n_groups=6
    ... )
    >>> grouped([row])
    ['t: 60 instances in 6 groups, which are the independent units; fewer than 10 groups: intervals are too sure']
    """  # noqa: E501
    rows = list(rows)
    if not any(row.n_groups for row in rows):
        return []
    from evalkit.stats import FEW_GROUPS

    effects = {(row.model, row.task): row.value for row in rows if row.metric == "design_effect"}
    lines = []
    for row in rows:
        if row.metric != "mean" or row.task == "all" or not row.n_groups or row.group:
            continue
        effect = effects.get((row.model, row.task), float("nan"))
        lines.append(
            (
                f"{row.task}: {row.n_instances:,} instances in {row.n_groups:,} groups, "
                "which are the independent units"
            )
            + (f"; design effect {effect:.1f}" if effect == effect else "")
            + (
                f"; fewer than {FEW_GROUPS} groups: intervals are too sure"
                if row.n_groups < FEW_GROUPS
                else ""
            )
        )
    return list(dict.fromkeys(lines))


def carried(rows: Iterable[Estimate]) -> list[str]:
    """Return which gaps rest on an arm of three phrasings or fewer, one line in all.

    Examples
    --------
    >>> gap = Estimate(model="m", benchmark="b", task="t", metric="gap", value=0.1)
    >>> arm = Estimate(
    ...     model="m", benchmark="b", task="t", metric="unseen_mean", value=0.5, n_phrasings=2
    ... )
    >>> carried([gap, arm])
    ['Few phrasings carry a gap: 2 unseen phrasings that of t']
    """
    rows = [row for row in rows if row.task != "all" and not row.group]
    gaps = {(row.model, row.task) for row in rows if row.metric == "gap" and row.value == row.value}
    found: dict[str, list[str]] = {}
    for row in rows:
        arm = row.metric.removesuffix("_mean")
        few = arm in {"seen", "unseen"} and 0 < row.n_phrasings <= FEW_IN_ARM
        if few and row.metric != arm and (row.model, row.task) in gaps:
            words = f"{row.n_phrasings} {arm} phrasing{'' if row.n_phrasings == 1 else 's'}"
            found.setdefault(words, []).append(row.task)
    if not found:
        return []
    parts = []
    for words, tasks in found.items():
        own = list(dict.fromkeys(tasks))
        more = f" and {len(own) - 2} more tasks" if len(own) > 2 else ""
        parts.append(f"{words} that of {', '.join(own[:2])}{more}")
    return [f"Few phrasings carry a gap: {'; '.join(parts)}"]


def proven(rows: Iterable[Estimate]) -> list[str]:
    """Return what the worst phrasing proves of others, one line for tasks of few and of many
    phrasings.

    Examples
    --------
    >>> row = Estimate(
    ...     model="m", benchmark="b", task="t", metric="proven_share", value=0.74, n_phrasings=10
    ... )
    >>> proven([row])
    ['At least 74% of phrasings like these would score no lower than the worst of the 10 tried (95% confidence, on these instances, whatever the effects of wording)']
    """  # noqa: E501
    found = {
        (row.n_phrasings, int(100 * row.value + 1e-9)): row.level
        for row in rows
        if row.metric == "proven_share" and row.value == row.value and row.n_phrasings > 1
    }
    if not found:
        return []
    counts, shares, level = (
        [n for n, _ in found],
        [share for _, share in found],
        next(iter(found.values())),
    )
    share, tried = f"{min(shares)}%", f"{min(counts)}"
    if len(found) > 1:
        share = f"{min(shares)} to {max(shares)}% (by task)"
        tried = f"{min(counts)} to {max(counts)}"
    return [
        (
            f"At least {share} of phrasings like these would score no lower than the worst of the "
            f"{tried} tried ({level:.0%} confidence, on these instances, whatever the effects of "
            "wording)"
        )
    ]
