"""Another wording of the same instruction: paraphrase, or translation there and back.

Both are made by a model, or read from a file that holds what others made. A model here is a
function from texts to texts. `evalkit.phrasings.perturb.rewriters` makes one from any evalkit
backend or Transformers encoder-decoder. Slots and label words travel as numbered marks; a result
that lost one is refused, never repaired. Not handled: whether the new wording means the same (see
`evalkit.catalog.library.meaning`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.errors import UsageError
from evalkit.phrasings.perturb.rewriters import Rewriter, rewriter, seq2seq
from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.phrasings.perturb.supplied import rewordings_of
from evalkit.records import Phrasing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["BACK_TRANSLATION", "PARAPHRASE", "back_translation", "mask", "paraphrase", "unmask"]

STYLES = (
    "in other words",
    "more briefly",
    "more formally",
    "in plain everyday language",
    "as a question",
    "with the sentences built differently",
    "politely",
    "for a reader who is new to this",
)
"""Ways a paraphrase is asked for; one is drawn per copy."""
_ASK = (
    "Rewrite the following instruction {style}. "
    "Keep its meaning exactly, and copy every mark such as [[0]] unchanged. "
    "Reply with the rewritten instruction only.\n\nInstruction: {text}\nRewritten:"
)
LANGUAGES = ("German", "French", "Spanish", "Italian", "Russian", "Chinese")
"""Languages gone through, one drawn per copy, where none is named."""
_THERE = (
    "Translate the following instruction into {language}. Copy every mark such as [[0]] "
    "unchanged. Reply with the translation only.\n\nInstruction: {text}\nTranslation:"
)
_BACK = (
    "Translate the following instruction into English. Copy every mark such as [[0]] "
    "unchanged. Reply with the translation only.\n\nInstruction: {text}\nTranslation:"
)
_MARK = re.compile(r"\[\[\s*(\d+)\s*\]\]")
_WORDS = re.compile(r"\w+")
_TALK = re.compile(
    r"(?:sure|certainly|of course|okay|as an ai|i am an ai|i'?m sorry|i cannot|i can'?t|here(?:'s"
    r"| is| are)|the rewritten|rewritten|the (?:original )?instruction)\b"
    r"|(?:paraphras|rephras|reword|rewrit|translat)\w*\s*:|(?:revised|new) (?:instruction|version)",
    re.IGNORECASE,
)
"""How a model begins that talks about the task."""
_REMARK = re.compile(
    r"\bnote\s*:|\bhope this helps\b|\blet me know if\b"
    r"|\bI(?:'ve| have)? (?:kept|preserved|re(?:wrote|written|worded|phrased))\b",
    re.IGNORECASE,
)
"""What a model adds that talks about its rewording."""
_MARKUP = re.compile(
    r"\*\*|__|</?(?:p|b|i|em|strong|br|div|span|ul|ol|li)\b|(?m:^\s*#{1,6} )"
    r"|(?m:^\s*(?:\d+[.)]|[-*]) .*\n\s*(?:\d+[.)]|[-*]) )",
)
"""Signs of a page and of a list."""
_AROUND = ('""', "''", "“”", "‘’", "«»", "``")


def mask(text: str, words: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Return `text` with its protected parts written as ``[[0]]``, ``[[1]]``, ...,
    and those parts in order.
    """
    parts: list[str] = []
    kept: list[str] = []
    position = 0
    for start, end in protected_spans(text, words):
        parts += [text[position:start], f"[[{len(kept)}]]"]
        kept.append(text[start:end])
        position = end
    return "".join([*parts, text[position:]]), kept


def unmask(text: str, kept: Sequence[str]) -> str | None:
    """Return `text` with its marks replaced by the kept parts.

    None unless every mark stands in it exactly once.
    """
    if sorted(int(number) for number in _MARK.findall(text)) != list(range(len(kept))):
        return None
    return _MARK.sub(lambda match: kept[int(match.group(1))], text)


