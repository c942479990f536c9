"""GLUE, SQuAD, translation, mathematics, BIG-bench and tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from evalkit.catalog import load_instances, load_task, read_instances
from evalkit.errors import CatalogError
from evalkit.records import Source

GLUE_FILES = {
    "sst2": ("sentence\tlabel\nit 's \"good\t1\n", ["positive"], ["it 's \"good"]),
    "cola": ("gj04\t0\t*\tHim walk .\n", ["unacceptable"], ["Him walk ."]),
    "qqp": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\ta?\tb?\t0\n",
        ["not_equivalent"],
        ["Question 1: a? Question 2: b?"],
    ),
    "mrpc": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t2\t3\ta\tb\r\n",
        ["equivalent"],
        ["Sentence 1: a Sentence 2: b"],
    ),
    "mnli": (
        "index\tsentence1\tsentence2\tlabel1\tgold_label\n0\ta\tb\tneutral\tneutral\n",
        ["neutral"],
        ["Premise: a Hypothesis: b"],
    ),
    "qnli": (
        "index\tquestion\tsentence\tlabel\n0\ta?\tb\tentailment\n",
        ["entailment"],
        ["Question: a? Context: b"],
    ),
    "rte": (
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\tnot_entailment\n",
        ["not_entailment"],
        ["Sentence 1: a Sentence 2: b"],
    ),
    "wnli": (
        "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t1\n",
        ["entailment"],
        ["Sentence 1: a Sentence 2: b"],
    ),
}


def glue_task(task_over, name: str, content: str):
    """Return a task over one GLUE file, with the shipped task's labels and fields."""
    shipped = load_task(f"promptbench/{name}")
    return task_over(
        "glue",
        "x.tsv",
        content,
        options={"glue": name},
        labels=shipped.labels,
        fields=shipped.fields,
    )


@pytest.mark.parametrize("name", GLUE_FILES)
def test_glue_files_are_read_as_published(name: str, task_over, tmp_path: Path) -> None:
    """Headers, codes and words as each of the eight files has them;
    a quote is an ordinary letter.
    """
    content, labels, questions = GLUE_FILES[name]

    items = load_instances(glue_task(task_over, name, content), tmp_path)

    assert (
        [item.references[0] for item in items],
        [item.fields["question"] for item in items],
    ) == (labels, questions)
    assert set(items[0].fields) == set(load_task(f"promptbench/{name}").fields)


def test_glue_from_the_hub_equals_glue_from_its_files(task_over, tmp_path: Path) -> None:
    """Codes 0 to 2 of MNLI are entailment, neutral, contradiction in both."""
    task = glue_task(
        task_over,
        "mnli",
        "index\tsentence1\tsentence2\tgold_label\n0\ta\tb\tcontradiction\n1\tc\td\tentailment\n",
    )
    parquet.write_table(
        pyarrow.table(
            {"premise": ["a", "c"], "hypothesis": ["b", "d"], "label": [2, 0], "idx": [0, 1]}
        ),
        tmp_path / "x.parquet",
    )
    hub = replace(task, source=Source(local="x.parquet", options={"glue": "mnli"}))

    assert load_instances(hub, tmp_path) == load_instances(task, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "index\tsentence1\tsentence2\n0\ta\tb\n",
            r"x\.tsv:1: header has no column label; it has .*The test files have no labels",
        ),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\n",
            r"x\.tsv:2: has 3 cells where 4 are expected",
        ),
        (
            "index\tsentence1\tsentence2\tlabel\n0\ta\tb\t-1\n",
            r"x\.tsv:2: label is '-1'; accepted: 0 to 1, or .*hidden; use validation",
        ),
    ],
)
def test_glue_without_labels_is_refused(
    content: str, message: str, task_over, tmp_path: Path
) -> None:
    """Hidden labels never become a class."""
    with pytest.raises(CatalogError, match=message):
        load_instances(glue_task(task_over, "rte", content), tmp_path)


