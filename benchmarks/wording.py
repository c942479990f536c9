"""How the wordings of the library compare with those of human template writers, by numbers.

``python benchmarks/wording.py --data DIR`` prints the table of docs/phrasings.md. DIR holds
promptsource's templates (``promptsource/templates/**/templates.yaml``) and SuperNI's human rewrites
(``superni/para_instructions/*.csv``), as upstream ships them.
Nothing of them is kept.

``python benchmarks/wording.py --data DIR --draw 100 --seed 20261201`` prints as many correct
phrasings, drawn by seed, each with what its task asks and the prompt it makes of an instance, for a
person to read.

Per set of wordings: number of tasks and texts; share that asks a question; share that holds the
instance inside the text; median words outside slots; type-token ratio over 1,000 words (mean of 200
draws of whole texts, seeded); and ROUGE-L between wordings of one task:
mean over pairs, and mean over wordings of the nearest other one.
"""

from __future__ import annotations

import argparse
import csv
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations
from pathlib import Path
from statistics import fmean, median

import yaml

from evalkit import catalog
from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.phrasings.prompts import render_prompt
from evalkit.phrasings.subsequence import lcs_length

WORDS = 1000
"""Words a type-token ratio is taken over; it falls with their number,
so it must be the same for all.
"""


@dataclass(frozen=True, slots=True)
class Wording:
    """One text of one task."""

    task: str
    text: str
    inline: bool

    @property
    def words(self) -> list[str]:
        """Words outside slots, lower case."""
        return normalised_words(" ".join(pieces_of(self.text)))


def library(stratum: str) -> list[Wording]:
    """Return the correct phrasings of one stratum."""
    found = []
    for path in sorted(data_root("paraphrases").rglob("*.yaml")):
        for one in read_phrasing_file(path):
            if one.kind == "correct" and one.stratum == stratum:
                task = f"{path.parent.name}/{path.stem}"
                found.append(Wording(task, one.text, one.position == "inline"))
    return found


class _Plain(yaml.SafeLoader):
    """Reads promptsource's two tags as plain mappings."""


_Plain.add_multi_constructor("!", lambda loader, tag, node: loader.construct_mapping(node))


def promptsource(folder: Path) -> list[Wording]:
    """Return the input part of every template; the data set is its task."""
    found = []
    for path in sorted(folder.rglob("templates.yaml")):
        task = path.parent.relative_to(folder).as_posix()
        for one in yaml.load(path.read_text(encoding="utf-8"), _Plain)["templates"].values():  # noqa: S506 - a SafeLoader
            text = str(one["jinja"]).partition("|||")[0]
            plain = re.sub(r"\{%.*?%\}", " ", text, flags=re.DOTALL)
            found.append(Wording(task, plain, "{{" in plain))
    return found


def superni(folder: Path) -> list[Wording]:
    """Return the human rewrites of SuperNI's definitions; every text once."""
    found = {}
    for path in sorted(folder.glob("new_instruction_*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                text = row["Write your instruction"]
                found[row["name"], text] = Wording(row["name"], text, False)
    return list(found.values())


def rouge(left: list[str], right: list[str]) -> float:
    """Return ROUGE-L F1 of two word lists."""
    return 2 * lcs_length(left, right) / (len(left) + len(right)) if left and right else 0.0


def variety(wordings: list[Wording]) -> tuple[float, float]:
    """Return ROUGE-L within tasks: mean over pairs, mean over wordings of the nearest other one."""
    by_task: dict[str, list[list[str]]] = defaultdict(list)
    for one in wordings:
        by_task[one.task].append(one.words)
    pairs: list[float] = []
    nearest: list[float] = []
    for texts in by_task.values():
        close = [0.0] * len(texts)
        for (i, left), (j, right) in combinations(enumerate(texts), 2):
            value = rouge(left, right)
            pairs.append(value)
            close[i], close[j] = max(close[i], value), max(close[j], value)
        nearest += close if len(texts) > 1 else []
    return fmean(pairs), fmean(nearest)


def type_token(wordings: list[Wording], seed: int = 0) -> float:
    """Return distinct words by words over the first `WORDS` words of shuffled texts, mean of
    200.
    """
    draw = random.Random(seed)
    texts = [one.words for one in wordings]
    ratios = []
    for _ in range(200):
        draw.shuffle(texts)
        words = [word for text in texts for word in text][:WORDS]
        ratios.append(len(set(words)) / len(words))
    return fmean(ratios)


def row(name: str, wordings: list[Wording]) -> str:
    """Return one line of the table."""
    pair, near = variety(wordings)
    questions = fmean("?" in one.text for one in wordings)
    inline = fmean(one.inline for one in wordings)
    length = median(len(one.words) for one in wordings)
    n_tasks = len({one.task for one in wordings})
    cells = (
        name,
        n_tasks,
        len(wordings),
        f"{questions:.0%}",
        f"{inline:.0%}",
        f"{length:.0f}",
        f"{type_token(wordings):.2f}",
        f"{pair:.2f}",
        f"{near:.2f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def drawn(data: Path, number: int, seed: int) -> Iterator[str]:
    """Yield phrasings drawn by seed, each with its task and,
    where the data are there, its prompt.
    """
    phrasings = [
        one
        for path in sorted(data_root("paraphrases").rglob("*.yaml"))
        for one in read_phrasing_file(path)
        if one.kind == "correct" and one.meaning.status != "doubtful"
    ]
    random.Random(seed).shuffle(phrasings)
    tasks = catalog.list_tasks(["*"])
    for place, one in enumerate(phrasings[:number], 1):
        mine = [task for task in tasks if any(fnmatchcase(task.id, name) for name in one.tasks)]
        present, _ = catalog.available_tasks(mine, data)
        yield f"--- {place}: {one.id} ({one.stratum}), for {', '.join(one.tasks)}"
        yield (
            f"asks: {mine[0].description}"
            if mine
            else "asks: what the task of another harness asks"
        )
        if present:
            instance = catalog.load_instances(present[0], data)[0]
            yield render_prompt(present[0], one, instance).text
        else:
            yield one.text


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draw", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    data = given.data
    if given.draw:
        print("\n".join(drawn(data, given.draw, given.seed)))
        return
    print(
        "| wordings | tasks | texts | questions | inline | words | types/tokens | ROUGE-L | "
        "nearest |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for stratum in ("plain", "detailed", "styled"):
        print(row(f"library, {stratum}", library(stratum)))
    print(row("promptsource", promptsource(data / "promptsource" / "templates")))
    print(row("SuperNI rewriters", superni(data / "superni" / "para_instructions")))


if __name__ == "__main__":
    main()
