"""What happens inside a model on a prompt: what an answer leans on, states per layer, states put
into another checkpoint.

For causal and encoder-decoder models of Transformers, by hooks on their layers; nothing of the fast
path is used.
One prompt at a time and no padding, so that a state depends on its own prompt only.
Not handled here: which prompts (`evalkit.runs.inside`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evalkit.backends.hf.layout import start_token
from evalkit.errors import BackendError

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.encoded import Encoded
    from evalkit.backends.hf.loading import Loaded

__all__ = [
    "answer_logprob",
    "answer_logs",
    "attribution",
    "layers_of",
    "patched",
    "states",
    "token_spans",
]

Ids = Sequence[int]
Floats = NDArray[np.float64]
STACKS = ("layers", "block", "blocks", "h")
"""Names under which architectures hold their layers."""


def layers_of(model: Any) -> dict[str, Any]:
    """Return the layers of a model in the order of computing: ``0``, ``1``, ...;
    of an encoder-decoder ``encoder 0`` ... ``decoder 0`` ...

    Raises
    ------
    BackendError
        When they cannot be told.
    """
    sides = {"": model}
    if model.config.is_encoder_decoder:
        sides = {"encoder": model.get_encoder(), "decoder": model.get_decoder()}
    elif hasattr(model, "get_decoder"):
        sides = {"": model.get_decoder() or model}  # beside it may stand a tower for pictures
    return {
        f"{side} {number}".strip(): layer
        for side, part in sides.items()
        for number, layer in enumerate(_stack(model, part))
    }


def _stack(model: Any, part: Any) -> Any:
    """Return the list of layers in a part of a model."""
    import torch

    for name, module in part.named_modules():
        if isinstance(module, torch.nn.ModuleList) and name.rpartition(".")[2] in STACKS:
            return module
    raise BackendError(
        f"inside: the layers of a {type(model).__name__} are not known. "
        "Models built like Llama, GPT-2, T5 and Bart are."
    )


def token_spans(loaded: Loaded, encoded: Encoded, spans: Sequence[tuple[int, int]]) -> list[bool]:
    """Return for every token of a prompt whether it touches one of some spans of the request's
    text.

    Parameters
    ----------
    loaded, encoded
        The model, and the request as it is fed.
    spans
        Starts and ends in the request's text, characters.

    Raises
    ------
    BackendError
        When the tokenizer does not say where its tokens stand in the text.
    """
    sent = encoded.sent or encoded.request.text
    text = encoded.request.text
    shift = sent.find(text.strip()) - (len(text) - len(text.lstrip()))
    for special in (False, True):
        try:
            told = loaded.tokenizer(
                sent, add_special_tokens=special, return_offsets_mapping=True, verbose=False
            )
        except NotImplementedError as error:
            raise BackendError(
                f"{loaded.tokenizer.name_or_path}: says not where its tokens stand in the text. "
                "Use a fast tokenizer (tokenizer.json)."
            ) from error
        size = len(encoded.context)
        if tuple(told["input_ids"][:size]) == tuple(encoded.context) and not encoded.truncated:
            return [
                any(end > first + shift and start < last + shift for first, last in spans)
                for start, end in told["offset_mapping"][:size]
            ]
    raise BackendError(
        f"{loaded.tokenizer.name_or_path}: a prompt is fed otherwise than its text is read, so "
        "tokens cannot be placed in it. Shorten the prompt, or use another --chat-template."
    )


def answer_logs(
    loaded: Loaded, context: Ids, answer: Ids, embedded: torch.Tensor | None = None
) -> torch.Tensor:
    """Return log-probabilities of every token where each answer token stands, shape (answer token,
    vocabulary).

    Parameters
    ----------
    loaded, context, answer
        The model, the ids of a prompt and of what follows; the last of these is not fed.
    embedded
        Embeddings that are fed in place of those of the prompt, shape (1, prompt token, width).
    """
    import torch

    def ids(tokens: Ids) -> torch.Tensor:
        return torch.tensor([list(tokens)], device=loaded.device)

    if loaded.encoder_decoder:
        given = {"input_ids": ids(context)} if embedded is None else {"inputs_embeds": embedded}
        start = start_token(loaded.model.config)
        output = loaded.model(
            **given,
            attention_mask=torch.ones_like(ids(context)),
            decoder_input_ids=ids((start, *answer[:-1])),
            use_cache=False,
        )
        return torch.log_softmax(output.logits[0].float(), -1)
    whole = (*context, *answer[:-1])
    if embedded is None:
        output = loaded.model(input_ids=ids(whole), use_cache=False)
    else:
        rest = loaded.model.get_input_embeddings()(ids(whole)[:, len(context) :])
        output = loaded.model(inputs_embeds=torch.cat([embedded, rest], 1), use_cache=False)
    return torch.log_softmax(output.logits[0, len(context) - 1 :].float(), -1)


def _read(logs: torch.Tensor, answer: Ids) -> torch.Tensor:
    import torch

    return logs[torch.arange(len(answer)), torch.tensor(list(answer), device=logs.device)]


def answer_logprob(loaded: Loaded, context: Ids, answer: Ids) -> float:
    """Return the log-probability of an answer behind a prompt, nats."""
    import torch

    with torch.no_grad():
        return float(_read(answer_logs(loaded, context, answer), answer).sum())


def attribution(loaded: Loaded, context: Ids, answer: Ids, *, each: bool = False) -> Floats:
    """Return how much an answer leans on every prompt token:
    |gradient x input|, shares that add up to 1.

    Parameters
    ----------
    loaded
        The model; its weights get no gradients.
    context, answer
        Ids.
    each
        Whether every answer token is told apart.

    Returns
    -------
    array
        Shape (1, prompt token), of the log-probability of the whole answer; with `each`
        (answer token, prompt token). NaN where every gradient is 0.

    Notes
    -----
    |sum over the embedding's numbers of gradient times value|, of the embeddings of the prompt's
    tokens (Shrikumar and others, arXiv 1605.01713).
    """
    import torch

    for parameter in loaded.model.parameters():
        parameter.requires_grad_(False)
    ids = torch.tensor([list(context)], device=loaded.device)
    with torch.enable_grad():
        embedded = loaded.model.get_input_embeddings()(ids).detach().requires_grad_(True)
        values = _read(answer_logs(loaded, context, answer, embedded), answer)
        wanted = list(values) if each else [values.sum()]
        rows = []
        for place, value in enumerate(wanted):
            (slope,) = torch.autograd.grad(value, embedded, retain_graph=place + 1 < len(wanted))
            mass = (slope * embedded).sum(-1)[0].abs().double()
            rows.append((mass / mass.sum()).detach().cpu().numpy() if mass.sum() > 0 else None)
    nothing = np.full(len(context), np.nan)
    return np.stack([nothing if row is None else row for row in rows])


@contextmanager
def _hooked(layers: dict[str, Any], made: Any) -> Iterator[None]:
    """Hold `made(name)` as a hook of every layer."""
    hooks = [layer.register_forward_hook(made(name)) for name, layer in layers.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _first(output: Any) -> torch.Tensor:
    found: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return found


def states(loaded: Loaded, context: Ids, answer: Ids) -> dict[str, torch.Tensor]:
    """Return what every layer hands on, shape (position, width), for a prompt with its answer."""
    import torch

    kept: dict[str, torch.Tensor] = {}

    def made(name: str) -> Any:
        def hook(_module: Any, _given: Any, output: Any) -> None:
            kept[name] = _first(output)[0].detach()

        return hook

    with torch.no_grad(), _hooked(layers_of(loaded.model), made):
        answer_logs(loaded, context, answer)
    return kept


def patched(loaded: Loaded, context: Ids, answer: Ids, layer: str, given: torch.Tensor) -> float:
    """Return the log-probability of an answer when a layer hands on other states than its own.

    Parameters
    ----------
    loaded, context, answer
        The model that is patched, and what it is asked.
    layer
        A name of `layers_of`.
    given
        States of the other checkpoint on the same prompt, shape (position, width).
    """

    def made(_name: str) -> Any:
        def hook(_module: Any, _given: Any, output: Any) -> Any:
            own = _first(output)
            new = given.to(own.dtype).to(own.device)[None]
            return (new, *output[1:]) if isinstance(output, tuple) else new

        return hook

    with _hooked({layer: layers_of(loaded.model)[layer]}, made):
        return answer_logprob(loaded, context, answer)
