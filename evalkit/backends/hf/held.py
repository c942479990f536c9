"""A Transformers model that is in memory already, such as one in training.

It is asked as one loaded from files is. What is asked is a second set of modules over the same
weights, so hooks, changed forwards and ``eval()`` reach nothing of the caller's. Not handled here:
mitigations that change weights or read logits, which are refused.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.backends.hf.backend import HFBackend
from evalkit.backends.hf.files import read_template
from evalkit.backends.hf.fingerprint import reading_of
from evalkit.backends.hf.loading import Loaded, max_length
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, digest

__all__ = ["HeldModel"]

_ADAPTING = ("active_adapters", "disable_adapters", "merged_adapters", "scaling")
"""What a layer with adapters says of itself that changes its outputs and is no tensor."""


class HeldModel(HFBackend):
    """A Transformers model and its tokenizer, given as objects, as a backend.

    Parameters
    ----------
    model
        Causal or encoder-decoder language model. It stays as it is: in training mode if it was,
        with its gradients and on its device.
    tokenizer
        Its tokenizer.
    batch_size
        Most requests per forward; None for automatic.
    chat_template
        ``auto`` (the tokenizer's own), ``none`` or the path of a file.

    Raises
    ------
    UsageError
        When it is no such pair.
    BackendError
        When the model's modules cannot be copied, or weights are not in memory.

    Notes
    -----
    The fingerprint names the weights as they are now. Code that was changed in memory cannot be
    told from outside, so the answers serve no other run.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_size: int | None = None,
        chat_template: str = "",
    ) -> None:
        _check(model, tokenizer)
        name = type(model).__name__
        self._marks = {
            "backend": "hf-object",
            "class": f"{type(model).__module__}.{type(model).__qualname__}",
            "weights": _weights(model, name),
            "config": digest(json.loads(model.config.to_json_string(use_diff=False))),
            "settings": digest(json.loads(model.generation_config.to_json_string(use_diff=False))),
            "adapters": digest(_adapters(model)),
            "tokenizer": _tokenizer(tokenizer),
        }
        spec = ModelSpec(
            backend="hf-object",
            name=f"{name}-{digest(self._marks, length=12)}",
            label=Path(str(getattr(model.config, "name_or_path", "") or "")).name or name,
            batch_size=batch_size,
            chat_template=chat_template,
        )
        loaded = Loaded(
            _over_same_weights(model, name),
            tokenizer,
            encoder_decoder=bool(model.config.is_encoder_decoder),
            longest=max_length(spec, model.config, tokenizer),
        )
        self._begin(spec, loaded, read_template(chat_template))

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do; the weights are the caller's, so nothing may change them."""
        return super().capabilities - {"logits"} | {"unversioned"}

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything that can change a response and can be told from outside."""
        template = self._encoder.template
        rules = self._encoder.rules
        return {
            **self._marks,
            **reading_of(self.spec, rules, dtype=self._dtype, template=template),
        }


def _check(model: Any, tokenizer: Any) -> None:
    """Refuse what is no language model with its tokenizer."""
    if not all(hasattr(model, part) for part in ("generate", "state_dict", "config")):
        raise UsageError(
            f"--model: {type(model).__name__} is no language model of Transformers; "
            "a pair (model, tokenizer) is accepted. Take a wrapped model out of its wrapper."
        )
    if not callable(tokenizer) or not hasattr(tokenizer, "save_pretrained"):
        raise UsageError(
            f"--model: {type(tokenizer).__name__} is no tokenizer of Transformers; "
            "a pair (model, tokenizer) is accepted."
        )


def _weights(model: Any, name: str) -> str:
    """Return the SHA-256 over names, kinds, shapes and bytes of all tensors."""
    import torch

    found = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        if not isinstance(tensor, torch.Tensor):
            found.update(f"{key} {tensor!r}".encode())
            continue
        if tensor.is_meta:
            raise BackendError(
                f"{name}: weight {key!r} is not in memory. Load the model whole, "
                "or save it and name its directory."
            )
        found.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().to("cpu").contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def _adapters(model: Any) -> list[list[str]]:
    """Return what layers with adapters say of themselves, as texts."""
    return [
        [name, *(repr(getattr(module, key)) for key in _ADAPTING)]
        for name, module in model.named_modules()
        if all(hasattr(module, key) for key in _ADAPTING)
    ]


def _tokenizer(tokenizer: Any) -> str:
    """Return a digest of what the tokenizer would save."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return digest([[p.name, hashlib.sha256(p.read_bytes()).hexdigest()] for p in files])


def _over_same_weights(model: Any, name: str) -> Any:
    """Return a copy of a model's modules, ready to be asked, that shares every tensor with it."""
    tensors = [*model.parameters(), *model.buffers()]
    try:
        copied = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    # whatever users hang on a model may refuse to be copied; one clear line is owed
    except Exception as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise BackendError(
            f"{name}: its modules cannot be copied: {said} "
            "Save the model and its tokenizer with save_pretrained and name the directory."
        ) from error
    return copied.eval()
