"""Twelve rows of our own in the layout of every published benchmark that evalkit has a task for.

`write(folder)` fills a data directory and returns task files that read it: the shipped ones without
their published number of instances, as a file of a user's would be. Right answers go round the
choices, so that a model that always takes the first one scores what can be counted.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog import list_tasks
from evalkit.catalog.readers.glue import GLUE_TASKS
from evalkit.records import Task

ROWS = 12
OBJECTS = ("a stone", "a lamp", "a river", "a spoon", "a ladder", "a window")
Row = dict[str, Any]


def right(place: int, of: int) -> int:
    """Return which of so many choices is right in a row: they take turns."""
    return place % of


def asked(place: int) -> str:
    """Return a question that no other row has."""
    return f"Which thing stands at place {place + 1} of the shelf?"


def choices(of: int) -> list[str]:
    """Return so many texts."""
    return list(OBJECTS[:of])


def rows(make: Callable[[int], Row], number: int = ROWS) -> list[Row]:
    """Return rows of a benchmark."""
    return [make(place) for place in range(number)]


def arc(place: int) -> Row:
    """Return a row of ARC."""
    marked = [{"text": text, "label": mark} for text, mark in zip(choices(4), "ABCD", strict=True)]
    return {
        "id": f"M_{place}",
        "question": {"stem": asked(place), "choices": marked},
        "answerKey": "ABCD"[right(place, 4)],
    }


def bbq(place: int) -> Row:
    """Return a row of BBQ: templates of four rows, contexts and questions of both kinds."""
    ambiguous, negative = place % 2 == 0, place // 2 % 2 == 0
    return {
        "example_id": place,
        "question_index": str(place // 4),
        "question_polarity": "neg" if negative else "nonneg",
        "context_condition": "ambig" if ambiguous else "disambig",
        "category": "Age",
        "answer_info": {"ans0": ["x", "old"], "ans1": ["y", "nonOld"], "ans2": ["z", "unknown"]},
        "additional_metadata": {"stereotyped_groups": ["old"]},
        "context": f"Two people met on day {place}.",
        "question": "Who was late?",
        "ans0": "The older one",
        "ans1": "The younger one",
        "ans2": "Not known",
        "label": 2 if ambiguous else place // 2 % 2,
    }


def belebele(place: int) -> Row:
    """Return a row of Belebele."""
    answers = {f"mc_answer{n}": text for n, text in enumerate(choices(4), 1)}
    return {
        **{"link": f"https://example.org/{place}", "question_number": 1, "split": "test"},
        **{"flores_passage": f"A shelf holds things. {asked(place)}", "question": asked(place)},
        **answers,
        "correct_answer_num": str(right(place, 4) + 1),
    }


def gpqa(place: int) -> Row:
    """Return a row of GPQA, whose first choice is the right one."""
    texts = choices(4)
    good = texts.pop(right(place, 4))
    wrong = {f"Incorrect Answer {n}": text for n, text in enumerate(texts, 1)}
    return {"Record ID": f"r{place}", "Question": asked(place), "Correct Answer": good, **wrong}


def mmlu_pro(place: int, category: str) -> Row:
    """Return a row of MMLU-Pro."""
    return {
        **{"question_id": f"{category}-{place}", "question": asked(place), "options": choices(6)},
        **{"answer": "ABCDEF"[right(place, 6)], "answer_index": right(place, 6)},
        **{"category": category, "cot_content": "", "src": "made"},
    }


def truthfulqa(place: int) -> Row:
    """Return a row of TruthfulQA's multiple choice."""
    marks = [int(n == right(place, 4)) for n in range(4)]
    targets = {"choices": choices(4), "labels": marks}
    return {"question": asked(place), "mc1_targets": targets, "mc2_targets": targets}


def xnli(place: int, language: str) -> Row:
    """Return a row of XNLI."""
    gold = ("entailment", "neutral", "contradiction")[right(place, 3)]
    return {
        **{"language": language, "gold_label": gold, "pairID": f"{language}-{place}"},
        **{"sentence1": f"Shelf {place} holds a lamp.", "sentence2": f"Shelf {place} is empty."},
    }


def pawsx(place: int) -> Row:
    """Return a row of PAWS-X."""
    texts = {"sentence1": f"Shelf {place} is high.", "sentence2": f"High is shelf {place}."}
    return {"id": str(place + 1), **texts, "label": str(right(place, 2))}


