"""Who may import whom: the rooms of the corridor, checked on the syntax tree."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "evalkit"
BASE = {"errors", "records", "registry", "paths"}
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "precision": set(),
    "records": {"errors"},
    "registry": {"errors"},
    "paths": {"errors"},
    "templates": {"errors"},
    "procedural": {"errors", "records"},
    "policy": set(),
    "catalog": {*BASE, "templates", "procedural", "policy"},
    "perturb": {"errors", "records", "registry", "templates"},
    "prompts": {"errors", "records", "templates"},
    "plan": {"errors", "records"},
    "selection": {"errors", "records"},
    "gate": {"errors", "records", "policy", "scores", "stats", "analysis", "compare"},
    "standings": {"errors", "records", "scores", "stats", "analysis"},
    "backends": {"errors", "precision", "records", "registry"},
    "mitigations": {*BASE, "precision", "backends", "prompts", "perturb"},
    "executors": {"errors", "records", "registry", "backends", "mitigations"},
    "key_sets": set(),
    "response_rows": {"records", "key_sets"},
    "store": {"errors", "records", "key_sets", "response_rows"},
    "rundir": {"errors", "records"},
    "scoring": {"errors", "records", "registry"},
    "scores": {"errors", "records", "rundir"},
    "stats": {"errors"},
    "analysis": {"errors", "records", "scores", "stats", "rundir"},
    "audit": {"errors", "records", "scores", "stats"},
    "compare": {"errors", "records", "scores", "stats", "analysis", "rundir"},
    "candidates": {"records", "scores", "compare"},
    "evidence": {"errors", "records", "scores", "stats", "analysis"},
    "report": {"gate", "policy", "standings", "errors", "records", "scores", "evidence", "paths", "rundir"},
    "phrasings": {*BASE, "catalog", "templates", "perturb", "rundir", "scoring"},
    "collect": {"errors", "records", "backends", "plan", "prompts", "store"},
    "answers": {"records", "scores", "scoring"},
    "designs": {"store"},
    "rescore": {"errors", "precision", "records", "designs", "key_sets", "prompts", "rundir", "scoring", "store"},
    "shared_cache": {"errors", "records", "store"},
    "lm_eval_export": {"errors", "records", "plan", "prompts", "rescore", "rundir", "store"},
}
"""Room -> rooms it may import from; a room not named here (run, finish, cli, ...) may import every room."""
HEAVY = {
    "torch",
    "transformers",
    "vllm",
    "lm_eval",
    "matplotlib",
    "nltk",
    "datasets",
    "peft",
    "ray",
    "sacrebleu",
    "sentence_transformers",
    "httpx",
}


def room(path: Path) -> str:
    """Return the room a file stands in."""
    parts = path.relative_to(ROOT).parts
    return parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[str, bool]]:
    """Return (module, at module level) of every import of a file; those for type checkers alone are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    inside = {id(inner) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(name.name, id(node) not in inside) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"evalkit.{name.name}" for name in node.names] if node.module == "evalkit" else [node.module]
            found += [(name, id(node) not in inside) for name in names]
    return found


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_room_imports_only_from_the_rooms_it_may(path: Path) -> None:
    """Rooms hand records on; they do not reach into each other."""
    mine = room(path)
    allowed = ALLOWED.get(mine)
    if allowed is None:
        return
    others = {name.split(".")[1] for name, _ in imports(path) if name.startswith("evalkit.") and len(name.split(".")) > 1}

    assert others - allowed - {mine, "__version__"} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_heavy_packages_are_imported_inside_functions(path: Path) -> None:
    """Nothing that takes seconds to import stands at module level."""
    heavy = {name.split(".")[0] for name, top in imports(path) if top} & HEAVY

    assert heavy == set()


def test_stats_import_nothing_but_numpy_scipy_and_jaxtyping() -> None:
    """The statistics are usable in an environment that holds nothing else."""
    outside = set()
    for path in (ROOT / "stats").rglob("*.py"):
        outside |= {name.split(".")[0] for name, _ in imports(path)}
    standard = {"__future__", "collections", "dataclasses", "functools", "itertools", "math", "typing", "enum", "warnings", "operator"}

    assert outside - standard <= {"numpy", "scipy", "jaxtyping", "evalkit"}