def test_squad_without_answer_wants_the_word(task_over, tmp_path: Path) -> None:
    """Answers are told apart and counted once; an impossible question has the reference
    unanswerable.
    """
    questions = [
        {
            "id": "1",
            "question": "Who?",
            "is_impossible": False,
            "answers": [{"text": "Ann"}, {"text": "Ann"}, {"text": "she"}],
        },
        {
            "id": "2",
            "question": "When?",
            "is_impossible": True,
            "answers": [],
            "plausible_answers": [{"text": "now"}],
        },
    ]
    content = {
        "version": "v2.0",
        "data": [{"title": "t", "paragraphs": [{"context": "C.", "qas": questions}]}],
    }
    task = task_over(
        "squad",
        "dev.json",
        content,
        kind="generate",
        metric="squad_v2",
        fields=("question", "context", "query"),
    )

    items = load_instances(task, tmp_path)

    assert [(item.id, item.references) for item in items] == [
        ("1", ("Ann", "she")),
        ("2", ("unanswerable",)),
    ]
    assert items[0].fields == {
        "question": "Context: C.\nQuestion: Who?",
        "context": "C.",
        "query": "Who?",
    }


def test_squad_from_the_hub_equals_squad_from_its_file(task_over, tmp_path: Path) -> None:
    """The hub's rows hold the same questions."""
    rows = [
        {
            "id": "1",
            "context": "C.",
            "question": "Who?",
            "answers": {"text": ["Ann"], "answer_start": [0]},
        }
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    content = {
        "data": [
            {
                "paragraphs": [
                    {
                        "context": "C.",
                        "qas": [{"id": "1", "question": "Who?", "answers": [{"text": "Ann"}]}],
                    }
                ]
            }
        ]
    }
    file = task_over("squad", "dev.json", content, kind="generate")
    hub = replace(file, source=Source(local="x.parquet"))

    assert load_instances(hub, tmp_path) == load_instances(file, tmp_path)


def test_squad_with_a_paragraph_cut_off_is_refused(task_over, tmp_path: Path) -> None:
    """The article is named."""
    task = task_over(
        "squad", "dev.json", {"data": [{"paragraphs": [{"context": "C."}]}]}, kind="generate"
    )

    with pytest.raises(CatalogError, match=r"dev\.json:1: article 1: lacks 'qas'"):
        load_instances(task, tmp_path)


PAIRS = {"en-fr": [{"en": "Yes.", "fr": "Oui."}], "zh-en": [{"zh": "是", "en": "Yes."}]}


def test_translation_pairs_carry_their_languages(task_over, tmp_path: Path) -> None:
    """The key of PromptBench's file gives the direction."""
    items = load_instances(task_over("translation", "x.json", PAIRS, kind="generate"), tmp_path)

    assert [
        (
            item.fields["source_language"],
            item.fields["target_language"],
            item.fields["question"],
            item.references,
        )
        for item in items
    ] == [
        ("English", "French", "Yes.", ("Oui.",)),
        ("Chinese", "English", "是", ("Yes.",)),
    ]


def test_translation_pairs_can_be_picked(task_over, tmp_path: Path) -> None:
    """A direction that is not there is an error and not an empty task."""
    task = task_over("translation", "x.json", PAIRS, kind="generate", options={"pairs": ["zh-en"]})
    absent = task_over(
        "translation", "x.json", PAIRS, kind="generate", options={"pairs": ["de-en"]}
    )

    assert len(load_instances(task, tmp_path)) == 1
    with pytest.raises(CatalogError, match="no sentences of de-en were found; the files hold"):
        load_instances(absent, tmp_path)


def test_iwslt_xml_files_pair_up(task_over, tmp_path: Path) -> None:
    """The target file lies beside the source file;
    entities are resolved, bare ampersands survive.
    """
    name = "IWSLT17.TED.tst2015.en-de.{}.xml"
    (tmp_path / name.format("de")).write_text(
        '<doc><seg id="1"> Ja &amp; nein </seg><seg id="2">A & B</seg></doc>'
    )
    task = task_over(
        "translation",
        name.format("en"),
        '<doc><seg id="1"> Yes &amp; no </seg><seg id="2">A & B</seg></doc>',
        kind="generate",
    )

    items = load_instances(task, tmp_path)

    assert [(item.fields["question"], item.references[0]) for item in items] == [
        ("Yes & no", "Ja & nein"),
        ("A & B", "A & B"),
    ]


def test_iwslt_files_of_unequal_length_are_refused(task_over, tmp_path: Path) -> None:
    """Sentences are never paired by guess."""
    name = "IWSLT17.TED.tst2015.en-de.{}.xml"
    (tmp_path / name.format("de")).write_text("<seg id='1'>Ja</seg>")
    task = task_over(
        "translation",
        name.format("en"),
        "<seg id='1'>Yes</seg><seg id='2'>No</seg>",
        kind="generate",
    )

    with pytest.raises(CatalogError, match="has 1 sentences where"):
        load_instances(task, tmp_path)


def test_mathematics_files_alternate_question_and_answer(task_over, tmp_path: Path) -> None:
    """The first questions of a module are taken, its topic put in words."""
    lines = "".join(f"What is {n} + {n}?\n{2 * n}\n" for n in range(10))
    task = task_over(
        "math",
        "numbers__gcd.txt",
        lines,
        kind="generate",
        options={"per_module": 3, "topics": {"numbers__gcd": "divisors"}},
    )

    items = load_instances(task, tmp_path)

    assert [
        (item.fields["question"], item.fields["topic"], item.references) for item in items[1:]
    ] == [
        ("What is 1 + 1?", "divisors", ("2",)),
        ("What is 2 + 2?", "divisors", ("4",)),
    ]


def test_a_mathematics_file_cut_short_is_refused(task_over, tmp_path: Path) -> None:
    """Fewer lines than asked for are an error."""
    with pytest.raises(CatalogError, match=r"x\.txt:1: holds 1 lines"):
        load_instances(task_over("math", "x.txt", "What?\n", kind="generate"), tmp_path)


def test_bigbench_choices_and_scores(task_over, tmp_path: Path) -> None:
    """The highest score is the target; two of them are two accepted answers."""
    examples = [
        {"input": "Q", "target_scores": {"a": 0, "b": 1}},
        {"input": "R", "target_scores": {"a": 1, "b": 1, "c": 0}},
    ]
    items = load_instances(
        task_over("bigbench", "x/task.json", {"canary": "c", "examples": examples}), tmp_path
    )

    assert [(item.choices, item.target, item.references) for item in items] == [
        (("a", "b"), 1, ("b",)),
        (("a", "b", "c"), None, ("a", "b")),
    ]


def test_bigbench_examples_that_cannot_be_asked_are_left_out_by_name(
    task_over, tmp_path: Path
) -> None:
    """None right, all right, or no choices; a file of mostly such is another task's."""
    right = {"input": "Q", "target_scores": {"a": 0, "b": 1}}
    odd = [
        {"input": "R", "target_scores": {"a": 0, "b": 0}},
        {"input": "S", "target_scores": {"a": 1, "b": 1}},
        {"input": "T", "target": "free"},
    ]
    task = task_over("bigbench", "x/task.json", {"examples": [right, *odd, *[right] * 3]})
    found, notes = read_instances(task, tmp_path)

    assert len(found) == 4
    assert "3 of 7 instances left out" in notes[0]
    assert "example 2 has target_scores {'a': 0, 'b': 0}" in notes[0]
    with pytest.raises(CatalogError, match="example 4 has no 'target_scores', which a choice"):
        load_instances(task_over("bigbench", "y/task.json", {"examples": [right, *odd]}), tmp_path)


def test_bigbench_free_text_has_several_references(task_over, tmp_path: Path) -> None:
    """A target may be a text or a list of texts."""
    examples = [{"input": "Q", "target": "a"}, {"input": "R", "target": ["a", "b"]}]
    task = task_over(
        "bigbench", "x/task.json", {"examples": examples}, kind="generate", metric="exact_match"
    )

    assert [item.references for item in load_instances(task, tmp_path)] == [("a",), ("a", "b")]


def test_bigbench_subtasks_are_read_in_order(task_over, tmp_path: Path) -> None:
    """A folder whose own file has no examples is the sum of its parts."""
    task = task_over("bigbench", "x/task.json", {"canary": "c", "name": "x"})
    for part in ("b", "a"):
        (tmp_path / "x" / part).mkdir()
        (tmp_path / "x" / part / "task.json").write_text(
            json.dumps({"examples": [{"input": part, "target_scores": {"y": 1, "n": 0}}]})
        )

    assert [item.fields["question"] for item in load_instances(task, tmp_path)] == ["a", "b"]


def test_bigbench_without_subtasks_says_what_is_missing(task_over, tmp_path: Path) -> None:
    """A lone file of a task of subtasks is not enough."""
    with pytest.raises(CatalogError, match="no subtask lies beside it"):
        load_instances(task_over("bigbench", "x/task.json", {"name": "x"}), tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", "key,text,a,b,answer\ni1,Q?,yes,no,B\n"),
        ("x.tsv", "key\ttext\ta\tb\tanswer\ni1\tQ?\tyes\tno\tB\n"),
        ("x.jsonl", '{"key": "i1", "text": "Q?", "a": "yes", "b": "no", "answer": "B"}\n\n'),
        ("x.json", [{"key": "i1", "text": "Q?", "a": "yes", "b": "no", "answer": "B"}]),
    ],
)
def test_any_table_is_read_by_its_columns(
    name: str, content: object, task_over, tmp_path: Path
) -> None:
    """The mapping of the task file says what a column is."""
    options = {
        "columns": {"id": "key", "question": "text", "choices": ["a", "b"], "target": "answer"},
        "target_is": "letter",
    }

    (item,) = load_instances(task_over("table", name, content, options=options), tmp_path)

    assert (item.id, item.fields, item.choices, item.target, item.references) == (
        "i1",
        {"question": "Q?"},
        ("yes", "no"),
        1,
        ("no",),
    )


