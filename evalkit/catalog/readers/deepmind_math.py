"""DeepMind's mathematics data set as published.

One text file per module, a line of question and a line of answer in turn.

PromptBench's math task takes 20 modules of the interpolation split, 8 questions each
(microsoft/promptbench, table 1 of arXiv:2306.04528: 160). Which ones it drew is not published; this
reader takes the first of each file.
"""

from __future__ import annotations

from pathlib import Path

from evalkit.catalog.files import locate
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.readers.rows import derived_id
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the first questions of every module; field ``topic`` names the module in words.

    Parameters
    ----------
    task
        ``source.options.per_module`` is the number of questions per file (8 without), ``topics``
        maps a module to words.
    data_dir
        Data directory.
    split
        ``interpolate``, ``extrapolate``, ``train-easy``, ``train-medium`` or ``train-hard``.
    """
    number = int(task.source.options.get("per_module", 8))
    topics = task.source.options.get("topics", {})
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        lines = read_utf8(path).rstrip("\n").split("\n")
        if len(lines) < 2 * number:
            raise CatalogError(
                f"{path}:{len(lines)}: holds {len(lines)} lines; question and answer in turn, "
                f"{number} of each, are expected."
            )
        topic = str(topics.get(path.stem, path.stem.replace("__", " ").replace("_", " ")))
        for position in range(number):
            question, answer = (
                line.rstrip("\r") for line in lines[2 * position : 2 * position + 2]
            )
            if not question.strip() or not answer.strip():
                raise CatalogError(
                    f"{path}:{2 * position + 1}: question or answer is empty. Get the file again."
                )
            instances.append(
                Instance(
                    id=f"{path.stem}-{derived_id(split, position, question, answer)}",
                    fields={"question": question, "topic": topic},
                    references=(answer,),
                    where=f"{path}:{2 * position + 1}",
                )
            )
    return instances
