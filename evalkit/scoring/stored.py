"""The second half of the corridor: stored responses -> scores -> estimates -> files.

Needs no model and no benchmark data.

`evalkit run` ends with it, `evalkit score` and `evalkit report` begin with it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from evalkit.backends.precision import NOISE, could_turn, noise
from evalkit.errors import StoreError
from evalkit.phrasings.prompts import answer_labels
from evalkit.records import Instance, Phrasing, Response, Score, Seen, Task
from evalkit.scoring import Answered, score_cell
from evalkit.store.blocks import phrasing_from_json, stored_jobs
from evalkit.store.designs import get_design
from evalkit.store.directory import RunDir
from evalkit.store.keys import first_places
from evalkit.store.responses import Store

__all__ = ["Collector", "Counts", "score_run", "scored", "stored_scores"]

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Counts:
    """Totals of a run, always recomputed from rows."""

    cells: int = 0
    """Cells that were to be asked."""
    not_asked: int = 0
    """Cells that the design of the run leaves out; neither missing nor wrong, and not among
    `cells`."""
    requests: int = 0
    """Unique requests behind them."""
    missing: int = 0
    """Cells without an answer by our fault."""
    unparsed: int = 0
    """Cells the model answered unusably."""
    truncated: int = 0
    """Cells whose prompt lost part of the instance."""
    prompt_tokens: int = 0
    """Tokens of all prompts sent, each unique request once."""
    answer_tokens: int = 0
    """Tokens of all choices scored."""
    boundary: int = 0
    """Requests whose context tokens were no prefix of context + choice."""
    unstable: int | None = None
    """Cells whose two best choices lie within the rounding of the model's precision; None where
    that is not known."""


class Collector(Protocol):
    """What wants to see the answers while they are scored.

    `evalkit.scoring.answers.Answers` is one.
    """

    def begin(self, task: Task, instances: Sequence[Instance], phrasing_ids: Sequence[str]) -> None:
        """Make ready for a task."""
        ...

    def cell(
        self, phrasing: int, position: int, *, answered: Answered | None, score: Score
    ) -> None:
        """Take in one cell."""
        ...

    def end(self) -> None:
        """Close the task."""
        ...


class _Used:
    """What the unique requests of a run used.

    Plain arrays, since ten million keys in a set would be a gigabyte.
    """

    def __init__(self) -> None:
        self._keys = bytearray()
        self._columns = {
            name: array("q") for name in ("prompt_tokens", "answer_tokens", "boundary")
        }

    def add(self, key: str, response: Response | None) -> None:
        """Take in one cell."""
        self._keys += bytes.fromhex(key)
        prompt, answer, boundary = self._columns.values()
        prompt.append(0 if response is None else response.prompt_tokens)
        answer.append(0 if response is None else sum(response.token_counts))
        boundary.append(0 if response is None else response.boundary)

    def fill(self, counts: Counts) -> None:
        """Write the totals, each request once."""
        import numpy as np

        first = first_places(bytes(self._keys))
        counts.requests = len(first)
        for name, column in self._columns.items():
            setattr(
                counts,
                name,
                int(np.frombuffer(column, dtype=np.int64)[first].sum()) if column else 0,
            )


def stored_scores(
    store: Store,
    *,
    manifest: Mapping[str, Any],
    tasks: Iterable[str],
    counts: Counts,
    collector: Collector | None = None,
) -> Iterator[Score]:
    """Yield the score of every cell of a run, task by task, and add up what was used.

    Parameters
    ----------
    store
        The run's responses and records.
    manifest
        Of the run: says which model answered and in what precision.
    tasks
        Ids of the tasks that are wanted.
    counts
        Filled in.
    collector
        Shown every answer.
    """
    used = _Used()
    fingerprint, model = manifest["model"]["fingerprint_digest"], manifest["model"]["label"]
    dtype = manifest["model"]["fingerprint"].get("dtype", "")
    counts.unstable = 0 if dtype in NOISE else None
    for job in stored_jobs(store, {task: manifest["suite"]["tasks"][task] for task in tasks}):
        if collector is not None:
            collector.begin(
                job.task, job.instances, [str(row["phrasing"]["id"]) for row in job.rows]
            )
        designs = get_design(store, job.task.id, n_instances=len(job.instances))
        for place, row in enumerate(job.rows):
            phrasing = phrasing_from_json(row["phrasing"])
            keys = [row["keys"][start : start + 32] for start in range(0, len(row["keys"]), 32)]
            design = designs.get(phrasing.id)
            responses = store.get(
                fingerprint,
                keys if design is None else [keys[position] for position in design.nonzero()[0]],
            )
            orders = row["orders"] or [((), ())] * len(keys)
            cells = zip(keys, job.instances, orders, strict=True)
            for position, (key, instance, arrangement) in enumerate(cells):
                response = responses.get(key)
                asked = design is None or bool(design[position])
                answered, score = scored(
                    job.task,
                    phrasing,
                    instance,
                    arrangement=arrangement,
                    response=response,
                    about=(model, row["seen"]),
                    asked=asked,
                )
                if not asked:
                    counts.not_asked += 1
                    yield score
                    continue
                used.add(key, response)
                counts.cells += 1
                counts.missing += score.status == "missing"
                counts.unparsed += score.status == "unparsed"
                counts.truncated += response is not None and response.truncated
                if counts.unstable is not None and answered is not None:
                    counts.unstable += _could_turn(job.task, answered, dtype)
                if collector is not None:
                    collector.cell(place, position, answered=answered, score=score)
                yield score
        if collector is not None:
            collector.end()
    used.fill(counts)


def _could_turn(task: Task, answered: Answered, dtype: str) -> bool:
    """Whether rounding could turn the choice that was made, by the value that the task's metric compares."""
    logprobs = answered.response.logprobs
    if not logprobs or len(logprobs) != len(answered.labels):
        return False
    per_byte = task.metric == "choice_accuracy_norm"
    sizes = [
        max(1, len(label.encode("utf-8", "surrogatepass"))) if per_byte else 1
        for label in answered.labels
    ]
    texts = [answered.instance.choices[answered.choice_index(shown)] for shown in range(len(sizes))]
    limit = noise(dtype, max(answered.response.token_counts, default=1)) / min(sizes)
    return could_turn(
        ((text, value / size) for text, value, size in zip(texts, logprobs, sizes, strict=True)),
        limit,
    )


