"""The JSON Schemas that ship: current, true of every shipped file,
and strict where the readers are.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from evalkit.catalog.checking import shipped_files
from evalkit.catalog.kinds import kind_of
from evalkit.catalog.schemas import KINDS, schema_paths, schema_text
from evalkit.catalog.yaml_file import load_yaml

jsonschema = pytest.importorskip("jsonschema")

TASK = {
    "name": "t",
    "benchmark": "b",
    "reader": "table",
    "kind": "generate",
    "metric": "exact_match",
}
WORDING = {"id": "a", "text": "b", "source": "mine"}


def checker(kind: str) -> Any:
    """Return a validator of the shipped schema of a kind."""
    schema = json.loads(schema_paths()[kind].read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_current(kind: str) -> None:
    """`python tools/generate_schemas.py` writes it anew."""
    assert schema_paths()[kind].read_text(encoding="utf-8") == schema_text(kind)


def test_every_shipped_file_is_valid() -> None:
    """What the readers accept the schemas accept: tasks, suites, phrasings, models, the policy."""
    checkers = {kind: checker(kind) for kind in KINDS}
    wrong, kinds = [], set()
    for path in shipped_files():
        value = load_yaml(path, problems=[]).value
        kind = str(kind_of(value))
        if kind == "model" and path.name == "evalkit.yaml":
            value = {"name": "the directory it lies in", **value}
        if kind in checkers and (path.parts[-2] != "paraphrases" or kind == "phrasings"):
            kinds.add(kind)
            wrong += [f"{path}: {one.message[:200]}" for one in checkers[kind].iter_errors(value)]

    assert wrong == []
    assert kinds == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("task", {**TASK, "licens": "x"}, "licens"),
        ("task", {**TASK, "kind": "guess"}, "guess"),
        ("task", {**TASK, "version": "1"}, "is not of type"),
        ("task", {key: value for key, value in TASK.items() if key != "reader"}, "reader"),
        ("task", {**TASK, "source": {"lokal": "x.csv"}}, "lokal"),
        ("phrasings", [{**WORDING, "layout": "fancy"}], "fancy"),
        ("phrasings", {"defaults": {"sourcee": "m"}, "phrasings": [WORDING]}, "sourcee"),
        ("phrasings", [{"id": "a", "text": "b"}], "'source' is a required"),
        ("phrasings", {"defaults": WORDING, "phrasings": [{"text": "b"}]}, "'id' is a required"),
        ("phrasings", [], "should be non-empty"),
        ("suite", {"name": "s", "tasks": "mmlu/*"}, "is not of type"),
        ("model", {"backend": "hf", "nam": "x"}, "nam"),
        ("policy", {"rules": [{"metric": "mean", "margin": "five"}]}, "five"),
    ],
)
def test_a_slip_is_seen_while_typing(kind: str, value: object, said: str) -> None:
    """A misspelt key, a word that is none of the accepted, a text for a number, a key left out."""
    found = list(checker(kind).iter_errors(value))
    texts = [part.message for one in found for part in (one, *(one.context or ()))]

    assert any(said in text for text in texts), texts


def test_good_files_pass_and_fields_are_explained() -> None:
    """A margin may be a share; an editor shows what a field means."""
    assert list(checker("task").iter_errors(TASK)) == []
    assert list(checker("phrasings").iter_errors([WORDING])) == []
    policy = {"name": "p", "rules": [{"metric": "mean", "margin": "5 %"}]}
    assert list(checker("policy").iter_errors(policy)) == []
    fields = json.loads(schema_paths()["task"].read_text(encoding="utf-8"))["properties"]
    assert all(fields[name]["description"] for name in ("reader", "labels", "chance", "metric"))
