"""Who may import whom: a room imports only rooms that stand above it, checked on the syntax
tree.
"""

from __future__ import annotations

import ast
import graphlib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent / "evalkit"
ORDER = (
    "errors",
    "registry",
    "records",
    "stats",
    "store",
    "phrasings",
    "catalog",
    "backends",
    "tuning",
    "scoring",
    "analysis",
    "gating",
    "report",
    "runs",
    "cli",
)
"""Two files and thirteen folders; each imports only what stands before it."""
ON_TOP = {"__init__", "__main__"}
"""The package's own two modules: they open the door, so they may name any room."""
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
    "huggingface_hub",
    "mlflow",
    "wandb",
}
FILES = sorted(ROOT.rglob("*.py"))


def room(path: Path) -> str:
    """Return the room a file stands in."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> list[tuple[str, bool]]:
    """Return (what is imported, at module level) of every import of a file;
    those for type checkers count too.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or _typing_only(node)
        for inner in ast.walk(node)
    }
    found: list[tuple[str, bool]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(name.name, id(node) not in inside) for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{name.name}" for name in node.names]
            found += [(name, id(node) not in inside) for name in names]
    return found


def _typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def test_the_package_holds_the_rooms_and_nothing_else() -> None:
    """Two files, thirteen folders, and the package's own door."""
    held = {path.name.removesuffix(".py") for path in ROOT.iterdir() if path.name != "__pycache__"}

    assert held - {"_data"} == {*ORDER, *ON_TOP, "py.typed"}


def test_a_room_imports_only_from_the_rooms_above_it() -> None:
    """Imports run one way: no circle, no reaching back, also inside functions and for types."""
    wrong = {}
    for path in FILES:
        if (mine := room(path)) in ON_TOP:
            continue
        allowed = {*ORDER[: ORDER.index(mine) + 1], "__version__"}
        others = {name.split(".")[1] for name, _ in imports(path) if name.startswith("evalkit.")}
        wrong |= {str(path): others - allowed} if others - allowed else {}

    assert wrong == {}


def test_no_file_imports_itself_over_others() -> None:
    """Inside a room too, no file needs one that needs it, not even for types."""
    dotted = (".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for path in FILES)
    known = {name.removesuffix(".__init__"): path for name, path in zip(dotted, FILES, strict=True)}
    needs = {}
    for mine, path in known.items():
        if room(path) not in ON_TOP:
            named = {
                name if name in known else name.rpartition(".")[0] for name, _ in imports(path)
            }
            needs[mine] = named & known.keys() - {mine}

    graphlib.TopologicalSorter(needs).prepare()  # raises CycleError, which names the circle


def test_heavy_packages_are_imported_inside_functions() -> None:
    """Nothing that takes seconds to import stands at module level."""
    heavy = {
        str(path): names
        for path in FILES
        if (names := {name.split(".")[0] for name, top in imports(path) if top} & HEAVY)
    }

    assert heavy == {}


def test_stats_import_nothing_but_numpy_scipy_and_jaxtyping() -> None:
    """The statistics are usable in an environment that holds nothing else."""
    outside = set()
    for path in (ROOT / "stats").rglob("*.py"):
        outside |= {name.split(".")[0] for name, _ in imports(path)}
    standard = {
        "__future__",
        "collections",
        "dataclasses",
        "functools",
        "itertools",
        "math",
        "typing",
        "enum",
        "warnings",
        "operator",
    }

    assert outside - standard <= {"numpy", "scipy", "jaxtyping", "evalkit"}
