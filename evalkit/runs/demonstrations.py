"""Worked instances for copies that the perturbation ``shots`` marked: random, nearest, or a file's.

Draw d of a specification is the same for every phrasing, so that phrasings stay comparable; nothing
that is scored is ever shown.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.rows import as_text, table_rows
from evalkit.errors import UsageError
from evalkit.phrasings.perturb.shots import ShotSpec, shot_spec
from evalkit.records import Instance, Phrasing, Task
from evalkit.runs.pick import pick_shots

__all__ = ["Nearest", "Shown", "demonstrations"]

K1, B = 1.2, 0.75
"""Constants of BM25, the usual ones."""
ALONE = "rule"
"""Factor of instances that says which rule they execute."""
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Worked instances of a job, beside those of all its phrasings."""

    pool: tuple[Instance, ...] = ()
    """Everything that is shown."""
    places: Mapping[str, tuple[tuple[int, ...], ...]]
    """Phrasing id -> per instance, places in `pool`;
    one entry where all instances show the same.
    """


class Nearest:
    """Ranks texts by BM25 against a query.

    Parameters
    ----------
    texts
        What is ranked.

    Notes
    -----
    Robertson and Zaragoza 2009, equation 3.15, with idf log(1 + (N - n + 0.5) / (n + 0.5)).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(_words(text)) for text in texts]
        lengths = [sum(count.values()) for count in self._counts]
        mean = sum(lengths) / len(lengths) if lengths else 1.0
        self._sizes = [K1 * (1 - B + B * length / max(mean, 1e-9)) for length in lengths]
        self._has = Counter(word for count in self._counts for word in count)

    def scores(self, query: str) -> list[float]:
        """Return the score of every text."""
        n = len(self._counts)
        idf = {
            word: math.log(1 + (n - self._has[word] + 0.5) / (self._has[word] + 0.5))
            for word in set(_words(query))
        }
        return [
            sum(
                weight * count[word] * (K1 + 1) / (count[word] + size)
                for word, weight in idf.items()
                if count[word]
            )
            for count, size in zip(self._counts, self._sizes, strict=True)
        ]

    def best(self, query: str, k: int) -> list[int]:
        """Return the places of the `k` best, the best last: next to the instance."""
        scores = self.scores(query)
        return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:k][::-1]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def demonstrations(
    task: Task,
    phrasings: Sequence[Phrasing],
    instances: Sequence[Instance],
    pool: Sequence[Instance],
    *,
    seed: int,
) -> Shown:
    """Return the worked instances of every marked phrasing.

    Parameters
    ----------
    task, phrasings, instances
        What is asked.
    pool
        Instances of the task's shot split.
    seed
        Seed of the run.

    Raises
    ------
    UsageError
        When there are too few, or a file cannot be used.
    """
    shown: dict[str, int] = {}
    kept: list[Instance] = []
    places: dict[str, tuple[tuple[int, ...], ...]] = {}
    draws: Counter[tuple[str | None, str]] = Counter()
    for phrasing in phrasings:
        spec = shot_spec(phrasing)
        if spec is None:
            continue
        draw = draws[phrasing.of, phrasing.perturbation]
        draws[phrasing.of, phrasing.perturbation] += 1
        chosen = []
        for few in _chosen(task, spec, instances, pool, draw=draw, seed=seed):
            for one in few:
                if one.id not in shown:
                    shown[one.id] = len(kept)
                    kept.append(one)
            chosen.append(tuple(shown[one.id] for one in few))
        places[phrasing.id] = tuple(chosen)
    return Shown(pool=tuple(kept), places=places)


def _chosen(
    task: Task,
    spec: ShotSpec,
    instances: Sequence[Instance],
    pool: Sequence[Instance],
    *,
    draw: int,
    seed: int,
) -> list[list[Instance]]:
    """Return the worked instances of every instance, or of all in one entry."""
    if spec.source == "fixed":
        few = _of_file(task, spec.file)[: spec.k]
        if len(few) < spec.k:
            raise UsageError(
                f"perturbation shots: {spec.file} holds {len(few)} worked instances, "
                f"but k={spec.k} are asked for. Lower k."
            )
        return [_turned(task, few, spec, draw=draw, seed=seed)]
    drawn = draw if spec.vary == "draw" else 0
    if spec.source == "bm25":
        able = pick_shots(task, pool, instances, shots=len(_able(pool, instances)), seed=seed)
        _enough(task, able, spec)
        nearest = Nearest([one.fields.get("question", "") for one in able])
        return [
            _turned(
                task,
                [able[place] for place in nearest.best(one.fields["question"], spec.k)],
                spec,
                draw=draw,
                seed=seed,
            )
            for one in instances
        ]
    able = _able(pool, instances)
    _enough(task, able, spec)
    if spec.rules:
        return [_turned(task, _of_rules(task, able, spec, drawn, seed), spec, draw=draw, seed=seed)]
    few = pick_shots(task, pool, instances, shots=spec.k, seed=seed + 7919 * drawn)
    return [_turned(task, few, spec, draw=draw, seed=seed)]


def _of_rules(
    task: Task, able: Sequence[Instance], spec: ShotSpec, draw: int, seed: int
) -> list[Instance]:
    """Return k instances of so many different rules, as evenly as they go, in a drawn order."""
    draws = Draws(f"evalkit/shots/rules/{task.id}/{seed}/{draw}")
    of: dict[str, list[Instance]] = {}
    for one in able:
        if ALONE in one.factors:
            of.setdefault(one.factors[ALONE], []).append(one)
    each = [spec.k // spec.rules + (place < spec.k % spec.rules) for place in range(spec.rules)]
    full = [name for name in sorted(of) if len(of[name]) >= max(each)]
    if len(full) < spec.rules:
        raise UsageError(
            f"perturbation shots: {task.id} has {len(full)} rules with {max(each)} instances or "
            f"more to show, but rules={spec.rules} are asked for. Lower rules, or leave the task "
            "out."
        )
    chosen = draws.shuffled(full)[: spec.rules]
    few = [
        one
        for name, size in zip(chosen, each, strict=True)
        for one in draws.shuffled(of[name])[:size]
    ]
    return list(draws.shuffled(few))


def _able(pool: Sequence[Instance], instances: Sequence[Instance]) -> list[Instance]:
    scored = {tuple(sorted(one.fields.items())) for one in instances}
    return [
        one
        for one in pool
        if (one.target is not None or one.references)
        and tuple(sorted(one.fields.items())) not in scored
    ]


def _enough(task: Task, able: Sequence[Instance], spec: ShotSpec) -> None:
    if len(able) < spec.k:
        split = f"split {task.shot_split!r}" if task.shot_split else "the task names no shot_split"
        raise UsageError(
            f"perturbation shots: {task.id} has {len(able)} instances to show ({split}), "
            f"but k={spec.k} are asked for. Lower k, give a file (source=fixed,file=PATH), "
            "or leave the task out."
        )


def _turned(
    task: Task, few: list[Instance], spec: ShotSpec, *, draw: int, seed: int
) -> list[Instance]:
    """Return worked instances in the order of a draw,
    with shuffled answers where these are asked for.
    """
    draws = Draws(f"evalkit/shots/{task.id}/{seed}/{draw}/{spec.vary}")
    if spec.vary == "order" and draw:
        few = draws.shuffled(few)
    if spec.answers == "true":
        return few
    return [_mislabelled(one, few, draws) for one in few]


def _mislabelled(one: Instance, few: Sequence[Instance], draws: Draws) -> Instance:
    """Return a worked instance with another answer: another choice,
    or the answer of another one.
    """
    if one.target is not None and len(one.choices) > 1:
        others = [place for place in range(len(one.choices)) if place != one.target]
        target = draws.pick(others)
        name = f"{one.id}.as-{target}"
        return replace(one, id=name, target=target, references=(one.choices[target],))
    answers = [other.references for other in few if other.references != one.references]
    if not answers:
        return one
    told = draws.pick(answers)
    return replace(one, id=f"{one.id}.as-{told[0][:24]}", references=told)


def _of_file(task: Task, file: str) -> list[Instance]:
    """Return the worked instances of a table with columns ``question`` and ``answer``."""
    path, found = Path(file), []
    if not path.is_file():
        raise UsageError(
            f"perturbation shots: {file} is not there. "
            "Name a table (.jsonl, .csv, .tsv, .json) with columns question and answer."
        )
    for line, row in table_rows(path):
        where = f"perturbation shots: {file}:{line}"
        question, answer = as_text(row.get("question")), as_text(row.get("answer"))
        if not question or not answer:
            raise UsageError(
                f"{where}: question and answer are expected, both filled; "
                f"it has {', '.join(map(str, row))}. Correct the row."
            )
        choices = row.get("choices", task.labels)
        texts = tuple(map(as_text, choices)) if isinstance(choices, list | tuple) else ()
        if task.kind == "choice" and answer not in texts:
            raise UsageError(
                f"{where}: answer {answer!r} is none of {', '.join(texts) or 'no choices'}. "
                "Correct it, or add a list 'choices'."
            )
        found.append(
            Instance(
                id=f"fixed-{line}",
                fields={"question": question},
                choices=texts if task.kind == "choice" else (),
                target=texts.index(answer) if task.kind == "choice" else None,
                references=(answer,),
            )
        )
    return found
