"""Programming problems with tests, as HumanEval and MBPP ship them.

HumanEval (openai/human-eval: ``HumanEval.jsonl``, also packed): ``task_id``, ``prompt`` (signature
and docstring), ``entry_point``, ``canonical_solution``, ``test`` (defines ``check(candidate)``).
MBPP (google-research/google-research: ``mbpp/mbpp.jsonl``): ``task_id``, ``text``, ``code``,
``test_list``, ``test_setup_code``, ``challenge_test_list``; ``sanitized-mbpp.json`` says ``prompt``
and ``test_imports`` instead. Splits of MBPP by ``task_id``: prompt 1 to 10, test 11 to 510,
validation 511 to 600, train 601 to 974 (its README).

A row tells its format by its columns. Nothing is run here: code is read as text.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.readers.rows import table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

MBPP_SPLITS = {"prompt": (1, 10), "test": (11, 510), "validation": (511, 600), "train": (601, 974)}
"""First and last ``task_id``."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return one instance per problem.

    Fields ``question`` (what is asked, without code where the format has it apart), ``signature``,
    ``prompt`` (the beginning of the program that an answer may go on from) and ``example`` (the
    first test) are for phrasings; ``tests``, ``entry_point``, ``setup`` and ``helpers`` for the
    metric ``unit_tests``. The reference is upstream's own solution.

    Raises
    ------
    CatalogError
        When a row has neither format.
    """
    instances = []
    for path in locate(task, data_dir, split).paths:
        for line, row in table_rows(path):
            where = f"{path}:{line}"
            if "entry_point" in row:
                instances.append(_humaneval(row, where))
            elif "test_list" in row:
                if _in_split(row, split, where):
                    instances.append(_mbpp(row, where))
            else:
                raise CatalogError(
                    f"{where}: has neither 'entry_point' (HumanEval) nor 'test_list' (MBPP); "
                    f"it has {', '.join(row)}. Get the file again."
                )
    return instances


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise CatalogError(f"{where}: {column!r} is {value!r:.60}; a text is expected.")
    return value.replace("\r\n", "\n")


def _texts(row: Mapping[str, Any], column: str, where: str) -> list[str]:
    value = row.get(column, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CatalogError(f"{where}: {column!r} is {value!r:.60}; a list of texts is expected.")
    return [item.replace("\r\n", "\n") for item in value]


def _humaneval(row: Mapping[str, Any], where: str) -> Instance:
    prompt, name = _text(row, "prompt", where), _text(row, "entry_point", where)
    tests, solution = _text(row, "test", where), _text(row, "canonical_solution", where)
    signature, words = _signature(prompt, name, where)
    fields = {
        "question": words,
        "signature": signature,
        "prompt": prompt.rstrip() + "\n",
        "example": "",
        "entry_point": name,
        "setup": "",
        "helpers": prompt,
        "tests": f"{tests}\ncheck({name})\n",
    }
    return Instance(
        id=_text(row, "task_id", where),
        fields=fields,
        references=(prompt + solution,),
        where=where,
    )


def _signature(prompt: str, name: str, where: str) -> tuple[str, str]:
    """Return the line ``def name(...):`` of a prompt and its docstring."""
    try:
        found = [
            node
            for node in ast.parse(prompt).body
            if isinstance(node, ast.FunctionDef) and node.name == name
        ]
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CatalogError(f"{where}: 'prompt' is no beginning of a program: {error}.") from error
    texts = [
        node.value.value
        for node in (found[-1].body if found else ())
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ]  # one problem imports before its docstring, so it is not Python's docstring
    words = inspect.cleandoc(texts[0]) if texts else ""
    if not words:
        raise CatalogError(
            f"{where}: 'prompt' defines no function {name!r} with a docstring. Get the file again."
        )
    line = re.search(rf"^def {re.escape(name)}\(.*?:$", prompt, re.MULTILINE)
    return line.group() if line else f"def {name}({ast.unparse(found[-1].args)}):", words


def _in_split(row: Mapping[str, Any], split: str, where: str) -> bool:
    number = row.get("task_id")
    if type(number) is not int:
        raise CatalogError(f"{where}: 'task_id' is {number!r:.60}; a whole number is expected.")
    first, last = MBPP_SPLITS.get(split, (number, number))
    return first <= number <= last


def _mbpp(row: Mapping[str, Any], where: str) -> Instance:
    words = _text(row, "text" if "text" in row else "prompt", where)
    solution, tests = _text(row, "code", where), _texts(row, "test_list", where)
    if not tests:
        raise CatalogError(f"{where}: 'test_list' is empty; tests are expected.")
    setup = _text(row, "test_setup_code", where) if row.get("test_setup_code") else ""
    imports = "\n".join(_texts(row, "test_imports", where))
    return Instance(
        id=f"MBPP/{row['task_id']}",
        fields={
            "question": words,
            "signature": "",
            "prompt": "",
            "example": tests[0].strip(),
            "entry_point": "",
            "setup": setup,
            "helpers": imports,
            "tests": "\n".join(tests) + "\n",
        },
        references=(solution,),
        where=where,
    )
