"""SQuAD 2.0 as published (``dev-v2.0.json``) and as the hub's rows.

No answer is the reference ``unanswerable``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.readers.rows import table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["UNANSWERABLE", "read"]

UNANSWERABLE = "unanswerable"
"""Reference of a question its passage does not answer (the word PromptBench asks for)."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the questions of SQuAD 2.0.

    Field ``question`` holds passage and question, ``context`` and ``query`` the parts.
    """
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        for where, row in _json(path) if path.suffix == ".json" else _hub(path):
            context, query, name = row.get("context"), row.get("question"), row.get("id")
            if not (isinstance(context, str) and isinstance(query, str) and isinstance(name, str)):
                raise CatalogError(f"{where}: has no context, question and id. Get the file again.")
            answers = tuple(
                dict.fromkeys(str(answer) for answer in row["answers"] if str(answer).strip())
            )
            instances.append(
                Instance(
                    id=name,
                    fields={
                        "question": f"Context: {context}\nQuestion: {query}",
                        "context": context,
                        "query": query,
                    },
                    references=answers or (UNANSWERABLE,),
                    where=where,
                )
            )
    return instances


def _json(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the questions of upstream's nested file."""
    content = load_json(path)
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise CatalogError(
            f"{path}:1: has no list 'data'; SQuAD's {{version, data: [{{paragraphs}}]}} is "
            "expected."
        )
    for number, article in enumerate(articles, 1):
        where = f"{path}:1: article {number}"
        try:
            for paragraph in article["paragraphs"]:
                for item in paragraph["qas"]:
                    answers = (
                        []
                        if item.get("is_impossible")
                        else [answer["text"] for answer in item["answers"]]
                    )
                    yield (
                        where,
                        {
                            "id": item["id"],
                            "context": paragraph["context"],
                            "question": item["question"],
                            "answers": answers,
                        },
                    )
        except (KeyError, TypeError, AttributeError) as error:
            raise CatalogError(
                f"{where}: lacks {error}; paragraphs with context and qas are expected. "
                "Get the file again."
            ) from error


def _hub(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the hub's rows, whose answers are ``{text: [...], answer_start: [...]}``."""
    for line, row in table_rows(path):
        answers = row.get("answers")
        if not isinstance(answers, dict) or not isinstance(answers.get("text"), list):
            raise CatalogError(
                f"{path}:{line}: answers are {answers!r}; an object with a list 'text' is expected."
            )
        yield f"{path}:{line}", {**row, "answers": answers["text"]}
