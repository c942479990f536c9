"""Every ready task over a published table reads its layout, as upstream and as on the hub;
the rows are ours.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from evalkit.catalog import list_tasks, load_instances, load_phrasings, load_suite, load_task
from evalkit.catalog.fetch import needed
from evalkit.catalog.files import hub_folder
from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Task

Rows = Sequence[dict[str, Any]]
UGLY = 'He said "ten, not 10",\nthen \u2014 na\u00efvely \u2014 left. '
"""Quotes, a comma, a line break, letters beyond ASCII, a blank at the end."""


def lines(rows: Rows) -> bytes:
    """Return rows as JSON Lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def packed(rows: Rows) -> bytes:
    """Return rows as Parquet."""
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(rows)), buffer)
    return buffer.getvalue()


def commas(rows: Rows, delimiter: str = ",") -> bytes:
    """Return rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def tabs(rows: Rows) -> bytes:
    """Return rows as TSV with quotes."""
    return commas(rows, "\t")


FOUR = ["one", "two, or so", "None", "-4"]
LETTERS = {"text": FOUR[:3], "label": ["1", "2", "3"]}
UPSTREAM: dict[str, tuple[Callable[[Rows], bytes], Rows, tuple[tuple[str, ...], tuple[str, ...]]]] = {  # noqa: E501
    "mmlu_pro/math": (lines, [
        {"question_id": 7, "question": UGLY, "options": [*FOUR, "six"], "answer": "E", "answer_index": 4, "cot_content": "", "category": "math", "src": "x"},  # noqa: E501
        {"question_id": 8, "question": "Q", "options": FOUR, "answer": "A", "answer_index": 0, "cot_content": "", "category": "law", "src": "x"},  # noqa: E501
    ], ((*FOUR, "six"), ("six",))),
    "arc/challenge": (lines, [
        {"id": "M_1", "question": {"stem": UGLY, "choices": [{"text": text, "label": mark} for text, mark in zip(FOUR, "ABCD", strict=True)]}, "answerKey": "C"},  # noqa: E501
    ], (tuple(FOUR), ("None",))),
    "gpqa/diamond": (commas, [
        {"Record ID": "r1", "Question": UGLY, "Correct Answer": "5 \u00b5m", "Incorrect Answer 1": "a", "Incorrect Answer 2": "b", "Incorrect Answer 3": "c", "Subdomain": "x"},  # noqa: E501
    ], (("5 \u00b5m", "a", "b", "c"), ("5 \u00b5m",))),
    "truthfulqa/mc1": (lines, [
        {"question": UGLY, "mc1_targets": {"choices": FOUR, "labels": [1, 0, 0, 0]}, "mc2_targets": {"choices": FOUR, "labels": [1, 1, 0, 0]}},  # noqa: E501
    ], (tuple(FOUR), ("one",))),
    "gsm8k/gsm8k": (lines, [
        {"question": UGLY, "answer": "It is <<4*3=12>>12.\nThen 1,200.\n#### 1,200"},
    ], ((), ("1,200",))),
    "hellaswag/hellaswag": (lines, [
        {"ind": 3, "activity_label": "Baking", "ctx_a": "A", "ctx_b": "b", "ctx": UGLY, "split": "val", "split_type": "indomain", "endings": FOUR, "label": 1, "source_id": "s"},  # noqa: E501
    ], (tuple(FOUR), ("two, or so",))),
    "winogrande/winogrande": (lines, [
        {"qID": "q", "sentence": "Ann thanked Bo because _ helped.", "option1": "Ann", "option2": "Bo", "answer": "2"},  # noqa: E501
    ], (("Ann", "Bo"), ("Bo",))),
    "boolq/boolq": (lines, [
        {"question": "is it so", "title": "T", "answer": False, "passage": UGLY},
    ], (("yes", "no"), ("no",))),
    "superglue/rte": (lines, [
        {"premise": UGLY, "hypothesis": "He left.", "label": "not_entailment", "idx": 0},
    ], (("entailment", "not_entailment"), ("not_entailment",))),
    "superglue/cb": (lines, [
        {"premise": UGLY, "hypothesis": "He left.", "label": "neutral", "idx": 0},
    ], (("entailment", "contradiction", "neutral"), ("neutral",))),
    "superglue/copa": (lines, [
        {"premise": "The jug broke.", "choice1": "It fell.", "choice2": "It was full.", "question": "cause", "label": 0, "idx": 0},  # noqa: E501
    ], (("It fell.", "It was full."), ("It fell.",))),
    "superglue/wic": (lines, [
        {"word": "bank", "sentence1": "The bank closed.", "sentence2": "We sat on the bank.", "idx": 0, "label": False, "start1": 4, "end1": 8, "start2": 14, "end2": 18, "version": 1.1},  # noqa: E501
    ], (("yes", "no"), ("no",))),
    "bbq/age": (lines, [
        {"example_id": 0, "question_index": "1", "question_polarity": "neg", "context_condition": "ambig", "category": "Age", "answer_info": {"ans0": ["x", "old"], "ans1": ["y", "nonOld"], "ans2": ["z", "unknown"]}, "additional_metadata": {"stereotyped_groups": ["old"]}, "context": UGLY, "question": "Who?", "ans0": "The one", "ans1": "The other", "ans2": "Unknown", "label": 2},  # noqa: E501
    ], (("The one", "The other", "Unknown"), ("Unknown",))),
    "medqa/us4": (lines, [
        {"question": UGLY, "answer": "None", "options": dict(zip("ABCD", FOUR, strict=True)), "meta_info": "step1", "answer_idx": "C", "metamap_phrases": ["x"]},  # noqa: E501
    ], (tuple(FOUR), ("None",))),
    "cuad/audit_rights": (tabs, [
        {"answer": "No", "index": "0", "text": UGLY, "document_name": "a.pdf"},
    ], (("Yes", "No"), ("No",))),
}  # fmt: skip
"""Task -> how upstream writes it, rows of ours, and the choices and answers that must come out."""
HUB: dict[str, tuple[Callable[[Rows], bytes], Rows]] = {
    "mmlu_pro/math": (packed, UPSTREAM["mmlu_pro/math"][1]),
    "arc/challenge": (packed, [{"id": "M_1", "question": UGLY, "choices": {"text": FOUR, "label": list("ABCD")}, "answerKey": "C"}]),  # noqa: E501
    "gpqa/diamond": (commas, UPSTREAM["gpqa/diamond"][1]),
    "truthfulqa/mc1": (packed, UPSTREAM["truthfulqa/mc1"][1]),
    "gsm8k/gsm8k": (packed, UPSTREAM["gsm8k/gsm8k"][1]),
    "hellaswag/hellaswag": (packed, [{**UPSTREAM["hellaswag/hellaswag"][1][0], "label": "1"}]),
    "winogrande/winogrande": (packed, UPSTREAM["winogrande/winogrande"][1]),
    "boolq/boolq": (packed, [{"question": "is it so", "answer": False, "passage": UGLY}]),
    "superglue/rte": (packed, [{"premise": UGLY, "hypothesis": "He left.", "idx": 0, "label": 1}]),
    "superglue/cb": (packed, [{"premise": UGLY, "hypothesis": "He left.", "idx": 0, "label": 2}]),
    "superglue/copa": (packed, UPSTREAM["superglue/copa"][1]),
    "superglue/wic": (packed, [{**UPSTREAM["superglue/wic"][1][0], "label": 0}]),
    "medqa/us4": (lines, UPSTREAM["medqa/us4"][1]),
}  # fmt: skip
"""Task -> how the hub has the same rows."""


def loose(name: str) -> Task:
    """Return a shipped task without its published number of instances."""
    return replace(load_task(name), n_instances=None)


def placed(task: Task, folder: Path, *, hub: bool, content: bytes) -> None:
    """Write a file where the task looks for its scored split."""
    options = task.source.options
    pattern = task.source.files[0] if hub else task.source.local
    renamed = options.get("hub_splits" if hub else "splits", {}).get(task.split, task.split)
    root = hub_folder(folder, str(task.source.hub)) if hub else folder
    path = root / pattern.replace("{split}", renamed)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)


def content(instances: list[Instance]) -> list[Any]:
    """Return what instances hold."""
    return [(i.id, dict(i.fields), i.choices, i.target, i.references) for i in instances]


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_a_published_layout_is_read(name: str, tmp_path: Path) -> None:
    """Every choice with its text to the letter, the answer that upstream means, other rows left."""
    written, rows, (choices, references) = UPSTREAM[name]
    task = loose(name)
    placed(task, tmp_path, hub=False, content=written(rows))

    (item,) = load_instances(task, tmp_path)

    shuffled = bool(task.source.options.get("shuffle"))
    assert (sorted(item.choices) if shuffled else list(item.choices)) == (
        sorted(choices) if shuffled else list(choices)
    )
    assert item.references == references
    assert not item.choices or item.choices[item.target or 0] == references[0]


@pytest.mark.parametrize("name", sorted(HUB))
def test_the_hub_has_the_same_instances(name: str, tmp_path: Path) -> None:
    """The digest of a task does not depend on where its rows came from."""
    task = loose(name)
    upstream, hub = tmp_path / "a", tmp_path / "b"
    written, rows, _ = UPSTREAM[name]
    placed(task, upstream, hub=False, content=written(rows))
    written, rows = HUB[name]
    placed(task, hub, hub=True, content=written(rows))

    assert content(load_instances(task, hub)) == content(load_instances(task, upstream))


def test_pubmedqa_is_read_by_its_keys_and_from_the_hub(tmp_path: Path) -> None:
    """Upstream has an object of questions by number, the hub nested contexts."""
    task = loose("pubmedqa/labelled")
    row = {"QUESTION": "Does it?", "CONTEXTS": [UGLY, "More."], "final_decision": "maybe"}
    hub = {
        "pubid": 77,
        "question": "Does it?",
        "context": {"contexts": [UGLY, "More."], "labels": ["A", "B"]},
        "final_decision": "maybe",
    }
    placed(task, tmp_path / "a", hub=False, content=json.dumps({"77": row}).encode())
    placed(task, tmp_path / "b", hub=True, content=packed([hub]))

    (one,), (other,) = (load_instances(task, tmp_path / name) for name in "ab")

    assert content([one]) == content([other])
    assert (one.id, one.fields["asked"], one.references) == ("77", "Does it?", ("maybe",))
    assert one.fields["passage"] == f"{UGLY}\nMore."


def test_sentences_of_financial_news_keep_their_marks(tmp_path: Path) -> None:
    """The label stands behind the last @, letters are those of Latin-1."""
    task = loose("fpb/all_agree")
    text = "Mail ir@firm.fi; \u00c5land rose .@positive\r\nIt fell .@negative\r\n"
    placed(task, tmp_path, hub=False, content=text.encode("latin-1"))

    found = load_instances(task, tmp_path)

    assert [(i.fields["question"], i.references) for i in found] == [
        ("Mail ir@firm.fi; \u00c5land rose .", ("positive",)),
        ("It fell .", ("negative",)),
    ]


def test_truthfulqa_is_read_from_the_file_of_its_repository(tmp_path: Path) -> None:
    """There an object gives every choice its 0 or 1; the hub's lists give the same instances."""
    task = loose("truthfulqa/mc1")
    marks = {text: int(text == "one") for text in FOUR}
    rows = [{"question": UGLY, "mc1_targets": marks, "mc2_targets": dict.fromkeys(FOUR, 1)}]
    place = tmp_path / "a" / task.source.options["also"][0]
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(rows))
    placed(task, tmp_path / "b", hub=True, content=packed(UPSTREAM[task.id][1]))

    own, hub = (load_instances(task, tmp_path / name) for name in "ab")

    assert content(own) == content(hub)
    place.write_text(json.dumps([{**rows[0], "mc1_targets": dict.fromkeys(FOUR, 0)}]))
    with pytest.raises(CatalogError, match="is no list of one 1"):
        load_instances(task, tmp_path / "a")