def garbage(original: str, answer: str) -> str:
    """Return why an answer is no instruction, in words; empty when nothing speaks against it.

    Only what no reader would take for a wording is named; whether the meaning was kept is asked
    elsewhere.

    Parameters
    ----------
    original, answer
        Texts with their slots and label words as marks.

    Examples
    --------
    >>> garbage("Say whether the text [[0]] is friendly.", "0")
    'no sentence'
    >>> garbage("Say whether the text [[0]] is friendly.", "Is [[0]] a friendly text?")
    ''
    """
    before, after = (_WORDS.findall(_MARK.sub(" ", text).lower()) for text in (original, answer))
    least = min(3, len(before))
    if sum(any(letter.isalpha() for letter in word) for word in after) < least:
        return "no sentence"
    if len(after) > 4 * len(before) + 20:
        return "far more than an instruction"
    if len(after) < len(before) / 5:
        return "far less than the instruction"
    most = max((after.count(word) for word in set(after)), default=0)
    few = len(after) >= 12 and len(set(after)) < 0.4 * len(after)
    if few or most > max(3, 0.4 * len(after)):
        return "the same words over and over"
    if any(talk(answer) and not talk(original) for talk in (_TALK.match, _REMARK.search)):
        return "talk about the task in place of a rewording"
    if _MARKUP.search(answer) and not _MARKUP.search(original):
        return "signs of a page or a list that the original has not"
    if _latin(before) > 0.5 > _latin(after):
        return "another script"
    return ""


def _bare(answer: str) -> str:
    """Return an answer without quotation marks around the whole of it."""
    answer = answer.strip()
    while len(answer) > 1 and answer[0] + answer[-1] in _AROUND and answer[0] not in answer[1:-1]:
        answer = answer[1:-1].strip()
    return answer


def _latin(words: Sequence[str]) -> float:
    """Share of the letters that are Latin; 1 without letters."""
    letters = [letter for word in words for letter in word if letter.isalpha()]
    return sum(letter < "\u0250" for letter in letters) / len(letters) if letters else 1.0


def _rewritten(
    phrasing: Phrasing, rewrite: Rewriter, *, ask: str, words: Sequence[str]
) -> Phrasing | Impossible:
    """Return the phrasing with its text sent through `rewrite`, as part of `ask`."""
    masked, kept = mask(phrasing.text, words)
    if not _MARK.sub("", masked).strip():
        return Impossible("has no words outside slots and label words")
    answers = rewrite([ask.replace("{text}", masked)])
    answer = _bare(answers[0]) if answers else ""
    if not answer:
        return Impossible("the model answered nothing")
    text = unmask(answer, kept)
    return _accepted(phrasing, text, answer, masked=masked, marks=len(kept), who="the model")


def _accepted(
    phrasing: Phrasing, text: str | None, answer: str, *, masked: str, marks: int, who: str
) -> Phrasing | Impossible:
    """Return the phrasing with another text, or why that is none;
    `answer` and `masked` are the new and the old one with marks.
    """
    if text is None:
        return Impossible(
            f"{who} lost or repeated one of {marks} slots and label words: {answer[:80]!r}"
        )
    if "\ufffd" in text or any(mark in _MARK.sub("", answer) for mark in ("{{", "{%", "{#")):
        return Impossible(f"{who} wrote a template mark of its own: {answer[:80]!r}")
    if text.split() == phrasing.text.split():
        return Impossible(f"{who} gave the same text back", again=True)
    if reason := garbage(masked, answer):
        return Impossible(f"{who} wrote {reason}: {answer[:80]!r}", again=True)
    return replace(phrasing, text=text)


def _supplied(
    phrasing: Phrasing, rng: np.random.Generator, *, file: str, words: Sequence[str]
) -> Phrasing | Impossible:
    """Return the phrasing in a wording drawn from those that a file gives for it.

    Slots and label words may stand in the file as they are, or as the marks of `mask`.
    """
    texts = rewordings_of(phrasing, file)
    if not texts:
        return Impossible(f"{file} has no rewording of it")
    given = _bare(texts[int(rng.integers(len(texts)))])
    masked, kept = mask(phrasing.text, words)
    answer, found = (given, kept) if _MARK.search(given) else mask(given, words)
    text = unmask(answer, found) if sorted(found) == sorted(kept) else None
    made = _accepted(phrasing, text, answer, masked=masked, marks=len(kept), who="the file")
    return replace(made, again=True) if isinstance(made, Impossible) else made


