"""A task of one's own to start from: table, task file and wordings that run as they are.

The rows are examples to be replaced; the files are read with the readers that runs use.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from evalkit.catalog.instances import load_instances
from evalkit.catalog.library.from_table import propose
from evalkit.catalog.library.starting import starting_file
from evalkit.catalog.library.writing import write_new
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.catalog.tasks import load_task
from evalkit.errors import UsageError

__all__ = ["Begun", "begin"]

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ROWS = (
    ("The invoice names the wrong street.", "billing"),
    ("I was charged twice this month.", "billing"),
    ("Please send the receipt once more.", "billing"),
    ("The card was refused, but the money is gone.", "billing"),
    ("The app closes when I open a photo.", "technical"),
    ("I cannot log in since this morning.", "technical"),
    ("The page stays white on my phone.", "technical"),
    ("Search finds nothing any more.", "technical"),
    ("When are you open on Sundays?", "other"),
    ("Do you also deliver abroad?", "other"),
    ("Who founded the company?", "other"),
    ("May I bring my dog to the shop?", "other"),
)
"""Text and answer of the example."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A task that was begun."""

    task: Path
    """Its task file."""
    files: tuple[Path, ...]
    """Files that were written, in the order to read them."""
    told: tuple[str, ...]
    """What was taken for what in the table."""
    instances: int
    """Rows that were read."""
    wordings: int
    """Phrasings to begin with."""


def begin(name: str, folder: Path, table: Path | None = None, *, target: str = "") -> Begun:
    """Write a task file and a phrasing file, and without a table one of examples; read them.

    Parameters
    ----------
    name
        Of the task, and of its files.
    folder
        Where they go; that of the table when there is one.
    table
        A row per instance.
    target
        Column of the right answers; told by its name when empty.

    Raises
    ------
    UsageError
        When the name is none, a file is there already, or the table is not understood.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r}: is no name of a task; small letters, digits and _ are accepted, a letter "
            "first, such as tickets."
        )
    place = folder if table is None else table.parent
    rows = table or place / f"{name}.csv"
    files = (place / f"{name}.yaml", place / f"{name}_phrasings.yaml")
    for path in files if table else (rows, *files):
        if path.exists():
            raise UsageError(f"{path}: is there already and is not replaced. Name another task.")
    if table is None:
        place.mkdir(parents=True, exist_ok=True)
        write_new(rows, _example())
    proposal = propose(rows, name=name, target=target)
    write_new(files[0], proposal.text)
    task = load_task(str(files[0]))
    instances = load_instances(task, None)
    write_new(files[1], starting_file(task, source="mine", instance=instances[0], further=True))
    return Begun(
        task=files[0],
        files=files if table else (rows, *files),
        told=proposal.told,
        instances=len(instances),
        wordings=len(read_phrasing_file(files[1])),
    )


def _example() -> str:
    """The table that is written where none is given."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("id", "text", "answer"))
    writer.writerows((number, *row) for number, row in enumerate(_ROWS, 1))
    return text.getvalue()
