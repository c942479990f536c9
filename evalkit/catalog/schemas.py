"""JSON Schemas of the files that people write: for editors that complete and check while one types.

Made from the record types that read the files, so that names, kinds of value and accepted words are
those of the reader. What a type cannot say (a metric that exists) is told by ``evalkit check``.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeGuard

from evalkit.records import Meaning, ModelSpec, Phrasing, Source, Suite, Task
from evalkit.records.policy import Policy, Rule, Waiver

__all__ = ["KINDS", "schema_of", "schema_paths", "schema_text"]

KINDS: Mapping[str, tuple[type, str]] = {
    "task": (Task, "A task: instances, choices and a metric"),
    "phrasings": (Phrasing, "Wordings of tasks"),
    "suite": (Suite, "Tasks, phrasings and settings of a run"),
    "model": (ModelSpec, "A model and how to reach it"),
    "policy": (Policy, "What a release gate asks"),
}
"""Kind of file -> the record it is read into, and what it is."""
_NESTED = (Source, Meaning, Rule, Waiver)
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file.

    Parameters
    ----------
    kind
        One of `KINDS`.
    """
    from pydantic import TypeAdapter

    of, title = KINDS[kind]
    made = TypeAdapter(of).json_schema(ref_template="#/$defs/{model}")
    records = {one.__name__: one for one in (*(one for one, _ in KINDS.values()), *_NESTED)}
    parts = {
        name: _explained(_closed(part), records.get(name))
        for name, part in made.pop("$defs", {}).items()
    }
    made = _explained(_closed(made), of)
    head: dict[str, Any] = {"$schema": _DIALECT, "title": title}
    if kind == "policy":
        _with_shares(parts)
    if kind != "phrasings":
        return {**head, **{k: v for k, v in made.items() if k != "title"}, "$defs": parts}
    required = made.pop("required")
    parts["Phrasing"] = made
    fields = {"$ref": "#/$defs/Phrasing"}
    whole = {
        "type": "object",
        "additionalProperties": False,
        "required": ["phrasings"],
        "properties": {
            "tasks": {"type": "array", "items": {"type": "string"}},
            "defaults": fields,
            "phrasings": {"type": "array", "minItems": 1, "items": {**fields, "required": ["id"]}},
        },
    }
    return {
        **head,
        "anyOf": [
            {"type": "array", "minItems": 1, "items": {**fields, "required": required}},
            whole,
        ],
        "$defs": parts,
    }


def _closed(part: dict[str, Any]) -> dict[str, Any]:
    """The same refusing keys that the record lacks."""
    return {**part, "additionalProperties": False} if "properties" in part else part


def _explained(part: dict[str, Any], of: type | None) -> dict[str, Any]:
    """The same with what the record says of each of its fields, which editors show."""
    if of is None or "properties" not in part:
        return part
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    told = {}
    for node, after in pairwise(body.body if isinstance(body, ast.ClassDef) else []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = after.value.value if _is_text(after) else ""
            told[node.target.id] = " ".join(str(text).replace("`", "").split())
    properties = {
        name: {**value, "description": told[name]} if told.get(name) else value
        for name, value in part["properties"].items()
    }
    return {**part, "properties": properties}


def _is_text(node: ast.stmt) -> TypeGuard[Any]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _with_shares(parts: Mapping[str, dict[str, Any]]) -> None:
    """Let ``margin`` of a rule be a share of the baseline too, such as ``5 %``."""
    properties = parts["Rule"]["properties"]
    text = {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"}
    properties["margin"] = {"anyOf": [properties["margin"], text]}


def schema_text(kind: str) -> str:
    """Return the schema of a kind as the file that ships."""
    return json.dumps(schema_of(kind), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def schema_paths() -> dict[str, Path]:
    """Return kind -> the schema file that ships."""
    folder = Path(__file__).with_name("schema_files")
    return {kind: folder / f"{kind}.schema.json" for kind in KINDS}
