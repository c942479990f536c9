"""Trained adapters at run time.

Any soft prompt or LoRA in PEFT's format, on the fast path of the engine.

A soft prompt, or a prefix of every layer, becomes N tokens beyond the vocabulary that stand before
every prompt: the same computation as PEFT's, and a prefix that the engine stores once. A LoRA is
merged into the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import inner_workings
from evalkit.backends.mitigations.options import read_options
from evalkit.backends.mitigations.prefixes import apply_prefix, extend_embedding
from evalkit.errors import BackendError, ExtraMissingError, UsageError
from evalkit.tuning.bottleneck import CONFIG, KIND, WEIGHTS, apply_bottleneck, kind_of

if TYPE_CHECKING:
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.hf.loading import Loaded

__all__ = [
    "RECORD",
    "adapter",
    "adapter_paths",
    "base_marks",
    "read_record",
    "refuse_overlap",
    "trained_phrasings",
]

RECORD = "evalkit.json"
"""Name of the record beside the weights."""
_DEFAULTS = {"path": "", "overlap": "refuse"}


def base_marks(engine: HFBackend) -> dict[str, str]:
    """Return what an adapter remembers of its model.

    Hashes of weights, configuration and tokenizer.
    """
    found = engine.fingerprint()
    return {name: found[name] for name in ("weights", "config", "tokenizer")}


def read_record(path: Path) -> dict[str, Any]:
    """Return the record that `evalkit align` left beside an adapter.

    Empty for an adapter of another program.

    Raises
    ------
    BackendError
        When it cannot be read.
    """
    try:
        record = json.loads((path / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BackendError(
            f"{path / RECORD}: cannot be read: {error}. Train the adapter again."
        ) from error
    if not isinstance(record, dict):
        raise BackendError(f"{path / RECORD}: is not a record of evalkit. Train the adapter again.")
    return record


def _options(options: str) -> dict[str, Any]:
    given = read_options("adapter", options, _DEFAULTS)
    if not given["path"]:
        raise UsageError(
            "--mitigation adapter: 'path' names no directory. "
            "Give the --out of 'evalkit align', or a PEFT adapter."
        )
    if given["overlap"] not in {"refuse", "allow"}:
        raise UsageError(
            f"--mitigation adapter: overlap={given['overlap']} is not known; "
            "refuse or allow is accepted."
        )
    return given


def trained_phrasings(mitigations: Sequence[str]) -> frozenset[str]:
    """Return the ids of all phrasings that the adapters among some mitigations were trained or
    validated on.
    """
    records = [read_record(path) for path in adapter_paths(mitigations)]
    return frozenset(
        name
        for record in records
        for part in ("training", "validation")
        for name in record.get(part, ())
    )


def adapter_paths(mitigations: Sequence[str]) -> list[Path]:
    """Return the directories of the adapters among some mitigations."""
    parts = [text.partition(":") for text in mitigations]
    return [
        Path(_options(options)["path"]).expanduser()
        for name, _, options in parts
        if name == "adapter"
    ]


def refuse_overlap(mitigations: Sequence[str], phrasings: Iterable[str]) -> None:
    """Refuse to evaluate an adapter on phrasings it was trained or validated on, unless
    ``overlap=allow`` says that this is wanted.

    Raises
    ------
    UsageError
        Naming phrasings of the overlap.
    """
    asked = set(phrasings)
    for text in mitigations:
        name, _, options = text.partition(":")
        if name != "adapter" or _options(options)["overlap"] == "allow":
            continue
        both = sorted(asked & trained_phrasings([text]))
        if both:
            shown = ", ".join(both[:3]) + (f" and {len(both) - 3} more" if len(both) > 3 else "")
            raise UsageError(
                f"--mitigation {text}: was trained on {len(both)} of the {len(asked)} phrasings "
                f"of this run ({shown}), so their scores would not be of held-out wordings. "
                "Choose other phrasings (a suite's 'sources'), or add overlap=allow: "
                "they are then shown as seen."
            )


def adapter(backend: Backend, options: str) -> Backend:
    """Return the backend with a trained adapter on its model (``--mitigation adapter:path=DIR``).

    Raises
    ------
    UsageError
        When options are wrong.
    BackendError
        When the adapter belongs to another model or tokenizer, or is of a kind that cannot be
        applied.
    """
    given = _options(options)
    engine = inner_workings(backend, "adapter")
    path = Path(given["path"]).expanduser()
    try:
        import peft
        from safetensors.torch import load_file
    except ImportError as error:
        raise ExtraMissingError("--mitigation adapter", "align") from error
    _refuse_unfit(engine, path)
    content = b"".join((path / name).read_bytes() for name in (WEIGHTS, CONFIG))
    mark = hashlib.sha256(content).hexdigest()[:16]
    if kind_of(path) == KIND:
        engine.adapt(
            lambda loaded: apply_bottleneck(loaded.model, path), label=f"bottleneck:{mark}"
        )
        return backend
    config: Any = peft.PeftConfig.from_pretrained(str(path))
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    weights_file = path / "adapter_model.safetensors"
    label = f"{kind.lower()}:{mark}"
    if kind in {"PROMPT_TUNING", "P_TUNING"}:
        vectors = load_file(weights_file)["prompt_embeddings"]
        _apply_prompt(engine, path, vectors[: int(config.num_virtual_tokens)], label=label)
    elif kind == "PREFIX_TUNING":
        vectors = load_file(weights_file)["prompt_embeddings"]
        apply_prefix(engine, path, config, vectors, label=label)
    elif kind in {"MULTITASK_PROMPT_TUNING", "CPT", "ADAPTION_PROMPT"}:
        raise BackendError(
            f"{path}: adapters of kind {kind} are not applied by evalkit; "
            "prompt tuning, prefix tuning and LoRA are. Load it with PEFT itself."
        )
    else:
        engine.adapt(lambda loaded: _merge(loaded, engine, path), label=label)
    return backend


def _apply_prompt(engine: HFBackend, path: Path, vectors: Any, *, label: str) -> None:
    """Put a soft prompt, shape (token, width), before every prompt."""
    first = engine.loaded.model.get_input_embeddings()
    start = int(first.weight.shape[0])
    if vectors.shape[1] != first.weight.shape[1]:
        raise _other_shape(
            engine,
            path,
            f"its vectors have {vectors.shape[1]} numbers where the model's have "
            f"{first.weight.shape[1]}",
        )
    engine.adapt(
        lambda loaded: _appended(loaded, vectors),
        virtual=tuple(range(start, start + len(vectors))),
        label=label,
    )


def _refuse_unfit(engine: HFBackend, path: Path) -> None:
    """Refuse what is no adapter, a second adapter, and one of another base."""
    if (
        not (path / "adapter_config.json").is_file()
        or not (path / "adapter_model.safetensors").is_file()
    ):
        raise BackendError(
            f"{path}: holds no PEFT adapter (adapter_config.json and adapter_model.safetensors). "
            "Name the --out of 'evalkit align' once it has finished; a fully tuned model is "
            "named with --model."
        )
    if "adapter" in engine.fingerprint():
        raise UsageError(
            f"--mitigation adapter:path={path}: the model bears an adapter already, "
            "and each was trained without the other. Name one of them."
        )
    _refuse_other_base(engine, path, read_record(path))


def _refuse_other_base(engine: HFBackend, path: Path, record: dict[str, Any]) -> None:
    base = record.get("base")
    if not base:
        return
    mine = base_marks(engine)
    if base["tokenizer"] != mine["tokenizer"]:
        raise BackendError(
            f"{path}: was trained for {base['name']}, whose tokenizer is not that of "
            f"{engine.spec.name}. Train it for this model with 'evalkit align'."
        )
    if base["weights"] != mine["weights"]:
        raise BackendError(
            f"{path}: was trained for {base['name']}, whose weights are not those of "
            f"{engine.spec.name}. Train it for this model with 'evalkit align'."
        )


def _other_shape(engine: HFBackend, path: Path, why: str) -> BackendError:
    return BackendError(
        f"{path}: does not fit {engine.spec.name}: {why}. Name an adapter of this model."
    )


def _appended(loaded: Loaded, vectors: Any) -> None:
    extend_embedding(loaded, vectors)


def _merge(loaded: Loaded, engine: HFBackend, path: Path) -> None:
    """Add a LoRA, or another adapter that PEFT can merge, to the weights in memory."""
    import peft

    from evalkit.backends.hf.loading import quiet

    try:
        with quiet():
            wrapped: Any = peft.PeftModel.from_pretrained(loaded.model, str(path))
            merged = wrapped.merge_and_unload(safe_merge=True)
    except (RuntimeError, ValueError, KeyError, AttributeError, NotImplementedError) as error:
        lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [
            type(error).__name__
        ]
        raise _other_shape(engine, path, lines[0].rstrip(".:")) from error
    merged.eval().requires_grad_(False)
    loaded.model = merged