def _one_of(name: str, options: Options, wanted: str) -> None:
    """Refuse a file and models together, and neither."""
    given = [key for key in ("file", "model", "there") if options.get(key)]
    if len(given) != 1 or bool(options.get("there")) != bool(options.get("back")):
        raise UsageError(
            f"perturbation {name!r}: {' and '.join(given) or 'no model and no file'} given; one "
            f"is accepted. Write it as {wanted}."
        )


def paraphrase(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing as a model rewords it, asked in a style drawn from `STYLES`.

    Parameters
    ----------
    phrasing
        What is reworded.
    rng
        Source of randomness; draws the style.
    options
        ``model``: a function from prompts to texts, or ``BACKEND:NAME``; or ``file``: rewordings
        made elsewhere; ``protected_words``.
    """
    _one_of(
        "paraphrase", options, "paraphrase:model=hf:FOLDER (BACKEND:NAME), or paraphrase:file=PATH"
    )
    words = options["protected_words"]
    if options.get("file"):
        return _supplied(phrasing, rng, file=options["file"], words=words)
    style = STYLES[int(rng.integers(len(STYLES)))]
    rewrite = rewriter(options["model"], "paraphrase")
    return _rewritten(phrasing, rewrite, ask=_ASK.replace("{style}", style), words=words)


def back_translation(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing translated into another language and back.

    Parameters
    ----------
    phrasing
        What is reworded.
    rng
        Source of randomness; draws the language where none is named, and the row of a file.
    options
        ``there`` and ``back``: functions from texts to texts, or encoder-decoder models (folder or
        hub id); or ``model``: a function from prompts to texts, or ``BACKEND:NAME``, which
        translates both ways through ``language`` (``any``: one of `LANGUAGES`); or ``file``:
        translations made elsewhere; ``protected_words``.
    """
    _one_of(
        "back_translation",
        options,
        "back_translation:there=FOLDER,back=FOLDER, back_translation:model=BACKEND:NAME, or "
        "back_translation:file=PATH",
    )
    words = options["protected_words"]
    if options.get("file"):
        return _supplied(phrasing, rng, file=options["file"], words=words)
    if options.get("model"):
        return _translated(phrasing, rng, options)
    there, back = (
        seq2seq(model) if isinstance(model, str) else model
        for model in (options["there"], options["back"])
    )
    return _rewritten(phrasing, lambda texts: back(there(texts)), ask="{text}", words=words)


def _translated(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing as one language model translates it there and back."""
    if phrasing.language != "en":
        return Impossible(f"is in {phrasing.language!r}, and a model translates back into English")
    language = options.get("language", "any")
    if language == "any":
        language = LANGUAGES[int(rng.integers(len(LANGUAGES)))]
    ask = rewriter(options["model"], "back_translation")

    def both(texts: Sequence[str]) -> list[str]:
        there = ask([_THERE.format(language=language, text=text) for text in texts])
        return [
            ask([_BACK.format(text=text.strip())])[0].strip() if text.strip() else ""
            for text in there
        ]

    return _rewritten(phrasing, both, ask="{text}", words=options["protected_words"])


_FILE = Option(default="", doc="Table of rewordings made elsewhere, with 'of' and 'text'.")
PARAPHRASE = Perturbation(
    edit=paraphrase,
    doc="A rewording by a model, asked for in one of eight styles, or read from a file.",
    options={
        "model": Option(default="", doc="Model that rewords, as BACKEND:NAME."),
        "file": _FILE,
    },
)
BACK_TRANSLATION = Perturbation(
    edit=back_translation,
    doc="Translated and back: by two encoder-decoder models, by a language model, or in a file.",
    options={
        "there": Option(
            default="", doc="Model that translates into the other language (folder or hub id)."
        ),
        "back": Option(default="", doc="Model that translates back."),
        "model": Option(default="", doc="Model that translates both ways, as BACKEND:NAME."),
        "language": Option(default="any", doc="Language gone through, by its English name."),
        "file": _FILE,
    },
)
