"""Writes a dictionary of a few words in WordNet's file format,
so that tests need neither a download nor a package.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SYNSETS = {
    "noun": [
        (["question", "query"], 1),
        (["sentence"], 1),
        (["answer", "reply"], 1),
        (["mistake", "error"], 1),
        (["mouse"], 1),
        (["rodent", "mouse"], 0),
    ],
    "verb": [
        (["choose", "select"], 1),
        (["decide", "determine"], 1),
        (["read"], 1),
        (["match", "agree"], 1),
        (["classify", "sort"], 1),
    ],
    "adj": [(["short", "brief"], 1)],
    "adv": [(["carefully", "cautiously"], 1)],
}
"""Part of speech -> synsets: words, and whether WordNet's corpus has met them."""
LETTER = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
EXCEPTIONS = {"noun": "mice mouse\n", "verb": "chose choose\nread read\n", "adj": "", "adv": ""}


def write_wordnet(folder: Path, *, counts: bool = True) -> Path:
    """Write the dictionary files into `folder` and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    counted = []
    for pos, synsets in SYNSETS.items():
        data, offsets = "  1 header 3.0\n", []
        for words, _ in synsets:
            offsets.append(len(data))
            members = " ".join(f"{word} 0" for word in words)
            frames = " 00" if pos == "verb" else ""
            data += (
                f"{offsets[-1]:08d} 00 {LETTER[pos]} {len(words):02x} {members} 000{frames} | "
                "gloss  \n"
            )
        index: dict[str, list[int]] = {}
        for (words, _), offset in zip(synsets, offsets, strict=True):
            for word in words:
                index.setdefault(word, []).append(offset)
        lines = [
            (
                f"{word} {LETTER[pos]} {len(places)} 0 {len(places)} {len(places)} "
                f"{' '.join(f'{place:08d}' for place in places)}  \n"
            )
            for word, places in sorted(index.items())
        ]
        (folder / f"data.{pos}").write_text(data)
        (folder / f"index.{pos}").write_text("  1 header\n" + "".join(lines))
        (folder / f"{pos}.exc").write_text(EXCEPTIONS[pos])
        number = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}[pos]
        counted += [
            f"{word}%{number}:00:00:: 1 {met}\n" for words, met in synsets for word in words if met
        ]
    if counts:
        (folder / "cntlist.rev").write_text("".join(sorted(counted)))
    return folder


@pytest.fixture(scope="session")
def wordnet_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of the tiny dictionary."""
    return str(write_wordnet(tmp_path_factory.mktemp("wordnet")))


@pytest.fixture
def make_wordnet() -> Callable[..., Path]:
    """Return the function that writes the tiny dictionary into a folder."""
    return write_wordnet
