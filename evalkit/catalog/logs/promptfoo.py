"""Outputs of promptfoo: ``promptfoo eval --output FILE.json`` or ``.jsonl``;
a prompt is a phrasing, a test an instance.

References
----------
promptfoo/promptfoo, `src/types/index.ts`: `OutputFile` with ``results.results``, an
`EvaluateResult` has ``promptIdx, testIdx, provider, prompt, vars, success, score, namedScores,
failureReason``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.logs.files import json_of, lines_of
from evalkit.catalog.logs.rows import Asked, LogRow, number, one_text, picked
from evalkit.records import digest

__all__ = ["read"]

ERROR = 2
"""`failureReason` of a call that failed: our side, so no score."""
LONGEST = 60


def read(files: Sequence[Path], asked: Asked) -> Iterator[LogRow]:
    """Yield the rows of outputs."""
    for file in files:
        if file.suffix == ".json":
            log = json_of(file)
            name = (log.get("config") or {}).get("description")
            results: Any = enumerate((log.get("results") or {}).get("results") or (), start=1)
        else:
            name, results = None, lines_of(file)
        for place, one in results:
            yield _row(one, str(name or file.stem), f"{file}, result {place}", asked)


def _row(one: Mapping[str, Any], task: str, where: str, asked: Asked) -> LogRow:
    provider = one.get("provider")
    if isinstance(provider, Mapping):
        provider = provider.get("label") or provider.get("id")
    failed = one.get("failureReason") == ERROR or (one.get("error") and not one.get("response"))
    variables = one.get("vars") or {}
    answer = (one.get("response") or {}).get("output")
    return LogRow(
        model=str(provider),
        task=task,
        phrasing_id=asked.wording(_phrasing(one), one, where=where),
        instance_id=f"test-{one['testIdx']}" if "testIdx" in one else digest(variables, length=12),
        score=None if failed else _score(one, where, asked),
        prediction=None if answer is None else str(answer),
        target=one_text(variables.get("expected") or variables.get("answer")),
        repeat=str(one.get("repeatIndex", "")),
    )


def _phrasing(one: Mapping[str, Any]) -> str:
    """A prompt's label where it is short, else its number with a digest of what it says before
    variables are filled in.
    """
    label = str((one.get("prompt") or {}).get("label") or "")
    if label and len(label) <= LONGEST and "\n" not in label:
        return label
    return f"prompt-{one.get('promptIdx', 0)}-{digest(label or one.get('promptId'), length=6)}"


def _score(one: Mapping[str, Any], where: str, asked: Asked) -> float | None:
    named = one.get("namedScores") or {}
    if asked.metric is not None:
        return number(named[picked(named, asked, (), where=where)], where=where)
    return number(one.get("score", one.get("success")), where=where)