def scored(
    task: Task,
    phrasing: Phrasing,
    instance: Instance,
    *,
    arrangement: Sequence[Sequence[int]],
    response: Response | None,
    about: tuple[str, Seen],
    asked: bool = True,
) -> tuple[Answered | None, Score]:
    """Return the answer of one cell, None when there is none, and its score.

    Parameters
    ----------
    task, phrasing, instance
        The cell.
    arrangement
        Choice order and label order; empty for upstream's.
    response
        What was stored for it.
    about
        Model shown in tables, and relation of the phrasing to it.
    asked
        Whether the design of the run asks this cell.
    """
    model, seen = about
    if response is None or not asked:
        bare = score_cell(task, phrasing, instance, model=model, seen=seen)
        return None, bare if asked else replace(bare, status="not_asked")
    order, names = arrangement
    shown = tuple(instance.choices[index] for index in order) if order else instance.choices
    labels = answer_labels(phrasing, shown, names) if shown else ()
    answered = Answered(instance=instance, response=response, labels=labels, order=tuple(order))
    return answered, score_cell(task, phrasing, answered, model=model, seen=seen)


def score_run(
    path: Path,
    *,
    read_only: bool = True,
    collector: Collector | None = None,
    collect: Callable[[Iterable[Score]], T] = list,  # type: ignore[assignment]  # list is such a callable
) -> tuple[dict[str, Any], T, Counts]:
    """Return manifest, scores and counts of a run directory, recomputed from its responses.

    Parameters
    ----------
    path
        Run directory.
    read_only
        Leave damaged rows where they are, instead of moving them out of the way.
    collector
        Shown every answer.
    collect
        What the scores are gathered in as they come, such as
        `evalkit.scoring.ScoreTable.from_scores`.

    Raises
    ------
    StoreError
        When the directory is no run, or its store is damaged.
    """
    directory = RunDir(path)
    manifest = directory.manifest()
    if manifest is None:
        raise StoreError(
            f"{path}: is no run directory (no manifest.json). Name a directory that 'evalkit run' wrote."
        )
    counts = Counts()
    with Store(directory.store_path, read_only=read_only) as store:
        scores = collect(
            stored_scores(
                store,
                manifest=manifest,
                tasks=manifest["suite"]["tasks"],
                counts=counts,
                collector=collector,
            )
        )
        if n_damaged := len(store.damaged):
            if not read_only:
                store.set_aside(manifest["model"]["fingerprint_digest"])
            raise StoreError(
                f"{directory.store_path}: {n_damaged} responses fail their checksum and were not used. Run the same 'evalkit run' again to ask them anew."
            )
    return manifest, scores, counts
