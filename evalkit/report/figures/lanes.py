"""Marks beside each other: seen wordings above a line, the others below it, none on top of
another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["mirrored", "stacked"]


def stacked(values: Sequence[float], *, apart: float) -> list[int]:
    """Return the lane of every value, lowest first, so that two in one lane are `apart` or more.

    Parameters
    ----------
    values
        Places along the axis; NaN has lane 0 and takes no room.
    apart
        Width of a mark, in the unit of the values.

    Examples
    --------
    >>> stacked([0.5, 0.1, 0.51, 0.5], apart=0.05)
    [0, 0, 2, 1]
    """
    lanes = [0] * len(values)
    ends: list[float] = []
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    for place in sorted(known, key=lambda one: (values[one], one)):
        lane = next((n for n, end in enumerate(ends) if values[place] >= end - 1e-12), len(ends))
        if lane == len(ends):
            ends.append(0.0)
        ends[lane] = values[place] + apart
        lanes[place] = lane
    return lanes


def mirrored(values: Sequence[float], seen: Sequence[str], *, apart: float) -> list[int]:
    """Return how many lanes above (positive) or below (negative) the line every mark lies.

    Unseen wordings lie below, all others above; the first lane is 1 or -1.

    Examples
    --------
    >>> mirrored([0.5, 0.5, 0.5], ["seen", "unseen", "unknown"], apart=0.1)
    [1, -1, 2]
    """
    found = [0] * len(values)
    for sign in (1, -1):
        mine = [n for n, arm in enumerate(seen) if (arm == "unseen") == (sign < 0)]
        lanes = stacked([values[n] for n in mine], apart=apart)
        for n, lane in zip(mine, lanes, strict=True):
            found[n] = sign * (lane + 1)
    return found
