"""Human labels of a few answers: the sheet that asks for them, and the sheet filled in."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalkit.errors import UsageError
from evalkit.runs.judge_questions import Cell, Judged
from evalkit.store.csv_file import csv_of, unguarded

__all__ = ["read_sheet", "sheet"]

IDS = ("task", "phrasing_id", "instance_id")
LABELS = {
    **dict.fromkeys(("1", "1.0", "right", "yes", "correct", "true", "first", "a"), 1.0),
    **dict.fromkeys(("0", "0.0", "wrong", "no", "incorrect", "false", "second", "b"), 0.0),
    **dict.fromkeys(("0.5", "tie", "equal", "neither"), 0.5),
}
"""What may stand in the column ``label``."""


def sheet(answers: Sequence[Judged], *, number: int, seed: int) -> str:
    """Return a CSV file that asks a person to label answers drawn at random, each equally likely.

    Parameters
    ----------
    answers
        Answers or pairs that a judge is asked about.
    number
        How many; all where there are fewer.
    seed
        Of the draw.

    Notes
    -----
    No verdict of a judge stands in it: who labels is not to be swayed.
    """
    drawn = random.Random(seed).sample(range(len(answers)), min(number, len(answers)))
    pair = len(answers[0].answers) > 1
    heads = ("answer",) if not pair else ("first", "second")
    return csv_of(
        [*IDS, "question", "accepted", *heads, "label"],
        [
            [
                *one.cell,
                one.task_text,
                " | ".join(one.job.instances[one.position].references),
                *one.answers,
                "",
            ]
            for one in (answers[place] for place in sorted(drawn))
        ],
    )


def read_sheet(path: Path, answers: Sequence[Judged]) -> Mapping[Cell, float]:
    """Return what people said: (task, phrasing, instance) -> label in [0, 1];
    rows without a label are left out.

    Parameters
    ----------
    path
        CSV file with the columns task, phrasing_id, instance_id and label.
    answers
        What a judge is asked about; other cells are refused.

    Raises
    ------
    UsageError
        When the file cannot be read, lacks a column, names a cell that is not judged, one cell
        twice with other labels, or holds a label that is none of `LABELS`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--labels: {path} cannot be read as UTF-8 text: {error}.") from error
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # spreadsheets write what their country's lists have
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    absent = [name for name in (*IDS, "label") if name not in (rows.fieldnames or ())]
    if absent:
        raise UsageError(
            f"--labels: {path} has no column {absent[0]}; {', '.join(IDS)} and label are needed. "
            "evalkit judge RUN --sheet FILE writes such a file."
        )
    known, found = {one.cell for one in answers}, dict[Cell, float]()
    for row in rows:
        said = (row["label"] or "").strip().lower()
        if not said:
            continue
        cell = (unguarded(row[IDS[0]]), unguarded(row[IDS[1]]), unguarded(row[IDS[2]]))
        where = f"--labels: {path}, line {rows.line_num}"
        if said not in LABELS:
            raise UsageError(f"{where}: label {said!r} is none of {', '.join(LABELS)}.")
        if cell not in known:
            raise UsageError(
                f"{where}: {', '.join(cell)} is no answer that the judge is asked about. "
                "Use the --limit that the sheet was written with."
            )
        if found.setdefault(cell, LABELS[said]) != LABELS[said]:
            raise UsageError(f"{where}: {', '.join(cell)} has two labels. Leave one out.")
    if not found:
        raise UsageError(f"--labels: {path} holds no label. Fill in the column 'label'.")
    return found
