"""What a prompt is put into: the forms of published collections, and a file of the user's.

A frame is sandboxed Jinja over three names. ``instruction`` is the phrasing's text, ``data`` the
worked instances and the instance with its choices, ``cue`` the line that invites the answer. A
phrasing that holds its own slots has no data of its own: all of it is instruction.

The words of the Alpaca and Vicuna forms are ours; what is theirs is the order of the parts and the
marks between them, which is what a model that was tuned on them has met.

References
----------
Taori and others, Stanford Alpaca, 2023 (marks ``### Instruction:``, ``### Input:``,
``### Response:``). Chiang and others, Vicuna, 2023 (``USER:``, ``ASSISTANT:``). Tay and others,
UL2, arXiv 2205.05131 (mode tokens ``[NLU]``, ``[NLG]``, ``[S2S]``).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from evalkit.errors import CatalogError
from evalkit.phrasings.templates import check, slots

__all__ = ["FRAMES", "FRAME_SLOTS", "RESERVED", "frame_problems"]

FRAME_SLOTS = frozenset({"instruction", "data", "cue"})
"""Names that a frame may use."""

RESERVED = ("[[task]]", "[[data]]", "[[reply]]")
"""Marks that only a frame may hold, where data are kept apart by marks (after StruQ)."""

_ALPACA = (
    "The instruction below describes a task{% if data %}, and the input gives what it is about"
    "{% endif %}. Write a response that does what is asked.\n\n"
    "### Instruction:\n{{ instruction }}\n\n"
    "{% if data %}### Input:\n{{ data }}\n\n{% endif %}"
    "### Response:\n{{ cue }}"
)
_VICUNA = (
    "A conversation between a user and an assistant who gives accurate answers.\n\n"
    "USER: {{ instruction }}{% if instruction and data %}\n\n{% endif %}{{ data }}\n"
    "ASSISTANT: {{ cue }}"
)


def _mode(token: str) -> str:
    """Return the frame that puts a mode token before everything else."""
    return (
        f"{token} "
        "{{ instruction }}{% if instruction and data %}\n\n{% endif %}{{ data }}\n{{ cue }}"
    )


FRAMES: Mapping[str, str] = MappingProxyType(
    {
        "alpaca": _ALPACA,
        "vicuna": _VICUNA,
        "nlu": _mode("[NLU]"),
        "nlg": _mode("[NLG]"),
        "s2s": _mode("[S2S]"),
    }
)
"""Name -> frame."""


def frame_problems(frame: str) -> list[str]:
    """Return what is wrong with a frame, one message per mistake;
    empty when it is fine or there is none.

    >>> frame_problems("Do this: {{ instruction }}")
    ['frame has no slot {{ data }}; instances would not be shown. Add it.']
    """
    if not frame:
        return []
    problems = check(frame)
    try:
        named = frozenset[str]() if problems else slots(frame)
    except CatalogError as error:
        return list(error.problems)
    if strange := sorted(named - FRAME_SLOTS):
        problems.append(
            f"frame has no slot {', '.join(strange)}; it fills {', '.join(sorted(FRAME_SLOTS))}. "
            "Correct it."
        )
    problems += [
        f"frame has no slot {{{{ {name} }}}}; {why}. Add it."
        for name, why in (
            ("instruction", "nothing would be asked"),
            ("data", "instances would not be shown"),
        )
        if not problems and name not in named
    ]
    return problems
