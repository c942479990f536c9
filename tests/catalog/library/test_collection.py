"""Collection files: written, read back, and deciding seen or unseen for a model."""

from __future__ import annotations

import pytest

from evalkit.catalog.collections import read_collection, relation_in
from evalkit.catalog.library.collection import as_collection, write_collection
from evalkit.catalog.library.seen import label_phrasings
from evalkit.catalog.models import read_model_file
from evalkit.catalog.phrasings import relation
from evalkit.errors import CatalogError
from evalkit.records import ModelSpec, Phrasing, Task

TASK = Task(name="t", benchmark="b", reader="table")
SEEN = Phrasing(
    id="seen",
    text="Choose the sentence that continues the story in the most sensible way.",
    source="evalkit",
)
NEAR = Phrasing(
    id="near",
    text="Work out how many of the animals in the list can fly without help.",
    source="evalkit",
)
OTHER = Phrasing(
    id="other", text="Put the words of the list into the order of the alphabet.", source="niv2"
)
SHORT = Phrasing(id="short", text="Answer now.", source="evalkit")


@pytest.fixture
def collection(tmp_path):
    """Return a collection file made from two rows."""
    phrasings = [SEEN, NEAR, OTHER, SHORT]
    rows = [
        ("f:1", f"{SEEN.text} \"Once: upon\" a 'time'"),
        ("f:2", NEAR.text.replace("animals", "creatures")),
    ]
    findings, _ = label_phrasings(phrasings, rows)
    path = tmp_path / "tuning.yaml"
    write_collection(path, as_collection("tuning", phrasings, findings, made={"rows": 2}))
    return path


def test_a_collection_file_is_read_back_as_it_was_found(collection):
    """Labels of all phrasings survive writing and reading."""
    assert {name: label for name, (label, _) in read_collection(collection).items()} == {
        "seen": "seen",
        "near": "near",
        "other": "unseen",
        "short": "unknown",
    }


def test_a_model_tuned_on_it_has_seen_what_it_says(collection):
    """Near counts as seen, and a phrasing's source does not matter."""
    model = ModelSpec(backend="hf", name="x", tuned_on=(str(collection),))

    assert [relation(item, model, TASK) for item in (SEEN, NEAR, OTHER, SHORT)] == [
        "seen",
        "seen",
        "unseen",
        "unknown",
    ]


def test_named_collections_and_files_add_up(collection):
    """A phrasing of a collection named besides the file is seen."""
    model = ModelSpec(backend="hf", name="x", tuned_on=("niv2", str(collection)))

    assert relation(OTHER, model, TASK) == "seen"


def test_a_reworded_phrasing_is_unknown_again(collection):
    """The digest of the text guards against labels for another text."""
    from dataclasses import replace

    assert relation_in(str(collection), replace(SEEN, text=SEEN.text + "!")) == "unknown"


def test_derived_phrasings_follow_an_unseen_origin_only(collection):
    """A copy of an unseen text is unseen; of a seen one nobody knows until it is looked for."""
    derived = [
        Phrasing(id=f"{item.id}.x", text="x", source=f"{item.source}+perturbed", of=item.id)
        for item in (SEEN, OTHER)
    ]

    assert [relation_in(str(collection), item) for item in derived] == ["unknown", "unseen"]


def test_a_model_file_names_the_collection_beside_it(collection):
    """A relative name is looked for in the folder of the model file."""
    path = collection.parent / "model.yaml"
    path.write_text("backend: hf\nname: some/model\ntuned_on: [tuning.yaml]\n")

    assert read_model_file(path).tuned_on == (str(collection),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("phrasings: {}\n", r"c\.yaml:1: is no collection file"),
        ("collection: c\nphrasings:\n  a: {label: maybe, text: x}\n", r"c\.yaml:3: needs 'label'"),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    """A file that is no collection is told, with its line."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(CatalogError, match=message):
        read_collection(path)


def test_a_missing_collection_says_how_to_make_one(tmp_path):
    """The command is named."""
    with pytest.raises(
        CatalogError, match="Make it with 'evalkit phrasings seen --training FILE --out"
    ):
        read_collection(tmp_path / "gone.yaml")
