"""GLUE as published (one TSV per task and split, quotes as ordinary letters) and as the hub's rows.

The label words and the way two sentences are put into one text are PromptBench's
(microsoft/promptbench:promptbench/dataload/dataset.py, promptbench/config.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from evalkit.catalog.files import csv_rows, locate
from evalkit.catalog.readers.rows import cell_text, derived_id, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["GLUE_TASKS", "GlueTask", "read"]


@dataclass(frozen=True)
class GlueTask:
    """Where a GLUE task keeps its texts and its label."""

    parts: tuple[tuple[str, str], ...]
    """Name shown before each text (empty for none) and the hub's column."""
    tsv: tuple[str, ...]
    """Columns of the texts in the TSV file."""
    label: str
    """Column of the label in the TSV file."""
    labels: tuple[str, ...]
    """Label words in the order of the codes 0, 1, 2."""
    header: tuple[str, ...] = ()
    """Column names of a file without header."""


_SAME = ("not_equivalent", "equivalent")
_FOLLOWS = ("entailment", "not_entailment")
_PAIR = (("Sentence 1", "sentence1"), ("Sentence 2", "sentence2"))
_NLI = (("Premise", "premise"), ("Hypothesis", "hypothesis"))
_NLI_LABELS = ("entailment", "neutral", "contradiction")

GLUE_TASKS: Mapping[str, GlueTask] = {
    "sst2": GlueTask((("", "sentence"),), ("sentence",), "label", ("negative", "positive")),
    "cola": GlueTask(
        (("", "sentence"),),
        ("sentence",),
        "label",
        ("unacceptable", "acceptable"),
        header=("source", "label", "mark", "sentence"),
    ),
    "qqp": GlueTask(
        (("Question 1", "question1"), ("Question 2", "question2")),
        ("question1", "question2"),
        "is_duplicate",
        _SAME,
    ),
    "mrpc": GlueTask(_PAIR, ("#1 String", "#2 String"), "Quality", _SAME),
    "mnli": GlueTask(_NLI, ("sentence1", "sentence2"), "gold_label", _NLI_LABELS),
    "qnli": GlueTask(
        (("Question", "question"), ("Context", "sentence")),
        ("question", "sentence"),
        "label",
        _FOLLOWS,
    ),
    "rte": GlueTask(_PAIR, ("sentence1", "sentence2"), "label", _FOLLOWS),
    "wnli": GlueTask(_PAIR, ("sentence1", "sentence2"), "label", ("not_entailment", "entailment")),
}
"""GLUE task -> where its content lies; ``mnli`` serves the matched and the mismatched part."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of one GLUE task.

    Parameters
    ----------
    task
        ``source.options.glue`` names the entry of `GLUE_TASKS`; `labels` must be that entry's label
        words.
    data_dir
        Data directory.
    split
        ``train`` or ``validation``; the test labels are not public.
    """
    name = str(task.source.options.get("glue", task.name))
    if name not in GLUE_TASKS:
        raise CatalogError(
            f"{task.id}: source.options.glue is {name!r}; accepted: {', '.join(GLUE_TASKS)}."
        )
    glue = GLUE_TASKS[name]
    if set(task.labels) != set(glue.labels):
        raise CatalogError(
            f"{task.id}: labels are {list(task.labels)}; GLUE's {name} has {list(glue.labels)}. "
            "Correct the task file."
        )
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        rows = _tsv(path, glue) if path.suffix in (".tsv", ".txt") else _hub(path, glue)
        for where, texts, label in rows:
            shown = " ".join(
                f"{title}: {text}" if title else text
                for (title, _), text in zip(glue.parts, texts, strict=True)
            )
            fields = {
                "question": shown,
                **{
                    column: text
                    for (_, column), text in zip(glue.parts, texts, strict=True)
                    if column != "question"
                },
            }
            instances.append(
                Instance(
                    id=derived_id(split, len(instances), *texts, label),
                    fields=fields,
                    choices=task.labels,
                    target=task.labels.index(label),
                    references=(label,),
                    where=where,
                )
            )
    return instances


def _tsv(path: Path, glue: GlueTask) -> Iterator[tuple[str, list[str], str]]:
    """Yield texts and label word of GLUE's own files."""
    header: list[str] = list(glue.header)
    for line, cells in csv_rows(path, delimiter="\t", quoted=False):
        if not header:
            header = cells
            lacking = [name for name in (*glue.tsv, glue.label) if name not in header]
            if lacking:
                raise CatalogError(
                    f"{path}:{line}: header has no column {', '.join(lacking)}; "
                    f"it has {', '.join(header)}. The test files have no labels."
                )
            continue
        if len(cells) != len(header):
            raise CatalogError(
                f"{path}:{line}: has {len(cells)} cells where {len(header)} are expected. "
                "The file may be cut short; get it again."
            )
        row = dict(zip(header, cells, strict=True))
        where = f"{path}:{line}"
        yield where, [row[name] for name in glue.tsv], _word(row[glue.label], glue, where)


def _hub(path: Path, glue: GlueTask) -> Iterator[tuple[str, list[str], str]]:
    """Yield texts and label word of the hub's rows."""
    for line, row in table_rows(path):
        lacking = [
            name for name in (*(column for _, column in glue.parts), "label") if name not in row
        ]
        if lacking:
            raise CatalogError(
                f"{path}:{line}: has no column {', '.join(lacking)}; it has {', '.join(row)}."
            )
        yield (
            f"{path}:{line}",
            [cell_text(row[column], f"{path}:{line}") for _, column in glue.parts],
            _word(cell_text(row["label"], f"{path}:{line}"), glue, f"{path}:{line}"),
        )


def _word(label: str, glue: GlueTask, where: str) -> str:
    """Return the label word of a code or word; hidden labels (-1) are refused."""
    if label in glue.labels:
        return label
    if label in ("0", "1", "2")[: len(glue.labels)]:
        return glue.labels[int(label)]
    hidden = " Labels of GLUE's test split are hidden; use validation." if label == "-1" else ""
    raise CatalogError(
        f"{where}: label is {label!r}; accepted: 0 to {len(glue.labels) - 1}, "
        f"or {', '.join(glue.labels)}.{hidden}"
    )
