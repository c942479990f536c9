"""The same phrasing in another wrapper: what stands around the words, never the words.

References
----------
Y. Wang and others, "On the Loss of Context-awareness in General Instruction Fine-tuning", 2024:
what a chat template alone does. K. Wang and others, "RNR: Teaching Large Language Models to Follow
Roles and Rules", 2024: rules in the system message.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.phrasings.frames import FRAMES, frame_problems
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.phrasings.templates import MAX_TEXT
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KINDS", "WRAPPER", "wrapper"]

KINDS = ("plain", "role", "system", *FRAMES, "file")
"""What may stand around a phrasing; ``file``: a frame of the user's."""


def wrapper(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing in another wrapper, its words unchanged.

    Parameters
    ----------
    phrasing
        What is put into it.
    rng
        Not used: a wrapper leaves nothing to chance.
    options
        ``kind``: one of `KINDS`; ``file``: path of a frame, for kind ``file``.
    """
    del rng
    kind, file = options["kind"], options["file"]
    if (kind == "file") != bool(file):
        raise UsageError(
            f"perturbation wrapper: kind {kind!r} and file {file!r} do not go together; "
            "kind=file,file=PATH is accepted, or another kind without a file."
        )
    if kind == "system" and phrasing.position == "inline":
        return Impossible("it holds its own slots, so no part of it is a system message")
    if kind in ("plain", "role", "system"):
        made = replace(phrasing, frame="", wrapper="chat" if kind == "system" else kind)
    else:
        frame = FRAMES[kind] if kind in FRAMES else _read(file)
        made = replace(phrasing, frame=frame, wrapper="plain")
    if made == phrasing:
        return Impossible(f"its wrapper is {kind!r} as it is")
    return made


@lru_cache(maxsize=32)
def _read(file: str) -> str:
    """Return the frame that a file holds."""
    try:
        with Path(file).open(encoding="utf-8") as stream:
            text = stream.read(MAX_TEXT + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"perturbation wrapper: {file} cannot be read ({error}). Name a UTF-8 text file."
        ) from error
    if problems := frame_problems(text.rstrip("\n")):
        raise UsageError(f"perturbation wrapper: {file}: {' '.join(problems)}")
    return text.rstrip("\n")


WRAPPER = Perturbation(
    edit=wrapper,
    doc=(
        "The same words in another wrapper: a role line, a system message, "
        "the form of a collection, or a frame of yours."
    ),
    options={
        "kind": Option(default="alpaca", doc="What stands around.", accepted=KINDS),
        "file": Option(default="", doc="Frame of yours, for kind=file."),
    },
    keeps_words=True,
)
