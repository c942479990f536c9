"""Questions with passages: none, useful, irrelevant, contradicting or mixed ones;
at the start, the middle or the end.

Without a file the questions are about capitals and the passages are made here, so nothing is
downloaded; the contradicting passage names another city of the country. With ``source.local`` a
file of open questions with retrieved passages is read, JSON Lines or a list: ``question``,
``answers``, ``ctxs: [{title, text, hasanswer}]``, as DPR writes them; there the contradicting
passage is a useful one in which the answer was replaced by that of another question.

The question without a passage comes first of its origin: what a model answers then is what it
remembers.

References
----------
Karpukhin and others, "Dense Passage Retrieval", EMNLP 2020 (the file). N. Liu and others, "Lost in
the Middle", 2023 (place, k). Longpre and others, "Entity-Based Knowledge Conflicts in Question
Answering", EMNLP 2021 (contradiction by another answer). H. Luo and others, "SAIL", 2023 (mixes).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.files import locate
from evalkit.catalog.procedural.capitals import CAPITALS, PASSAGES, QUESTIONS
from evalkit.catalog.procedural.draft import Draws
from evalkit.catalog.readers.derived import checked_options, chosen
from evalkit.catalog.readers.rows import table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["MIXES", "PLACES", "read"]

MIXES = ("none", "useful", "irrelevant", "contradicting", "mixed")
PLACES = ("start", "middle", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """One question with everything that may stand beside it."""

    name: str
    question: str
    answers: tuple[str, ...]
    lure: str
    """What the contradicting passage says."""
    useful: str
    contradicting: str
    irrelevant: tuple[str, ...]
    choices: tuple[str, ...] = ()
    where: str = ""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return every question under every mix, number and place of passages.

    Parameters
    ----------
    task
        Its ``source.options`` may hold ``mixes``, ``sizes`` (passages at once), ``places``,
        ``instances`` (origins) and ``seed``; with ``source.local`` a file is read.
    data_dir
        Where the file lies.
    split
        Filled into the name of the file.

    Raises
    ------
    CatalogError
        When an option is wrong, or a row of the file has no question, no answers or no passages.
    """
    defaults = {
        "mixes": list(MIXES),
        "sizes": [1, 3, 5],
        "places": list(PLACES),
        "instances": 40,
        "seed": 0,
    }
    options = checked_options(task, defaults)
    mixes = chosen(task, "mixes", options["mixes"], MIXES)
    sizes = sorted(chosen(task, "sizes", options["sizes"], range(1, 51)))
    places = chosen(task, "places", options["places"], PLACES)
    origins = _of_file(task, data_dir, split) if task.source.local else _capitals(options["seed"])
    found: list[Instance] = []
    for origin in origins[: options["instances"]]:
        draws = Draws(f"evalkit/context/{options['seed']}/{origin.name}")
        found += _under(origin, sorted(mixes, key=MIXES.index), sizes, places, draws)
    return found


def _under(
    origin: _Origin,
    mixes: Sequence[str],
    sizes: Sequence[int],
    places: Sequence[str],
    draws: Draws,
) -> Iterator[Instance]:
    """Yield one question under everything that is varied."""
    around = draws.shuffled(origin.irrelevant)
    choices = tuple(draws.shuffled(origin.choices))
    for mix in mixes:
        for size in sizes if mix != "none" else [0]:
            key = [text for text in _keys(origin, mix, draws) if text]
            if len(around) < size - len(key) or (mix not in ("none", "irrelevant") and not key):
                continue
            for place in places if size > len(key) > 0 else [""]:
                shown = _placed(key, around[: max(size - len(key), 0)], place)[
                    : max(size, len(key))
                ]
                yield _instance(origin, mix, size, place, shown, choices)


def _keys(origin: _Origin, mix: str, draws: Draws) -> list[str]:
    """Return the passages that speak of the question."""
    both = draws.shuffled([origin.useful, origin.contradicting])
    return {
        "useful": [origin.useful],
        "contradicting": [origin.contradicting],
        "mixed": both,
    }.get(mix, [])


def _placed(key: list[str], around: list[str], place: str) -> list[str]:
    if place == "middle":
        half = len(around) // 2
        return [*around[:half], *key, *around[half:]]
    return [*around, *key] if place == "end" else [*key, *around]


