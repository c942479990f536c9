"""The phrasing library keeps its promises: enough phrasings, all different, every field valid."""

import itertools
import re
from collections import Counter
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest

from evalkit import records
from evalkit.catalog import paths
from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
from evalkit.catalog.tasks import list_tasks
from evalkit.catalog.yaml_file import load_yaml
from evalkit.records import Task
from evalkit.runs.own_wordings import letters_notes

DIMENSIONS = frozenset(
    {
        "imperative", "question", "statement", "completion", "conditional", "indirect",
        "terse", "verbose", "telegraphic",
        "polite", "informal", "formal", "urgent",
        "role", "teacher", "expert", "first-person", "third-person", "scenario", "goal",
        "plain", "jargon", "scientific", "code", "non-native",
        "definition", "criteria", "procedure", "warning", "prohibition", "format-demand", "structured",  # noqa: E501
        "subject-aware", "position-after", "inline", "control",
    }
)  # fmt: skip
"""The vocabulary of `Phrasing.dimensions`; docs/phrasings.md says what each word means."""

MINIMUM = {
    "bbh": (27, 20),
    "bigbench": (20, 12),
    "mmlu": (1, 56),
    "promptbench": (15, 20),
}
"""Benchmark -> (phrasing sets, correct phrasings in each)."""
READY = (
    "arc", "bbq", "boolq", "cuad", "fpb", "gpqa", "gsm8k", "hellaswag", "medqa", "mmlu_pro",
    "multiwoz", "pubmedqa", "superglue", "truthfulqa", "winogrande",
)  # fmt: skip
"""Benchmarks over published tables."""

BINARY_BBH = (
    "boolean_expressions",
    "causal_judgement",
    "formal_fallacies",
    "hyperbaton",
    "navigate",
    "snarks",
    "sports_understanding",
    "web_of_lies",
)
LITERALS = {
    "kind": records.Kind,
    "layout": records.Layout,
    "label_space": records.LabelSpace,
    "position": records.Position,
    "wrapper": records.Wrapper,
}
NO_SLOT = frozenset({"input"})
"""Fields that hold more than the question (BBH's text with its options)."""
ASIDES = frozenset(
    {"of_dialogue", "source_language", "target_language", "subject", "template", "topic"}
)
"""Fields that say something of the instance but are no part of it."""
LIMIT = 0.7


def rouge_l(left: tuple[str, ...], right: tuple[str, ...]) -> float:
    """Return ROUGE-L F1 of two word sequences: 2 LCS / (len left + len right);
    Lin 2004, equal weight on both.
    """
    row = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0
        for j, other in enumerate(right, 1):
            above = row[j]
            row[j] = diagonal + 1 if word == other else max(above, row[j - 1])
            diagonal = above
    return 2 * row[-1] / (len(left) + len(right)) if left or right else 1.0


def words(text: str) -> tuple[str, ...]:
    """Return the lower-case words of a text; a slot counts as one word."""
    return tuple(re.findall(r"[^\W_]+(?:'\w+)?", text.lower()))


def opening(text: str) -> tuple[str, ...]:
    """Return the first three words, those behind the instance if the text begins with it."""
    return words(re.sub(r"^(?:\s*\{\{\s*\w+\s*\}\})+", "", text))[:3]


def slots(text: str) -> set[str]:
    """Return the names of the slots of a text."""
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", text))


@cache
def library() -> dict[str, tuple[dict[str, Any], ...]]:
    """Return set name (``bbh/navigate``) -> its phrasings, file defaults filled in."""
    root = paths.data_root("paraphrases")
    return {
        str(path.relative_to(root).with_suffix("")): read(path)
        for path in sorted(root.rglob("*.yaml"))
    }


def read(path: Path) -> tuple[dict[str, Any], ...]:
    """Return the phrasings of one file with its defaults filled in."""
    data = load_yaml(path).value
    if isinstance(data, list):
        return tuple(data)
    defaults = data.get("defaults") or {}
    return tuple({**defaults, **phrasing} for phrasing in data["phrasings"])


def correct(name: str) -> list[dict[str, Any]]:
    """Return the phrasings of a set that are no controls."""
    return [p for p in library()[name] if p.get("kind", "correct") == "correct"]


def ours() -> list[dict[str, Any]]:
    """Return every phrasing of the four benchmarks of `MINIMUM`."""
    return [
        p
        for name, phrasings in library().items()
        if name.split("/")[0] in MINIMUM
        for p in phrasings
    ]


def our_tasks() -> list[Task]:
    """Return the tasks of the benchmarks of `MINIMUM` and `READY`."""
    return [task for task in list_tasks() if task.benchmark in {*MINIMUM, *READY}]


