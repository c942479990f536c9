"""Which of a run's own prompts a proof is made on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from evalkit.backends.hf.layout import Work

__all__ = ["LONGEST_SAMPLE", "samples_of", "treats_by_length"]

LONGEST_SAMPLE = 1024
"""Most tokens of a prompt that is taken."""


def samples_of(works: Sequence[Work], *, longest: bool = False) -> list[Work]:
    """Return a few prompts of different lengths, two continuations each.

    The shortest, a middle one and one between them; on request the longest too.
    """
    fitting = sorted(
        (w for w in works if len(w.context) <= LONGEST_SAMPLE),
        key=lambda w: (len(w.context), w.context),
    )
    if not fitting:
        fitting = [min(works, key=lambda w: len(w.context))]
    last = len(fitting) - 1
    places = [0, last // 4, last // 2, *([last] if longest else [])]
    return [_two(fitting[place]) for place in dict.fromkeys(places)]


def treats_by_length(config: Any) -> bool:
    """Whether a model may treat long prompts otherwise than short ones,
    so that the proof needs a long one: windows, scaled positions.
    """
    text = config.get_text_config()
    rope = getattr(text, "rope_parameters", None) or getattr(text, "rope_scaling", None) or {}
    scaled = rope.get("rope_type", rope.get("type", "default")) != "default" or any(
        isinstance(value, dict) for value in rope.values()
    )
    return bool(getattr(text, "sliding_window", None)) or scaled


def _two(work: Work) -> Work:
    """The prompt with its longest and its first continuation.

    Without any, its last tokens stand for one.
    """
    if not work.tails:
        cut = max(1, len(work.context) - 3)
        return replace(
            work, context=work.context[:cut], tails=(work.context[cut:] or work.context[:1],)
        )
    longest = max(work.tails, key=len)
    return replace(work, tails=tuple(dict.fromkeys((longest[:16], work.tails[0][:16]))))