def copa(place: int) -> Row:
    """Return a row of COPA or XCOPA."""
    return {
        **{"premise": f"Jug {place} broke.", "choice1": "It fell.", "choice2": "It was full."},
        **{"question": ("cause", "effect")[place % 2], "label": right(place // 2, 2), "idx": place},
    }


def tacred(place: int) -> Row:
    """Return a row of TACRED: where a person lives, or nothing said of it."""
    words = [f"Ann{place}", "lives" if place % 2 else "sings", "in", "Paris", "."]
    return {
        **{"id": f"t{place}", "token": words, "subj_start": 0, "subj_end": 0},
        **{"obj_start": 3, "obj_end": 3, "subj_type": "PERSON", "obj_type": "CITY"},
        "relation": "per:cities_of_residence" if place % 2 else "no_relation",
    }


def dialogue(place: int) -> Row:
    """Return a dialogue of MultiWOZ 2.2 with two turns of the user."""

    def turn(speaker: str, text: str, state: Mapping[str, list[str]]) -> Row:
        frames = [{"service": "hotel", "state": {"slot_values": dict(state)}}] if state else []
        return {"speaker": speaker, "utterance": text, "frames": frames}

    area, stars = ("north", "south")[place % 2], str(2 + place % 3)
    first = {"hotel-area": [area]}
    return {
        "dialogue_id": f"MADE{place}.json",
        "turns": [
            turn("USER", f"A hotel in the {area}, please.", first),
            turn("SYSTEM", "How many stars?", {}),
            turn("USER", f"{stars}, if you can.", {**first, "hotel-stars": [stars]}),
        ],
    }


def humaneval(place: int) -> Row:
    """Return a problem in HumanEval's layout."""
    name = f"add_{place}"
    return {
        "task_id": f"Made/{place}",
        "prompt": f'def {name}(x):\n    """Return x plus {place}."""\n',
        "entry_point": name,
        "canonical_solution": f"    return x + {place}\n",
        "test": f"def check(candidate):\n    assert candidate(1) == {place + 1}\n",
    }


def mbpp(place: int) -> Row:
    """Return a problem in MBPP's layout."""
    tests = [f"assert add_{place}({x}) == {x + place}" for x in (1, 2, 3)]
    return {
        **{"task_id": 11 + place, "text": f"Write a function that adds {place} to a number."},
        **{"code": f"def add_{place}(x):\n    return x + {place}", "test_list": tests},
        **{"test_setup_code": "", "challenge_test_list": []},
    }


def glue(task: Task, place: int) -> Row:
    """Return a row of GLUE's own files."""
    kind = GLUE_TASKS[str(task.source.options["glue"])]
    code = right(place, len(kind.labels))
    coded = (
        kind.label == "gold_label" or kind.labels[0].endswith("entailment") or task.name == "qnli"
    )
    label = kind.labels[code] if coded and task.name != "wnli" else str(code)
    texts = {column: f"Shelf {place} is {n} metres high." for n, column in enumerate(kind.tsv)}
    return {**dict.fromkeys(kind.header, ""), **texts, kind.label: label}


def bbh(task: Task, place: int) -> Row:
    """Return a row of BIG-Bench Hard: fixed words, options by letter, or a text."""
    if task.kind == "generate":
        return {"input": f"{asked(place)} Say the number.", "target": str(place)}
    if task.labels:
        target = task.labels[right(place, len(task.labels))]
        listed = "\n".join(f"- {label}" for label in task.labels)
        options = f"\nOptions:\n{listed}" if task.choices_shown else ""
        return {"input": asked(place) + options, "target": target}
    listed = "\n".join(f"({mark}) {text}" for mark, text in zip("ABC", choices(3), strict=True))
    return {
        "input": f"{asked(place)}\nOptions:\n{listed}",
        "target": f"({'ABC'[right(place, 3)]})",
    }


def bigbench(place: int) -> Row:
    """Return an example of BIG-bench."""
    good = right(place, 4)
    scores = {text: int(n == good) for n, text in enumerate(choices(4))}
    return {"input": asked(place), "target_scores": scores}


def superni(place: int) -> Row:
    """Return an instance of SuperNI."""
    return {"id": f"made-{place}", "input": asked(place), "output": [f"the item numbered {place}"]}


def squad() -> Row:
    """Return a document of SQuAD 2.0: every third question cannot be answered."""

    def question(place: int) -> Row:
        answers = [] if place % 3 == 2 else [{"text": "a lamp", "answer_start": 14}]
        gone = not answers
        return {
            "id": f"q{place}",
            "question": asked(place),
            "answers": answers,
            "is_impossible": gone,
        }

    paragraph = {"context": "A shelf holds a lamp.", "qas": rows(question)}
    return {"version": "v2.0", "data": [{"title": "Shelf", "paragraphs": [paragraph]}]}


def plain_tables() -> Iterator[tuple[str, list[Row]]]:
    """Yield place and rows of every benchmark that is one JSON Lines file per split."""
    for name in ("Easy", "Challenge"):
        yield f"ARC-V1-Feb2018-2/ARC-{name}/ARC-{name}-Test.jsonl", rows(arc)
    categories = [task.source.options["only"]["category"] for task in list_tasks(["mmlu_pro/*"])]
    every = [row for one in categories for row in rows(lambda n, one=one: mmlu_pro(n, one))]
    yield "mmlu_pro/test.jsonl", every
    yield "truthfulqa/mc1.jsonl", rows(truthfulqa)
    yield (
        "grade-school-math/grade_school_math/data/test.jsonl",
        rows(
            lambda n: {"question": f"What is {n} and 3?", "answer": f"It is {n}+3.\n#### {n + 3}"}
        ),
    )
    yield (
        "hellaswag/data/hellaswag_val.jsonl",
        rows(lambda n: {"ind": n, "ctx": asked(n), "endings": choices(4), "label": right(n, 4)}),
    )
    yield "winogrande_1.1/dev.jsonl", rows(winogrande)
    yield (
        "boolq/dev.jsonl",
        rows(lambda n: {"question": f"is it {n}", "passage": asked(n), "answer": n % 2 == 0}),
    )
    claims = {
        "RTE": ("entailment", "not_entailment"),
        "CB": ("entailment", "contradiction", "neutral"),
    }
    for name, labels in claims.items():
        yield (
            f"superglue/{name}/val.jsonl",
            [
                {
                    "premise": asked(n),
                    "hypothesis": "It is so.",
                    "idx": n,
                    "label": labels[n % len(labels)],
                }
                for n in range(ROWS)
            ],
        )
    yield "superglue/COPA/val.jsonl", rows(copa)
    yield (
        "superglue/WiC/val.jsonl",
        rows(
            lambda n: {
                "word": "bank",
                "sentence1": f"Bank {n}.",
                "sentence2": "A bank.",
                "label": n % 2 == 0,
            }
        ),
    )
    yield (
        "medqa/phrases_no_exclude_test.jsonl",
        [
            {
                "question": asked(n),
                "options": dict(zip("ABCD", choices(4), strict=True)),
                "answer_idx": "ABCD"[n % 4],
            }
            for n in range(ROWS)
        ],
    )
    for language in ("it", "zh"):
        yield f"xcopa/data/{language}/test.{language}.jsonl", rows(copa)
    yield "code/HumanEval.jsonl", rows(humaneval)
    yield "code/mbpp.jsonl", rows(mbpp)
    yield (
        "promptbench/data/bool_logic.json",
        [{"question": f"not {n % 2 == 0} is", "answer": str(n % 2 != 0)} for n in range(ROWS)],
    )
    for name in ("explore", "hard"):
        pairs = [(f"({a}|bb)c{b}*", f"{a}c{tail}", tail in ("", b)) for a, b, tail in _PATTERNS]
        yield (
            f"regset/data/{name}/test.jsonl",
            [
                {"context": f"{pattern} {string}", "answer": str(fits)}
                for pattern, string, fits in pairs
            ],
        )


_PATTERNS = [(a, b, tail) for a in "ab" for b in "ab" for tail in ("", b, "cc")]


def winogrande(place: int) -> Row:
    """Return a row of WinoGrande."""
    two = {"option1": "Ann", "option2": "Bo"}
    return {
        "qID": f"q{place}",
        "sentence": f"Ann saw Bo on day {place}; _ left.",
        **two,
        "answer": str(1 + place % 2),
    }


def of_each_task(task: Task) -> Iterator[tuple[str, Any]]:
    """Yield place and content of the files that one task alone reads."""
    local = str(task.source.local).replace("{split}", task.split)
    reader = task.reader
    if reader == "bbq":
        yield local, rows(bbq)
    elif reader == "belebele":
        yield local, rows(belebele)
    elif reader == "bbh":
        made = rows(lambda n: bbh(task, n), task.n_instances or ROWS)
        yield local, {"canary": "none", "examples": made}
    elif reader == "bigbench":
        yield local, {"examples": rows(bigbench, 100 if "limit" in task.source.options else ROWS)}
    elif reader == "superni":
        yield (
            local,
            {
                "Definition": ["Name the thing."],
                "Positive Examples": [],
                "Instances": rows(superni),
            },
        )
    elif reader == "pawsx":
        yield local, rows(pawsx)
    elif reader == "glue":
        kind = GLUE_TASKS[str(task.source.options["glue"])]
        yield local, (rows(lambda n: glue(task, n)), bool(kind.header))
    elif task.benchmark == "cuad":
        yield (
            local,
            rows(
                lambda n: {
                    "answer": ("Yes", "No")[n % 2],
                    "index": n,
                    "text": f"Clause {n}.",
                    "document_name": "a",
                }
            ),
        )
    elif task.benchmark == "gpqa":
        yield local, rows(gpqa)


def write_rows(path: Path, content: Any) -> None:
    """Write rows in the format that the name of the file says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bare = isinstance(content, tuple)
    table: Sequence[Row] = content[0] if bare else content
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table))
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(
                file, list(table[0]), delimiter="\t" if path.suffix == ".tsv" else ","
            )
            if not (bare and content[1]):
                writer.writeheader()
            writer.writerows(table)
    else:
        path.write_text(json.dumps(table))


def write_data(folder: Path) -> None:
    """Fill a data directory."""
    for place, table in plain_tables():
        write_rows(folder / place, table)
    for task in list_tasks():
        for place, content in of_each_task(task):
            write_rows(folder / place, content)
    languages = [task.languages[0] for task in list_tasks(["xnli/*"])]
    write_rows(
        folder / "XNLI-1.0/xnli.test.tsv",
        [row for one in languages for row in rows(lambda n, one=one: xnli(n, one))],
    )
    write_rows(folder / "squad_v2/dev-v2.0.json", squad())
    write_rows(folder / "tacred/test.json", rows(tacred))
    write_rows(folder / "multiwoz/data/MultiWOZ_2.2/test/dialogues_001.json", rows(dialogue))
    study = {str(n): {"QUESTION": asked(n), "CONTEXTS": ["One.", "Two."]} for n in range(ROWS)}
    for n, row in enumerate(study.values()):
        row["final_decision"] = ("yes", "no", "maybe")[n % 3]
    write_rows(folder / "pubmedqa/data/ori_pqal.json", study)
    for task in list_tasks(["mmlu/*"]):
        place = str(task.source.local).replace("{split}", task.split)
        letters = [(asked(n), *choices(4), "ABCD"[n % 4]) for n in range(ROWS)]
        write_rows(
            folder / place, ([dict(zip("qabcdt", row, strict=True)) for row in letters], True)
        )
    labels = ("negative", "neutral", "positive")
    for task in list_tasks(["fpb/*"]):
        path = folder / str(task.source.local)
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "".join(f"Sales of firm {n} moved .@{labels[n % 3]}\n" for n in range(ROWS))
        )
    _translations(folder)
    _mathematics(folder)
    for name in (
        "boolean_expressions",
        "date_understanding",
        "multistep_arithmetic_two",
        "navigate",
    ):
        path = folder / f"bbh/cot-prompts/{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            "notice\n-----\nAnswer.\n\nQ: One?\nA: Let's think step by step. So the answer is 1.\n"
        )


def _translations(folder: Path) -> None:
    pairs = {
        f"{one}-{other}": [
            {one: f"Shelf {n} {one}.", other: f"Board {n} {other}."} for n in range(ROWS)
        ]
        for one, other in (("en", "de"), ("de", "en"), ("en", "fr"), ("fr", "en"))
    }
    for name in ("un_multi", "iwslt"):
        write_rows(folder / f"promptbench/data/{name}.json", pairs)


def _mathematics(folder: Path) -> None:
    (task,) = list_tasks(["promptbench/math"])
    for place in str(task.source.local).replace("{split}", task.split).split(";"):
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"What is {n} and 3?\n{n + 3}\n" for n in range(ROWS)))


def write(folder: Path, shipped: Path) -> list[Path]:
    """Fill ``folder`` with data and return task files for every shipped task that reads a file.

    Parameters
    ----------
    folder
        An empty directory; data come below it, task files below its ``tasks``.
    shipped
        The directory of shipped task files.
    """
    write_data(folder)
    made = []
    for task in list_tasks():
        if not (task.source.local or task.reader == "reasoning" or task.name == "recast_tacred"):
            continue
        text = (shipped / task.benchmark / f"{task.name}.yaml").read_text()
        path = folder / "tasks" / task.benchmark / f"{task.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r"(?m)^n_instances:.*\n", "", text))
        made.append(path)
    return made
