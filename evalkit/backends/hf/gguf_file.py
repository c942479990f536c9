"""GGUF files: what is in one, and whether Transformers is able to make a model of it.

Needs the package ``gguf``, no torch.

Not handled here: weights (the library dequantises them; see `evalkit.backends.hf.loading`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.errors import BackendError, ExtraMissingError

__all__ = ["gguf_in", "read_gguf"]

SUFFIX = ".gguf"
_EMBEDDING = ("bert", "jina", "nomic", "t5encoder", "gte", "embedding")
_NO_TEXT = ("clip", "wavtokenizer", "mmproj", "adapter", "imatrix")
_OTHER = {"mistral3": "mistral"}
"""Names that Transformers reads under another."""


def gguf_in(path: Path) -> Path | None:
    """Return the GGUF file that a path names: itself,
    or the only one of a directory without ``config.json``.

    Raises
    ------
    BackendError
        When a directory holds several.
    """
    if path.is_file() and path.suffix == SUFFIX:
        return path
    if not path.is_dir() or (path / "config.json").exists():
        return None
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) > 1:
        raise BackendError(
            f"{path}: holds {len(found)} GGUF files "
            f"({', '.join(file.name for file in found[:3])}); one is accepted. Name the file."
        )
    return found[0] if found else None


def read_gguf(path: Path) -> Mapping[str, Any]:
    """Return what the head of a GGUF file says, in the words of a Transformers configuration, once
    it is known to be usable.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict
        ``model_type``, ``gguf`` (numbers of tensors by their type) and ``name``.

    Raises
    ------
    ExtraMissingError
        When the package ``gguf`` is not installed.
    BackendError
        When the file is none, is cut short, or holds another kind of model, an architecture or a
        quantisation that Transformers does not read.
    """
    stat = path.stat()
    return _read(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, size: int, changed: int) -> Mapping[str, Any]:
    """Read and check one state of a file."""
    del changed
    try:
        import gguf
    except ImportError as error:
        raise ExtraMissingError(f"{path}: a GGUF file", "gguf") from error
    with path.open("rb") as stream:
        if stream.read(4) != b"GGUF":
            raise BackendError(
                f"{path}: is no GGUF file (it does not begin with the letters GGUF). "
                "Fetch the file again."
            )
    try:
        reader = gguf.GGUFReader(path)
    # subtle: the reader indexes a memory map, so a file cut short surfaces as any of these
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError, OSError) as error:
        raise BackendError(
            f"{path}: the file is cut short or damaged ({size:,} bytes). Fetch it again."
        ) from error
    needed = max((int(t.data_offset) + int(t.n_bytes) for t in reader.tensors), default=0)
    if needed > size:
        raise BackendError(
            f"{path}: the file is cut short: {size:,} bytes where {needed:,} are needed. "
            "Fetch it again."
        )
    architecture = _text(reader, "general.architecture")
    _refuse_kind(path, architecture, _text(reader, "general.type"), _number(reader, "split.count"))
    kinds = [tensor.tensor_type for tensor in reader.tensors]
    _refuse_quantisation(path, kinds)
    return {
        "model_type": _OTHER.get(architecture, architecture),
        "name": _text(reader, "general.name"),
        "gguf": {kind.name: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _field(reader: Any, name: str) -> Any:
    """Value of a field of the head; None where it is absent."""
    field = reader.get_field(name)
    return None if field is None else field.contents()


def _text(reader: Any, name: str) -> str:
    return str(_field(reader, name) or "")


def _number(reader: Any, name: str) -> int:
    return int(_field(reader, name) or 0)


def _refuse_kind(path: Path, architecture: str, kind: str, parts: int) -> None:
    """Refuse what is no whole language model that Transformers reads."""
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    told = f"{path}: architecture {architecture!r}"
    if any(part in architecture for part in _EMBEDDING):
        raise BackendError(
            f"{told} is an embedding model, which scores and generates no text. "
            "Name a text generation model."
        )
    if any(part in architecture for part in _NO_TEXT) or kind not in ("", "model"):
        raise BackendError(
            f"{told}, type {kind or 'model'!r} is one part of a model (vision, audio or adapter), "
            "not a language model. Name a text generation model."
        )
    if parts > 1:
        raise BackendError(
            f"{path}: is one of {parts} parts of a model; a model in one file is accepted. "
            "Merge them with llama.cpp's gguf-split."
        )
    known = {"minimax-m2": "minimax_m2", **_OTHER}
    # Transformers writes qwen2moe as qwen2_moe and gpt-oss as gpt_oss
    same = {name.replace("_", "").replace("-", "") for name in GGUF_SUPPORTED_ARCHITECTURES}
    if known.get(architecture, architecture).replace("_", "").replace("-", "") not in same:
        raise BackendError(
            f"{told} is not read by Transformers from GGUF. "
            "Name the model's own directory or hub id, or serve the file and use "
            "openai:MODEL@URL."
        )


def _refuse_quantisation(path: Path, kinds: list[Any]) -> None:
    """Refuse tensors that the package cannot turn into numbers."""
    import gguf
    import numpy as np

    for kind in sorted(set(kinds)):
        block, size = gguf.GGML_QUANT_SIZES[kind]
        try:
            gguf.dequantize(np.zeros((1, size), dtype=np.uint8), kind)
        except NotImplementedError as error:
            raise BackendError(
                f"{path}: quantisation {kind.name} is not read by the package gguf "
                f"({kinds.count(kind)} tensors in blocks of {block}). "
                "Name a file of another quantisation, such as Q4_K_M, Q8_0 or F16."
            ) from error
        except (ValueError, TypeError):  # plain floats and whole numbers want another form of array
            continue
