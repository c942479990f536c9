"""Precision and recall of the parser of answers, by family, on the labelled answers of
``tests/scoring/answers``.

``python benchmarks/parsing.py`` prints the table of docs/parsing.md; ``--write`` writes it there;
``--misses`` shows what the tuning half gets wrong. Rules are made by looking at that half alone. Of
the held-out half, those in ``after`` were written when the rules stood already. Those in ``later``
were written after version 2 of the rules, which version 3 was made on; those in ``last``,
``unseen`` and ``modern`` after it, and version 4 was made on them; those in ``fresh`` after that.
Numbers stand in ``numbers.yaml``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from evalkit.records import Instance, Response
from evalkit.scoring.cell import Answered
from evalkit.scoring.reading import VERSION, read_answer, read_number
from evalkit.scoring.text import math_match

ROOT = Path(__file__).resolve().parent.parent
ANSWERS = ROOT / "tests" / "scoring" / "answers"
PAGE = ROOT / "docs" / "parsing.md"
BEGIN, END = "<!-- table begin -->", "<!-- table end -->"


@dataclass(frozen=True)
class Case:
    """One labelled answer."""

    family: str
    """File it stands in."""
    part: str
    """``tuning``, ``held_out``, ``after`` (held out, written after the rules), ``later``,
    ``last``, ``unseen``, ``modern``, ``fresh``.
    """
    labels: tuple[str, ...]
    """Labels asked for."""
    texts: tuple[str, ...]
    """Texts of the choices."""
    text: str
    """What was answered."""
    right: str | None
    """Label it answers with; None for none."""

    def read(self) -> str | None:
        """Return what the parser reads."""
        found = read_answer(self.text, self.labels, texts=self.texts)
        return None if found is None else self.labels[found.label]


def cases() -> Iterator[Case]:
    """Yield all labelled answers."""
    sets = yaml.safe_load((ANSWERS / "sets.yaml").read_text(encoding="utf-8"))
    for path in sorted(ANSWERS.glob("*/*.yaml")):
        for name, text, right in yaml.safe_load(path.read_text(encoding="utf-8")):
            yield Case(
                family=path.stem,
                part=path.parent.name,
                labels=tuple(sets[name]["labels"]),
                texts=tuple(sets[name]["texts"]),
                text=text,
                right=right,
            )


@dataclass(frozen=True)
class NumberCase:
    """One labelled answer with a number."""

    part: str
    """``modern`` or ``fresh``."""
    text: str
    """What was answered."""
    right: str | None
    """Number it answers with; None for none."""

    def read(self) -> str | None:
        """Return the number that is read: `right` where the metric of numbers accepts it."""
        found = read_number(self.text)
        if self.right is not None and told(self.text, self.right):
            return self.right
        return None if found is None else found.shown


def told(text: str, reference: str) -> bool:
    """Return whether the metric of numbers calls a text right."""
    asked = Instance(id="i", fields={}, references=(reference,))
    return math_match(Answered(instance=asked, response=Response(key="k", text=text))).score == 1


def number_cases() -> list[NumberCase]:
    """Return all labelled answers with numbers."""
    parts = yaml.safe_load((ANSWERS / "numbers.yaml").read_text(encoding="utf-8"))
    return [NumberCase(part, *row) for part, rows in parts.items() for row in rows]


def rates(some: Sequence[Case | NumberCase]) -> tuple[int, float, float]:
    """Return the number of answers, precision (right among those read) and recall (read right
    among those with a label).
    """
    read = [(case.read(), case.right) for case in some]
    hits = sum(got is not None and got == right for got, right in read)
    given = sum(got is not None for got, _ in read)
    there = sum(right is not None for _, right in read)
    return (
        len(some),
        hits / given if given else float("nan"),
        hits / there if there else float("nan"),
    )


def table() -> str:
    """Return the table of the page."""
    everything = list(cases())
    lines = [
        f"Parser version {VERSION}, {len(everything)} answers.",
        "",
        (
            "| family | tuning: answers | precision | recall | held out: "
            "answers | precision | recall | fresh: answers | precision | recall |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    families = sorted({case.family for case in everything})
    for family in [*families, "all"]:
        mine = [case for case in everything if family in {case.family, "all"}]
        parts = [_cells(mine, some) for some in ({"tuning"}, {"held_out", "after"}, {"fresh"})]
        lines.append(f"| {family} | {' | '.join(parts)} |")
    for part in ("after", "later", "last", "unseen", "modern"):
        lines.append(f"| all, {part} | - | - | - | {_cells(everything, {part})} | - | - | - |")
    numbers = [_cells(number_cases(), {part}) for part in ("modern", "fresh")]
    lines.append(f"| numbers, modern and fresh | - | - | - | {' | '.join(numbers)} |")
    return "\n".join(lines)


def _cells(some: Sequence[Case | NumberCase], parts: set[str]) -> str:
    number, precision, recall = rates([case for case in some if case.part in parts])
    shown = ["-" if x != x else f"{x:.1%}" for x in (precision, recall)]
    return " | ".join([str(number), *shown])


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the table into docs/parsing.md")
    parser.add_argument(
        "--misses", action="store_true", help="show what the tuning half gets wrong"
    )
    options = parser.parse_args()
    if options.misses:
        for case in cases():
            if case.part in {"tuning", "modern"} and (got := case.read()) != case.right:
                print(f"{case.family}: {case.text!r}: read {got!r}, right {case.right!r}")
        return
    if options.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
        return
    print(table())


if __name__ == "__main__":
    main()
