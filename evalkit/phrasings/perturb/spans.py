"""Which parts of a phrasing text may be edited.

Everything but slots, tags, code, quoted words and label words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["SLOT", "Word", "free_words", "protected_spans", "rewrite_free", "substitute"]

_QUOTED_VALUE = r"""(?:"[^"]*"|'[^']*'|[^"'])"""
SLOT = re.compile(rf"\{{\{{{_QUOTED_VALUE}*?\}}\}}", re.DOTALL)
"""A slot, wherever it stands: a quotation around it makes no difference."""
_UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
"""Scripts in which the words before and after a label may touch it."""
_LEFT = rf"(?<![^\W{_UNSPACED}])"
_RIGHT = rf"(?![^\W{_UNSPACED}])"
"""Where a label may begin and end: not inside a word."""
_ENDINGS = (
    "com|net|org|edu|gov|io|csv|docx?|html?|json|jsonl|md|pdf|png|jpe?g|py|sql|tex|tsv|txt"
    "|xlsx?|xml|ya?ml|zip"
)
"""How the names of hosts and files end."""
_KEPT = re.compile(
    rf"\{{\{{{_QUOTED_VALUE}*?\}}\}}"
    rf"|\{{%{_QUOTED_VALUE}*?%\}}"
    r"|\{#.*?#\}"
    r"|```.*?```"
    r"|`[^`\n]+`"
    r"|\{[^{}\n]{0,60}\}"
    r"|https?://\S+|(?<![\w.+\-])[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+"
    r"|</?[^\s<>][^<>\n]{0,60}>"
    r"|\]\([^()\s]+\)"
    rf"|(?<![\w./\-])(?:[\w.\-]+/)*[\w\-]+(?:\.[\w\-]+)*\.(?:{_ENDINGS})(?!\w)"
    r"|\\[A-Za-z]+"
    r"|(?<!\w)\w*[^\W_]_[^\W_]\w*"
    r"|(?<!\w)'[^'\n]{1,40}'(?!\w)"
    r'|"[^"\n]{1,40}"'
    r"|[‘“][^’”\n]{1,40}[’”](?!\w)"
    rf"|{_LEFT}(?<!['’])(?:[B-F]|A(?=[,.;)\]?!、，{_UNSPACED}]|\s+(?:or|and)\b)){_RIGHT}(?!['’])",
    re.DOTALL,
)
_TOUCHED = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that may be edited and where it stands."""

    text: str
    """The word."""
    start: int
    """Position of its first character in the phrasing text."""

    @property
    def end(self) -> int:
        """Return the position after its last character."""
        return self.start + len(self.text)


@lru_cache(maxsize=256)
def _labels(words: tuple[str, ...]) -> re.Pattern[str] | None:
    """Pattern of label words: single letters by case (``A`` is a label, ``a`` an article),
    longer ones by any case.
    """
    parts = []
    for word in sorted(
        {word.strip() for word in words if word.strip()}, key=lambda word: (-len(word), word)
    ):
        body = r"\s+".join(re.escape(piece) for piece in word.split())
        left = _LEFT if word[0].isalnum() and not _TOUCHED.match(word[0]) else ""
        right = _RIGHT if word[-1].isalnum() and not _TOUCHED.match(word[-1]) else ""
        parts.append(f"{left}(?:{body}){right}" if len(word) == 1 else f"(?i:{left}{body}{right})")
    return re.compile("|".join(parts)) if parts else None


def protected_spans(text: str, words: Iterable[str] = ()) -> list[tuple[int, int]]:
    """Return the parts of `text` that no perturbation may touch, as sorted, disjoint (start, end).

    Capital letters that name choices (B to F, and A before a comma, a bracket or ``or``), slots,
    Jinja tags and comments, ``{name}`` slots of other template languages, backtick code, addresses
    of pages and of mail, names of files, words in angle brackets such as tags, commands with a
    backslash, names with an underscore, quoted words (at most 40 characters: an answer the model is
    told to give) and the label words in `words`.

    Parameters
    ----------
    text
        Phrasing text.
    words
        Label words, such as the choices of the task. A single letter is matched by case.
    """
    found = [match.span() for match in _KEPT.finditer(text)]
    pattern = _labels(tuple(words))
    if pattern is not None:
        found += [match.span() for match in pattern.finditer(text)]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def free_words(text: str, words: Iterable[str] = (), *, least: int = 1) -> list[Word]:
    """Return the words of `text` outside protected parts that have at least `least` letters,
    in order.
    """
    kept = protected_spans(text, words)
    return [
        Word(match.group(), match.start())
        for match in _WORD.finditer(text)
        if len(match.group()) >= least
        and not any(start < match.end() and match.start() < end for start, end in kept)
    ]


def substitute(text: str, edits: Mapping[Word, str]) -> str:
    """Return `text` with each word of `edits` replaced."""
    for word in sorted(edits, key=lambda word: -word.start):
        text = text[: word.start] + edits[word] + text[word.end :]
    return text


def rewrite_free(text: str, rewrite: Callable[[str], str], words: Sequence[str] = ()) -> str:
    """Return `text` with `rewrite` applied to every stretch that is not protected."""
    parts: list[str] = []
    position = 0
    for start, end in [*protected_spans(text, words), (len(text), len(text))]:
        parts += [rewrite(text[position:start]), text[start:end]]
        position = end
    return "".join(parts)
