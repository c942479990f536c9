"""Markdown and mark-up off a text, so that words are left."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["plain", "within_reach"]

_FIRST, _LAST = 4_000, 16_000
"""Characters of a long text that are read: its beginning and its end."""

_HIDDEN = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0x00AD])
_STEPS: tuple[tuple[str, str], ...] = (
    (r"~~.*?~~", " "),
    (r"(?m)^```[a-z]*[ \t]*$|```", ""),
    (r"\\(?:text|textbf|textit|mathrm|mathbf|mathit|operatorname|mbox|emph)\s*\{([^{}]*)\}", r"\1"),
    (r"\\(?:boxed|fbox)\s*\{([^{}]*)\}", r"\1"),
    (r"\\[()\[\]]|\$+", " "),
    (r"</?[a-z][a-z0-9_]{1,15}(?:\s[^<>]*)?>|</?[bi]>", " "),
    (r"(?m)^\s{0,3}#{1,6}\s+|^\s*>\s?|^\s*[-*+•]\s+", ""),
    (r"(?<![\w*])(\*{1,3}|__)(?=\S)(.+?)(?<=\S)\1(?![\w*])", r"\2"),
    (r"`+|(?<!\w)\*{2,}(?=\w)|(?<=\S)\*{2,}(?!\w)", ""),
    (r"(?<!\w)_(?=\S)|(?<=\S)_(?!\w)", ""),
    (r"(?m)^\[[x✓✔]\] |^☑ ?", "✓ "),
    (r"(?m)^\[ ?\] |^☐ ?", "✗ "),
    (r"[ \t]*\|[ \t]*", " "),
    (r"(?<=[^\W\d])[_](?=[^\W\d])", " "),
    (r"(?<=[^\W\d]{2})-(?=[^\W\d]{2})", " "),
    (r"\b([Nn])on (?=\w)", r"\1ot "),
)
"""Patterns and what takes their place, in order."""
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), new) for pattern, new in _STEPS)


def within_reach(text: str) -> str:
    """Return a text, or the beginning and the end of one that is too long for an answer to be
    looked for in all of it.

    >>> within_reach("A"), len(within_reach("A" * 1_000_000))
    ('A', 20001)
    """
    if len(text) <= _FIRST + _LAST:
        return text
    return f"{text[:_FIRST]}\n{text[-_LAST:]}"


def plain(text: str) -> str:
    """Return a text without mark-up, hidden characters and hyphens inside words; lines are kept.

    Of a text of more than 20,000 characters it is the first 4,000 and the last 16,000.

    >>> plain("**Answer:** `not_entailment`")
    'Answer: not entailment'
    """
    text = unicodedata.normalize("NFKC", within_reach(text)).translate(_HIDDEN).replace("’", "'")
    text = "".join(
        " " if unicodedata.category(char) == "Cc" and char != "\n" else char for char in text
    )
    text = re.sub(r"(?: ?\n){3,}", "\n\n", re.sub(r"[ \t]+", " ", text))  # long runs cost time
    for pattern, new in _COMPILED:
        text = pattern.sub(new, text)
    return re.sub(r"[ \t]+", " ", text).strip()
