"""How far rounding may move a log-probability, and which decisions it could turn. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

__all__ = ["FLOOR", "NOISE", "TIMES", "could_turn", "noise"]

NOISE = {"float32": 1e-4, "float16": 0.06, "bfloat16": 0.25}
"""Largest difference that two ways of computing a short continuation's log-probability may show,
nats, per precision of weights."""
FLOOR = {dtype: limit / 10 for dtype, limit in NOISE.items()}
"""Error of a fast path, nats, that is always allowed: the plain path may be exact by luck."""
TIMES = 4.0
"""How many times the plain path's own error a fast path may show."""
_SHORT = 16


def noise(dtype: str, tokens: int, measured: float | None = None) -> float:
    """Return the largest difference of a log-probability that two ways of computing it may show,
    nats.

    What was measured on the model, else 1e-4 in float32, 0.06 in float16 and 0.25 in bfloat16; for
    continuations of up to 16 tokens, growing in proportion above: rounding errors of a sum grow
    with its terms.

    Examples
    --------
    >>> noise("float32", 7), noise("float32", 32)
    (0.0001, 0.0002)
    """
    base = NOISE[dtype] if measured is None else measured
    return base * max(1.0, tokens / _SHORT)


def could_turn(choices: Iterable[tuple[Hashable, float]], limit: float) -> bool:
    """Return whether the two best of different choices lie closer together than `limit`.

    Parameters
    ----------
    choices
        What tells choices apart, such as their text or tokens, and the value they are compared by.
        Equal ones count once.
    limit
        Smallest difference that is no accident of rounding.

    Examples
    --------
    >>> (
    ...     could_turn([("yes", -1.00000), ("no", -1.00005)], 1e-4),
    ...     could_turn([("yes", -1.0), ("yes", -1.0), ("no", -2.0)], 1e-4),
    ... )
    (True, False)
    """
    best = sorted(dict(choices).values(), reverse=True)[:2]
    return len(best) == 2 and best[0] - best[1] < limit
