"""Another wording of the same instruction by a model: paraphrase, or translation there and back.

A model here is a function from texts to texts. `backend_paraphraser` makes one from any evalkit
backend, `seq2seq` from any Transformers encoder-decoder. Slots and label words travel as numbered
marks; a result that lost one is refused, never repaired. Not handled: whether the new wording means
the same (see `evalkit.catalog.library.meaning`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from evalkit.errors import BackendError, ExtraMissingError, UsageError
from evalkit.phrasings.perturb.spans import protected_spans
from evalkit.phrasings.perturb.spec import Impossible, Option, Options, Perturbation
from evalkit.records import Ask, ModelSpec, Phrasing, Request
from evalkit.registry import BACKENDS

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "BACK_TRANSLATION",
    "PARAPHRASE",
    "back_translation",
    "backend_paraphraser",
    "mask",
    "paraphrase",
    "pretrained",
    "seq2seq",
    "unmask",
]

Rewriter = Callable[[Sequence[str]], Sequence[str]]
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
_MARK = re.compile(r"\[\[\s*(\d+)\s*\]\]")
_WORDS = re.compile(r"\w+")
_TALK = re.compile(
    r"(?:sure|certainly|of course|okay|as an ai|i am an ai|i'?m sorry|i cannot|i can'?t|here(?:'s"
    r"| is| are)|the rewritten|rewritten|the (?:original )?instruction)\b",
    re.IGNORECASE,
)
"""How a model begins that talks about the task."""


def mask(text: str, words: Sequence[str] = ()) -> tuple[str, list[str]]:
    """Return `text` with its protected parts written as ``[[0]]``, ``[[1]]``, ..., and those parts in order."""
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
    if len(after) >= 12 and len(set(after)) < 0.4 * len(after):
        return "the same words over and over"
    if _TALK.match(answer) and not _TALK.match(original):
        return "talk about the task in place of a rewording"
    if _latin(before) > 0.5 > _latin(after):
        return "another script"
    return ""


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
    answer = answers[0].strip().strip('"').strip() if answers else ""
    text = unmask(answer, kept)
    if not answer:
        return Impossible("the model answered nothing")
    if text is None:
        return Impossible(
            f"the model lost or repeated one of {len(kept)} slots and label words: {answer[:80]!r}"
        )
    if "\ufffd" in text or any(mark in _MARK.sub("", answer) for mark in ("{{", "{%", "{#")):
        return Impossible(f"the model wrote a template mark of its own: {answer[:80]!r}")
    if text.split() == phrasing.text.split():
        return Impossible("the model gave the same text back", again=True)
    if reason := garbage(masked, answer):
        return Impossible(f"the model wrote {reason}: {answer[:80]!r}", again=True)
    return replace(phrasing, text=text)


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
        ``model``: a function from prompts to texts, or ``BACKEND:NAME``; ``protected_words``.
    """
    model = options["model"]
    if not model:
        raise UsageError(
            "perturbation 'paraphrase': no model is given; BACKEND:NAME is accepted. "
            "Write it as paraphrase:model=hf:FOLDER."
        )
    rewrite = backend_paraphraser(_model_spec(model)) if isinstance(model, str) else model
    style = STYLES[int(rng.integers(len(STYLES)))]
    return _rewritten(
        phrasing, rewrite, ask=_ASK.replace("{style}", style), words=options["protected_words"]
    )


def back_translation(
    phrasing: Phrasing, rng: np.random.Generator, options: Options
) -> Phrasing | Impossible:
    """Return the phrasing translated by one model and back by another.

    Parameters
    ----------
    phrasing
        What is reworded.
    rng
        Not used: both models decode greedily.
    options
        ``there`` and ``back``: functions from texts to texts, or encoder-decoder models (folder or
        hub id); ``protected_words``.
    """
    if not options["there"] or not options["back"]:
        raise UsageError(
            "perturbation 'back_translation': two models are needed. "
            "Write it as back_translation:there=FOLDER,back=FOLDER."
        )
    there, back = (
        seq2seq(model) if isinstance(model, str) else model
        for model in (options["there"], options["back"])
    )
    return _rewritten(
        phrasing, lambda texts: back(there(texts)), ask="{text}", words=options["protected_words"]
    )