@pytest.mark.parametrize(
    ("kind", "answer"), [("index", 1), ("number", 2), ("text", "b"), ("letter", "b")]
)
def test_a_target_is_read_as_the_task_says(
    kind: str, answer: object, task_over, tmp_path: Path
) -> None:
    """Positions from 0, numbers from 1, letters and texts."""
    rows = [{"question": "Q", "choices": ["a", "b"], "target": answer}]

    (item,) = load_instances(
        task_over(
            "table", "x.json", rows, options={"columns": {"choices": "choices"}, "target_is": kind}
        ),
        tmp_path,
    )

    assert item.target == 1


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (
            "question,target\nQ,x\n",
            {"columns": {"question": "text"}},
            r"x\.csv:2: has no column 'text'; it has question, target",
        ),
        (
            "question,target\nQ,z\n",
            {},
            r"x\.csv:2: target 'z' names none of 2 choices \(read as text\)",
        ),
        ("question,question\nQ,z\n", {}, r"x\.csv:1: header .* names a column twice"),
        ("question,target\nQ,x,y\n", {}, r"x\.csv:2: has 3 cells, the header has 2"),
        (
            "question,target\nQ,x\n",
            {"target_is": "word"},
            "target_is is 'word'; accepted: letter, index, number, text",
        ),
    ],
)
def test_a_table_that_does_not_fit_is_refused(
    content: str, options: dict[str, object], message: str, task_over, tmp_path: Path
) -> None:
    """File, line and what there is."""
    with pytest.raises(CatalogError, match=message):
        load_instances(
            task_over("table", "x.csv", content, options=options, labels=("x", "y")), tmp_path
        )


def test_an_unknown_ending_and_a_broken_parquet_are_refused(task_over, tmp_path: Path) -> None:
    """What is accepted is listed."""
    with pytest.raises(CatalogError, match=r"ending '\.xlsx' is not known; accepted: \.csv"):
        load_instances(task_over("table", "x.xlsx", "x"), tmp_path)
    with pytest.raises(CatalogError, match=r"x\.parquet: is not a Parquet file"):
        load_instances(task_over("table", "x.parquet", "x"), tmp_path)
