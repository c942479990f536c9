"""What is behind a gate decision, as lines of text."""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.gating.cause import Cause, Causes
from evalkit.report.text import signed

__all__ = ["cause_lines"]


def cause_lines(found: Causes) -> list[str]:
    """Return the paragraph that names the cause; names in it are untrusted text.

    Parameters
    ----------
    found
        Signals of `evalkit.gating.cause.causes`.
    """
    fell = "fell" if found.change < 0 else "rose"
    lines = [
        (
            f"The mean {fell} by {abs(100 * found.change):.1f} points: {found.lost:,} cells lost, "
            f"{found.gained:,} gained."
        )
    ]
    if abs(found.change) >= 0.0005:
        ways = "; ".join(_listed(parts) for parts in found.parts.values() if len(parts) > 1)
        lines += [f"Made of: {ways}."] if ways else []
    for how, head in ((True, "What the answers do"), (False, "Where it lies")):
        named = [one for one in found.named if one.how is how]
        lines += [f"{head}: {_said(one)}." for one in named]
    if not found.named:
        lines.append("No single cause stands out beyond chance.")
    if found.follows == found.follows:
        lines.append(
            f"Of the lost cells {found.follows:.0%} are right in at least half of the other "
            f"wordings (the wording is no longer followed), {found.knows:.0%} in hardly any (the "
            "answer is no longer known)."
        )
    if not found.answers:
        lines.append(
            "The answers themselves were not looked at (not stored beside both runs, "
            "or too many): refusals, places and phrases were not told apart."
        )
    return lines


def _listed(parts: Mapping[str, float]) -> str:
    """Return parts that add up, in points, largest first."""
    ordered = sorted(parts, key=lambda name: -abs(parts[name]))
    return ", ".join(f"{name} {signed(parts[name])}" for name in ordered)


def _said(one: Cause) -> str:
    p = f"p {one.p:.1g}" if one.p >= 1e-12 else "p below 1e-12"
    return f"{one.words}, {signed(one.size)} points ({p})"
