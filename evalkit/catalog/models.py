"""What stands after ``--model`` -> `ModelSpec`, and what known models were tuned on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.catalog.collections import is_collection_file
from evalkit.catalog.kinds import refuse_other_kind
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import tuned_on_collection
from evalkit.catalog.validate import field_names, record
from evalkit.catalog.yaml_file import load_yaml
from evalkit.errors import BackendError, CatalogError, UsageError
from evalkit.records import ModelSpec
from evalkit.registry import BACKENDS, unknown

__all__ = [
    "GUARDS",
    "KnownModel",
    "known_collections",
    "known_models",
    "known_tuning",
    "lifted_guards",
    "load_model",
    "model_from_lm_eval",
    "read_model_file",
    "shipped_models",
]

MODEL_FILE = "evalkit.yaml"
"""File in a model directory that says how to load it and what it was tuned on."""
GUARDS = ("trust_remote_code", "allow_pickle")
"""Options that let a model run code of its own; they count only where a person types them."""
_SERVED = ("openai", "lm-eval")
"""Backends that a file found in a model's directory may not choose."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """One entry of ``tasks/models.yaml``."""

    ids: tuple[str, ...]
    """Exact ids or patterns."""
    tuned_on: tuple[str, ...]
    """Collections; see `evalkit.catalog.phrasings.tuned_on_collection` for scopes."""
    reference: str
    """Where that is stated: author, title, year, place."""
    note: str = ""
    """What a reader of the scores must know."""


@lru_cache(maxsize=1)
def known_models() -> tuple[KnownModel, ...]:
    """Return what is known of published models' tuning, in the order of the file."""
    file = load_yaml(data_root("tasks") / "models.yaml", shown="tasks/models.yaml")
    from pydantic import TypeAdapter

    return TypeAdapter(tuple[KnownModel, ...]).validate_python(file.value["models"])


def known_tuning(name: str) -> KnownModel | None:
    """Return what is known of the tuning of a model, by its exact id or a pattern of
    ``tasks/models.yaml``; None for nothing.
    """
    for known in known_models():
        if any(fnmatchcase(name, pattern) for pattern in known.ids):
            return known
    return None


def known_collections() -> frozenset[str]:
    """Return every collection that some published model was tuned on."""
    return frozenset(
        tuned_on_collection(entry)[0] for known in known_models() for entry in known.tuned_on
    )


def shipped_models() -> dict[str, Path]:
    """Return the models that come with evalkit: name -> directory."""
    return {
        path.parent.name: path.parent
        for path in sorted(data_root("models").glob(f"*/{MODEL_FILE}"))
    }


def read_model_file(path: Path, *, directory: Path | None = None) -> ModelSpec:
    """Return the model of one YAML file.

    Parameters
    ----------
    path
        The file.
    directory
        Model directory it lies in; then `name` may be left out and is the directory.

    Raises
    ------
    CatalogError
        When the file is wrong; all mistakes together.
    """
    problems: list[str] = []
    file = load_yaml(path, problems=problems)
    refuse_other_kind(file, "model")
    value = file.value
    if directory is not None and isinstance(value, dict):
        value = {"label": directory.name, **value, "name": str(directory)}
    model, wrong = record(ModelSpec, value, file=file)
    problems += wrong
    if (
        isinstance(value, dict)
        and isinstance(value.get("backend"), str)
        and value["backend"] not in BACKENDS
    ):
        problems.append(f"{file.at(('backend',))}: {_unknown_backend(value['backend'])}")
    if model is None or problems:
        raise CatalogError(problems)
    return _with_tuning(_located(model, path.parent))


def _located(model: ModelSpec, folder: Path) -> ModelSpec:
    """Return the model with the collection files it names looked for beside its own file."""
    if model.tuned_on is None:
        return model
    entries = tuple(
        str(folder / entry) if is_collection_file(entry) else entry for entry in model.tuned_on
    )
    return dataclasses.replace(model, tuned_on=entries)


def _with_tuning(model: ModelSpec) -> ModelSpec:
    """Return the model with what is known of its tuning, unless it says so itself."""
    if model.tuned_on is not None:
        return model
    known = known_tuning(model.name)
    return model if known is None else dataclasses.replace(model, tuned_on=known.tuned_on)


def _unknown_backend(name: str) -> str:
    return unknown("backend", name, BACKENDS.names())