def test_boolq_is_read_as_superglue_has_it(tmp_path: Path) -> None:
    """There the answer is called label, and its truth value is a number on the hub."""
    task = loose("boolq/boolq")
    for name, label in [("a", False), ("b", 0), ("c", "false")]:
        row = {"question": "is it so", "passage": UGLY, "idx": 0, "label": label}
        placed(task, tmp_path / name, hub=False, content=lines([row]))

        (item,) = load_instances(task, tmp_path / name)

        assert item.references == ("no",)


def test_kinds_of_context_stand_beside_the_answers(tmp_path: Path) -> None:
    """A table of BBQ has rows by context and polarity, and templates are the independent units."""
    task = loose("bbq/age")
    placed(task, tmp_path, hub=False, content=lines(UPSTREAM["bbq/age"][1]))

    (item,) = load_instances(task, tmp_path)

    assert dict(item.factors) == {"context": "ambig", "polarity": "neg"}
    assert (task.group, item.fields["template"]) == ("template", "1")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("hellaswag/hellaswag", {"label": ""}, "hidden by its publishers"),
        ("winogrande/winogrande", {"answer": ""}, "hidden by its publishers"),
        ("boolq/boolq", {"answer": None}, "answer '' has no name"),
        ("superglue/cb", {"label": -1}, "answer '-1' has no name"),
        ("gsm8k/gsm8k", {"answer": "It is 12."}, "has no '####'"),
        ("truthfulqa/mc1", {"mc1_targets": {"choices": FOUR, "labels": [0, 0, 0, 0]}}, "is no list of one 1"),  # noqa: E501
        ("medqa/us4", {"answer_idx": "F"}, "names none of 4 choices"),
        ("arc/challenge", {"answerKey": "E"}, "names none of 4 choices"),
        ("bbq/age", {"ans1": ["x"]}, "column 'ans1' holds list"),
        ("gpqa/diamond", {"Correct Answer": ""}, "names none of 4 choices"),
    ],
)  # fmt: skip
def test_a_row_without_its_answer_is_named(
    name: str, change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    """With file and line, before anything is asked."""
    written, rows, _ = UPSTREAM[name]
    task = loose(name)
    placed(task, tmp_path, hub=False, content=written([{**rows[0], **change}]))

    with pytest.raises(CatalogError, match=r":[12]: .*" + message):
        load_instances(task, tmp_path)


@pytest.mark.parametrize("name", sorted(UPSTREAM))
def test_every_phrasing_shows_the_whole_instance(name: str, tmp_path: Path) -> None:
    """Question and every choice stand in the prompt,
    and nothing of the answer's column beside them.
    """
    written, rows, _ = UPSTREAM[name]
    task = loose(name)
    placed(task, tmp_path, hub=False, content=written(rows))
    (item,) = load_instances(task, tmp_path)

    for phrasing in load_phrasings(task):
        text = render_prompt(task, phrasing, item).text
        for field in set(task.fields) - {"question", "template"}:
            assert item.fields[field].strip() in text, (phrasing.id, field)
        if phrasing.layout != "none":
            assert all(choice in text for choice in item.choices), phrasing.id
        if task.fields == ("question",):
            assert item.fields["question"].strip() in text, phrasing.id


@pytest.mark.parametrize("name", ["knowledge", "commonsense", "heldout", "bias", "professions"])
def test_suites_of_ready_tasks_name_tasks_that_exist(name: str) -> None:
    """Each with ten wordings or more."""
    tasks = list_tasks(load_suite(name).tasks)

    assert len(tasks) >= 4
    assert all(len(load_phrasings(task)) >= 10 for task in tasks)


def test_what_lives_on_a_hub_is_pinned(tmp_path: Path) -> None:
    """By a whole commit, with the files of the scored split and of the shots."""
    tasks = [load_task(name) for name in (*HUB, "pubmedqa/labelled")]

    wanted, unknown = needed(tasks, tmp_path)

    assert unknown == []
    assert all(re.fullmatch("[0-9a-f]{40}", item.revision or "") for item in wanted)
    assert {item.origin for item in wanted} == {"hub", "github"}
    assert "main/train-00000-of-00001.parquet" in {item.path for item in wanted}
