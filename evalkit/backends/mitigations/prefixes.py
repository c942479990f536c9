"""Tokens beyond the vocabulary.

A soft prompt's vectors, and the states of a prefix at every layer, on the fast path of the engine.

A prefix (PEFT prefix tuning) is keys and values per layer. It becomes N tokens beyond the
vocabulary at positions 0 to N - 1, whose outputs of the key and value projections are replaced by
the trained ones: keys before the rotation that the model will give them. Nothing else of these
tokens is ever read, so attention sees what it sees under PEFT, and the engine stores the tokens
once as a shared prefix. What comes out is compared with PEFT's own logits before the model is used.
Not handled: decoders of encoder-decoder models, and models without separate key and value
projections.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import BackendError

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.hf.loading import Loaded

__all__ = ["apply_prefix", "extend_embedding"]


def extend_embedding(loaded: Loaded, vectors: torch.Tensor) -> Any:
    """Make the input embedding understand ids beyond its rows,
    without touching its weights or the output head; return the new embedding.

    Its ``places`` are the ids of the running forward counted from the first one beyond the
    vocabulary: below 0 for ordinary tokens.
    """
    import torch

    class Extended(torch.nn.Module):
        """The old embedding, and further vectors behind its last row."""

        def __init__(self, old: Any, extra: Any) -> None:
            super().__init__()
            self.old = old
            self.first = int(old.weight.shape[0])
            self.places: Any = None
            self.extra: torch.Tensor
            self.register_buffer("extra", extra.to(old.weight), persistent=False)

        @property
        def weight(self) -> Any:
            """The rows of the vocabulary."""
            return self.old.weight

        def forward(self, ids: Any) -> Any:
            self.places = ids - self.first
            virtual = self.places >= 0
            known = self.old(ids.masked_fill(virtual, 0))
            chosen = self.extra[self.places.clamp(0, len(self.extra) - 1)]
            return torch.where(virtual.unsqueeze(-1), chosen.to(known.dtype), known)

    made = Extended(loaded.model.get_input_embeddings(), vectors)
    loaded.model.set_input_embeddings(made)
    return made


def apply_prefix(
    engine: HFBackend, path: Path, config: Any, states: torch.Tensor, *, label: str
) -> None:
    """Put a prefix of every layer on a causal model.

    Parameters
    ----------
    engine
        The model.
    path
        Directory of the adapter, for PEFT and for messages.
    config
        Its configuration.
    states
        ``prompt_embeddings`` as PEFT saves them, shape (N, layers x 2 x heads x head width): per
        layer the keys, then the values.
    label
        Enters the fingerprint.

    Raises
    ------
    BackendError
        When the model is of a kind whose states cannot be put in, or what comes out is not what
        PEFT computes.
    """
    if engine.loaded.encoder_decoder:
        raise BackendError(
            f"{path}: is a prefix of a decoder's states, and evalkit feeds the decoder of an "
            "encoder-decoder model no states. Load it with PEFT itself, or train a soft prompt."
        )
    count, heads = int(config.num_virtual_tokens), int(config.num_attention_heads)
    layers = [
        module
        for module in engine.loaded.model.modules()
        if hasattr(module, "k_proj") and hasattr(module, "v_proj")
    ]
    if len(layers) != config.num_layers or states[0].numel() != 2 * sum(
        layer.k_proj.out_features for layer in layers
    ):
        raise BackendError(
            f"{path}: its states for {config.num_layers} layers do not fit {engine.spec.name}, "
            f"where {len(layers)} layers have separate key and value projections. "
            "Name an adapter of this model, or train a soft prompt."
        )
    first = int(engine.loaded.model.get_input_embeddings().weight.shape[0])
    virtual = tuple(range(first, first + count))
    per_layer = (
        states[:count].float().view(count, len(layers), 2, heads, -1).permute(1, 2, 3, 0, 4)
    )  # (layer, key or value, head, N, width)

    def change(loaded: Loaded) -> None:
        wanted = _by_peft(loaded, path)
        embedding = extend_embedding(
            loaded, loaded.model.get_input_embeddings().weight[:1].detach().expand(count, -1)
        )
        for layer, (keys, values) in zip(layers, per_layer, strict=True):
            layer.k_proj.register_forward_hook(
                _replacing(embedding, _unrotated(loaded.model, layer, keys))
            )
            layer.v_proj.register_forward_hook(_replacing(embedding, values))
        _refuse_difference(loaded, virtual, wanted, f"{path}: on {engine.spec.name}")

    engine.adapt(change, virtual=virtual, label=label)


def _unrotated(model: Any, layer: Any, keys: torch.Tensor) -> torch.Tensor:
    """Return keys (head, N, width) such that the model's rotation at positions 0 to N - 1 gives
    `keys`; themselves where it rotates nothing.
    """
    import torch

    rotate = getattr(sys.modules[type(layer).__module__], "apply_rotary_pos_emb", None)
    rotary = next(
        (module for name, module in model.named_modules() if name.endswith("rotary_emb")), None
    )
    if rotate is None or rotary is None:
        return keys
    keys = keys.to(model.device)
    cos, sin = rotary(keys, torch.arange(keys.shape[1], device=model.device)[None])
    back: torch.Tensor = rotate(keys[None], keys[None], cos, -sin)[0][0]
    return back / float(getattr(rotary, "attention_scaling", 1.0)) ** 2


def _replacing(embedding: Any, states: torch.Tensor) -> Callable[[Any, Any, Any], Any]:
    """Return a forward hook of a projection.

    Outputs of virtual tokens become `states` (head, N, width).
    """
    import torch

    rows = states.transpose(0, 1).flatten(1)  # (N, head x width)

    def hook(module: Any, args: Any, output: Any) -> Any:
        del module, args
        virtual = embedding.places >= 0
        chosen = rows.to(output)[embedding.places.clamp(0, len(rows) - 1)]
        return torch.where(virtual.unsqueeze(-1), chosen, output)

    return hook


_PROBE = (3, 5, 7, 4, 6)
"""Ids both ways are fed to be compared; any model has them."""


def _by_peft(loaded: Loaded, path: Path) -> torch.Tensor:
    """Return the log-probabilities behind the probe by PEFT itself, shape (vocabulary,)."""
    import peft
    import torch

    from evalkit.backends.hf.loading import quiet

    ids = torch.tensor([_PROBE], device=loaded.device)
    with quiet(), torch.inference_mode():
        wrapped: Any = peft.PeftModel.from_pretrained(loaded.model, str(path)).eval()
        logits = wrapped(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return torch.log_softmax(logits[0, -1].float(), dim=-1)


def _refuse_difference(
    loaded: Loaded, virtual: tuple[int, ...], wanted: torch.Tensor, where: str
) -> None:
    import torch

    from evalkit.backends.precision import noise

    ids = torch.tensor([(*virtual, *_PROBE)], device=loaded.device)
    with torch.inference_mode():
        found = torch.log_softmax(loaded.model(input_ids=ids).logits[0, -1].float(), dim=-1)
    difference = float((found - wanted).abs().max())
    if not difference <= noise(loaded.dtype_name, 1):
        raise BackendError(
            f"{where} a prefix put in gives log-probabilities {difference:.2g} nats from PEFT's "
            "own, so this kind of attention is not supported. Train a soft prompt."
        )
