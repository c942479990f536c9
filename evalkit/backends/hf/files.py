"""Files of a Transformers model: where they lie, whether they may be loaded, and their hashes.

Needs no torch.

Not handled here: reading weights into a model (`evalkit.backends.hf.loading`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import BackendError, ExtraMissingError
from evalkit.records import ModelSpec, digest

__all__ = ["ModelFiles", "fingerprint", "locate", "read_template"]

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_TOKENIZER_NAMES = frozenset(
    {
        "added_tokens.json",
        "merges.txt",
        "special_tokens_map.json",
        "spiece.model",
        "tekken.json",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "vocab.txt",
        "sentencepiece.bpe.model",
        "spm.model",
    }
)
_VOCABULARY_NAMES = _TOKENIZER_NAMES - {
    "added_tokens.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
}
_HUB_PATTERNS = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.jinja2")
_PICKLE_PATTERNS = ("pytorch_model*.bin",)
_hashes: dict[tuple[str, int, int], str] = {}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model directory that was found complete."""

    root: Path
    """Directory that is loaded."""
    config: Mapping[str, Any]
    """Content of ``config.json``."""
    weights: tuple[Path, ...]
    """Weight files, sorted by name."""
    tokenizer: tuple[Path, ...]
    """Tokenizer files, sorted by name."""
    others: tuple[Path, ...]
    """Further files that change responses: generation settings and, where trusted, code."""
    revision: str
    """Resolved commit of a hub model; empty for a directory."""


def locate(spec: ModelSpec, *, offline: bool = False) -> ModelFiles:
    """Return the files of the model that `spec` names, downloading them from the hub when it is no directory.

    Parameters
    ----------
    spec
        Names the model.
    offline
        Look into the hub's local cache only, and open no connection.

    Raises
    ------
    BackendError
        When the directory, its configuration, weights or tokenizer are missing or not acceptable.
    """
    path = Path(spec.name).expanduser()
    if path.is_dir():
        return _check(path, revision="", spec=spec)
    if path.exists():
        raise BackendError(
            f"{spec.name}: is a file; a model is a directory or a hub id. Name the directory that holds config.json."
        )
    if spec.name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(spec.name):
        raise BackendError(
            f"{spec.name}: no such directory, and not a hub id (owner/name). Check the path of the model."
        )
    root, revision = _download(spec, offline=offline)
    return _check(root, revision=revision, spec=spec)


