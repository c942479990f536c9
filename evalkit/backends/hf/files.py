"""Files of a Transformers model: where they lie and whether they may be loaded.

Needs no torch. Whatever the library would read from the directory by itself is among the files
that are hashed, or refused. Not handled here: hashing (`fingerprint`), reading weights into a model
(`loading`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.backends.hf.gguf_file import gguf_in, read_gguf
from evalkit.errors import BackendError, ExtraMissingError, first_line
from evalkit.records import ModelSpec

__all__ = ["ModelFiles", "locate", "read_template"]

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
_UNREAD = frozenset(
    {
        *(".bin", ".ckpt", ".gguf", ".h5", ".jinja", ".jinja2", ".md", ".msgpack", ".onnx", ".ot"),
        *(".csv", ".gif", ".jpeg", ".jpg", ".lock", ".log", ".pdf", ".png", ".svg", ".parquet"),
        *(".pt", ".pth", ".py", ".safetensors"),
    }
)
"""Endings of files that are hashed as weights, code or chat template, or that nothing reads."""
_UNREAD_NAMES = frozenset(
    {
        *("config.json", "evalkit.yaml", "model.safetensors.index.json"),
        *("pytorch_model.bin.index.json", "LICENSE", "LICENSE.txt", "NOTICE", "NOTICE.txt"),
    }
)


_COUNTED = re.compile(r"layers?$|experts?$|blocks?$")
"""Ends of the names of settings that say how many parts of a kind a model has."""
MOST_PARTS = 10_000
_POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A model directory that was found complete."""

    root: Path
    """Directory that is loaded."""
    config: Mapping[str, Any]
    """Content of ``config.json``, or what the head of a GGUF file says."""
    weights: tuple[Path, ...]
    """Weight files, sorted by name."""
    tokenizer: tuple[Path, ...]
    """Tokenizer files, sorted by name."""
    others: tuple[Path, ...]
    """Further files that may change responses: generation settings, whatever a tokenizer may read
    besides, and, where trusted, code."""
    revision: str
    """Resolved commit of a hub model; empty for a directory."""

    @property
    def gguf(self) -> dict[str, str]:
        """Return the argument that has Transformers read a GGUF file; empty for other models."""
        first = self.weights[0]
        return {"gguf_file": first.name} if first.suffix == ".gguf" else {}


def locate(spec: ModelSpec, *, offline: bool = False) -> ModelFiles:
    """Return the files of the model that `spec` names, downloading them from the hub when it is no
    directory.

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
    if (file := gguf_in(path)) is not None:
        return ModelFiles(file.parent, read_gguf(file), (file,), (file,), (), "")
    if path.is_dir():
        return _check(path, revision="", spec=spec)
    if path.exists():
        raise BackendError(
            f"{spec.name}: is a file; a model is a directory, a hub id or a file NAME.gguf. "
            "Name the directory that holds config.json."
        )
    if spec.name.startswith((".", "/", "~")) or not _HUB_ID.fullmatch(spec.name):
        raise BackendError(
            f"{spec.name}: no such directory, and not a hub id (owner/name). "
            "Check the path of the model."
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
            f"{where}: no such directory here and no such model on the hub, or it is not public. "
            f"Check the name, or log in with 'hf auth login'.{_served(spec.name)}"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise BackendError(
            f"{where}: not in the local cache and the hub cannot be reached. "
            f"Connect to the network, or give a local directory.{_served(spec.name)}"
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise BackendError(
            f"{where}: cannot be fetched from the hub: {first_line(error)}. "
            "Check the name, the revision, the network and HF_ENDPOINT."
        ) from error
    return root, root.name


def _served(name: str) -> str:
    """How a model behind a server is named, where the name could be one."""
    return "" if "/" in name else f" A model behind an OpenAI interface is openai:{name}."


def _check(root: Path, *, revision: str, spec: ModelSpec) -> ModelFiles:
    """Return the files under `root`, refusing what is missing or unsafe."""
    _refuse_adapter(root)
    config = _read_config(root)
    _refuse_detours(root, config)
    files = sorted(p for p in root.iterdir() if p.is_file())
    tokenizer = tuple(p for p in files if p.name in _TOKENIZER_NAMES)
    if not any(p.name in _VOCABULARY_NAMES for p in tokenizer):
        raise BackendError(
            f"{root}: has no tokenizer; one of {', '.join(sorted(_VOCABULARY_NAMES))} is needed. "
            "Save the tokenizer beside the weights."
        )
    code = sorted(root.rglob("*.py")) if spec.options.get("trust_remote_code") else []
    if (
        config.get("auto_map")
        and not spec.options.get("trust_remote_code")
        and not _known_type(config)
    ):
        raise BackendError(
            f"{root}: model type {config.get('model_type')!r} brings its own code, "
            "which is not run by default. Read the code, then set the option trust_remote_code: "
            "true."
        )
    settings = [
        p
        for p in files
        if p.name not in _TOKENIZER_NAMES | _UNREAD_NAMES
        and p.suffix not in _UNREAD
        and not p.name.startswith(".")
    ]
    others = tuple(settings + code)
    return ModelFiles(root, config, _weights(root, files, spec), tokenizer, others, revision)


def _refuse_adapter(root: Path) -> None:
    """Refuse a directory whose adapter the library would put on the weights by itself."""
    if (root / "adapter_config.json").is_file():
        raise BackendError(
            f"{root}: holds adapter_config.json, an adapter that Transformers would put on a "
            f"model by itself. Name the base model and --mitigation adapter:path={root}, "
            "or merge the adapter into the weights."
        )


def _refuse_detours(root: Path, config: Mapping[str, Any]) -> None:
    """Refuse a configuration that has other weights or code loaded than the directory's own."""
    if config.get("transformers_weights"):
        raise BackendError(
            f"{root}: config.json names weights of its own (transformers_weights: "
            f"{config['transformers_weights']!r}). "
            "Rename them to model.safetensors and take the entry out."
        )
    for name, value in ((name, one) for name, one in _entries(config) if isinstance(one, str)):
        if "attn_implementation" in name and "/" in value:
            raise BackendError(
                f"{root}: config.json asks for the attention kernel {value!r}, "
                f"code that would be fetched from the hub and run. Take {name!r} out of it."
            )
        if name.startswith("auto_map") and "--" in value:
            raise BackendError(
                f"{root}: its code lies in another repository ({value!r}), which is not hashed. "
                "Copy the code into the directory."
            )


