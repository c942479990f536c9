"""What untrusted bytes reach: one function per reader or parser;
each may only return or raise one of evalkit's own errors.

Used by the property tests (`test_hostile.py`) and by the coverage-guided fuzzer (``nox -s fuzz``,
``fuzz.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from evalkit import catalog
from evalkit.catalog.checking import check_paths
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.catalog.score_tables import read_score_table
from evalkit.catalog.tasks import read_task_file
from evalkit.catalog.yaml_file import parse_yaml
from evalkit.errors import EvalkitError
from evalkit.phrasings.prompts import render_prompt
from evalkit.phrasings.templates import render
from evalkit.records import Instance, Phrasing, Response, Source, Task
from evalkit.scoring import Answered
from evalkit.scoring.overlap import rouge_l
from evalkit.scoring.text import exact_match, find_label, math_match, normalise
from evalkit.store.atomic import slug
from evalkit.store.directory import read_manifest
from evalkit.store.responses import Store

__all__ = ["FILES", "TEXTS"]

TASK = Task(name="toy", benchmark="toy", reader="table", labels=("yes", "no"))
INSTANCE = Instance(
    id="1", fields={"question": "Is it?"}, choices=("yes", "no"), target=0, references=("yes",)
)


def template(text: str) -> None:
    """A phrasing text: rendered, or refused; never run, never huge."""
    try:
        made = render(text, {"question": "q", "choices": ("a", "b"), "subject": "s"})
    except EvalkitError:
        return
    assert len(made) <= 70_000


def prompt(text: str) -> None:
    """A whole phrasing, inline, with the text also in the instance."""
    phrasing = Phrasing(
        id="p", source="x", position="inline", label_space="text", layout="bulleted", text=text
    )
    instance = replace(INSTANCE, fields={"question": text})
    try:
        made = render_prompt(TASK, phrasing, instance)
    except EvalkitError:
        return
    start, end = made.body
    assert 0 <= start <= end <= len(made.text)


def yaml_text(text: str) -> None:
    """A YAML file."""
    try:
        parse_yaml(text, "x.yaml")
    except EvalkitError:
        return


def answer(text: str) -> None:
    """A model's answer: parsed by every parser; a score stays in [0, 1]."""
    found = find_label(text, ("A", "B", "C"), texts=("red", "blue", "green"))
    assert found is None or 0 <= found < 3
    normalise(text)
    answered = Answered(
        instance=INSTANCE,
        response=Response(key="k", text=text, finish_reason="stop"),
        labels=("yes", "no"),
    )
    for metric in (exact_match, math_match, rouge_l):
        score = metric(answered).score
        assert score is None or 0.0 <= score <= 1.0


def name(text: str) -> None:
    """A model or suite name that becomes a file name: one path part, plain characters."""
    made = slug(text)
    assert made == Path(made).name
    assert made not in {"", ".", ".."}
    assert made.isascii()


TEXTS: dict[str, Callable[[str], None]] = {
    "template": template,
    "prompt": prompt,
    "yaml": yaml_text,
    "answer": answer,
    "name": name,
}
"""Targets that take text."""


def _task(reader: str, local: str) -> Task:
    return Task(
        name="anatomy" if reader == "mmlu" else "toy",
        benchmark=reader,
        reader=reader,
        source=Source(local=local),
    )


def _reads(reader: str, local: str) -> Callable[[bytes, Path], None]:
    """Return a target that puts the bytes where a reader looks."""

    def read(content: bytes, folder: Path) -> None:
        place = folder / local
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        try:
            catalog.load_instances(_task(reader, local), folder)
        except EvalkitError:
            return

    read.__doc__ = f"The bytes as {reader} file."
    return read


def _file(suffix: str, use: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    """Return a target that writes the bytes to a file and reads it."""

    def read(content: bytes, folder: Path) -> None:
        place = folder / f"x{suffix}"
        place.write_bytes(content)
        try:
            use(place)
        except EvalkitError:
            return

    return read


def _manifest(content: bytes, folder: Path) -> None:
    """The bytes as manifest of a run."""
    (folder / "manifest.json").write_bytes(content)
    try:
        read_manifest(folder)
    except EvalkitError:
        return


def _store(content: bytes, folder: Path) -> None:
    """The bytes as response store."""
    place = folder / "responses.sqlite"
    place.write_bytes(content)
    try:
        with Store(place, read_only=True) as store:
            store.get("f", ["k"])
            store.check()
    except EvalkitError:
        return


FILES: dict[str, Callable[[bytes, Path], None]] = {
    "mmlu": _reads("mmlu", "mmlu/test/anatomy_test.csv"),
    "bbh": _reads("bbh", "bbh/bbh/toy.json"),
    "superni": _reads("superni", "superni/tasks/toy.json"),
    "bigbench": _reads("bigbench", "bigbench/toy/task.json"),
    "squad": _reads("squad", "squad/x.json"),
    "translation": _reads("translation", "translation/x.json"),
    "math": _reads("math", "math/x.txt"),
    "rows of CSV": _reads("table", "own/x.csv"),
    "rows of JSON Lines": _reads("table", "own/x.jsonl"),
    "packed rows": _reads("table", "own/x.jsonl.gz"),
    "rows of Parquet": _reads("table", "own/x.parquet"),
    "JSON Lines table": _file(".jsonl", read_score_table),
    "task file": _file(".yaml", read_task_file),
    "phrasing file": _file(".yaml", read_phrasing_file),
    "any file": _file(".yaml", lambda path: check_paths([path])),
    "csv table": _file(".csv", read_score_table),
    "gzip table": _file(".csv.gz", read_score_table),
    "parquet table": _file(".parquet", read_score_table),
    "manifest": _manifest,
    "store": _store,
}
"""Targets that take the bytes of a file, and a folder to put it in."""
