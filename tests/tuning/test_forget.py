"""``align --fresh`` removes what ``align`` wrote and nobody changed since, and no other file."""

from __future__ import annotations

import json
from pathlib import Path

from evalkit.store.atomic import file_digest
from evalkit.tuning.alignment import forget

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
