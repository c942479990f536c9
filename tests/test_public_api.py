"""What is public is said once, sorted, and complete; importing evalkit stays light."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from doc_blocks import ROOT, blocks

import evalkit
from evalkit.records.moved import MOVED
from evalkit.runs.options import OPTIONS

MODULES = [
    "evalkit",
    *sorted(
        name
        for _, name, _ in pkgutil.walk_packages(evalkit.__path__, "evalkit.")
        if not name.endswith("__main__")
    ),
]
DOCUMENTED = sorted(
    {
        name
        for page in (ROOT / "docs" / "reference").glob("*.md")
        for name in re.findall(r"^::: (\S+)", page.read_text(), re.M)
    }
)
"""Modules on the reference pages: what others may build on."""
HEAVY = (
    "torch",
    "transformers",
    "vllm",
    "lm_eval",
    "matplotlib",
    "pandas",
    "scipy",
    "nltk",
    "datasets",
    "peft",
    "ray",
    "httpx",
    "pyarrow",
)


def order(name: str) -> tuple[int, str]:
    """Return the sorting key of the linter (RUF022): constants, classes, functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2, name)


def own(module: ModuleType) -> set[str]:
    """Return the public functions and classes that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }


def test_all_is_sorted_and_every_name_is_there() -> None:
    """``__all__`` names what exists, once, in order."""
    wrong = []
    for name in MODULES:
        module = importlib.import_module(name)
        names = list(getattr(module, "__all__", []))
        wrong += [name] if names != sorted(set(names), key=order) else []
        wrong += [f"{name}.{one}" for one in names if not hasattr(module, one)]

    assert wrong == []


def test_a_documented_module_exports_what_it_defines() -> None:
    """Nothing public of a reference page is left out of ``__all__``,
    and a package exports all it brings in.
    """
    wrong = {}
    for name in DOCUMENTED:
        module = importlib.import_module(name)
        public = own(module)
        if hasattr(module, "__path__") and name != "evalkit":
            public |= {
                key
                for key, value in vars(module).items()
                if not key.startswith("_")
                and not inspect.ismodule(value)
                and getattr(value, "__module__", "").startswith(name)
            }
        wrong |= {name: left} if (left := public - set(module.__all__)) else {}

    assert wrong == {}


def test_everything_exported_of_a_documented_module_is_explained() -> None:
    """A function or class on a reference page has a docstring of its own."""
    assert [
        f"{name}.{one}"
        for name in DOCUMENTED
        for module in [importlib.import_module(name)]
        for one in module.__all__
        for value in [getattr(module, one)]
        if (inspect.isfunction(value) or inspect.isclass(value)) and not value.__doc__
    ] == []


def loaded_by(code: str, heavy: Sequence[str] = HEAVY) -> list[str]:
    """Run code in a fresh interpreter; return the heavy packages it loaded."""
    ask = f"\nimport sys; print('LOADED', *sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + ask], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()[1:]


def test_import_evalkit_loads_nothing_heavy():
    """``import evalkit`` brings no engine, no plotting and no tables."""
    assert loaded_by("import evalkit") == []


def test_the_statistics_load_no_distributions():
    """`scipy.stats` takes half a second; what needs it loads it when it is called."""
    assert loaded_by("import evalkit.stats", ["scipy.special", "scipy.stats"]) == ["scipy.special"]


def test_the_check_of_loaded_packages_can_fail():
    """The check above sees a package that is loaded."""
    assert loaded_by("import nltk.stem.porter")[:1] == ["nltk"]


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["gate", "--help"]], ids=" ".join
)
def test_help_loads_nothing_heavy(words):
    """Help answers at once, because nothing heavy is imported for it."""
    code = f"from evalkit.cli.main import invoke\nassert invoke({words!r}) == 0"

    assert loaded_by(code) == []


PUBLIC = [
    *("EvalkitError", "ModelSpec", "Phrasing", "Response", "Suite", "Task", "__version__"),
    *("analyse", "compare", "gate", "load_run", "run"),
]


def test_the_package_offers_eleven_names_and_its_version():
    """They are listed before their first use, so that an interpreter can complete them."""
    assert evalkit.__all__ == PUBLIC
    assert loaded_by(f"import evalkit\nassert dir(evalkit) == {PUBLIC!r}, dir(evalkit)") == []


def test_the_functions_are_functions_whatever_was_imported():
    """No module of the package has the name of one of them, so that none is hidden by an import."""
    names = ["analyse", "compare", "gate", "load_run", "run"]
    for module in MODULES:
        importlib.import_module(module)

    assert [name for name in names if not inspect.isfunction(getattr(evalkit, name))] == []


def test_every_public_name_stands_in_a_block_that_runs():
    """docs/python.md shows each of the eleven in a block, which another test runs."""
    code = "\n".join(
        block.text for block in blocks(ROOT / "docs" / "python.md") if block.language == "python"
    )

    assert [
        name for name in PUBLIC if name != "__version__" and f"evalkit.{name}" not in code
    ] == []


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_a_keyword_of_run(option):
    """Name, default and kind of every option are the same in the table and in the call."""
    parameter = inspect.signature(evalkit.run).parameters[option.name]
    kinds = {Path: "Path", object: "ModelSpec"}

    assert parameter.default == (
        inspect.Parameter.empty if option.name == "model" else option.default
    )
    assert kinds.get(option.kind, option.kind.__name__) in str(parameter.annotation) or all(
        repr(value) in str(parameter.annotation) for value in option.accepted or ("",)
    )
    if option.repeated or option.listed:
        assert "Sequence" in str(parameter.annotation)


def test_run_has_the_options_in_the_order_of_the_table_and_no_others():
    """Model and suite by position, the rest by keyword; ``quiet`` belongs to the call alone."""
    parameters = list(inspect.signature(evalkit.run).parameters.values())
    positional = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]

    assert [one.name for one in parameters] == [*(option.name for option in OPTIONS), "quiet"]
    assert positional == ["model", "suite"]


def test_the_docstring_of_run_explains_every_option():
    """``help(evalkit.run)`` says of each what the command's help says."""
    text = inspect.getdoc(evalkit.run)

    assert text is not None
    assert [o.name for o in OPTIONS[2:] if f"{o.name}\n    {o.help}" not in text] == []


def test_a_name_that_is_not_there_is_refused_as_python_does():
    """``evalkit.nothing`` is an AttributeError, in spite of late loading."""
    with pytest.raises(AttributeError, match="module 'evalkit' has no attribute 'nothing'"):
        _ = evalkit.nothing


def test_a_module_that_moved_says_where_it_went() -> None:
    """A plug-in written for version 0.1.0 is told the new place, for one release."""
    with pytest.raises(ModuleNotFoundError, match=r"moved to evalkit\.scoring\.stored in"):
        importlib.import_module("evalkit.rescore")
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'evalkit\.nowhere'"):
        importlib.import_module("evalkit.nowhere")


@pytest.mark.parametrize("new", sorted(set(MOVED.values())))
def test_the_new_place_of_a_moved_module_exists(new: str) -> None:
    """What the message names can be imported."""
    assert importlib.util.find_spec(f"evalkit.{new}") is not None
