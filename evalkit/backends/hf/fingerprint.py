"""Everything that can change a response of a Transformers model, hashed.

Weights, configuration, tokenizer, chat template, settings, and how prompts are read where that is
not simply what the tokenizer says. Not handled here: which files count (`files`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from evalkit.backends.hf.encoding import Encoder
from evalkit.backends.hf.files import ModelFiles, locate, read_json
from evalkit.backends.hf.library_loop import unusual_settings
from evalkit.backends.hf.loading import dtype_of, quiet
from evalkit.backends.hf.reader import reader_of
from evalkit.errors import BackendError
from evalkit.records import ModelSpec, digest

__all__ = ["fingerprint", "fingerprint_of", "hashes", "reading_of"]

_hashes: dict[tuple[str, int, int], str] = {}


def _sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, remembered by path, size and modification time."""
    stat = path.stat()
    key = (os.path.realpath(path), stat.st_size, stat.st_mtime_ns)
    if key not in _hashes:
        with path.open("rb") as stream:
            _hashes[key] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _hashes[key]


def _hash_all(paths: Iterable[Path]) -> str:
    """Return one digest over names and contents of files."""
    paths = list(paths)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return digest([[p.name, h] for p, h in zip(paths, pool.map(_sha256, paths), strict=True)])


def hashes(files: ModelFiles) -> dict[str, str]:
    """Return the digests of what is read from a model's directory."""
    if files.gguf:  # one file holds all three, and its name is nothing to it
        found = dict.fromkeys(("weights", "config", "tokenizer"), _sha256(files.weights[0]))
        return {**found, "settings": _hash_all(files.others)}
    return {
        "weights": _hash_all(files.weights),
        "config": _hash_all([files.root / "config.json"]),
        "tokenizer": _hash_all(files.tokenizer),
        "settings": _hash_all(files.others),
    }


def _rules(files: ModelFiles, encoder: Encoder) -> list[str]:
    """What is read or ended otherwise than a tokenizer and its end token say."""
    found = encoder.rules
    settings = next((p for p in files.others if p.name == "generation_config.json"), None)
    if settings is not None:
        named = read_json(settings)
        if not isinstance(named, dict):
            raise BackendError(f"{settings}: holds no settings. Fetch the model again.")
        several = [n for n in ("num_return_sequences", "stop_strings") if named.get(n)]
        if unusual := [*unusual_settings(named), *several]:
            found.append(f"generation by {', '.join(sorted(unusual))}")
    return found


def fingerprint_of(spec: ModelSpec, *, offline: bool = False) -> dict[str, str]:
    """Return what `HFBackend(spec).fingerprint()` returns, without loading weights.

    Parameters
    ----------
    spec
        Names the model.
    offline
        See `files.locate`.

    Raises
    ------
    BackendError
        When the model cannot be found or is not acceptable.
    """
    files = locate(spec, offline=offline)
    with quiet():
        encoder = reader_of(spec, files=files)
    return fingerprint(spec, files, dtype=dtype_of(spec, files), encoder=encoder)


def fingerprint(
    spec: ModelSpec, files: ModelFiles, *, dtype: str, encoder: Encoder
) -> dict[str, str]:
    """Return everything that can change a response of this model.

    Parameters
    ----------
    spec
        What was asked for; only options that change responses enter.
    files
        Files found by `locate`.
    dtype
        Resolved precision of the weights, such as ``float32``.
    encoder
        How prompts are read.

    Notes
    -----
    Batch size, device and the path that computes (fast or plain) stay out: they agree to the
    tolerance that the start-up proof enforces.
    """
    return {
        "backend": "hf",
        **hashes(files),
        "revision": files.revision,
        **reading_of(spec, _rules(files, encoder), dtype=dtype, template=encoder.template),
    }


def reading_of(
    spec: ModelSpec, rules: Sequence[str], *, dtype: str, template: str
) -> dict[str, str]:
    """Return what can change a response besides the model's files: options, precision, reading.

    Parameters
    ----------
    spec
        What was asked for; only options that change responses enter.
    rules
        What is read or ended otherwise than the tokenizer says.
    dtype
        Precision of the weights.
    template
        Text of the chat template; empty for none.
    """
    options = {
        k: v
        for k, v in sorted(spec.options.items())
        if k in ("compile", "max_length", "trust_remote_code", "add_bos_token", "allow_unknown")
        and v
    }
    return {
        "chat_template": hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
        if template
        else "none",
        "dtype": dtype,
        "options": json.dumps(options, sort_keys=True),
        **({"reading": json.dumps(rules)} if rules else {}),
    }