def _entries(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every text and number in a configuration with the dotted name it stands under."""
    if isinstance(value, str | int | float):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _entries(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _entries(item, name)


def _known_type(config: Mapping[str, Any]) -> bool:
    """Whether Transformers itself knows the model type."""
    from transformers import CONFIG_MAPPING

    return config.get("model_type") in CONFIG_MAPPING


def _read_config(root: Path) -> dict[str, Any]:
    """Return ``config.json`` of a model directory."""
    path = root / "config.json"
    if not path.is_file():
        raise BackendError(
            f"{root}: has no config.json; a Transformers model directory is needed. "
            "Check the path of the model."
        )
    config = read_json(path)
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise BackendError(
            f"{path}: names no model_type; a Transformers configuration is needed. "
            "Fetch the model again."
        )
    for name, value in _entries(config):
        if _COUNTED.search(name) and isinstance(value, int) and value > MOST_PARTS:
            raise BackendError(
                f"{path}: {name} is {value}; at most {MOST_PARTS:,} are accepted, since a model is "
                "built part by part. Fetch the model again."
            )
    return config


def read_json(path: Path) -> Any:
    """Return the content of a JSON file that came with a model.

    Raises
    ------
    BackendError
        When it cannot be read, is no JSON, or is a pointer of Git LFS.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        refuse_pointer(path)
        raise BackendError(
            f"{path}: cannot be read as JSON: {first_line(error)}. Fetch the model again."
        ) from error


def refuse_pointer(path: Path) -> None:
    """Raise BackendError for the few lines that Git LFS leaves where it did not fetch a file."""
    with suppress(OSError), path.open("rb") as stream:
        if stream.read(len(_POINTER)) == _POINTER:
            raise BackendError(
                f"{path}: is a pointer of Git LFS, not the file itself. Fetch it, for instance "
                "with 'git lfs pull'."
            )


def _weights(root: Path, files: Iterable[Path], spec: ModelSpec) -> tuple[Path, ...]:
    """Return the weight files that are loaded, complete as the index lists them."""
    files = list(files)
    safe = [
        p
        for p in files
        if p.name == "model.safetensors" or re.fullmatch(r"model-\d+-of-\d+\.safetensors", p.name)
    ]
    index = root / "model.safetensors.index.json"
    if index.is_file() and (root / "model.safetensors").is_file():
        raise BackendError(
            f"{root}: holds model.safetensors and model.safetensors.index.json, "
            "two sets of weights of which Transformers loads the first. Move one of them away."
        )
    if index.is_file():
        told = read_json(index)
        named = told.get("weight_map") if isinstance(told, dict) else None
        wanted = {*map(str, named.values())} if isinstance(named, dict) else set()
        if not wanted:
            raise BackendError(f"{index}: names no weight files. Fetch the model again.")
        absent = sorted(wanted - {p.name for p in files})
        if absent:
            raise BackendError(
                f"{root}: weight file {absent[0]!r} is missing ({len(absent)} of {len(wanted)}). "
                "Fetch the model again."
            )
        safe = [p for p in files if p.name in wanted]
    if safe:
        for path in safe:
            refuse_pointer(path)
        return tuple(safe)
    pickled = [p for p in files if re.fullmatch(r"pytorch_model.*\.bin|.*\.(pt|pth|ckpt)", p.name)]
    if pickled and not spec.options.get("allow_pickle"):
        raise BackendError(
            f"{root}: weights are pickled ({pickled[0].name}), which can run code when loaded; "
            "safetensors are needed. Convert them, or set the option allow_pickle: "
            "true for weights you trust."
        )
    if pickled:
        return tuple(pickled)
    raise BackendError(
        f"{root}: has no weights; model.safetensors is needed. "
        "Check the path, or fetch the model again."
    )


def read_template(choice: str) -> str | None:
    """Return the text of the chat template file named by `choice`;
    None for ``auto``, ``none`` and no choice.

    Raises
    ------
    BackendError
        When the file cannot be read.
    """
    if choice in ("", "auto", "none"):
        return None
    try:
        return Path(choice).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BackendError(
            f"chat template {choice!r}: cannot be read: {first_line(error)}; 'auto', "
            "'none' or the path of a Jinja file is accepted."
        ) from error
