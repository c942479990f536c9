"""``--repeats``, ``--temperature``, ``--top-p`` and ``--max-tokens``:
several answers per cell, and their variance.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import evalkit
from evalkit.errors import UsageError
from evalkit.records import Request, digest, repeat_key
from evalkit.runs.check import check_run

NOISE = "scripted:noise,accuracy=0.6"


def ran(out: Path, **changes: Any) -> Any:
    """Run a task that generates, and one that scores choices, on a model that answers by chance."""
    given: dict[str, Any] = {
        "tasks": "procedural/sorting,procedural/boolean",
        "limit": 30,
        "phrasings": 4,
        "temperature": 0.7,
        "repeats": 3,
        "resamples": 100,
        "no_report": True,
        "quiet": True,
        **changes,
    }
    return evalkit.run(NOISE, out=out, **given)


def test_every_repeat_is_another_answer_and_their_variance_stands_beside_the_others(
    tmp_path: Path,
) -> None:
    """Answers right with chance 0.6 vary by 0.24 between repeats of a cell;
    choices are asked once.
    """
    ran(tmp_path / "run")
    estimates = pd.read_csv(tmp_path / "run" / "estimates.csv")
    rows = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    sorting = estimates[estimates.task == "procedural/sorting"].set_index("metric").value
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())

    assert sorting["var_repeat"] == pytest.approx(0.24, abs=0.05)
    assert sorting["mean"] == pytest.approx(0.6, abs=0.1)
    assert rows.groupby("task", observed=True).size().to_dict() == {
        "procedural/boolean": 120,
        "procedural/sorting": 360,
    }
    assert manifest["counts"]["cells"] == manifest["counts"]["requests"] == 480
    assert manifest["identity"]["suite"]["repeats"] == 3
    assert "--repeats 3" in manifest["command"] or "repeats=3" in manifest["command"]


def test_a_run_with_repeats_is_sound_and_goes_on_without_asking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is found again; the check computes all of it anew."""
    from evalkit.backends.scripted import ScriptedBackend

    first = ran(tmp_path / "run")
    monkeypatch.setattr(ScriptedBackend, "_answer", None)
    again = ran(tmp_path / "run")

    assert check_run(tmp_path / "run").state == "sound"
    assert list(first.scores.score) == list(again.scores.score)


def test_the_plan_counts_repeats(tmp_path: Path) -> None:
    """Requests of a task that generates are multiplied, those of choices are not."""
    from evalkit.runs.forecast import forecast
    from evalkit.runs.given import settings_of

    given = {
        "model": NOISE,
        "tasks": "procedural/sorting,procedural/boolean",
        "limit": 5,
        "phrasings": 2,
        "temperature": 1.0,
        "repeats": 4,
        "out": tmp_path / "run",
    }
    found = {row.task: (row.cells, row.requests) for row in forecast(settings_of(given)).tasks}

    assert found == {"procedural/sorting": (40, 40), "procedural/boolean": (10, 10)}


def test_other_ways_of_drawing_are_other_requests_and_the_plain_one_is_as_before() -> None:
    """Keys of greedy requests do not know of drawing, so that stored answers stay found."""
    plain = Request(kind="generate", text="Say", max_tokens=4)
    changed = [
        replace(plain, temperature=0.5),
        replace(plain, temperature=0.5, top_p=0.9),
        replace(plain, repeat=1),
        replace(plain, repeat=2),
    ]

    assert plain.key == digest(["generate", "Say", "", [], [0, 0], 4, []])
    assert len({plain.key, *(one.key for one in changed)}) == 5
    assert changed[2].key == repeat_key(plain.key, 1)


def test_max_tokens_stands_in_place_of_the_tasks_own(tmp_path: Path) -> None:
    """Of what generates; the request, and with it its key, has the new limit."""
    from evalkit.runs.ask import prompt_of
    from evalkit.runs.choose import choose
    from evalkit.runs.given import settings_of

    given = {"model": NOISE, "tasks": "procedural/sorting,procedural/boolean", "max_tokens": 3}
    jobs, _ = choose(settings_of(given))
    prompts = [prompt_of(job, job.phrasings[0], 0) for job in jobs]

    assert [prompt.max_tokens for prompt in prompts] == [3, 0]


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (NOISE, {"repeats": 0}, "repeats: 0 is not possible"),
        (NOISE, {"temperature": -1}, "temperature: -1 is out of range; 0 to 10 is accepted"),
        (NOISE, {"top_p": 0.0}, "top_p: 0 is out of range"),
        (NOISE, {"repeats": 2, "half_width": 0.1, "budget": 0.5}, "does not go with half_width"),
        ("demo", {"repeats": 2}, "gives procedural/sorting the same answer every time"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, model: str, given: dict[str, Any], said: str
) -> None:
    """Before anything is loaded, with what is accepted."""
    with pytest.raises(UsageError, match=said):
        evalkit.run(
            model,
            tasks="procedural/sorting",
            limit=2,
            out=tmp_path / "run",
            quiet=True,
            no_report=True,
            **given,
        )
    assert not (tmp_path / "run").exists()


def test_what_only_the_first_answer_decides_is_said_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Summary, report and comparison; never of a run that asked once."""
    from evalkit.cli.main import invoke
    from evalkit.scoring import FIRST_OF_REPEATS

    ran(tmp_path / "many", limit=8)
    ran(tmp_path / "once", limit=8, repeats=None, temperature=None)
    many, once = str(tmp_path / "many"), str(tmp_path / "once")
    said = {}
    for run in (many, once):
        capsys.readouterr()
        assert invoke(["score", run]) == 0
        said["summary", run] = capsys.readouterr().out
        assert invoke(["report", run]) == 0
        said["report", run] = (Path(run) / "report.html").read_text()
        capsys.readouterr()
        assert invoke(["compare", run, run]) in (0, 2)
        said["compare", run] = "".join(capsys.readouterr())

    assert {key: FIRST_OF_REPEATS in text for key, text in said.items()} == {
        (where, run): run == many for where, run in said
    }


def test_an_export_for_lm_eval_draws_as_the_run_did_and_expects_the_mean_of_all(
    tmp_path: Path,
) -> None:
    """Not the last repeat: the mean over three answers per prompt."""
    from evalkit.report.lm_eval_export import export_run

    ran(tmp_path / "run", tasks="procedural/sorting", limit=10)
    export_run(tmp_path / "run", tmp_path / "out")
    rows = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    expected = pd.read_csv(tmp_path / "out" / "expected.csv").set_index("phrasing_id")
    text = next(path for path in (tmp_path / "out").glob("*sorting*.yaml")).read_text()

    mean = rows.groupby("phrasing_id", observed=True)["score"].mean()
    assert expected["score"].to_dict() == pytest.approx(mean.to_dict())
    assert set(expected["n_instances"]) == {10}
    assert "do_sample: true" in text
    assert "temperature: 0.7" in text
    assert "up to 3 per prompt" in (tmp_path / "out" / "README.md").read_text()
