"""The same inputs give the same bytes, whatever the hash seed, locale, threads, batch size,
order and number of interruptions.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from evalkit.cli.main import invoke
sys.exit(invoke(["run", "--model", "scripted:noise,batch=" + sys.argv[2], "--tasks", sys.argv[3], "--limit", "8", "--phrasings", "4",
    "--tuned-on", "evalkit-tuning", "--no-cache", "--quiet", "--resamples", "200", "--out", sys.argv[1]]))
"""  # noqa: E501
RESULTS = ("scores.parquet", "estimates.csv", "leaderboard.csv")
WORLDS = {
    "plain": ({"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "TZ": "UTC"}, "16"),
    "other": (
        {
            "PYTHONHASHSEED": "4242",
            "OMP_NUM_THREADS": "2",
            "OPENBLAS_NUM_THREADS": "2",
            "TZ": "Asia/Kathmandu",
            "LC_ALL": "C",
            "LANG": "tr_TR.UTF-8",
        },
        "16",
    ),
}


@pytest.mark.slow
def test_hash_seed_threads_locale_and_zone_change_no_byte(tmp_path: Path) -> None:
    """One run in two worlds, in processes of their own."""
    tasks = "procedural/boolean,procedural/rewrite"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path / name), batch, tasks],
            env={**os.environ, **env},
        )
        for name, (env, batch) in WORLDS.items()
    ]
    assert [process.wait() for process in processes] == [0, 0]
    found = [[(tmp_path / name / file).read_bytes() for file in RESULTS] for name in WORLDS]

    assert found[0] == found[1]


@pytest.mark.slow
def test_the_batch_size_of_a_real_model_changes_no_byte(tmp_path: Path) -> None:
    """The demo model in float32, one request at a time and as many as fit:
    log-probabilities differ in the last digits, results do not.
    """
    words = [
        *"--tasks procedural/boolean,procedural/rewrite --limit 6 --phrasings 3".split(),
        *"--no-cache --quiet --resamples 100".split(),
    ]
    for size in ("1", "auto"):
        command = [
            sys.executable,
            *"-m evalkit run --model demo".split(),
            *words,
            "--batch-size",
            size,
            "--out",
            str(tmp_path / size),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    found = [[(tmp_path / size / file).read_bytes() for file in RESULTS] for size in ("1", "auto")]

    assert found[0] == found[1]


@pytest.mark.slow
def test_every_test_has_the_same_name_at_any_second(request: pytest.FixtureRequest) -> None:
    """Workers that collect at different times, with other hashes, agree on the list of tests."""
    collect = (
        "import sys, time; later = time.time() + 1_000_000; time.time = lambda: later\n"
        "import pytest; sys.exit(pytest.main([*sys.argv[1:], '-p', 'no:cacheprovider']))"
    )
    here = [item.nodeid for item in request.session.items]
    files = sorted({name.partition("::")[0] for name in here})
    done = subprocess.run(
        [sys.executable, "-c", collect, "--collect-only", "-q", *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=request.config.rootpath,
        env=os.environ | {"PYTHONHASHSEED": "4242", "TZ": "Asia/Kathmandu"},
    )

    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    assert set(here) <= set(done.stdout.splitlines())
