"""`evalkit watch`: a run seen from outside while it goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit import catalog
from evalkit.cli.main import invoke
from evalkit.errors import Interrupted
from evalkit.records import Response, Suite
from evalkit.runs.execute import run
from evalkit.runs.interim import look
from evalkit.runs.settings import Settings
from evalkit.scoring.stored import score_run
from evalkit.store.responses import Store

SUITE = Suite(
    name="toy", tasks=("procedural/boolean", "procedural/comparison"), limit=10, phrasings=6
)


class StopAfter:
    """Progress that asks to stop after some batches, and may look at the run meanwhile."""

    def __init__(self, batches: int, out: Path | None = None) -> None:
        self.left = batches
        self.out = out
        self.seen: list[int] = []

    def begin(self, *, total: int, stored: int) -> None:
        """Take note of nothing."""

    def advance(self, responses: Sequence[Response]) -> None:
        """Count a batch; look at the run while its writer holds it."""
        self.left -= 1
        if self.out is not None:
            self.seen.append(look(self.out).done)

    def note(self, message: str) -> None:
        """Show nothing."""

    @property
    def stop_requested(self) -> bool:
        """Return whether enough batches were seen."""
        return self.left <= 0


def start(
    out: Path, batches: int, *, looking: bool = False, script: str = "noise,batch=25"
) -> StopAfter:
    """Run until some batches are safe."""
    model = replace(
        catalog.load_model(f"scripted:{script}", tuned_on=("evalkit-tuning",)), label="toy"
    )
    progress = StopAfter(batches, out if looking else None)
    settings = Settings(model=model, suite=SUITE, out=out, cache=False, resamples=100)
    with suppress(Interrupted):
        run(settings, progress)
    return progress


def test_a_run_under_way_shows_what_is_done(tmp_path: Path) -> None:
    """75 of 120 cells: the first task is complete, the second has 15 cells in two phrasings."""
    start(tmp_path / "run", 3)
    found = look(tmp_path / "run")
    first, second = found.tasks

    assert (found.state, found.done, found.total) == ("partial", 75, 120)
    assert (first.done, second.done, second.total, second.shared_instances) == (60, 15, 60, 5)
    assert [phrasing.done for phrasing in second.phrasings if phrasing.done] == [10, 5]
    assert first.mean.low <= first.mean.value <= first.mean.high


def test_the_means_are_those_of_the_scored_cells_alone(tmp_path: Path) -> None:
    """What is not answered yet enters no mean, as it would if it counted as 0."""
    start(tmp_path / "run", 3)
    found = look(tmp_path / "run").tasks[1]
    scores = [
        score
        for part in score_run(tmp_path / "run")[1]
        for score in part.rows()
        if score.task == found.task and score.score is not None
    ]
    by_phrasing = {
        name: [s.score for s in scores if s.phrasing_id == name and s.score is not None]
        for name in {s.phrasing_id for s in scores}
    }

    assert {p.phrasing_id: p.mean.value for p in found.phrasings if p.done} == {
        name: sum(v) / len(v) for name, v in by_phrasing.items()
    }
    assert all(
        phrasing.mean.value != phrasing.mean.value
        for phrasing in found.phrasings
        if not phrasing.done
    )


def test_it_looks_while_the_writer_writes(tmp_path: Path) -> None:
    """Beside the process that owns the run every batch is seen as soon as it is safe."""
    progress = start(tmp_path / "run", 99, looking=True)

    assert progress.seen == [25, 50, 75, 100, 120]


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """No file appears or changes beside a stopped run, nor beside the log of one that was
    killed.
    """
    start(tmp_path / "run", 2)
    before = {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in (tmp_path / "run").iterdir()
    }
    look(tmp_path / "run")

    assert {
        path.name: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in (tmp_path / "run").iterdir()
    } == before


def test_it_ends_by_itself_when_the_run_is_complete(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --once a complete run is shown once; JSON is one line with the same numbers."""
    start(tmp_path / "run", 99, script="perfect")
    codes = [invoke(["watch", str(tmp_path / "run"), *words]) for words in ([], ["--json"])]
    table, line = capsys.readouterr().out.rsplit("\n{", 1)
    found = json.loads("{" + line)

    assert codes == [0, 0]
    assert "toy on toy: 120 of 120 cells (100%), complete" in table
    assert (found["done"], found["tasks"][0]["mean"]["value"], found["tasks"][0]["spread"]) == (
        120,
        1.0,
        0.0,
    )


def test_phrasings_of_a_task_are_shown_on_demand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By default those of tasks under way, with --task those of that task;
    a task that is not there is refused.
    """
    start(tmp_path / "run", 3)
    invoke(["watch", str(tmp_path / "run"), "--once"])
    default = capsys.readouterr().out
    invoke(["watch", str(tmp_path / "run"), "--once", "--task", "procedural/boolean"])
    chosen = capsys.readouterr().out
    code = invoke(["watch", str(tmp_path / "run"), "--once", "--task", "procedural/none"])

    assert (default.count("procedural/comparison "), default.count("procedural/boolean ")) == (3, 1)
    assert (chosen.count("procedural/boolean "), chosen.count("procedural/comparison ")) == (7, 1)
    assert (code, "is not in this run" in capsys.readouterr().err) == (2, True)


def test_what_is_no_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 for an empty folder, 4 for a run that has asked nothing yet."""
    code = invoke(["watch", str(tmp_path), "--once"])
    start(tmp_path / "run", 1)
    (tmp_path / "run" / "responses.sqlite").unlink()
    Store(tmp_path / "run" / "responses.sqlite").close()
    later = invoke(["watch", str(tmp_path / "run"), "--once"])
    said = capsys.readouterr().err

    assert (code, later) == (2, 4)
    assert "is no run directory" in said
    assert "nothing was asked yet" in said
