"""The folder of a training: made ready, finished so that no kill leaves half of it, and forgotten.

A training under way has ``training.pt``; a finished one a record (``evalkit.json``) with the
digests of its files. So has every checkpoint that was kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evalkit.errors import UsageError
from evalkit.store.atomic import file_digest, remove, write_atomic
from evalkit.tuning.adapters import RECORD

__all__ = ["CHECKPOINT", "finish", "forget", "keep", "make_ready", "refuse_other"]

CHECKPOINT = "training.pt"
"""State of a training that has not ended."""
SAVED = "saved.part"
"""Folder in which the result is saved before it is moved beside its record."""
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
"""What PEFT writes; there without a record when it was killed while saving."""


def make_ready(out: Path) -> None:
    """Make the directory of a training.

    Raises
    ------
    UsageError
        Where something else is, or a training that has ended.
    """
    if (out / RECORD).is_file():
        shutil.rmtree(out / SAVED, ignore_errors=True)  # of a training that was killed at its end
        raise UsageError(
            f"{out}: holds a finished training. Name another --out, or add --fresh to begin again."
        )
    others = [path for path in out.glob("*") if path.suffix != ".part"]
    if others and not (out / CHECKPOINT).is_file():
        raise UsageError(f"{out}: holds other files. Name another --out.")
    out.mkdir(parents=True, exist_ok=True)


def finish(save: Callable[[Path], None], out: Path, record: dict[str, Any]) -> None:
    """Save what was trained, and last the record with the digests of its files.

    The record lies in the folder that they are moved out of, too, so that `forget` knows them when
    the process is killed between the first move and the last.

    Parameters
    ----------
    save
        Writes the files of the model into an empty folder.
    out
        Where they are moved to.
    record
        Gets ``files``: name -> digest.
    """
    part = out / SAVED
    shutil.rmtree(part, ignore_errors=True)  # of a training that was killed while it saved
    part.mkdir()
    save(part)
    _record(part, record)
    for name in record["files"]:
        os.replace(part / name, out / name)
    write_atomic(out / RECORD, (part / RECORD).read_bytes())
    shutil.rmtree(part)
    (out / CHECKPOINT).unlink(missing_ok=True)


def keep(save: Callable[[Path], None], out: Path, step: int) -> None:
    """Save the model of a step, with a record; what a killed training left half-written is begun
    again.
    """
    part, place = out / f"checkpoint-{step}.part", out / f"checkpoint-{step}"
    for folder in (part, place):
        shutil.rmtree(folder, ignore_errors=True)
    part.mkdir()
    save(part)
    _record(part, {"step": step})
    part.rename(place)


def _record(folder: Path, record: dict[str, Any]) -> None:
    """Write a record of the files in a folder."""
    (folder / RECORD).unlink(missing_ok=True)  # of the model that was trained
    record["files"] = {path.name: file_digest(path) for path in sorted(folder.iterdir())}
    write_atomic(folder / RECORD, json.dumps(record, indent=1) + "\n")


def forget(out: Path) -> None:
    """Remove what an earlier `align` left in a folder:
    the files its records name and nobody changed since, and no other.

    Parameters
    ----------
    out
        The folder; nothing happens where nothing was trained.
    """
    if not any((out / name).is_file() for name in (RECORD, CHECKPOINT)):
        return
    for folder in out.glob("checkpoint-*"):
        if folder.suffix == ".part":
            shutil.rmtree(folder, ignore_errors=True)
        elif files := _told(folder):
            _remove_unchanged(folder, files)
            remove(folder / RECORD)
            with suppress(OSError):  # files of the user are in it
                folder.rmdir()
    _remove_unchanged(out, _told(out) or _told(out / SAVED))
    for name in (RECORD, CHECKPOINT, *ADAPTER):
        remove(out / name)
    shutil.rmtree(out / SAVED, ignore_errors=True)


def _told(folder: Path) -> dict[str, str]:
    """File names and digests of the record in a folder; none where it cannot be read."""
    try:
        return dict(json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remove_unchanged(folder: Path, files: Mapping[str, str]) -> None:
    for name, digest in files.items():
        path = folder / Path(name).name
        if path.is_file() and file_digest(path) == digest:
            remove(path)


def refuse_other(where: Path, found: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to take a training for one that was asked for otherwise.

    Parameters
    ----------
    where
        Named in the message.
    found
        What the training was: settings, tasks, phrasings, base. A name that it does not have is
        not looked at.
    asked
        What is wanted.

    Raises
    ------
    UsageError
        When a value differs.
    """
    differing = sorted(name for name in asked if name in found and found[name] != asked[name])
    if differing:
        raise UsageError(
            f"{where}: belongs to a training with other {', '.join(differing)}. "
            "Name another --out, or add --fresh to begin again."
        )
