"""Shared by all tests: nothing of the user's machine is read or written,
and what is slow is known.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# no test may depend on what else the machine is doing
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SLOW = Path(__file__).with_name("slow.txt")
"""Test functions that were measured as slow, one a line; `nox -s slow_list` writes it."""


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
    """Add the options that rewrite golden files and that measure every test."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files under tests/golden with what is made now",
    )
    parser.addoption(
        "--cpu-seconds",
        metavar="FILE",
        help="add a line per test to a file: CPU seconds, its processes included, and its name",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the list as slow."""
    listed = set(SLOW.read_text(encoding="utf-8").split())
    for item in items:
        if item.nodeid.partition("[")[0] in listed:
            item.add_marker(pytest.mark.slow)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a case by the place of its bytes and not by the bytes themselves.

    What `gzip` packs bears the second at which it was packed, and two workers that collect at
    different seconds would not agree on the names of the tests.
    """
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Measure a test with its fixtures where that is asked for."""
    before = sum(os.times()[:4])
    done = yield
    if target := item.config.getoption("--cpu-seconds"):
        with Path(target).open("a", encoding="utf-8") as out:
            out.write(f"{sum(os.times()[:4]) - before:.3f}\t{item.nodeid}\n")
    return done


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], str]:
    """Return a function that gives the stored text of a golden file, rewritten first when that
    is asked for.
    """

    def stored(name: str, made: str) -> str:
        path = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(made, encoding="utf-8")
        return path.read_text(encoding="utf-8")

    return stored
