"""Shared by all tests: nothing of the user's machine is read or written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test a cache folder of its own and no terminal tricks."""
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "evalkit-home"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def data_dir() -> Path:
    """Return the directory of real benchmark data, or skip."""
    value = os.environ.get("EVALKIT_DATA")
    if not value or not Path(value).is_dir():
        pytest.skip("EVALKIT_DATA names no directory of real benchmark data")
    return Path(value)
