"""Instance records of Every Eval Ever: a line per sample, schema 0.2 and 0.3.

References
----------
evaleval/every_eval_ever, `every_eval_ever/schemas/instance_level_eval.schema.json`, version 0.3.0.
It has no field for a phrasing; evalkit writes ``metadata.phrasing_id`` and reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from evalkit.catalog.logs.files import lines_of
from evalkit.catalog.logs.rows import ONLY, Asked, LogRow, number, one_text

__all__ = ["read"]


def read(files: Sequence[Path], asked: Asked) -> Iterator[LogRow]:
    """Yield the rows of record files."""
    for file in files:
        for place, row in lines_of(file):
            where = f"{file}:{place}"
            about = row.get("metadata") or {}
            phrasing = str(about.get("phrasing_id") or ONLY)
            task = str(about.get("task") or row["evaluation_name"])
            known = task if asked.phrasing == "task" else phrasing
            answers = row.get("answer_attribution") or [{}]
            said = answers[-1].get("extracted_value")
            yield LogRow(
                model=str(row["model_id"]),
                task=task,
                phrasing_id=asked.wording(known, row, where=where),
                instance_id=str(row["sample_id"]),
                score=None
                if row.get("error")
                else number((row.get("evaluation") or {}).get("score"), where=where),
                prediction=None if said is None else str(said),
                target=one_text((row.get("input") or {}).get("reference")),
            )