def _instance(
    origin: _Origin, mix: str, size: int, place: str, shown: list[str], choices: tuple[str, ...]
) -> Instance:
    passages = "\n".join(f"Passage {n}: {text}" for n, text in enumerate(shown, 1))
    factors = {"passages": mix}
    if mix != "none":
        factors["k"] = str(len(shown))
    if place:
        factors["place"] = place
    return Instance(
        id=".".join(
            [origin.name, mix, *([str(size)] if size else []), *([place] if place else [])]
        ),
        of=origin.name,
        fields={
            "question": f"{passages}\n\nQuestion: {origin.question}".lstrip(),
            "lure": origin.lure,
        },
        choices=choices,
        target=choices.index(origin.answers[0]) if choices else None,
        references=origin.answers,
        factors=factors,
        where=origin.where,
    )


def _capitals(seed: int) -> list[_Origin]:
    found = []
    for country, capital, other in CAPITALS:
        draws = Draws(f"evalkit/capitals/{seed}/{country}")
        rest = [one for one in CAPITALS if one[0] != country]
        found.append(
            _Origin(
                name=country.lower().replace(" ", "-"),
                question=draws.pick(QUESTIONS).format(country=country),
                answers=(capital,),
                lure=other,
                useful=draws.pick(PASSAGES).format(country=country, city=capital),
                contradicting=draws.pick(PASSAGES).format(country=country, city=other),
                irrelevant=tuple(
                    draws.pick(PASSAGES).format(country=one[0], city=one[1])
                    for one in draws.some(rest, 12)
                ),
                choices=(capital, other, *(one[1] for one in draws.some(rest, 2))),
            )
        )
    return Draws(f"evalkit/capitals/{seed}").shuffled(found)


def _of_file(task: Task, data_dir: Path | None, split: str) -> list[_Origin]:
    """Return the questions of a file as DPR writes it."""
    rows = [
        (f"{path}:{line}", row)
        for path in locate(task, data_dir, split).paths
        for line, row in table_rows(path)
    ]
    read_rows = [_row(where, row) for where, row in rows]
    return [_origin(number, read_rows, where) for number, (where, _) in enumerate(rows)]


def _row(where: str, row: Mapping[str, Any]) -> tuple[str, tuple[str, ...], list[tuple[str, bool]]]:
    """Return question, answers and (passage, has the answer) of one row."""
    question, answers, contexts = (row.get(name) for name in ("question", "answers", "ctxs"))
    if not isinstance(question, str) or not question.strip():
        raise CatalogError(f"{where}: has no text 'question'. Fill it in.")
    texts = (
        [one for one in answers if isinstance(one, str) and one.strip()]
        if isinstance(answers, list)
        else []
    )
    if not texts:
        raise CatalogError(
            f"{where}: has no answers; a list of texts under 'answers' is expected. "
            "Without one nothing can be scored."
        )
    if not isinstance(contexts, list) or not contexts:
        raise CatalogError(
            f"{where}: has no passages; a list of {{title, text, hasanswer}} under 'ctxs' is "
            "expected."
        )
    passages = []
    for one in contexts:
        if not isinstance(one, dict) or not isinstance(one.get("text"), str):
            raise CatalogError(f"{where}: a passage of 'ctxs' has no text. Correct it.")
        title = one.get("title")
        text = f"({title}) {one['text']}" if isinstance(title, str) and title else one["text"]
        told = one.get("hasanswer", one.get("has_answer"))
        has = (
            told
            if isinstance(told, bool)
            else any(answer.lower() in text.lower() for answer in texts)
        )
        passages.append((text, has))
    return question.strip(), tuple(texts), passages


def _origin(
    number: int, rows: Sequence[tuple[str, tuple[str, ...], list[tuple[str, bool]]]], where: str
) -> _Origin:
    question, answers, passages = rows[number]
    others = [one[1][0] for place, one in enumerate(rows) if place != number]
    lure = next(
        (
            other
            for other in others[number:] + others[:number]
            if other.lower() not in {answer.lower() for answer in answers}
        ),
        "",
    )
    useful = next((text for text, has in passages if has), "")
    return _Origin(
        name=f"row-{number:05d}",
        question=question,
        answers=answers,
        lure=lure,
        useful=useful,
        contradicting=_replaced(useful, answers, lure),
        irrelevant=tuple(text for text, has in passages if not has),
        where=where,
    )


def _replaced(text: str, answers: Sequence[str], lure: str) -> str:
    """Return a passage with every answer replaced; empty where none stands in it.

    >>> _replaced("Paris is big. PARIS!", ["Paris"], "Lyon")
    'Lyon is big. Lyon!'
    """
    if not lure:
        return ""
    joined = "|".join(re.escape(answer) for answer in sorted(answers, key=len, reverse=True))
    changed = re.sub(joined, lambda _: lure, text, flags=re.IGNORECASE)
    return changed if changed != text else ""
