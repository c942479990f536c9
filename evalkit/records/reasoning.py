"""A text of a model that thinks aloud -> its thoughts and its answer."""

from __future__ import annotations

import re

__all__ = ["joined_reasoning", "split_reasoning"]

_MARKERS: tuple[tuple[str, str], ...] = (
    (r"<think(?:ing)?>", r"</think(?:ing)?>"),
    (r"<thoughts?>", r"</thoughts?>"),
    (r"<reason(?:ing)?>", r"</reason(?:ing)?>"),
    (r"<seed:think>", r"</seed:think>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (
        r"<\|channel\|>analysis<\|message\|>",
        r"<\|channel\|>final<\|message\|>|assistantfinal",
    ),
)
"""Opening and closing mark of each way in which models mark their thoughts."""
_OPEN = re.compile("|".join(f"(?:{begin})" for begin, _ in _MARKERS), re.IGNORECASE)
_CLOSE = re.compile("|".join(f"(?:{end})" for _, end in _MARKERS), re.IGNORECASE)
_AROUND = re.compile(
    r"<\|(?:begin_of_solution|end_of_solution|return|end|start)\|>|^\s*◁?/?answer▷", re.IGNORECASE
)
_FIRST = re.compile(r"[<\[◁]|assistantfinal")


def split_reasoning(text: str) -> tuple[str, str]:
    r"""Return the thoughts of a text and the answer behind them.

    The answer begins behind the last closing mark; thoughts that open without end leave no answer.
    A closing mark without an opening one ends thoughts that the chat template opened.

    >>> split_reasoning("<think>A or B?</think>\n\nB")
    ('A or B?', 'B')
    >>> split_reasoning("Hm, B it is.</think>B"), split_reasoning("<think>Let me see")
    (('Hm, B it is.', 'B'), ('Let me see', ''))
    >>> split_reasoning("B, because 1 < 2")
    ('', 'B, because 1 < 2')
    """
    if _FIRST.search(text) is None:
        return "", text
    closings = list(_CLOSE.finditer(text))
    begin = closings[-1].end() if closings else 0
    opening = _OPEN.search(text, begin)
    if not closings and opening is None:
        return "", text
    # what stands before thoughts that never end is an answer only where thoughts ended before it
    end = len(text) if opening is None else opening.start()
    answer = text[begin:end] if closings else ""
    rest = "" if opening is None else text[opening.end() :]
    told = text[: closings[-1].start()] if closings else ""
    thoughts = "\n".join(part for part in (_OPEN.sub("", told).strip(), rest.strip()) if part)
    return _CLOSE.sub("", thoughts), _AROUND.sub("", answer).strip()


def joined_reasoning(reasoning: str, answer: str) -> str:
    """Return thoughts and answer as one text that `split_reasoning` takes apart again."""
    return f"<think>{reasoning}</think>\n\n{answer}" if reasoning.strip() else answer
