"""How a model reads prompts, without its weights: its tokenizer, its chat template, its room.

What cannot be known without weights (positions that a module has, rows of the embedding) is taken
from the configuration or left open.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from evalkit.backends.hf.encoded import Limits
from evalkit.backends.hf.encoding import Encoder
from evalkit.backends.hf.files import ModelFiles, locate, read_template
from evalkit.backends.hf.kinds import is_encoder_decoder
from evalkit.backends.hf.loading import max_length, quiet, tokenizer_of
from evalkit.backends.hf.options import thoughts_of
from evalkit.backends.template_kwargs import NAME, template_kwargs
from evalkit.records import ModelSpec

__all__ = ["Reader", "reader_of"]


class Reader(Encoder):
    """An encoder that can say which text each of its ids stands for."""

    def pieces(self, ids: tuple[int, ...]) -> list[str]:
        """Return the text of every id, special tokens by their names."""
        found: list[str] = [
            self._tokenizer.decode([one], clean_up_tokenization_spaces=False) for one in ids
        ]
        return found

    def text(self, ids: tuple[int, ...]) -> str:
        """Return the text of ids together."""
        found: str = self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
        return found


def reader_of(spec: ModelSpec, *, files: ModelFiles | None = None, offline: bool = False) -> Reader:
    """Return what turns requests into the ids that the model of `spec` is fed.

    Parameters
    ----------
    spec
        Names the model.
    files
        Its files, where they were located already.
    offline
        See `files.locate`.

    Raises
    ------
    BackendError
        When the model cannot be found, or its tokenizer or chat template is not acceptable.
    """
    template = read_template(spec.chat_template)
    found = files or locate(spec, offline=offline)
    with quiet():
        tokenizer = tokenizer_of(found, bool(spec.options.get("trust_remote_code")))
        return Reader(
            tokenizer,
            encoder_decoder=is_encoder_decoder(found),
            limits=Limits(prompt=max_length(spec, _named(found.config), tokenizer)),
            template=template if template is not None else spec.chat_template,
            allow_unknown=bool(spec.options.get("allow_unknown")),
            thoughts=thoughts_of(spec),
            variables=template_kwargs(spec.options.get(NAME)),
        )


def _named(config: Mapping[str, Any]) -> SimpleNamespace:
    """A configuration whose values are attributes, as Transformers has them."""
    return SimpleNamespace(
        **{
            name: _named(value) if name == "text_config" and isinstance(value, Mapping) else value
            for name, value in config.items()
        }
    )
