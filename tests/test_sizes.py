"""How large a file, a function and a signature may be: measured on the syntax tree."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "evalkit"
FILES = sorted(ROOT.rglob("*.py"))
MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 80
MOST_PARAMETERS = 8
OPTIONS_AS_KEYWORDS = ("run", "compare", "analyse")
"""Functions of `evalkit` whose keywords are the options of the command of that name: a notebook
completes and a type checker knows each of them, which one object of settings would take away."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """Yield every function of a file, methods and inner ones included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def too_long(tree: Iterator[Function]) -> list[tuple[str, int]]:
    """Return the functions above the limit with their lines, docstring included."""
    lines = [(one.name, (one.end_lineno or 0) - one.lineno + 1) for one in tree]
    return [(name, count) for name, count in lines if count > MOST_LINES_OF_A_FUNCTION]


def too_wide(tree: Iterator[Function]) -> list[tuple[str, int]]:
    """Return the functions above the limit with the number of their named parameters."""
    counts = [
        (one.name, len(one.args.posonlyargs) + len(one.args.args) + len(one.args.kwonlyargs))
        for one in tree
    ]
    return [(name, count) for name, count in counts if count > MOST_PARAMETERS]


def test_files_and_functions_stay_short() -> None:
    """What grows beyond is split by what it means."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}

    assert {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}
    assert {path: found for path in FILES if (found := too_long(functions(path)))} == {}


def test_signatures_stay_narrow() -> None:
    """Many parameters belong into one object; only the options of a command are keywords."""
    import evalkit

    wide = {(path, name) for path in FILES for name, _ in too_wide(functions(path))}
    offered = [getattr(evalkit, name) for name in OPTIONS_AS_KEYWORDS]

    assert wide == {(Path(inspect.getfile(inspect.unwrap(one))), one.__name__) for one in offered}


def test_the_limits_are_noticed(tmp_path: Path) -> None:
    """A function of 81 lines and one of nine parameters are found, methods and keywords too."""
    path = tmp_path / "large.py"
    path.write_text(
        "class Thing:\n    def long(self):\n" + "        pass\n" * 80 + "    async def wide(self, "
        "b, c, d, *, e, f, g, h, i): ...\n    def narrow(self, b, c, d, *, e, f, g, h, **more): "
        "...\n",
        encoding="utf-8",
    )

    assert too_long(functions(path)) == [("long", 81)]
    assert too_wide(functions(path)) == [("wide", 9)]
