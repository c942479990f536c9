"""The docs say what is: commands parse, blocks run, links lead somewhere, counts are current,
everything is mentioned.
"""

from __future__ import annotations

import contextlib
import io
import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from doc_blocks import ROOT, WRITTEN, Block, blocks, command_lines, shell_lines

from evalkit import registry
from evalkit.catalog.paths import data_root
from evalkit.cli.main import COMMANDS, cli, invoke

SHELL = [
    block
    for page in (ROOT / "README.md", ROOT / "docs" / "first_steps.md")
    for block in blocks(page)
    if block.language == "sh"
]
PYTHON = [
    block
    for page in WRITTEN
    for block in blocks(page)
    if block.language == "python" and not re.fullmatch(r"`[\w/.]+`:", block.above)
]
"""Python blocks; those under a line that is a file name are files of the example package,
which has its own test.
"""
PLACEHOLDERS = ("CANDIDATE", "google/flan-t5-small", "openai:NAME")
"""A line with one of these needs what a reader has and a test has not (runs, a server, a model
from the hub): it is parsed, not run.
"""
WEIGHTS = ROOT / "models" / "demo" / "model.safetensors"


def lines(block: Block) -> list[list[str]]:
    """Return the commands of a block."""
    return shell_lines(block.text)


def is_run(words: list[str]) -> bool:
    """Whether a command of README or first steps is run by a test: evalkit's own,
    without a placeholder.
    """
    return words[0] == "evalkit" and not any(
        mark in word for mark in PLACEHOLDERS for word in words
    )


def ids(block: Block) -> str:
    """Return the id of a block."""
    return block.where


def in_process(words: list[str]) -> tuple[int, str]:
    """Run a command line; return its exit code and what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = invoke(words)
    return code, said.getvalue()


@pytest.mark.parametrize(
    "block",
    [block for block in SHELL if not any("demo" in words for words in lines(block))],
    ids=ids,
)
def test_shell_blocks_run(block, tmp_path, monkeypatch):
    """Every line of README and first steps that starts with evalkit and holds no placeholder
    ends with exit code 0.
    """
    monkeypatch.chdir(tmp_path)
    failed = {
        " ".join(words): said
        for words in lines(block)
        if is_run(words)
        for code, said in [in_process(words[1:])]
        if code != 0
    }

    assert failed == {}


@pytest.mark.slow
@pytest.mark.skipif(not WEIGHTS.is_file(), reason="models/demo holds no weights in this checkout")
def test_shell_blocks_with_the_demo_model_run(tmp_path, monkeypatch):
    """The commands a newcomer types first work one after the other, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    typed = [
        words
        for block in SHELL
        if any("demo" in words for words in lines(block))
        for words in lines(block)
        if is_run(words)
    ]
    outcomes = [(" ".join(words), *in_process(words[1:])) for words in typed]
    ended = expected_codes()

    assert typed
    assert [one for one in outcomes if one[1] != ended.get(one[0], 0)] == []
    assert len(ended) == 1
    assert len(list(Path("reports/runs").glob("*/report.html"))) == 1
    shown, page = numbers(outcomes[-1][2]), numbers((ROOT / "docs" / "first_steps.md").read_text())
    assert len(page) == 10  # those with an interval
    assert {name: shown[name] for name in page if abs(shown[name] - page[name]) > 1.0} == {}, (
        "first_steps.md shows other numbers than come out"
    )


def expected_codes() -> dict[str, int]:
    """Return the exit code of every line that says one in a comment; others end with 0."""
    found = {}
    for block in SHELL:
        for line in block.text.splitlines():
            if said := re.search(r"# exit code (\d+)$", line):
                (words,) = shell_lines(line)
                found[" ".join(words)] = int(said[1])
    return found


def numbers(text: str) -> dict[str, float]:
    """Return the values of the summary in a text, in percentage points;
    a point of leeway is for other processors.
    """
    return {
        name: float(value)
        for name, value in re.findall(
            r"^([a-z][^\n\[\]:/]{5,28}?) +(-?\d+\.\d) \[", text, re.MULTILINE
        )
    }


@pytest.mark.parametrize("block", SHELL, ids=ids)
def test_other_lines_of_shell_blocks_name_what_exists(block):
    """What is not evalkit is pip with an extra that exists, or nox with a session that exists;
    nothing else is there.
    """
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    sessions = set(
        re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(), re.MULTILINE)
    )
    wrong = []
    for words in lines(block):
        match words:
            case ["evalkit", *_] | ["pip", "install", "nox"]:
                continue
            case ["pip", "install", what] if found := re.fullmatch(
                r"(?:\.|evalkit)\[([\w,]+)\]", what
            ):
                wrong += [name for name in found[1].split(",") if name not in extras]
            case ["nox", "-s", *names]:
                wrong += [name for name in names if name not in sessions]
            case _:
                wrong.append(" ".join(words))

    assert wrong == []


