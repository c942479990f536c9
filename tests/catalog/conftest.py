"""Tasks over files made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.records import Source, Task

Maker = Callable[..., Task]


@pytest.fixture
def task_over(tmp_path: Path) -> Maker:
    """Return a function that writes a data file and gives a task that reads it."""

    def make(
        reader: str,
        name: str,
        content: str | bytes | dict[str, Any] | list[Any],
        *,
        options: dict[str, Any] | None = None,
        **rest: Any,
    ) -> Task:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(
                content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
            )
        return Task(
            name="t",
            benchmark="b",
            reader=reader,
            source=Source(local=name, options=options or {}),
            **rest,
        )

    return make
