"""A text of a model that thinks aloud -> its thoughts and its answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = [
    "before_answer",
    "cut_at",
    "has_marks",
    "joined_reasoning",
    "marks_in",
    "opened_by",
    "split_reasoning",
    "thinking",
]

_MARKERS: tuple[tuple[str, str], ...] = (
    (r"<think(?:ing)?>", r"</think(?:ing)?>"),
    (r"<thoughts?>", r"</thoughts?>"),
    (r"<reason(?:ing)?>", r"</reason(?:ing)?>"),
    (r"<seed:think>", r"</seed:think>"),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"◁think▷", r"◁/think▷"),
    (r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|channel>(?:thought)?", r"<channel\|>"),
    (r"<\|open\|>think<\|sep\|>", r"<\|close\|>think<\|sep\|>"),
    (r"(?!)", r"\[BEGIN FINAL RESPONSE\]"),
    (
        r"<\|channel\|>analysis<\|message\|>",
        r"<\|channel\|>final<\|message\|>|assistantfinal",
    ),
)
"""Opening and closing mark of each way in which models mark their thoughts; ``(?!)`` where they
open with plain words. Among them those of Cohere, Gemma 4, Kimi K3, Apriel and gpt-oss."""
_OPEN = re.compile("|".join(f"(?:{begin})" for begin, _ in _MARKERS), re.IGNORECASE)
_CLOSE = re.compile("|".join(f"(?:{end})" for _, end in _MARKERS), re.IGNORECASE)
_AROUND = re.compile(
    r"<\|(?:begin_of_solution|end_of_solution|return|end|start|START_RESPONSE|END_RESPONSE)\|>"
    r"|<\|(?:open|close)\|>response<\|sep\|>|\[END FINAL RESPONSE\]|^\s*◁?/?answer▷",
    re.IGNORECASE,
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


def thinking(text: str) -> bool:
    """Return whether a text ends inside thoughts, so that its answer has not begun.

    >>> thinking("<think>A or"), thinking("<think>A or</think>B"), thinking("B")
    (True, False, False)
    """
    if _FIRST.search(text) is None:
        return False
    begin = max((found.end() for found in _CLOSE.finditer(text)), default=0)
    return _OPEN.search(text, begin) is not None


def opened_by(prompt: str) -> str:
    r"""Return the mark that ends a prompt, so that what is written begins with thoughts;
    empty for none.

    >>> opened_by("<assistant>\n<think>\n"), opened_by("<assistant>\n")
    ('<think>', '')
    """
    for found in _OPEN.finditer(prompt):
        if not prompt[found.end() :].strip():
            return found[0]
    return ""


def before_answer(text: str) -> bool:
    """Return whether a text is nothing but marks that stand before an answer.

    >>> before_answer("<|START_RESPONSE|>"), before_answer("<|assistant|>"), before_answer(" ")
    (True, False, True)
    """
    return not _AROUND.sub("", _CLOSE.sub("", _OPEN.sub("", text))).strip()


def has_marks(template: str) -> bool:
    """Return whether a chat template speaks of thoughts.

    >>> has_marks("{% if thinking %}<think>{% endif %}"), has_marks("{{ messages[0].content }}")
    (True, False)
    """
    return bool(_OPEN.search(template) or _CLOSE.search(template))


def marks_in(tokens: Iterable[str]) -> frozenset[str]:
    """Return the tokens that are, or are part of, a mark around thoughts."""
    whole = re.compile(
        "|".join(f"(?:{mark})" for pair in _MARKERS for mark in pair)
        + r"|<\|channel\|?>|<\|message\|>|<\|start\|>|<\|(?:open|close|sep)\|>",
        re.IGNORECASE,
    )
    return frozenset(token for token in tokens if whole.fullmatch(token))


def cut_at(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    r"""Return a text whose answer ends before its first stop text, and whether there was one.

    Stop texts in thoughts end nothing.

    >>> cut_at("<think>one.\n\ntwo</think>B\n\nC", ("\n\n",))
    ('<think>one.\n\ntwo</think>\n\nB', True)
    """
    told, answer = split_reasoning(text)
    ends = [at for at in (answer.find(stop) for stop in stops if stop) if at >= 0]
    return (joined_reasoning(told, answer[: min(ends)]), True) if ends else (text, False)


def joined_reasoning(reasoning: str, answer: str) -> str:
    """Return thoughts and answer as one text that `split_reasoning` takes apart again."""
    return f"<think>{reasoning}</think>\n\n{answer}" if reasoning.strip() else answer