@pytest.mark.parametrize("block", PYTHON, ids=ids)
def test_python_blocks_run(block, tmp_path, monkeypatch):
    """Every Python block of the docs runs as it stands."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    monkeypatch.chdir(tmp_path)
    try:
        exec(compile(block.text, block.where, "exec"), {})
    finally:
        plt.close("all")


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_command_lines_parse(page):
    """Every evalkit line on a page names a command and options that exist,
    with values of the right type.
    """
    wrong = []
    for where, words in command_lines(page):
        if "..." in words or words == ["COMMAND", "--help"]:
            continue
        try:
            parse(words)
        except click.UsageError as error:
            wrong.append(f"{where}: evalkit {' '.join(words)}: {error.format_message()}")
        except click.exceptions.Exit:
            continue

    assert wrong == []


def parse(words: list[str]) -> None:
    """Parse a command line without running it."""
    with contextlib.redirect_stdout(io.StringIO()):
        context: click.Context = cli.make_context("evalkit", list(words))
        command: click.Command = cli
        rest = list(words)
        while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            command = found
            context = command.make_context(command.name, list(rest), parent=context)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page):
    """A link to another file names one that exists; a notebook becomes a page of its name."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", text)
        if not re.match(r"[a-z]+:|#", target)
    ]

    wrong = []
    for target in targets:
        file = page.parent / target.split("#")[0]
        if not (file.exists() or file.with_suffix(".ipynb").exists()):
            wrong.append(target)

    assert wrong == []


def test_files_named_in_the_readme_exist():
    """The promises of the README name tests, and the tests are there."""
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "README.md").read_text())

    assert len(named) >= 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_counts_in_the_readme_are_current():
    """Phrasings and tasks are as many as the README says."""
    from evalkit.catalog.phrasings import read_phrasing_file

    text = (ROOT / "README.md").read_text()
    phrasings = sum(
        len(read_phrasing_file(path)) for path in data_root("paraphrases").rglob("*.yaml")
    )
    tasks = {
        path.name: len(list(path.glob("*.yaml")))
        for path in data_root("tasks").iterdir()
        if path.is_dir() and path.name != "suites"
    }
    said = {
        name: int(count)
        for name, count in re.findall(r"(MMLU|BBH|SuperNI|PromptBench) \((\d+)", text)
    }

    assert f"{phrasings:,} phrasings of our own" in text
    assert said == {
        "MMLU": tasks["mmlu"],
        "BBH": tasks["bbh"],
        "SuperNI": tasks["superni"],
        "PromptBench": tasks["promptbench"],
    }
    assert f"| {sum(tasks.values())} tasks |" in text


def test_every_page_is_in_the_navigation():
    """No page of the docs is left out of mkdocs.yml, and none is named that is not there."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    named = pages_of(nav)
    there = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    notebooks = (ROOT / "docs").glob("*.ipynb")  # each becomes a page when the site is built
    there |= {path.with_suffix(".md").name for path in notebooks}

    assert named == there


def pages_of(entry: object) -> set[str]:
    """Return the pages of a navigation tree."""
    if isinstance(entry, str):
        return {entry}
    inner = entry.values() if isinstance(entry, dict) else entry
    return set().union(*(pages_of(item) for item in inner))  # type: ignore[attr-defined]


BY_HAND = "\n".join(
    path.read_text(encoding="utf-8")
    for path in WRITTEN
    if path.name not in ("cli.md", "phrasing_library.md")
)
NAMED = [
    (kind.kind, name)
    for kind in (
        registry.BACKENDS,
        registry.METRICS,
        registry.PERTURBATIONS,
        registry.MITIGATIONS,
        registry.READERS,
        registry.IMPORTERS,
    )
    for name in kind.names()
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_explained(name):
    """A page written by hand shows the command, besides the generated one."""
    assert f"evalkit {name}" in BY_HAND


@pytest.mark.parametrize(("kind", "name"), NAMED, ids=lambda value: value)
def test_everything_registered_is_explained(kind, name):
    """A page written by hand names every backend, metric, perturbation, mitigation, reader and
    importer in code letters.
    """
    assert re.search(rf"`[^`\n]*(?<![\w-]){re.escape(name)}(?![\w-])[^`\n]*`", BY_HAND), (
        f"{kind} {name} has no mention in docs"
    )