def load_model(model: str, **overrides: Any) -> ModelSpec:
    """Return the specification of what stands after ``--model``.

    Parameters
    ----------
    model
        A model that ships with evalkit (``demo``); a directory; ``BACKEND:REST``; a YAML file; or a
        hub id, with ``@REVISION`` after it where one is pinned. In this order.
    **overrides
        Fields of `ModelSpec` given on the command line; None leaves a field as it is, `options` are
        merged.

    Raises
    ------
    UsageError
        When nothing of that name is there, or an override has no field.
    CatalogError
        When a model file is wrong.
    """
    spec = _find(model)
    if not model.endswith((".yaml", ".yml")):
        spec = _guarded(spec, overrides)
    strange = sorted(set(overrides) - set(field_names(ModelSpec)))
    if strange:
        raise UsageError(
            f"model option {', '.join(strange)} is not known; accepted: "
            f"{', '.join(field_names(ModelSpec))}."
        )
    given = {name: value for name, value in overrides.items() if value is not None}
    if "options" in given:
        given["options"] = {**spec.options, **given["options"]}
    if "tuned_on" in given:
        given["tuned_on"] = tuple(given["tuned_on"])
    return dataclasses.replace(spec, **given)


def lifted_guards(spec: ModelSpec) -> list[str]:
    """Return what a specification sets that only a person may: options that run code,
    and a chat template from elsewhere.
    """
    found = [f"options.{name}" for name in GUARDS if spec.options.get(name)]
    return found if spec.chat_template in ("", "auto", "none") else [*found, "chat_template"]


def _guarded(spec: ModelSpec, typed: Mapping[str, Any]) -> ModelSpec:
    """Return a model found in a directory, its chat template looked for there, refused where its
    own file lifts a guard.
    """
    file = Path(spec.name) / MODEL_FILE
    if not file.is_file():
        return spec
    if spec.backend in _SERVED:
        raise CatalogError(
            [
                f"{file}: backend: is {spec.backend!r}, which loads nothing from a directory but "
                f"sends questions elsewhere. Type --model {spec.backend}:NAME if you want that."
            ]
        )
    if typed.get("chat_template") is not None:
        spec = dataclasses.replace(spec, chat_template="")
    options = typed.get("options") or {}
    for name in lifted_guards(spec):
        if name == "chat_template":
            template = (file.parent / spec.chat_template).resolve()
            if template.is_relative_to(file.parent.resolve()):
                spec = dataclasses.replace(spec, chat_template=str(template))
                continue
        elif options.get(name.removeprefix("options.")):
            continue
        raise CatalogError(
            [
                (
                    f"{file}: {name}: a file found in a model's directory may not set this. "
                    f"Read it, then name it: --model {file}."
                )
            ]
        )
    return spec


def _find(model: str) -> ModelSpec:
    """Return what a MODEL argument names."""
    if not model.strip():
        raise UsageError(
            "--model: is empty; accepted: demo, a directory, a GGUF file, a hub id, BACKEND:REST, "
            "a YAML file."
        )
    shipped = shipped_models()
    if model in shipped:
        return read_model_file(shipped[model] / MODEL_FILE, directory=shipped[model])
    path = Path(model).expanduser()
    if path.is_dir():
        own = path / MODEL_FILE
        return (
            read_model_file(own, directory=path)
            if own.is_file()
            else ModelSpec(backend="hf", name=str(path), label=path.resolve().name)
        )
    if path.is_file() and path.suffix == ".gguf":
        return ModelSpec(backend="hf", name=str(path), label=path.stem)
    if model.endswith((".yaml", ".yml")):
        if not path.is_file():
            raise UsageError(
                f"--model {model}: file is not there; a YAML file with backend and name is "
                "expected. Check the path."
            )
        inside = path.name == MODEL_FILE and (path.parent / "config.json").is_file()
        return read_model_file(path, directory=path.parent if inside else None)
    prefix, colon, rest = model.partition(":")
    if colon and "/" not in prefix:
        if prefix in ("http", "https"):
            raise UsageError(
                f"--model {model}: is an address without a model. For a model behind an OpenAI "
                f"interface type openai:NAME@{model}."
            )
        if prefix not in BACKENDS:
            raise UsageError(f"--model {model}: {_unknown_backend(prefix)}")
        if not rest:
            raise UsageError(
                f"--model {model}: nothing stands after {prefix!r} and the colon; accepted: "
                f"{prefix}:NAME."
            )
        return _in_backend(prefix, rest)
    if model.startswith(("/", "./", "../", "~")) or path.is_file() or model.count("/") > 1:
        if path.is_file():
            raise UsageError(
                f"--model {model}: is a file; a directory with config, weights and tokenizer, a "
                ".gguf or a model's .yaml is expected. Check the path."
            )
        raise BackendError(
            f"--model {model}: directory is not there; a directory with config, "
            "weights and tokenizer is expected. Check the path."
        )
    if "/" not in model and (close := get_close_matches(model, shipped, n=1, cutoff=0.6)):
        raise UsageError(
            f"--model {model}: no such model ships with evalkit; did you mean {close[0]!r}? "
            f"For a hub id of that name type hf:{model}."
        )
    return _in_backend("hf", model)