def everything() -> list[dict[str, Any]]:
    """Return every phrasing of the library."""
    return [p for phrasings in library().values() for p in phrasings]


@cache
def task_phrasings() -> dict[tuple[str, ...], list[tuple[str, str]]]:
    """Return ids of correct phrasings that a task or set uses together -> their (id, text)."""
    groups = {tuple(p["id"] for p in correct(name)) for name in library()}
    for task in list_tasks():
        groups.add(tuple(p.id for p in load_phrasings(task) if p.kind == "correct"))
    text = {p["id"]: p["text"] for p in everything()}
    return {group: [(key, text[key]) for key in group if key in text] for group in groups}


def test_rouge_l_counts_the_longest_common_subsequence():
    """'the cat sat down' and 'the cat down': LCS 3 words, 2 * 3 / (4 + 3) = 6/7."""
    actual = rouge_l(words("The cat sat down"), words("the cat, down"))

    assert actual == pytest.approx(6 / 7)


@pytest.mark.parametrize("benchmark", sorted(MINIMUM))
def test_every_benchmark_has_the_promised_number_of_phrasings(benchmark):
    """Each set of the benchmark holds at least the promised number of correct phrasings."""
    n_sets, n_each = MINIMUM[benchmark]
    counts = {name: len(correct(name)) for name in library() if name.startswith(f"{benchmark}/")}

    assert len(counts) >= n_sets
    assert {name: n for name, n in counts.items() if n < n_each} == {}


@pytest.mark.parametrize("benchmark", READY)
def test_every_ready_task_has_ten_phrasings_in_three_strata(benchmark):
    """Two of them detailed, two styled, or more; and each task has them."""
    for task in list_tasks([benchmark]):
        counts = Counter(p.stratum for p in load_phrasings(task) if p.kind == "correct")
        assert sum(counts.values()) >= 10, task.id
        assert (counts["detailed"] >= 2, counts["styled"] >= 2) == (True, True), task.id


def test_every_task_has_eight_plain_templates():
    """Whatever the benchmark, eight plain phrasings that no reader doubted, so that the stratum is
    a sample on its own.
    """
    plain = {
        task.id: sum(
            p.kind == "correct" and p.stratum == "plain" and p.meaning.status != "doubtful"
            for p in load_phrasings(task)
        )
        for task in list_tasks()
    }

    assert {name: n for name, n in plain.items() if n < 8} == {}


def test_a_set_names_the_tasks_that_use_it_and_no_others():
    """What `tasks` of a set names is what the tasks themselves say: else a check reads the wording
    beside the labels and slots of a task that is never asked with it.
    """
    used: dict[str, set[str]] = {}
    for task in list_tasks():
        for phrasing in load_phrasings(task):
            used.setdefault(phrasing.id, set()).add(task.id)
    named = {
        p.id: {task.id for task in list_tasks(list(p.tasks))}
        for path in paths.data_root("paraphrases").rglob("*.yaml")
        for p in read_phrasing_file(path)
        if p.id in used
    }

    assert {key: tasks - used[key] for key, tasks in named.items() if tasks - used[key]} == {}


def test_no_article_stands_before_a_slot_whose_sound_is_unknown():
    """A slot may begin with a vowel ("a {{ subject }} paper" with algebra); weekdays do not."""
    assert [
        p["id"] for p in everything() if re.search(r"\b[Aa]n? \{\{ (?!start )", p["text"])
    ] == []


def test_ids_are_unique_over_all_files():
    """No id is used twice anywhere."""
    counts = Counter(p["id"] for p in everything())

    assert {key: n for key, n in counts.items() if n > 1} == {}


def test_no_text_occurs_twice():
    """No two phrasings of the library have the same words, whatever their case and punctuation."""
    seen: dict[tuple[str, ...], list[str]] = {}
    for phrasing in everything():
        seen.setdefault(words(phrasing["text"]), []).append(phrasing["id"])

    assert [ids for ids in seen.values() if len(ids) > 1] == []


def test_phrasings_of_a_task_are_not_rewordings_of_one_sentence():
    """Within the phrasings of any task, the word ROUGE-L F1 of every pair stays below 0.7."""
    close = {}
    for texts in task_phrasings().values():
        for (a, left), (b, right) in itertools.combinations(
            [(key, words(text)) for key, text in texts], 2
        ):
            if 2 * min(len(left), len(right)) < LIMIT * (len(left) + len(right)):
                continue
            value = rouge_l(left, right)
            if value >= LIMIT:
                close[a, b] = round(value, 2)

    assert close == {}


def test_phrasings_of_a_task_open_differently():
    """No two phrasings of a task begin with the same three words, the instance not counted."""
    same = set()
    for texts in task_phrasings().values():
        openings: dict[tuple[str, ...], str] = {}
        for key, text in texts:
            first = openings.setdefault(opening(text), key)
            if first != key:
                same.add((first, key))

    assert same == set()


