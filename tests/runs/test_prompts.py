"""Prompts are shown as they are sent: the same text and ids that the engine is fed,
in the table of responses too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_models import small_model
from toy_runs import Silent
from toy_runs import settings as toy_settings

from evalkit.cli.main import invoke
from evalkit.phrasings.prompts import request_of
from evalkit.runs.ask import prompt_of
from evalkit.runs.choose import choose
from evalkit.runs.execute import run
from evalkit.runs.given import settings_of
from evalkit.runs.prompts import shown_prompts

__all__ = ["small_model"]

TEMPLATE = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}</s>{% endfor %}{% if "
    "add_generation_prompt %}<assistant>{% endif %}"
)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """What ``evalkit prompts`` prints as JSON."""
    capsys.readouterr()
    assert invoke(["prompts", *words, "--json"]) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize("template", ["none", "file"])
def test_shown_is_what_the_engine_is_fed(
    template: str, small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Ids of prompt and choices equal those of the loaded backend,
    with a chat template and without.
    """
    pytest.importorskip("torch")
    from evalkit.backends.hf.backend import HFBackend

    if template == "file":
        template = str(tmp_path / "chat.jinja")
        Path(template).write_text(TEMPLATE, encoding="utf-8")
    settings = settings_of(
        {
            "model": str(small_model()),
            "tasks": "procedural/boolean,procedural/rewrite",
            "chat_template": template,
            "phrasings": 3,
            "limit": 2,
        }
    )
    jobs, _ = choose(settings)
    found, notes = shown_prompts(jobs, settings, number=12)
    requests = [
        request_of(prompt_of(job, phrasing, place))
        for place in range(2)
        for row in range(3)
        for job in jobs
        for phrasing in [job.phrasings[row]]
    ]
    backend = HFBackend(settings.model)
    fed = backend.encode(requests)

    assert notes == []
    assert [one.tokens for one in found] == [item.context for item in fed]
    assert [one.choice_tokens for one in found] == [item.tails for item in fed]
    assert all("".join(one.pieces or ()) == one.text.rstrip() for one in found)
    assert all(("</s>" in (one.pieces or ())) == (template != "none") for one in found)
    assert all(one.text.endswith("<assistant>") == (template != "none") for one in found)


def test_tasks_and_phrasings_come_in_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """Few prompts show many phrasings; --phrasing shows one under many instances."""
    found = shown(capsys, "procedural/boolean,procedural/rewrite", "-n", "4")
    tasks = [row["task"] for row in found]
    one = shown(
        capsys,
        "procedural/boolean",
        "--phrasing",
        found[0]["phrasing_id"],
        "-n",
        "5",
        "--shots",
        "1",
    )

    assert tasks == ["procedural/boolean", "procedural/rewrite"] * 2
    assert len({row["phrasing_id"] for row in found}) == 4
    assert {row["phrasing_id"] for row in one} == {found[0]["phrasing_id"]}
    assert len({row["instance_id"] for row in one}) == 5
    assert found[0]["tokens"] is None
    assert found[0]["choices"] == [" True", " False"]
    assert found[0]["text"].endswith("Answer:")
    assert one[0]["text"].count("Answer:") == 2


def test_an_unknown_phrasing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names one that there is and where all stand."""
    assert invoke(["prompts", "procedural/boolean", "--phrasing", "nope"]) == 2
    said = capsys.readouterr().err
    assert "--phrasing nope: is not among the" in said
    assert "evalkit ls phrasings --task procedural/boolean" in said


def test_plan_shows_prompts_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """--show prints as many, letters that a terminal obeys spelt out, and --json lists them."""
    words = ["plan", "--model", "scripted:noise", "--tasks", "procedural/boolean", "--limit", "2"]
    assert invoke([*words, "--show", "2"]) == 0
    said = capsys.readouterr().out
    assert "--- 2 of 2: procedural/boolean, phrasing " in said
    assert said.index("--- choices ' True' ' False'") < said.index("tokens to ask")
    assert invoke([*words, "--show", "2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["prompts"]) == 2


def test_responses_are_exported_with_their_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row has the text that was asked and the choices behind it,
    and equals what is shown before the run.
    """
    settings = toy_settings("noise", tmp_path / "run")
    run(settings, Silent())
    out = tmp_path / "r.jsonl"
    assert invoke(["export", str(tmp_path / "run"), "--what", "responses", "--out", str(out)]) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    jobs, _ = choose(settings)
    before, _ = shown_prompts(jobs, settings, number=10_000)
    told = {(one.task, one.phrasing_id, one.instance_id): (one.text, one.choices) for one in before}

    assert len(rows) == 240
    assert {
        (row["task"], row["phrasing_id"], row["instance_id"]): (
            row["prompt"],
            tuple(row["choices"]),
        )
        for row in rows
    } == told


def test_prompts_of_a_task_that_varies_something_show_it() -> None:
    """Ten of the injection suite's are not ten clean ones; and all together are every cell once."""
    settings = settings_of(
        {
            "model": "scripted:noise",
            "tasks": "injection/injected_counting",
            "phrasings": 5,
            "limit": 8,
        }
    )
    jobs, _ = choose(settings)

    ten, _ = shown_prompts(jobs, settings, number=5)
    whole, _ = shown_prompts(jobs, settings, number=10_000)

    assert len({one.instance_id for one in ten}) == 5
    cells = [(one.phrasing_id, one.instance_id) for one in whole]
    assert len(cells) == len(set(cells)) == 5 * len(jobs[0].instances)
