"""Shared by all tests: nothing of the user's machine is read or written."""

from __future__ import annotations

import os
from collections.abc import Callable
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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that rewrites golden files."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files under tests/golden with what is made now",
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Return a function that gives the stored text of a golden file, rewritten first when that is asked for."""

    def stored(name: str, made: str) -> str:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(made, encoding="utf-8")
        return path.read_text(encoding="utf-8")

    return stored