def _in_backend(backend: str, rest: str) -> ModelSpec:
    """Return ``BACKEND:REST``; REST of the engines that load weights may pin ``NAME@REVISION``
    or be a directory.
    """
    if backend not in ("hf", "vllm"):
        return _with_tuning(ModelSpec(backend=backend, name=rest))
    if Path(rest).expanduser().is_dir() or Path(rest).suffix == ".gguf":
        return dataclasses.replace(_find(str(Path(rest).expanduser())), backend=backend)
    name, _, revision = rest.partition("@")
    return _with_tuning(ModelSpec(backend=backend, name=name, revision=revision or None))


def model_from_lm_eval(model: str, model_args: str, **overrides: Any) -> ModelSpec:
    """Return the specification of lm-eval's ``--model NAME --model_args key=value,...``.

    Parameters
    ----------
    model
        ``hf`` and ``vllm`` are our own backends; any other of lm-eval's model types goes through
        the ``lm-eval`` backend.
    model_args
        ``pretrained=X,dtype=float32,...``; keys without a field of ours become backend options.
    **overrides
        As in `load_model`.

    Raises
    ------
    UsageError
        When an argument has no ``=``, stands twice, or ``pretrained`` is missing where weights are
        loaded.
    """
    arguments = _model_args(model_args)
    given = {key: value for key, value in overrides.items() if value is not None}
    typed = given.pop("options", {})
    backend = _LM_EVAL_BACKENDS.get(model)
    if backend is None:
        return load_model(f"lm-eval:{model}", **given, options={**arguments, **typed})
    name = arguments.pop("pretrained", "")
    if not name:
        raise UsageError(
            f"--model_args: 'pretrained' is missing; --model {model} needs pretrained=NAME (a "
            "directory or hub id)."
        )
    fields: dict[str, Any] = {
        field: read(arguments.pop(field))
        for field, read in _LM_EVAL_FIELDS.items()
        if field in arguments
    }
    options: dict[str, Any] = {name: _plain_value(text) for name, text in arguments.items()}
    if "enable_thinking" in options:  # lm-eval's name of the one variable that it passes on
        options["chat_template_kwargs"] = {"enable_thinking": options.pop("enable_thinking")}
    return load_model(f"{backend}:{name}", **{**fields, **given}, options={**options, **typed})


def _model_args(text: str) -> dict[str, str]:
    """Return what stands in ``key=value,key=value``."""
    arguments: dict[str, str] = {}
    for part in filter(None, (item.strip() for item in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip() or key.strip() in arguments:
            wrong = "stands twice" if key.strip() in arguments else "has no value"
            raise UsageError(
                f"--model_args: {part!r} {wrong}; accepted: key=value,key=value, "
                "such as pretrained=NAME,dtype=float32."
            )
        arguments[key.strip()] = value.strip()
    return arguments


def _batch_size(text: str) -> int | None:
    if text.isdigit() and int(text) > 0:
        return int(text)
    if text.startswith("auto"):
        return None
    raise UsageError(
        f"--model_args: batch_size is {text!r}; accepted: auto or a whole number from 1."
    )


def _plain_value(text: str) -> bool | int | str:
    """Return a typed value as YAML would have it: ``false`` must not count as true.

    Examples
    --------
    >>> _plain_value("False"), _plain_value("512"), _plain_value("sdpa")
    (False, 512, 'sdpa')
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdigit() else text


_LM_EVAL_BACKENDS = {"hf": "hf", "hf-auto": "hf", "huggingface": "hf", "vllm": "vllm"}
"""lm-eval's model types that are backends of ours."""
_LM_EVAL_FIELDS: dict[str, Callable[[str], Any]] = {
    "dtype": str,
    "revision": str,
    "device": str,
    "batch_size": _batch_size,
}
"""lm-eval's arguments that are fields of a `ModelSpec`, and how each is read."""
