"""Importers on the published files, where they are on this machine (EVALKIT_DATA)."""

from __future__ import annotations

from collections import Counter

import pytest

from evalkit.catalog.library.importers.imported import ImportOptions, joined
from evalkit.registry import IMPORTERS

pytestmark = pytest.mark.data
OPTIONS = ImportOptions(collection="c")


def imported(importer, paths):
    """Return the phrasings of files, or skip when there are none."""
    paths = sorted(paths)
    if not paths:
        pytest.skip(f"no files of {importer} under EVALKIT_DATA")
    read = IMPORTERS.load(importer)
    return joined(read(path, OPTIONS) for path in paths)


def test_promptsource_gives_most_of_its_templates(data_dir):
    """Of 195 published templates 171 become 174 phrasings, since one draws its opening;
    each of the others is named with its reason.
    """
    found = imported("promptsource", (data_dir / "promptsource").rglob("templates.yaml"))

    assert (len(found.phrasings), len(found.skipped)) == (174, 24)


def test_promptbench_adversarial_files_are_read_to_the_last_line(data_dir):
    """No line is left unread but two stray letters; every prompt has its accuracy;
    every attack its origin.
    """
    found = imported(
        "promptbench", (data_dir / "promptbench" / "prompts" / "adv_prompts").glob("*_*shot.md")
    )
    attacks = Counter(item.perturbation.partition(":")[0] for item in found.phrasings)

    unread = [line.rsplit(": ", 1)[1] for line in found.skipped if "is no prompt" in line]
    assert unread == ["'O'", "'O'"]
    assert all(item.published is not None for item in found.phrasings)
    assert set(attacks) == {
        "",
        "translation",
        "checklist",
        "stresstest",
        "textbugger",
        "textfooler",
        "bertattack",
        "deepwordbug",
    }
    assert (
        sum(
            item.of is None
            for item in found.phrasings
            if item.perturbation and not item.perturbation.startswith("translation")
        )
        <= 5
    )


def test_promptbench_sets_are_read(data_dir):
    """The task- and role-oriented sets hold ten or eleven prompts for each of fifteen tasks."""
    found = imported("promptbench", (data_dir / "promptbench" / "prompts").glob("*_oriented.json"))

    assert len(found.phrasings) + len(found.skipped) >= 303


def test_prompteval_templates_are_read(data_dir):
    """Thousands of templates, of which only those with slots that are no names are left out
    besides repeats.
    """
    found = imported("prompteval", (data_dir / "prompteval" / "templates").glob("*/*.csv"))

    assert len(found.phrasings) > 6000
    assert sum("stands here again" not in line for line in found.skipped) == 3


def test_superni_definitions_are_read(data_dir):
    """Every task file gives its definition."""
    folder = data_dir / "superni"
    tasks, rewrites = (
        imported("superni", (folder / "tasks").glob("*.json")),
        imported("superni", (folder / "para_instructions").glob("*.csv")),
    )

    assert (len(tasks.phrasings), tasks.skipped) == (11, [])
    assert (len(rewrites.phrasings), rewrites.skipped) == (24, [])
