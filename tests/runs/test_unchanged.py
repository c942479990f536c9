"""A finished run asked for again shows what it came to and loads nothing;
whatever changed, it is run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_models import build
from toy_runs import Silent

from evalkit.records import ModelSpec, Suite
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings

pytest.importorskip("torch")

WORDINGS = """\
- id: asked
  text: "{{ question }} Is it so?"
  tasks: [procedural/boolean]
  source: mine
  author: a person
  licence: CC-BY-4.0
- id: told
  text: "Say whether this is true: {{ question }}"
  tasks: [procedural/boolean]
  source: mine
  author: a person
  licence: CC-BY-4.0
"""


class Loads(Exception):
    """The model would be loaded."""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, a phrasing file and a finished run of them, read-only by
    custom.
    """
    folder = tmp_path_factory.mktemp("finished")
    build(folder / "model", "causal", 1)
    (folder / "mine.yaml").write_text(WORDINGS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        assert run(settings(), Silent()).exit_code == 0
    return folder


@pytest.fixture
def copy(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of that folder, times included, from which everything is named."""
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def settings(**other: object) -> Settings:
    """Return the settings of the run in the current folder."""
    found = Settings(
        model=ModelSpec(backend="hf", name="model", label="toy"),
        suite=Suite(name="toy", tasks=("procedural/boolean",), limit=4, sources=("mine",)),
        out=Path("run"),
        phrasing_files=(Path("mine.yaml"),),
        cache=False,
        resamples=100,
    )
    return replace(found, **other)  # type: ignore[arg-type]


@pytest.fixture
def refuse_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise where a model would be loaded."""

    def loads(*_: object) -> None:
        raise Loads

    monkeypatch.setattr("evalkit.runs.execute.open_backend", loads)


@pytest.mark.usefixtures("refuse_loading")
def test_a_finished_run_is_shown_and_no_byte_of_it_is_written(copy: Path) -> None:
    """No attempt is added, no file is touched, the outcome is that of the first time."""
    before = {path: path.stat().st_mtime_ns for path in (copy / "run").rglob("*")}

    outcome = run(settings(), Silent())

    assert outcome.exit_code == 0
    assert outcome.manifest.totals.cells == 2 * 4
    assert {path: path.stat().st_mtime_ns for path in (copy / "run").rglob("*")} == before


def flip(path: Path) -> None:
    """Change one byte of a file and leave its size and time as they were."""
    told, content = path.stat(), bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(told.st_atime_ns, told.st_mtime_ns))


def reword(folder: Path) -> None:
    """Change who a wording is of, and nothing that is asked."""
    path = folder / "mine.yaml"
    path.write_text(WORDINGS.replace("author: a person", "author: another", 1), encoding="utf-8")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of the weights": lambda folder: flip(folder / "model" / "model.safetensors"),
    "a byte of the tokenizer": lambda folder: flip(folder / "model" / "tokenizer.json"),
    "a byte of the scores": lambda folder: flip(folder / "run" / "scores.parquet"),
    "a byte of the estimates": lambda folder: flip(folder / "run" / "estimates.csv"),
    "the answers were touched": lambda folder: (folder / "run" / "responses.sqlite").touch(),
    "the answers are gone": lambda folder: (folder / "run" / "responses.sqlite").unlink(),
    "the page is gone": lambda folder: (folder / "run" / "report.html").unlink(),
    "the phrasings' table is gone": lambda folder: (folder / "run" / "phrasings.csv").unlink(),
    "an author": reword,
}


@pytest.mark.usefixtures("refuse_loading")
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_whatever_changed_is_run(change: Callable[[Path], object], copy: Path) -> None:
    """A changed byte anywhere is seen, also where size and time tell nothing."""
    change(copy)

    with pytest.raises(Loads):
        run(settings(), Silent())


@pytest.mark.usefixtures("refuse_loading")
@pytest.mark.parametrize(
    "asked",
    [
        {"level": 0.9},
        {"resamples": 200},
        {"seed": 1},
        {"report": False},
        {"mitigations": ("labels",)},
        {"uncertainty": 2},
    ],
    ids=str,
)
def test_whatever_else_is_asked_for_is_run(asked: dict[str, object], copy: Path) -> None:
    """Another level, seed or pass is another run, or the same with more to do."""
    with pytest.raises(Exception, match=r"^$|holds another run"):
        run(settings(**asked), Silent())


def test_a_repeat_loads_neither_torch_nor_what_draws(copy: Path) -> None:
    """What makes the first run slow is not even imported."""
    words = ["run", "--model", "model", "--tasks", "procedural/boolean"]
    words += ["--limit", "2", "--out", "other", "--no-cache", "--resamples", "100"]
    code = (
        "import sys; from evalkit.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'pandas', 'pyarrow', 'scipy.stats'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]

    first, again = (one.stdout.splitlines() for one in said)
    assert "torch" in first[-1]
    assert again[-1] == "[]"
    assert again[:-1] == first[:-1]
    assert "nothing changed since" in said[1].stderr
