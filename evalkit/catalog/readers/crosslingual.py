"""Benchmarks that ask the same in several languages, as published: XNLI, PAWS-X, XCOPA, Belebele.

One task is one input language, the first of its ``languages``; in which language it is asked is a
matter of the phrasing. What stands around the parts of an instance ("Premise:") is in the language
of the input. It is known for the languages of `HEADS`; for others ``source.options.heads`` names
it, in the same order.

============ ===================================================================================
reader       file
============ ===================================================================================
``xnli``     ``XNLI-1.0/xnli.test.tsv``: all languages in one table, no quoting
``pawsx``    ``x-final/<language>/test_2k.tsv``: id, sentence1, sentence2, label
``xcopa``    ``data/<language>/test.<language>.jsonl``: premise, choice1, choice2, question, label
``belebele`` ``<FLORES code>.jsonl``: flores_passage, question, mc_answer1 to 4, correct_answer_num
============ ===================================================================================

References
----------
Conneau and others, "XNLI", EMNLP 2018. Yang and others, "PAWS-X", EMNLP 2019. Ponti and others,
"XCOPA", EMNLP 2020. Bandarkar and others, "The Belebele Benchmark", 2023. Layouts as described by
facebookresearch/XNLI, google-research-datasets/paws:pawsx, cambridgeltl/xcopa and
facebookresearch/belebele.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.readers.rows import Layout, cell_text, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["HEADS", "read_belebele", "read_pawsx", "read_xcopa", "read_xnli"]

Row = Mapping[str, Any]

HEADS: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "xnli": {
            "ar": ("المقدمة", "الفرضية"),
            "de": ("Prämisse", "Hypothese"),
            "en": ("Premise", "Hypothesis"),
            "es": ("Premisa", "Hipótesis"),
            "fr": ("Prémisse", "Hypothèse"),
            "zh": ("前提", "假设"),
        },
        "pawsx": {
            "ar": ("الجملة 1", "الجملة 2"),
            "de": ("Satz 1", "Satz 2"),
            "en": ("Sentence 1", "Sentence 2"),
            "es": ("Oración 1", "Oración 2"),
            "fr": ("Phrase 1", "Phrase 2"),
            "zh": ("句子1", "句子2"),
        },
        "xcopa": {
            "ar": ("الموقف", "ما السبب؟", "ماذا حدث نتيجة لذلك؟"),
            "de": ("Situation", "Was war die Ursache?", "Was geschah daraufhin?"),
            "en": ("Situation", "What was the cause?", "What happened as a result?"),
            "es": ("Situación", "¿Cuál fue la causa?", "¿Qué ocurrió como resultado?"),
            "fr": ("Situation", "Quelle en était la cause ?", "Que s'est-il passé ensuite ?"),
            "it": ("Situazione", "Qual è stata la causa?", "Che cosa è successo di conseguenza?"),
            "zh": ("情景", "原因是什么？", "结果发生了什么？"),
        },
        "belebele": {
            "ar": ("النص", "السؤال"),
            "de": ("Text", "Frage"),
            "en": ("Passage", "Question"),
            "es": ("Texto", "Pregunta"),
            "fr": ("Texte", "Question"),
            "zh": ("文章", "问题"),
        },
    }
)
"""Reader -> language -> what it writes before the parts of an instance."""
_GOLD = ("entailment", "neutral", "contradiction")
"""XNLI's labels, in the order of a task's ``labels``."""
_PLACEHOLDER = "NS"
"""What PAWS-X holds where a sentence was not translated."""


def read_xnli(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the pairs of one language; ``labels`` are entailment, neutral and contradiction in the
    task's words.

    Raises
    ------
    CatalogError
        When the table lacks a column, the language, or a known gold label.
    """
    language, heads = _language(task), _heads(task)
    found, there = [], set()
    for where, row in _rows(task, data_dir, split):
        there.add(_text(row, "language", where))
        if row["language"] != language:
            continue
        gold = _text(row, "gold_label", where)
        premise, hypothesis = _text(row, "sentence1", where), _text(row, "sentence2", where)
        found.append(
            Instance(
                id=_text(row, "pairID", where),
                fields={
                    "question": f"{heads[0]}: {premise}\n{heads[1]}: {hypothesis}",
                    "premise": premise,
                    "hypothesis": hypothesis,
                },
                choices=task.labels,
                target=_index(gold, _GOLD, where, "gold_label"),
                references=(task.labels[_GOLD.index(gold)],),
                where=where,
            )
        )
    if not found:
        raise CatalogError(
            f"{task.id}: the file has no row of language {language!r}; it has "
            f"{', '.join(sorted(there)) or 'none'}. Correct 'languages' of the task."
        )
    return found


