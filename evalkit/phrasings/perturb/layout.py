"""The look of a phrasing without its words: separators, casing, line breaks and enumerators.

Acts on descriptors (``Question:`` at the start of a line, and the cue) and on the fields `layout`
and `label_space`, so an effect of layout is never one of wording. Not handled: descriptors in the
middle of a line.

References
----------
Sclar, Choi, Tsvetkov, Suhr. Quantifying language models' sensitivity to spurious features in prompt
design (FormatSpread), ICLR 2024, section 3.1 and appendix A: the grammar of separators, casings and
item enumerations. Here enumerators are those that `evalkit.phrasings.prompts` can list, so that
answers are still scored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.records import LabelSpace, Layout, Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CASINGS", "KINDS", "LAYOUT", "SEPARATORS", "layout"]

KINDS = ("separator", "casing", "spacing", "enumerator")
SEPARATORS = (":", " :", "::", " -", " --", " ->", " =", " |", " >", " ~", ")", ".")
"""What may stand between a descriptor and its text; a space follows where text does."""
CASINGS: tuple[Callable[[str], str], ...] = (str.upper, str.lower, str.title, str.capitalize)
BREAKS = ("\n", "\n\n", " ", " | ", " ; ", " <sep> ")
"""What may stand between two fields."""
_DESCRIPTOR = re.compile(
    r"(?m)^([ \t]*)([^\W\d_][^\W_]*(?: [^\W_]+){0,2})([ \t]*:)(?=[ \t]*(?:$|\{\{|\n))"
)
_CUE = re.compile(r"([^\W\d_][^\W_]*(?: [^\W_]+){0,3})([ \t]*:)")
_NAMES_LABELS = re.compile(
    r"\b(?:letters?|numbers?|digits?|numerals?)\b|\([A-D1-4]\)|\b[A-D], ?[A-D]\b", re.IGNORECASE
)


def _redraw(
    phrasing: Phrasing, rewrite: Callable[[str, str], str], words: tuple[str, ...]
) -> Phrasing:
    """Return the phrasing with `rewrite` (descriptor, separator) applied to every descriptor and
    the cue.
    """
    kept = protected_spans(phrasing.text, words)

    def edit(match: re.Match[str]) -> str:
        if any(start < match.end() and match.start() < end for start, end in kept):
            return match.group()
        return match.group(1) + rewrite(match.group(2), match.group(3))

    cue = _CUE.fullmatch(phrasing.cue)
    return replace(
        phrasing,
        text=_DESCRIPTOR.sub(edit, phrasing.text),
        cue=rewrite(cue.group(1), cue.group(2)) if cue else phrasing.cue,
    )


def _separator(phrasing: Phrasing, words: tuple[str, ...]) -> list[Phrasing]:
    def drawn(mark: str) -> Phrasing:
        return _redraw(phrasing, lambda name, _: f"{name}{mark}", words)

    return [drawn(mark) for mark in SEPARATORS]


def _casing(phrasing: Phrasing, words: tuple[str, ...]) -> list[Phrasing]:
    def drawn(case: Callable[[str], str]) -> Phrasing:
        return _redraw(phrasing, lambda name, mark: f"{case(name)}{mark}", words)

    return [drawn(case) for case in CASINGS]


def _spacing(phrasing: Phrasing, words: tuple[str, ...]) -> list[Phrasing]:
    """Another break between the lines of a text that holds its own slots."""
    kept = protected_spans(phrasing.text, words)
    if any("\n" in phrasing.text[start:end] for start, end in kept) or "{%" in phrasing.text:
        return []
    lines = re.split(r"\n+", phrasing.text)
    return [replace(phrasing, text=mark.join(lines)) for mark in BREAKS]


def _enumerator(phrasing: Phrasing, words: tuple[str, ...]) -> list[Phrasing]:
    """Another way to list the choices that the words of the phrasing do not contradict."""
    if phrasing.layout in {"none", "original"}:
        return []
    layouts: tuple[Layout, ...] = ("lettered", "parenthesized")
    spaces: tuple[LabelSpace, ...] = ("letters", "numbers")
    if phrasing.label_space == "text":
        layouts, spaces = ("lettered", "parenthesized", "bulleted", "inline"), ("text",)
    elif _NAMES_LABELS.search(f"{phrasing.text} {phrasing.cue}"):
        spaces = (phrasing.label_space,)
    return [
        replace(phrasing, layout=listed, label_space=space)
        for listed in layouts
        for space in spaces
    ]


_GRAMMAR = {
    "separator": _separator,
    "casing": _casing,
    "spacing": _spacing,
    "enumerator": _enumerator,
}


def layout(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing in another layout of the grammar, its words unchanged.

    Parameters
    ----------
    phrasing
        What is edited.
    rng
        Source of randomness.
    options
        ``kind``: one of `KINDS`, or ``any``; ``protected_words``.
    """
    kinds = KINDS if options["kind"] == "any" else (options["kind"],)
    found = [
        (kind, other)
        for kind in kinds
        for other in _GRAMMAR[kind](phrasing, options["protected_words"])
        if other != phrasing
    ]
    able = sorted({kind for kind, _ in found})
    if not able:
        return Impossible(
            f"its text, cue {phrasing.cue!r} and layout {phrasing.layout!r} hold nothing that "
            f"kind {options['kind']!r} could change"
        )
    kind = able[int(rng.integers(len(able)))]
    fitting = [other for other_kind, other in found if other_kind == kind]
    return fitting[int(rng.integers(len(fitting)))]


LAYOUT = Perturbation(
    edit=layout,
    doc="Another separator, casing, line break or enumerator from a grammar; the words stay.",
    options={"kind": Option(default="any", doc="What changes.", accepted=("any", *KINDS))},
)
