"""``align --fresh`` removes what ``align`` wrote and nobody changed since, and no other file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import UsageError
from evalkit.store.atomic import file_digest
from evalkit.tuning import folder
from evalkit.tuning.folder import forget

MINE = ("notes.txt", "results.json", "my.model", "other.safetensors", "adapter_notes.md")


def test_files_of_the_user_stay(tmp_path: Path) -> None:
    """Whatever their names look like; what the record names goes, unless it was changed since."""
    for name in (*MINE, "tokenizer.json", "config.json", "adapter_config.json", "training.pt"):
        (tmp_path / name).write_text("x")
    files = {name: file_digest(tmp_path / name) for name in ("tokenizer.json", "config.json")}
    record = {"files": {**files, "../outside": "d"}}
    (tmp_path / "evalkit.json").write_text(json.dumps(record))
    (tmp_path / "config.json").write_text("changed by hand")
    forget(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {*MINE, "config.json"}


def test_a_folder_without_a_training_is_left_alone(tmp_path: Path) -> None:
    """No record and no checkpoint: nothing there is ours, whatever it is called."""
    (tmp_path / "adapter_model.safetensors").write_text("x")
    forget(tmp_path)

    assert (tmp_path / "adapter_model.safetensors").is_file()


def save(folder: Path) -> None:
    """What a model of two files is."""
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_text("weights")


class Killed(BaseException):
    """The process ends."""


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_a_training_killed_between_its_moves_is_forgotten_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """Whatever was in its place already has a digest,
    so that nothing of it stays and a file of the user does.
    """
    (tmp_path / "training.pt").write_text("state")
    (tmp_path / "notes.txt").write_text("mine")
    replace, done = folder.os.replace, []

    def replacing(source: Path, target: Path) -> None:
        if not str(target).endswith((".json", ".safetensors")) or "saved.part" in str(target):
            return replace(source, target)
        if len(done) == moved:
            raise Killed
        done.append(target)
        return replace(source, target)

    monkeypatch.setattr(folder.os, "replace", replacing)
    with pytest.raises(Killed):
        folder.finish(save, tmp_path, {})
    monkeypatch.undo()
    assert len([*tmp_path.glob("*.safetensors"), *tmp_path.glob("config.json")]) == moved
    forget(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_checkpoints_that_were_kept_are_forgotten_and_their_users_files_are_not(
    tmp_path: Path,
) -> None:
    """Begun again, a training is not refused for its own checkpoints;
    one that somebody put a file into stays with it.
    """
    for step in (5, 10):
        folder.keep(save, tmp_path, step)
    (tmp_path / "checkpoint-10" / "notes.txt").write_text("mine")
    (tmp_path / "checkpoint-my").mkdir()
    folder.finish(save, tmp_path, {})
    forget(tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        "checkpoint-10",
        "checkpoint-10/notes.txt",
        "checkpoint-my",
    ]


def test_a_record_of_the_model_that_was_trained_is_not_taken_along(tmp_path: Path) -> None:
    """A tuned model tuned once more: its old record would say that the new training has ended."""

    def with_record(place: Path) -> None:
        save(place)
        (place / "evalkit.json").write_text('{"old": 1}')

    record: dict[str, Any] = {}
    folder.finish(with_record, tmp_path, record)

    assert sorted(record["files"]) == ["config.json", "model.safetensors"]
    assert "old" not in json.loads((tmp_path / "evalkit.json").read_text())


def test_a_training_that_was_asked_for_otherwise_is_not_taken(tmp_path: Path) -> None:
    """What differs is named; what an older record does not say is not held against it."""
    with pytest.raises(UsageError, match=r"x: belongs to a training with other steps, tasks\."):
        folder.refuse_other(
            Path("x"), {"steps": 2, "tasks": ["a"]}, {"steps": 3, "tasks": ["b"], "base": "m"}
        )
    folder.refuse_other(Path("x"), {"steps": 2}, {"steps": 2, "base": "m"})