def test_every_field_is_known_and_valid():
    """Fields are those of `Phrasing`, and enumerated ones hold an accepted value."""
    known = {f.name for f in fields(records.Phrasing)}
    wrong = []
    for phrasing in everything():
        wrong += [(phrasing["id"], key) for key in phrasing.keys() - known]
        wrong += [
            (phrasing["id"], key, phrasing[key])
            for key, kind in LITERALS.items()
            if phrasing.get(key) not in (None, *get_args(kind))
        ]

    assert wrong == []


def test_every_phrasing_says_who_wrote_it_and_under_which_licence():
    """Source, author, licence and language are given; what the project wrote is CC-BY-4.0."""
    lacking = [
        p["id"]
        for p in everything()
        if not all(p.get(k) for k in ("source", "author", "licence", "language"))
    ]
    other = [
        p["id"]
        for p in everything()
        if p.get("source") == "evalkit" and p.get("licence") != "CC-BY-4.0"
    ]

    assert (lacking, other) == ([], [])


def test_every_phrasing_records_its_second_reading():
    """Each meaning is checked or doubtful, by whom and when; a doubtful one says why."""
    wrong = []
    for phrasing in everything():
        meaning = phrasing.get("meaning") or {}
        dated = re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(meaning.get("on", "")))
        known = meaning.get("status") in ("checked", "doubtful") and meaning.get("by") and dated
        explained = meaning.get("status") != "doubtful" or meaning.get("note")
        if not (known and explained):
            wrong.append(phrasing["id"])

    assert wrong == []


def test_dimensions_come_from_the_vocabulary():
    """Every phrasing names at least one dimension, and only words of the vocabulary."""
    wrong = {
        p["id"]: p.get("dimensions")
        for p in everything()
        if not p.get("dimensions") or set(p["dimensions"]) - DIMENSIONS
    }

    assert wrong == {}


def test_dimensions_agree_with_the_fields():
    """``position-after``, ``inline`` and ``subject-aware`` are said exactly when the fields and
    the text say so.
    """
    wrong = []
    for phrasing in ours():
        dimensions = set(phrasing["dimensions"])
        facts = {
            "position-after": phrasing.get("position") == "after",
            "inline": phrasing.get("position") == "inline",
            "subject-aware": "subject" in slots(phrasing["text"]),
        }
        wrong += [
            (phrasing["id"], name) for name, fact in facts.items() if fact != (name in dimensions)
        ]

    assert wrong == []


def test_slots_are_those_the_benchmark_offers():
    """A text has slots for question, choices, fields of its task, and on MMLU the subject alone."""
    wrong = set()
    for task in our_tasks():
        offered = {"question", "choices", *task.fields} - NO_SLOT | (
            {"subject"} if task.benchmark in ("cuad", "mmlu", "mmlu_pro") else set()
        )
        wrong |= {p.id for p in load_phrasings(task) if slots(p.text) - offered}

    assert wrong == set()


def test_braces_occur_in_slots_alone():
    """No text holds a Jinja block, comment or filter: slots are all there is."""
    rest = {p["id"]: re.sub(r"\{\{\s*\w+\s*\}\}", "", p["text"]) for p in everything()}

    assert [key for key, text in rest.items() if re.search(r"\{[{%#]|[}%#]\}", text)] == []


def test_instance_slots_occur_exactly_in_inline_phrasings():
    """The instance, as question or as all its parts, is in the text if and only if it is inline."""
    wrong = set()
    for task in our_tasks():
        parts = set(task.fields) - {"question"} - NO_SLOT - ASIDES
        for phrasing in load_phrasings(task):
            held = slots(phrasing.text)
            whole = "question" in held or (bool(parts) and parts <= held)
            if whole != (phrasing.position == "inline") or (held & parts and not whole):
                wrong.add(phrasing.id)

    assert wrong == set()


def test_inline_phrasings_hold_a_slot():
    """An inline phrasing without any slot would ask about nothing."""
    assert [
        p["id"] for p in everything() if p.get("position") == "inline" and not slots(p["text"])
    ] == []


def test_texts_are_clean():
    """No stray blanks, tabs, carriage returns, invisible characters or doubled spaces."""
    bad = re.compile(r"^\s|\s$|[\t\r\u00a0\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]|  | \n")

    assert [p["id"] for p in everything() if bad.search(p["text"])] == []


def test_ids_do_not_say_seen_or_unseen():
    """An id is opaque: whether a model has seen the wording is no property of it."""
    assert [p["id"] for p in everything() if re.search(r"seen|observed", p["id"])] == []


