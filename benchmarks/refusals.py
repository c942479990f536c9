"""Precision and recall of the detectors of refusals and abstentions, on the texts of
``tests/scoring/answers/refusals.yaml``.

``python benchmarks/refusals.py`` prints the table of docs/states.md; ``--write`` writes it there.
Texts in ``after`` were written when the rules stood already, and no rule was changed for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from evalkit.scoring.reading.refusals import VERSION, refusal_of

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ROOT / "tests" / "scoring" / "answers" / "refusals.yaml"
PAGE = ROOT / "docs" / "states.md"
BEGIN, END = "<!-- table begin -->", "<!-- table end -->"


def cases() -> list[tuple[str, str, str]]:
    """Return part, what a text is, and the text."""
    told = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return [
        (part, kind, text)
        for part, kinds in told.items()
        for kind, texts in kinds.items()
        for text in texts
    ]


def rates(some: list[tuple[str, str, str]], kind: str) -> tuple[int, int, int]:
    """Return texts of a kind, texts found to be of it, and how many of these are.

    Parameters
    ----------
    some
        Labelled texts.
    kind
        ``refused``, ``abstained`` or ``either``.
    """
    wanted = {"refused", "abstained"} if kind == "either" else {kind}
    found = [refusal_of(text) in wanted for _, _, text in some]
    there = [told in wanted for _, told, _ in some]
    both = sum(one and other for one, other in zip(found, there, strict=True))
    return sum(there), sum(found), both


def table() -> str:
    """Return the table of the page."""
    everything = cases()
    lines = [
        f"Rules version {VERSION}, {len(everything)} texts.",
        "",
        "| texts | kind | there | found | right | precision | recall |",
        "|---|---|---|---|---|---|---|",
    ]
    for part, name in (
        ("tuning", "the rules were made on"),
        ("after", "written afterwards"),
        ("modern", "version 3 was made on"),
        ("fresh", "written after version 3"),
    ):
        some = [case for case in everything if case[0] == part]
        for kind in ("refused", "abstained", "either"):
            there, found, both = rates(some, kind)
            lines.append(
                f"| {name} | {kind} | {there} of {len(some)} | {found} | {both} | "
                f"{both / found:.1%} | {both / there:.1%} |"
            )
    return "\n".join(lines)


def page(text: str) -> str:
    """Return the page with the table of now."""
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}"


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write it into docs/states.md")
    parser.add_argument("--misses", action="store_true", help="print what is taken wrongly")
    options = parser.parse_args()
    if options.misses:
        for part, kind, text in cases():
            found = refusal_of(text) or "answer"
            if found != kind:
                print(f"{part}: {kind} taken for {found}: {text}")
    if options.write:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
