"""Sample logs of lm-eval: ``samples_TASK_DATE.jsonl``, with ``results_DATE.json`` beside them.

References
----------
EleutherAI/lm-evaluation-harness, version 0.4.9: `lm_eval/loggers/evaluation_tracker.py` names the
files, `lm_eval/evaluator.py` their fields (``doc_id, target, filtered_resps, filter, metrics`` and
one key per metric).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from evalkit.catalog.logs.files import json_of, lines_of
from evalkit.catalog.logs.rows import Asked, LogRow, number, one_text, picked, wording_id

__all__ = ["NAME", "read"]

NAME = re.compile(r"samples_(?P<task>.+?)_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+)\.jsonl(?:\.gz|\.zst)?")
KNOWN = ("acc", "exact_match", "acc_norm", "f1", "rougeL", "bleu")
TEMPLATE = ("description", "doc_to_text", "fewshot_delimiter", "target_delimiter", "num_fewshot")
"""What decides the wording of a task in its configuration."""


def read(files: Sequence[Path], asked: Asked) -> Iterator[LogRow]:
    """Yield the rows of sample files; of a task that was run several times in one folder, the
    newest.
    """
    newest: dict[tuple[Path, str], Path] = {}
    for file in sorted(files, key=lambda one: one.name):
        newest[file.parent, _task(file)] = file
    told = {folder: _results(folder) for folder in {file.parent for file in files}}
    names = [task for _, task in newest]
    for (folder, task), file in newest.items():
        yield from _rows(file, task, told[folder], names, asked)


def _task(file: Path) -> str:
    found = NAME.fullmatch(file.name)
    return found["task"] if found else file.name.removeprefix("samples_").partition(".")[0]


def _results(folder: Path) -> Mapping[str, Any]:
    """The newest file of results of a folder; empty without one."""
    found = sorted(folder.glob("results_*.json"))
    content = json_of(found[-1]) if found else {}
    return content if isinstance(content, Mapping) else {}


def _model(told: Mapping[str, Any], folder: Path) -> str:
    arguments = str((told.get("config") or {}).get("model_args") or "")
    named = re.search(r"(?:^|,)(?:pretrained|model)=([^,]+)", arguments)
    return str(told.get("model_name") or (named[1] if named else folder.resolve().name))


def _rows(
    file: Path, task: str, told: Mapping[str, Any], names: Sequence[str], asked: Asked
) -> Iterator[LogRow]:
    config = (told.get("configs") or {}).get(task) or {}
    base, _, variant = task.partition("@")
    wording = variant or wording_id(*(config.get(name) for name in TEMPLATE))
    if asked.phrasing == "task":
        wording = task
        base = str(config.get("dataset_path") or _shared(names) or task)
        base += f":{config['dataset_name']}" if config.get("dataset_name") else ""
    metric, first = None, None
    for place, row in lines_of(file):
        where = f"{file}:{place}"
        if first is None:
            first = row.get("filter")
        if row.get("filter") != first:  # a document stands there once per filter
            continue
        scores = {name: row[name] for name in row.get("metrics") or () if name in row}
        metric = metric or picked(scores, asked, KNOWN, where=file)
        yield LogRow(
            model=_model(told, file.parent),
            task=base,
            phrasing_id=asked.wording(wording, row, where=where),
            instance_id=str(row.get("doc_id")),
            score=number(scores.get(metric), where=where),
            prediction=_answer(row.get("filtered_resps")),
            target=one_text(row.get("target")),
        )


def _answer(responses: Any) -> str | None:
    """The text answered, or the number of the choice with the largest log-likelihood."""
    if not isinstance(responses, list) or not responses:
        return None
    if all(isinstance(one, list | tuple) and len(one) == 2 for one in responses):
        try:
            values = [float(one[0]) for one in responses]
        except (TypeError, ValueError):
            return json.dumps(responses)
        return str(values.index(max(values)))
    return one_text(responses)


def _shared(names: Sequence[str]) -> str:
    """What all names begin with, in whole words or up to a number; empty for nothing.

    >>> _shared(["sst2_polite", "sst2_plain"]), _shared(["form1", "form12"]), _shared(["pa", "pb"])
    ('sst2', 'form', '')
    """
    words = [re.split(r"(?<=[_\-@])|(?<=[A-Za-z])(?=\d)", f"{name}_") for name in names]
    same = takewhile(lambda parts: len(set(parts)) == 1, zip(*words, strict=False))
    return "".join(parts[0] for parts in same).rstrip("_-@")
