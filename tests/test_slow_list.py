"""The list of slow tests: it names tests that exist, and marks them."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest
from programs import program

ROOT = Path(__file__).parent.parent
LISTED = (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the program that writes the list."""
    return program("tools/list_slow_tests.py")


def test_every_line_names_a_test() -> None:
    """A test that is renamed or removed leaves the list too."""
    gone = []
    for name in LISTED:
        file, *inside = name.split("::")
        path = ROOT / file
        body: list[ast.stmt] = (
            ast.parse(path.read_text(encoding="utf-8")).body if path.is_file() else []
        )
        for part in inside:
            found = [
                one
                for one in body
                if isinstance(one, (ast.FunctionDef, ast.ClassDef)) and one.name == part
            ]
            body = found[-1].body if found else []
        gone += [] if body else [name]

    assert gone == []
    assert sorted(set(LISTED)) == LISTED


def test_what_is_listed_is_marked(request: pytest.FixtureRequest) -> None:
    """The fast set leaves out what the list names, and nothing else that has no mark of its own."""
    plugin = request.config.pluginmanager.get_plugin(str(ROOT / "tests" / "conftest.py"))

    class Item:
        """A test of that name."""

        def __init__(self, nodeid: str) -> None:
            self.nodeid = nodeid
            self.marks: list[str] = []

        def add_marker(self, mark: pytest.MarkDecorator) -> None:
            """Keep its name."""
            self.marks.append(mark.name)

    items = [Item(f"{LISTED[0]}[a case]"), Item("tests/test_sizes.py::test_of_no_list")]
    assert plugin is not None
    plugin.pytest_collection_modifyitems(items)

    assert [item.marks for item in items] == [["slow"], []]


def test_a_function_is_slow_by_all_its_cases_together(tool: ModuleType) -> None:
    """What was not measured stays as it was; what became fast leaves the list."""
    lines = ["0.2\tt.py::one[x]", "0.2\tt.py::one[y]", "0.2\tt.py::quick"]

    assert tool.slow_functions(lines, ["t.py::quick", "t.py::other"]) == [
        "t.py::one",
        "t.py::other",
    ]