@pytest.mark.parametrize("benchmark", ["arc", "mmlu_pro", "truthfulqa"])
def test_where_the_number_of_options_varies_no_wording_names_the_last_letter(benchmark):
    """A wording that says "A to J" contradicts a question of three options."""
    task = Task(name="t", benchmark=benchmark, reader="table")
    two = [records.Instance(id="i", fields={}, choices=("p", "q"))]
    named = [
        note
        for name, phrasings in library().items()
        if name.startswith(f"{benchmark}/")
        for note in letters_notes(task, [records.Phrasing(**_told(p)) for p in phrasings], two)
    ]

    assert named == []


def _told(phrasing: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a phrasing that say what is asked."""
    asked = {name: phrasing[name] for name in ("id", "text", "label_space") if name in phrasing}
    return {"source": "own", **asked}


@pytest.mark.parametrize("name", BINARY_BBH)
def test_binary_subtasks_have_controls(name):
    """Each two-choice BBH subtask has an opposite and a negated control."""
    kinds = {p.get("kind", "correct") for p in library()[f"bbh/{name}"]}

    assert {"opposite", "negated"} <= kinds


def test_mmlu_has_controls():
    """The general MMLU set has at least four controls of three kinds."""
    kinds = [p["kind"] for p in library()["mmlu/general"] if p.get("kind", "correct") != "correct"]

    assert len(kinds) >= 4
    assert {"opposite", "negated", "null"} <= set(kinds)


@pytest.mark.parametrize("benchmark", sorted(MINIMUM))
def test_each_benchmark_is_varied(benchmark):
    """Every benchmark shows at least fifteen dimensions,
    and no single one marks more than half of its phrasings.
    """
    phrasings = [p for name in library() if name.startswith(f"{benchmark}/") for p in correct(name)]
    counts = Counter(d for p in phrasings for d in p["dimensions"])

    assert len(counts) >= 15
    assert max(counts.values()) <= len(phrasings) / 2


def test_label_words_are_named_as_the_task_writes_them():
    """A correct phrasing that asks for the text of a fixed label,
    and lists no choices, names every label of its task.
    """
    wrong = []
    for task in our_tasks():
        for phrasing in load_phrasings(task):
            if (
                phrasing.kind == "correct"
                and phrasing.label_space == "text"
                and phrasing.layout == "none"
            ):
                named = [
                    label
                    for label in task.labels
                    if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", phrasing.text)
                ]
                wrong += [(phrasing.id, label) for label in task.labels if label not in named]

    assert wrong == []


def test_every_task_of_the_four_benchmarks_has_phrasings():
    """No task of the four benchmarks is left without the promised number of correct phrasings."""
    counts = {
        task.id: sum(p.kind == "correct" for p in load_phrasings(task)) for task in our_tasks()
    }

    least = {benchmark: n for benchmark, (_, n) in MINIMUM.items()}
    assert {key: n for key, n in counts.items() if n < least.get(key.split("/")[0], 10)} == {}


def outside_superni_tasks() -> list[dict[str, Any]]:
    """Return every phrasing that does not stand in the set of a single SuperNI task."""
    return [
        p
        for name, phrasings in library().items()
        if not name.startswith("superni/task")
        for p in phrasings
    ]


def test_manner_of_writing_is_said_of_correct_phrasings_and_of_no_control():
    """Every correct phrasing has a stratum; controls, which ask for something else, have none."""
    wrong = []
    for phrasing in outside_superni_tasks():
        said = phrasing.get("stratum", "") in get_args(records.Stratum) and phrasing.get("stratum")
        if bool(said) != (phrasing.get("kind", "correct") == "correct"):
            wrong.append(phrasing["id"])

    assert wrong == []


def test_every_set_has_plain_templates():
    """Sets of the four benchmarks and procedural have eight plain phrasings, five of them
    inline.
    """
    names = [
        name
        for name in library()
        if name.split("/")[0] in {*MINIMUM, "procedural"} and name.count("/") == 1
    ]
    plain = {name: [p for p in correct(name) if p.get("stratum") == "plain"] for name in names}

    assert {name: len(found) for name, found in plain.items() if len(found) < 8} == {}
    assert {
        name
        for name, found in plain.items()
        if sum(p.get("position") == "inline" for p in found) < 5
    } == set()


def test_plain_phrasings_are_short():
    """Half of the plain ones have at most 15 words, slots not counted; none has more than 30."""
    counts = sorted(
        len(words(re.sub(r"\{\{.*?\}\}", "", p["text"])))
        for p in outside_superni_tasks()
        if p.get("stratum") == "plain"
    )

    assert counts[len(counts) // 2] <= 15
    assert counts[-1] <= 30