def _model_spec(text: str) -> ModelSpec:
    backend, colon, name = text.partition(":")
    if not colon or backend not in BACKENDS:
        raise UsageError(
            f"perturbation 'paraphrase': model {text!r} is not accepted; BACKEND:NAME is, "
            f"with {', '.join(BACKENDS.names())}."
        )
    return ModelSpec(backend=backend, name=name)


@lru_cache(maxsize=2)
def _backend(kind: str, name: str) -> Any:
    return BACKENDS.load(kind)(ModelSpec(backend=kind, name=name))


def backend_paraphraser(model: ModelSpec, *, max_tokens: int = 256) -> Rewriter:
    """Return a function that sends prompts to any evalkit backend and returns what it wrote (greedy, one line or more).

    Raises
    ------
    BackendError
        When the backend fails on a prompt, or gives no answer to one.
    """

    def rewrite(prompts: Sequence[str]) -> list[str]:
        requests = [
            Request(kind="generate", text=prompt, max_tokens=max_tokens, stop=("\n\n",))
            for prompt in prompts
        ]
        answers = {
            response.key: response
            for batch in _backend(model.backend, model.name).run(
                [Ask(request) for request in requests]
            )
            for response in batch
        }
        texts = []
        for request in requests:
            response = answers.get(request.key)
            if response is None or response.error or response.text is None:
                reason = (
                    "it gave no response"
                    if response is None
                    else response.error or "it gave no text"
                )
                raise BackendError(
                    f"{model.backend}:{model.name}: cannot paraphrase: {reason}. "
                    "Try the model with 'evalkit run' first."
                )
            texts.append(response.text)
        return texts

    return rewrite


def pretrained(name: str, kind: str, *, use: str) -> tuple[Any, Any]:
    """Return tokenizer and model of a folder or hub id, ready to be asked on the CPU.

    Parameters
    ----------
    name
        Folder or hub id.
    kind
        ``sequence-classification`` or ``sequence-to-sequence``.
    use
        What it is for, for messages.

    Raises
    ------
    ExtraMissingError
        When Transformers is not installed.
    BackendError
        When it is no such model.
    """
    try:
        import transformers
    except ImportError as error:
        raise ExtraMissingError(f"{use} {name!r}", "hf") from error
    loader: Any = (
        transformers.AutoModelForSeq2SeqLM
        if kind == "sequence-to-sequence"
        else transformers.AutoModelForSequenceClassification
    )
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name)
        return tokenizer, loader.from_pretrained(name).eval()
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{name}: is not a {kind} model that Transformers can load: {error}. "
            "Check the folder or id."
        ) from error


@lru_cache(maxsize=4)
def seq2seq(name: str, *, max_tokens: int = 256) -> Rewriter:
    """Return a function that runs texts through an encoder-decoder model, greedily, on the CPU.

    Parameters
    ----------
    name
        Folder or hub id that ``transformers.AutoModelForSeq2SeqLM`` loads.
    max_tokens
        Most tokens generated per text.
    """
    tokenizer, model = pretrained(name, "sequence-to-sequence", use="translation model")
    import torch

    def translate(texts: Sequence[str]) -> list[str]:
        batch = tokenizer(list(texts), return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            rows = model.generate(**batch, max_new_tokens=max_tokens, do_sample=False, num_beams=1)
        return [str(text) for text in tokenizer.batch_decode(rows, skip_special_tokens=True)]

    return translate


PARAPHRASE = Perturbation(
    edit=paraphrase,
    doc="A rewording by a model, asked for in one of eight styles.",
    options={"model": Option(default="", doc="Model that rewords, as BACKEND:NAME.")},
)
BACK_TRANSLATION = Perturbation(
    edit=back_translation,
    doc="Translated by one encoder-decoder model and back by another.",
    options={
        "there": Option(
            default="", doc="Model that translates into the other language (folder or hub id)."
        ),
        "back": Option(default="", doc="Model that translates back."),
    },
)