def read_pawsx(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the pairs of one language; ``labels`` are yes and no in the task's words.

    Pairs with the placeholder for "not translated" are left out by name.

    Raises
    ------
    CatalogError
        When the table lacks a column, or a label is not 0 or 1.
    """
    heads = _heads(task)
    found = []
    for where, row in _rows(task, data_dir, split):
        texts = [_unquoted(_text(row, name, where)) for name in ("sentence1", "sentence2")]
        target = 1 - _index(_text(row, "label", where), ("0", "1"), where, "label")
        lost = _PLACEHOLDER in (text.strip() for text in texts)
        found.append(
            Instance(
                id=_text(row, "id", where),
                fields={
                    "question": f"{heads[0]}: {texts[0]}\n{heads[1]}: {texts[1]}",
                    "sentence1": texts[0],
                    "sentence2": texts[1],
                },
                choices=task.labels,
                target=target,
                references=(task.labels[target],),
                flaw=f"holds {_PLACEHOLDER}, a sentence that was not translated." if lost else "",
                where=where,
            )
        )
    return found


def read_xcopa(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the events of one language, each with the question for its cause or its effect.

    Raises
    ------
    CatalogError
        When a row lacks a text, or asks for something else.
    """
    heads = _heads(task)
    found = []
    for where, row in _rows(task, data_dir, split):
        asked = _index(_text(row, "question", where), ("cause", "effect"), where, "question")
        choices = tuple(_text(row, name, where) for name in ("choice1", "choice2"))
        target = _index(_text(row, "label", where), ("0", "1"), where, "label")
        premise = _text(row, "premise", where)
        found.append(
            Instance(
                id=f"{split}-{_text(row, 'idx', where)}",
                fields={
                    "question": f"{heads[0]}: {premise}\n{heads[1 + asked]}",
                    "premise": premise,
                    "asks": heads[1 + asked],
                },
                choices=choices,
                target=target,
                references=(choices[target],),
                where=where,
            )
        )
    return found


def read_belebele(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the questions of one language with their passages and four choices.

    Raises
    ------
    CatalogError
        When a row lacks a text, or its answer is not 1 to 4.
    """
    heads = _heads(task)
    found = []
    for where, row in _rows(task, data_dir, split):
        passage, query = _text(row, "flores_passage", where), _text(row, "question", where)
        choices = tuple(_text(row, f"mc_answer{n}", where) for n in range(1, 5))
        named = _text(row, "correct_answer_num", where)
        target = _index(named, ("1", "2", "3", "4"), where, "correct_answer_num")
        passage_id = f"{_text(row, 'link', where)}#{row.get('split', '')}"
        found.append(
            Instance(
                id=f"{passage_id}#{_text(row, 'question_number', where)}",
                fields={
                    "question": f"{heads[0]}: {passage}\n{heads[1]}: {query}",
                    "passage": passage,
                    "query": query,
                },
                choices=choices,
                target=target,
                references=(choices[target],),
                where=where,
            )
        )
    return found


def _language(task: Task) -> str:
    if len(task.languages) != 1:
        raise CatalogError(
            f"{task.id}: languages is {list(task.languages)!r}; the one language of its input is "
            "expected. Write a task for each."
        )
    return task.languages[0]


def _heads(task: Task) -> tuple[str, ...]:
    """Return what stands before the parts of an instance."""
    known, language = HEADS[task.reader], _language(task)
    size = len(known["en"])
    given = task.source.options.get("heads", known.get(language))
    if (
        not isinstance(given, list | tuple)
        or len(given) != size
        or not all(isinstance(one, str) and one.strip() for one in given)
    ):
        raise CatalogError(
            f"{task.id}: what stands before the parts of an instance is not known in "
            f"{language!r} (known: {', '.join(sorted(known))}). Give source.options.heads, "
            f"{size} texts that mean {', '.join(known['en'])}."
        )
    return tuple(given)


def _rows(task: Task, data_dir: Path | None, split: str) -> Iterator[tuple[str, Row]]:
    """Yield where each row stands, and the row, of a TSV without quoting or of JSON Lines."""
    labels = {"xnli": 3, "pawsx": 2}.get(task.reader, 0)
    if len(task.labels) != labels:
        raise CatalogError(
            f"{task.id}: has {len(task.labels)} labels; reader {task.reader!r} expects {labels}."
        )
    for path in locate(task, data_dir, split).paths:
        for line, row in table_rows(path, Layout(quoted=False)):
            yield f"{path}:{line}", row


def _text(row: Row, name: str, where: str) -> str:
    if name not in row:
        raise CatalogError(
            f"{where}: has no column {name!r}; it has {', '.join(map(str, row))}. "
            "The file is not in upstream's layout; get it again."
        )
    return cell_text(row[name], f"{where}: column {name!r}")


def _index(value: str, known: tuple[str, ...], where: str, name: str) -> int:
    if value not in known:
        raise CatalogError(
            f"{where}: {name} is {value!r}; accepted: {', '.join(known)}. Get the file again."
        )
    return known.index(value)


def _unquoted(text: str) -> str:
    """Return a cell without the quotes that a spreadsheet put around it.

    >>> _unquoted('"One ""word"" here."')
    'One "word" here.'
    """
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('""', '"')
    return text
