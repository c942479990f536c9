"""Writes docs/phrasing_library.md: how many phrasings there are, by benchmark, set, dimension,
source, layout and kind.

Type: python tools/generate_phrasing_page.py (``--check`` exits with 1 when the page is out of
date).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from evalkit.catalog.library.patterns import normalised_words, pieces_of
from evalkit.catalog.paths import data_root
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.records import Phrasing

PAGE = Path(__file__).resolve().parents[1] / "docs" / "phrasing_library.md"
Sets = dict[tuple[str, str], list[Phrasing]]


def all_sets() -> Sets:
    """Return the shipped phrasings by (benchmark, set);
    sets of a source kept apart are named ``source/set``.
    """
    root = data_root("paraphrases")
    paths = {path.relative_to(root).with_suffix("").parts: path for path in root.rglob("*.yaml")}
    return {
        (parts[0], "/".join(parts[1:])): read_phrasing_file(path)
        for parts, path in sorted(paths.items())
    }


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows), ""]


def counted(
    phrasings: Iterable[Phrasing], what: Callable[[Phrasing], Iterable[str]]
) -> list[tuple[str, int]]:
    """Return how many phrasings bear each value, most first."""
    counts = Counter(value for phrasing in phrasings for value in what(phrasing))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def words(phrasing: Phrasing) -> int:
    """Return the number of words outside slots."""
    return len(normalised_words(" ".join(pieces_of(phrasing.text))))


def page(sets: Sets) -> str:
    """Return the text of the page."""
    everything = [phrasing for phrasings in sets.values() for phrasing in phrasings]
    lengths = sorted(words(phrasing) for phrasing in everything)
    lines = [
        "# The phrasing library in numbers",
        "",
        "Made from the phrasing files by `python tools/generate_phrasing_page.py`; do not edit.",
        "Texts are shown by `evalkit ls phrasings --task bbh/navigate`.",
        "",
        (
            f"{len(everything)} phrasings in {len(sets)} sets; half of them have at most "
            f"{lengths[len(lengths) // 2]} words, the longest {lengths[-1]}."
        ),
        "",
        "## By benchmark",
        "",
    ]
    benchmarks = sorted({benchmark for benchmark, _ in sets})
    grouped = {
        name: [p for (benchmark, _), items in sets.items() if benchmark == name for p in items]
        for name in benchmarks
    }
    number = {name: sum(benchmark == name for benchmark, _ in sets) for name in benchmarks}
    controls = {name: sum(p.kind != "correct" for p in items) for name, items in grouped.items()}
    doubtful = {
        name: sum(p.meaning.status == "doubtful" for p in items) for name, items in grouped.items()
    }
    lines += table(
        ["benchmark", "sets", "phrasings", "of them controls", "meaning doubtful"],
        [
            [name, number[name], len(grouped[name]), controls[name], doubtful[name]]
            for name in benchmarks
        ],
    )
    for title, what in (
        ("stratum", lambda p: [p.stratum or "control"]),
        ("dimension", lambda p: p.dimensions),
        ("source", lambda p: [p.source]),
        ("layout", lambda p: [p.layout]),
        ("label space", lambda p: [p.label_space]),
        ("position", lambda p: [p.position]),
        ("kind", lambda p: [p.kind]),
        ("language", lambda p: [p.language]),
        ("meaning", lambda p: [p.meaning.status]),
    ):
        lines += [f"## By {title}", "", *table([title, "phrasings"], counted(everything, what))]
    lines += ["## By set", ""]
    rows = []
    for (benchmark, name), items in sets.items():
        tasks = sorted({pattern for phrasing in items for pattern in phrasing.tasks})
        shown = ", ".join(tasks[:3]) + (f" and {len(tasks) - 3} more" if len(tasks) > 3 else "")
        rows.append(
            [
                f"{benchmark}/{name}",
                len(items),
                len({d for p in items for d in p.dimensions}),
                shown,
            ]
        )
    lines += table(["set", "phrasings", "dimensions", "written for"], rows)
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> None:
    """Write the page, or say whether it is current."""
    text = page(all_sets())
    if "--check" in sys.argv[1:]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        print(
            f"{PAGE.name} is "
            f"{'current' if current else 'out of date; type: python tools/generate_phrasing_page.py'}"  # noqa: E501
        )
        sys.exit(0 if current else 1)
    PAGE.write_text(text, encoding="utf-8")
    print(f"{PAGE.name}: {text.count(chr(10))} lines")


if __name__ == "__main__":
    main()
