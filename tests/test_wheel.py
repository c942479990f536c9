"""The wheel holds the package and its data, nothing else, and works from another directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from evalkit import __version__

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, without network, and return it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        *"-m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir".split(),
        str(folder),
    ]
    done = subprocess.run([*command, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def names(wheel: Path) -> set[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_evalkit_and_its_metadata_only(wheel):
    """No tests, tools or examples land in site-packages."""
    assert {name.split("/")[0] for name in names(wheel)} == {
        "evalkit",
        f"evalkit-{__version__}.dist-info",
    }


@pytest.mark.parametrize(
    "kind", ["tasks", "paraphrases", "models", "reports/templates", "reports/baselines"]
)
def test_the_wheel_holds_the_shipped_data(wheel, kind):
    """Every data file of the checkout that git knows is in the wheel."""
    listed = subprocess.run(["git", "ls-files", kind], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0 or not listed.stdout:
        pytest.skip("no git checkout to compare with")

    assert {f"evalkit/_data/{name}" for name in listed.stdout.splitlines()} - names(wheel) == set()


def test_the_wheel_says_it_is_typed_and_has_the_command(wheel):
    """``py.typed``, the entry point and both licences are there."""
    found = names(wheel)
    with zipfile.ZipFile(wheel) as archive:
        points = archive.read(f"evalkit-{__version__}.dist-info/entry_points.txt").decode()

    assert "evalkit/py.typed" in found
    assert "evalkit = evalkit.cli.main:main" in points
    assert {
        f"evalkit-{__version__}.dist-info/licenses/{name}" for name in ("LICENSE", "LICENSE-DATA")
    } <= found


def test_the_unpacked_wheel_runs_elsewhere(wheel, tmp_path):
    """The package finds its data where the wheel puts them: from an empty directory,
    with the checkout out of reach.
    """
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONSAFEPATH": "1"}
    where = subprocess.run(
        [sys.executable, "-c", "import evalkit; print(evalkit.__file__)"],
        cwd=elsewhere,
        env=env,
        capture_output=True,
        text=True,
    )
    words = [
        *"-m evalkit run --model scripted:perfect --tasks procedural/boolean --limit 2".split(),
        *"--phrasings 2 --no-cache".split(),
    ]
    done = subprocess.run(
        [sys.executable, *words], cwd=elsewhere, env=env, capture_output=True, text=True
    )

    assert Path(where.stdout.strip()).is_relative_to(site)
    assert done.returncode == 0, done.stderr
    assert len(list((elsewhere / "reports" / "runs").glob("*/report.html"))) == 1