def _download(spec: ModelSpec, *, offline: bool) -> tuple[Path, str]:
    """Return the local snapshot of a hub model and its commit."""
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
            RepositoryNotFoundError,
        )
        from huggingface_hub.utils.tqdm import disable_progress_bars
    except ImportError as error:
        raise ExtraMissingError("backend 'hf'", "hf") from error
    disable_progress_bars()
    patterns = [*_HUB_PATTERNS, *(_PICKLE_PATTERNS if spec.options.get("allow_pickle") else ())]
    if spec.options.get("trust_remote_code"):
        patterns.append("*.py")
    where = f"{spec.name}@{spec.revision or 'main'}"
    try:
        root = Path(
            snapshot_download(
                spec.name, revision=spec.revision, allow_patterns=patterns, local_files_only=offline
            )
        )
    except RepositoryNotFoundError as error:
        raise BackendError(
            f"{where}: no such directory here and no such model on the hub, or it is not public. Check the name, or log in with 'hf auth login'."
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise BackendError(
            f"{where}: not in the local cache and the hub cannot be reached. Connect to the network, or give a local directory."
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BackendError(
            f"{where}: cannot be fetched from the hub: {_first_line(error)}. Check the name, the revision, the network and HF_ENDPOINT."
        ) from error
    return root, root.name


def _first_line(error: BaseException) -> str:
    """First line of an exception's message without its closing stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _check(root: Path, *, revision: str, spec: ModelSpec) -> ModelFiles:
    """Return the files under `root`, refusing what is missing or unsafe."""
    config = _read_config(root)
    files = sorted(p for p in root.iterdir() if p.is_file())
    tokenizer = tuple(p for p in files if p.name in _TOKENIZER_NAMES)
    if not any(p.name in _VOCABULARY_NAMES for p in tokenizer):
        raise BackendError(
            f"{root}: has no tokenizer; one of {', '.join(sorted(_VOCABULARY_NAMES))} is needed. Save the tokenizer beside the weights."
        )
    code = [p for p in files if p.suffix == ".py"]
    if (
        config.get("auto_map")
        and not spec.options.get("trust_remote_code")
        and not _known_type(config)
    ):
        raise BackendError(
            f"{root}: model type {config.get('model_type')!r} brings its own code, which is not run by default. "
            "Read the code, then set the option trust_remote_code: true."
        )
    settings = [p for p in files if p.name == "generation_config.json"]
    others = tuple(settings + (code if spec.options.get("trust_remote_code") else []))
    return ModelFiles(root, config, _weights(root, files, spec), tokenizer, others, revision)


def _known_type(config: Mapping[str, Any]) -> bool:
    """Whether Transformers itself knows the model type."""
    from transformers import CONFIG_MAPPING

    return config.get("model_type") in CONFIG_MAPPING


def _read_config(root: Path) -> dict[str, Any]:
    """Return ``config.json`` of a model directory."""
    path = root / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BackendError(
            f"{root}: has no config.json; a Transformers model directory is needed. Check the path of the model."
        ) from error
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{path}: cannot be read as JSON: {_first_line(error)}. Fetch the model again."
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise BackendError(
            f"{path}: names no model_type; a Transformers configuration is needed. Fetch the model again."
        )
    return config


def _weights(root: Path, files: Iterable[Path], spec: ModelSpec) -> tuple[Path, ...]:
    """Return the weight files that are loaded, complete as the index lists them."""
    files = list(files)
    safe = [
        p
        for p in files
        if p.name == "model.safetensors" or re.fullmatch(r"model-\d+-of-\d+\.safetensors", p.name)
    ]
    index = root / "model.safetensors.index.json"
    if index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
        absent = sorted(wanted - {p.name for p in files})
        if absent:
            raise BackendError(
                f"{root}: weight file {absent[0]!r} is missing ({len(absent)} of {len(wanted)}). Fetch the model again."
            )
        safe = [p for p in files if p.name in wanted]
    if safe:
        return tuple(safe)
    pickled = [p for p in files if re.fullmatch(r"pytorch_model.*\.bin|.*\.(pt|pth|ckpt)", p.name)]
    if pickled and not spec.options.get("allow_pickle"):
        raise BackendError(
            f"{root}: weights are pickled ({pickled[0].name}), which can run code when loaded; safetensors are needed. "
            "Convert them, or set the option allow_pickle: true for weights you trust."
        )
    if pickled:
        return tuple(pickled)
    raise BackendError(
        f"{root}: has no weights; model.safetensors is needed. Check the path, or fetch the model again."
    )


def read_template(choice: str) -> str | None:
    """Return the text of the chat template file named by `choice`; None for ``auto`` and ``none``.

    Raises
    ------
    BackendError
        When the file cannot be read.
    """
    if choice in ("auto", "none"):
        return None
    try:
        return Path(choice).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackendError(
            f"chat template {choice!r}: cannot be read: {_first_line(error)}; 'auto', 'none' or the path of a Jinja file is accepted."
        ) from error


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


def fingerprint(spec: ModelSpec, files: ModelFiles, *, dtype: str, template: str) -> dict[str, str]:
    """Return everything that can change a response of this model.

    Parameters
    ----------
    spec
        What was asked for; only options that change responses enter.
    files
        Files found by `locate`.
    dtype
        Resolved precision of the weights, such as ``float32``.
    template
        Text of the chat template in use; empty for none.

    Notes
    -----
    Batch size, device and the path that computes (fast or plain) stay out: they agree to the
    tolerance that the start-up proof enforces.
    """
    options = {
        k: v
        for k, v in sorted(spec.options.items())
        if k in ("compile", "max_length", "trust_remote_code", "add_bos_token") and v
    }
    return {
        "backend": "hf",
        "weights": _hash_all(files.weights),
        "config": _hash_all([files.root / "config.json"]),
        "tokenizer": _hash_all(files.tokenizer),
        "chat_template": hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()
        if template
        else "none",
        "dtype": dtype,
        "revision": files.revision,
        "settings": _hash_all(files.others),
        "options": json.dumps(options, sort_keys=True),
    }
