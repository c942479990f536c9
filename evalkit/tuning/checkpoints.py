"""Checkpoints read tensor by tensor from safetensors, and refused where they do not fit together.

Never more than one tensor of each is in memory. Not handled here: what is made of them (`merging`),
writing (`weights`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.files import ModelFiles, locate
from evalkit.backends.hf.fingerprint import hashes
from evalkit.errors import BackendError
from evalkit.records import ModelSpec

if TYPE_CHECKING:
    import torch

__all__ = ["Checkpoint", "Place", "fitting", "header_of", "named", "open_checkpoint", "reading"]

LENGTH = 8
"""Bytes at the start of a safetensors file that say how long its header is."""
LONGEST_HEADER = 100_000_000
"""Bytes; the limit of the format's own reader."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies."""

    file: Path
    dtype: str
    """As safetensors spells it: ``F32``, ``BF16``, ..."""
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the end of the header."""
    end: int
    """One past the last byte."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The weights of one model, not read yet."""

    spec: ModelSpec
    files: ModelFiles
    places: dict[str, Place]
    """Name of a tensor -> where it lies, in the order of the files."""

    @property
    def size(self) -> int:
        """Return the bytes of all weight files."""
        return sum(path.stat().st_size for path in self.files.weights)


def header_of(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the first bytes of a safetensors file up to its data, and what they say.

    Raises
    ------
    BackendError
        When it is no safetensors file, or cut off.
    """
    try:
        with path.open("rb") as file:
            head = file.read(LENGTH)
            length = int.from_bytes(head, "little")
            if len(head) < LENGTH or length > LONGEST_HEADER:
                raise ValueError("its header has no end")
            text = file.read(length)
        told = json.loads(text)
        ends = [entry["data_offsets"][1] for name, entry in told.items() if name != "__metadata__"]
        wanted = LENGTH + length + max(ends, default=0)
        if path.stat().st_size != wanted:
            raise ValueError(f"{wanted:,} bytes are announced, {path.stat().st_size:,} are there")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackendError(
            f"{path}: is no whole safetensors file: {error}. Fetch or save the model again."
        ) from error
    return head + text, told


def open_checkpoint(spec: ModelSpec) -> Checkpoint:
    """Return the checkpoint of a model without reading its weights.

    Raises
    ------
    BackendError
        When its files cannot be found, or are not plain safetensors.
    """
    files = locate(spec)
    if files.config.get("quantization_config"):
        raise BackendError(
            f"{files.root}: is quantised (quantization_config in config.json), "
            "so its numbers are not its weights. Use the checkpoint it was made from."
        )
    places: dict[str, Place] = {}
    for path in files.weights:
        if path.suffix != ".safetensors":
            raise BackendError(
                f"{path}: weights must be safetensors to be combined. Convert them first."
            )
        _, told = header_of(path)
        entries = {name: entry for name, entry in told.items() if name != "__metadata__"}
        for name in sorted(entries, key=lambda name: entries[name]["data_offsets"][0]):
            entry = entries[name]
            start, end = entry["data_offsets"]
            places[name] = Place(path, entry["dtype"], tuple(entry["shape"]), start, end)
    return Checkpoint(spec, files, places)


def named(checkpoint: Checkpoint) -> dict[str, str]:
    """Return name, weights and tokenizer of a checkpoint, the last two as hashes."""
    found = hashes(checkpoint.files)
    return {
        "name": checkpoint.spec.name,
        "weights": found["weights"],
        "tokenizer": found["tokenizer"],
    }


def fitting(checkpoints: Sequence[Checkpoint]) -> None:
    """Refuse checkpoints that differ in tensors, shapes, types or vocabulary.

    Raises
    ------
    BackendError
        With the first difference and how many there are.
    """
    first = checkpoints[0]
    for other in checkpoints[1:]:
        both = f"{other.files.root} and {first.files.root}"
        if absent := sorted(set(first.places) ^ set(other.places)):
            _refuse(both, absent, "is only in one of them", "Only checkpoints of one architecture")
        for what, kind in (("shape", "one shape"), ("dtype", "one precision")):
            differing = [
                name
                for name, place in first.places.items()
                if getattr(place, what) != getattr(other.places[name], what)
            ]
            if differing:
                mine, theirs = (getattr(one.places[differing[0]], what) for one in (other, first))
                _refuse(
                    both,
                    differing,
                    f"has {what} {mine} and {theirs}",
                    f"Only checkpoints of {kind}",
                )
        if _vocabulary(first.files) != _vocabulary(other.files):
            raise BackendError(
                f"{both}: have different tokenizers, so the same row means another token. "
                "Use checkpoints with one tokenizer."
            )


def _refuse(both: str, names: list[str], what: str, only: str) -> None:
    raise BackendError(
        f"{both}: tensor {names[0]} {what} ({len(names)} differ). {only} can be combined."
    )


def _vocabulary(files: ModelFiles) -> Any:
    """Return which token has which number, where the files say it plainly; else their bytes."""
    for path in files.tokenizer:
        if path.name == "tokenizer.json":
            told = json.loads(path.read_text(encoding="utf-8"))
            added = [(token["id"], token["content"]) for token in told.get("added_tokens", [])]
            return told["model"].get("vocab"), sorted(added)
    return {path.name: path.read_bytes() for path in files.tokenizer if path.suffix != ".json"}


@contextmanager
def reading(checkpoints: Sequence[Checkpoint]) -> Iterator[Reader]:
    """Hold the weight files of checkpoints open."""
    with ExitStack() as stack:
        yield Reader(checkpoints, stack)


class Reader:
    """Reads one tensor of all checkpoints at a time."""

    def __init__(self, checkpoints: Sequence[Checkpoint], stack: ExitStack) -> None:
        self._checkpoints = checkpoints
        self._stack = stack
        self._open: dict[Path, Any] = {}

    def _of(self, place: Place, name: str) -> torch.Tensor:
        from safetensors import safe_open

        if place.file not in self._open:
            opened = safe_open(place.file, framework="pt")
            self._open[place.file] = self._stack.enter_context(opened)
        tensor: torch.Tensor = self._open[place.file].get_tensor(name)
        return tensor

    def tensors(self, name: str) -> list[torch.Tensor]:
        """Return a tensor of every checkpoint, in their order.

        Raises
        ------
        BackendError
            When it holds whole numbers that differ, which have no mean, or NaN or an infinite
            number, of which nothing can be said.
        """
        import torch

        found = [self._of(checkpoint.places[name], name) for checkpoint in self._checkpoints]
        whole = not found[0].is_floating_point()
        for checkpoint, tensor in zip(self._checkpoints, found, strict=True):
            if not whole and not tensor.isfinite().all():
                raise BackendError(
                    f"{checkpoint.files.root}: tensor {name} holds NaN or an infinite number; "
                    "finite weights are accepted. Take an earlier checkpoint of its training."
                )
        if whole and any(not torch.equal(found[0], other) for other in found[1:]):
            raise BackendError(
                f"{self._checkpoints[0].files.root}: tensor {name} holds whole numbers "
                f"({found[0].dtype}) and differs between the checkpoints, "
                "which cannot be combined. Use checkpoints in a floating-point type."
            )
        return found
