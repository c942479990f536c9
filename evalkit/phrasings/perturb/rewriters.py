"""Functions from texts to texts by models: any evalkit backend,
or a Transformers encoder-decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from evalkit.errors import BackendError, ExtraMissingError, UsageError
from evalkit.records import Ask, ModelSpec, Request
from evalkit.registry import BACKENDS

__all__ = ["Rewriter", "backend_paraphraser", "pretrained", "rewriter", "seq2seq"]

Rewriter = Callable[[Sequence[str]], Sequence[str]]
"""Prompts or texts -> as many texts."""


def rewriter(model: str | Rewriter, name: str) -> Rewriter:
    """Return a function from prompts to texts: the one given, or that of the backend named.

    Parameters
    ----------
    model
        Function, or ``BACKEND:NAME``.
    name
        Perturbation that asks, for messages.

    Raises
    ------
    UsageError
        When no such backend is known.
    """
    if not isinstance(model, str):
        return model
    backend, colon, rest = model.partition(":")
    if not colon or backend not in BACKENDS:
        raise UsageError(
            f"perturbation {name!r}: model {model!r} is not accepted; BACKEND:NAME is, "
            f"with {', '.join(BACKENDS.names())}."
        )
    return backend_paraphraser(ModelSpec(backend=backend, name=rest))


@lru_cache(maxsize=2)
def _backend(kind: str, name: str) -> Any:
    return BACKENDS.load(kind)(ModelSpec(backend=kind, name=name))


def backend_paraphraser(model: ModelSpec, *, max_tokens: int = 256) -> Rewriter:
    """Return a function that sends prompts to any evalkit backend and returns what it wrote
    (greedy, one line or more).

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
