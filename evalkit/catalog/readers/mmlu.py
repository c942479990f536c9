"""MMLU as published (hendrycks/test): header-less CSV of question, four choices and a letter.

Also its common carriers.

Understood besides: the hub's rows (``question, choices, answer`` with the answer 0-3), a CSV with a
header and answers 0-3, and JSON Lines with ``subject, input, output`` where the input is a rendered
prompt. Cells are kept to the letter: ``None``, ``1.50``, newlines and edge blanks are content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evalkit.catalog.files import csv_rows, json_lines, locate, need
from evalkit.catalog.readers.rows import cell_text, derived_id, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["LETTERS", "read"]

LETTERS = "ABCD"
_HEADER = ("question", "choice0", "choice1", "choice2", "choice3", "answer")
_PROMPT = re.compile(
    r"\A(?:The following are [^\n]*\n\n)?(?P<question>.*)"
    r"\nA\. (?P<a>.*)\nB\. (?P<b>.*)\nC\. (?P<c>.*)\nD\. (?P<d>.*)\nAnswer:\s*\Z",
    re.DOTALL,
)

_Row = tuple[int, str, tuple[str, ...], int]


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of one MMLU subject.

    Parameters
    ----------
    task
        ``source.options.subject`` picks rows of a file that holds several subjects; the task's name
        without it, all for ``*``.
    data_dir
        Data directory.
    split
        ``dev`` (5 shots), ``val`` or ``test``.
    """
    found = locate(task, data_dir, split)
    subject = str(task.source.options.get("subject", task.name))
    instances: list[Instance] = []
    for path in found.paths:
        topic = path.stem.removesuffix(f"_{split}") if found.layout == "local" else path.parent.name
        for line, question, choices, target in _rows(path, subject if subject != "*" else topic):
            position = len(instances)
            instances.append(
                Instance(
                    id=derived_id(split, position, question, *choices, str(target)),
                    fields={"question": question, "subject": topic.replace("_", " ")}
                    if subject == "*"
                    else {"question": question},
                    choices=choices,
                    target=target,
                    references=(choices[target],),
                    options=tuple(LETTERS),
                    where=f"{path}:{line}",
                )
            )
    return instances


def _rows(path: Path, subject: str) -> Iterator[_Row]:
    if path.suffix == ".csv":
        return _csv(path)
    return _prompts(path, subject) if path.suffix in (".json", ".jsonl") else _hub(path, subject)


def _csv(path: Path) -> Iterator[_Row]:
    coded = False
    for line, cells in csv_rows(path):
        if line == 1 and tuple(cell.strip().lower() for cell in cells) == _HEADER:
            coded = True
            continue
        need(
            len(cells) == 6,
            path,
            line,
            f"has {len(cells)} cells; question, four choices and the answer are expected. "
            "Get the file again.",
        )
        yield (
            line,
            cells[0],
            tuple(cells[1:5]),
            _answer(path, line, cells[5].strip(), "0123" if coded else LETTERS),
        )


def _answer(path: Path, line: int, answer: str, accepted: str) -> int:
    """Return the index of the answer.

    Refuse what the variant does not use, so that letters and codes never mix.
    """
    need(
        len(answer) == 1 and answer in accepted,
        path,
        line,
        f"answer is {answer[:20]!r}; accepted: {', '.join(accepted)}"
        + (
            (
                " (a file with answers 0 to 3 needs the header "
                "question,choice0,choice1,choice2,choice3,answer)."
            )
            if answer in "0123"
            else "."
        ),
    )
    return accepted.index(answer)


def _prompts(path: Path, subject: str) -> Iterator[_Row]:
    for line, row in json_lines(path):
        need(
            isinstance(row, dict) and {"input", "output"} <= row.keys(),
            path,
            line,
            "an object with subject, input and output is expected.",
        )
        if row.get("subject", subject) != subject:
            continue
        match = _PROMPT.match(str(row["input"]))
        if match is None:
            raise CatalogError(
                f"{path}:{line}: input is not a question with choices A. to D. and 'Answer:'. "
                "Use the CSV files."
            )
        yield (
            line,
            match["question"],
            (match["a"], match["b"], match["c"], match["d"]),
            _answer(path, line, str(row["output"]).strip(), LETTERS),
        )


def _hub(path: Path, subject: str) -> Iterator[_Row]:
    for line, row in table_rows(path):
        if str(row.get("subject") or subject) != subject:
            continue
        choices: Any = row.get("choices")
        answer = row.get("answer")
        need(
            isinstance(choices, list) and len(choices) == 4,
            path,
            line,
            f"choices are {choices!r}; a list of four is expected.",
        )
        need(
            type(answer) is int and 0 <= answer < 4,
            path,
            line,
            f"answer is {answer!r}; accepted: 0, 1, 2, 3.",
        )
        texts = tuple(cell_text(choice, f"{path}:{line}") for choice in choices)
        yield line, cell_text(row.get("question"), f"{path}:{line}"), texts, int(answer or 0)
