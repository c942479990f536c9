"""The example package installs, is found through its entry points,
and does what the page about it says.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import ROOT, blocks

PACKAGE = ROOT / "examples" / "evalkit-toy"
PAGE = ROOT / "docs" / "extending.md"
FILES = {
    found[1]: block.text
    for block in blocks(PAGE)
    if (found := re.fullmatch(r"`([\w./]+)`:", block.above))
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a folder of its own, without network, and return the folder."""
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        *"-m pip install --quiet --no-deps --no-build-isolation --no-index --target".split(),
        str(target),
    ]
    done = subprocess.run([*command, str(PACKAGE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def evalkit(words: list[str], installed: Path, *, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run evalkit with the package on its path."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "evalkit", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
    )


def test_the_page_shows_the_files_as_they_are():
    """Every file on the page is the file of the package, letter by letter."""
    assert {name: (PACKAGE / name).read_text() for name in FILES} == FILES
    assert sorted(FILES) == [
        "evalkit_toy/longest.py",
        "evalkit_toy/same_length.py",
        "phrasings.yaml",
        "pyproject.toml",
        "words.csv",
        "words.yaml",
    ]


def test_the_names_are_listed_with_their_package(installed, tmp_path):
    """Backend and metric of the package stand beside the built-in ones."""
    backends = evalkit(["ls", "backends", "--json"], installed, folder=tmp_path)
    metrics = evalkit(["ls", "metrics", "--json"], installed, folder=tmp_path)

    assert (
        '"backend": "longest",\n    "is": "",\n    "needs": "",\n    "from": "evalkit-toy"'
        in backends.stdout
    )
    assert (
        '"metric": "same_length",\n    "is": "",\n    "needs": "",\n    "from": "evalkit-toy"'
        in metrics.stdout
    )


def test_its_files_are_valid(installed):
    """Task and phrasings pass the check of files."""
    done = evalkit(["check", "words.yaml", "phrasings.yaml"], installed, folder=PACKAGE)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_run_of_the_page_gives_its_numbers(installed, tmp_path):
    """Two wordings get all four instances right, the third none: 66.7, 100.0 and 0.0,
    as the page says.
    """
    words = [
        *"run --model longest:letters --tasks words.yaml --phrasing-file phrasings.yaml".split(),
        "--out",
        str(tmp_path / "run"),
    ]
    done = evalkit([*words, "--no-cache"], installed, folder=PACKAGE)
    shown = dict(
        re.findall(
            r"^(mean score|spread \(max - min\)|worst phrasing) +([\d.]+)",
            done.stdout,
            re.MULTILINE,
        )
    )

    assert done.returncode == 0, done.stderr
    assert [shown[name] for name in ("mean score", "spread (max - min)", "worst phrasing")] == [
        "66.7",
        "100.0",
        "0.0",
    ]
    assert (
        "mean score                       66.7\nspread (max - min)             100.0\nworst "
        "phrasing                     0.0\n"
    ) in PAGE.read_text()


def test_its_choices_are_scored(installed, tmp_path):
    """The backend answers choice requests too, and equal requests get equal answers:
    no wording effect at all.
    """
    words = [
        *"run --model longest:words --tasks procedural/boolean --limit 5 --phrasings 3".split(),
        "--out",
        str(tmp_path / "run"),
    ]
    done = evalkit([*words, "--no-cache"], installed, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "15 cells, " in done.stdout
    assert ": 0 missing, 0 unparsed, 0 truncated" in done.stdout


def test_a_wrong_unit_is_an_error_of_the_environment(installed, tmp_path):
    """What the backend raises reaches the user as one line, exit code 4."""
    done = evalkit(
        ["run", "--model", "longest:metres", "--suite", "quickstart", "--no-cache"],
        installed,
        folder=tmp_path,
    )

    assert done.returncode == 4
    assert done.stderr.splitlines()[-1] == (
        "Error: longest: unit 'metres' is not known; accepted: letters, words. "
        "Type longest:letters."
    )


def test_a_second_package_with_the_name_is_refused(installed, tmp_path):
    """Two packages that register one name: an error that names both, not a silent choice."""
    second = tmp_path / "second-2.0.dist-info"
    second.mkdir()
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 2.0\n")
    (second / "entry_points.txt").write_text("[evalkit.backends]\nlongest = nowhere:Nothing\n")
    env_path = os.pathsep.join([str(tmp_path), str(installed)])
    done = evalkit(["ls", "backends"], Path(env_path), folder=tmp_path)

    assert done.returncode == 2
    assert "'longest' is registered twice" in done.stderr
    assert "evalkit-toy" in done.stderr
    assert "second" in done.stderr
