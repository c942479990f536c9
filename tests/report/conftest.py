"""A small run made by hand: two tasks, four phrasings, six instances, everything known."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from manifests import made
from programs import program

from evalkit.analysis import estimate
from evalkit.records import (
    Arrangement,
    Block,
    Estimate,
    Instance,
    Job,
    Meaning,
    Phrasing,
    Response,
    Score,
    Seen,
    Task,
)
from evalkit.records.manifest import Manifest
from evalkit.report.evidence import gather
from evalkit.report.run_view import RunView
from evalkit.scoring import ScoreTable

RIGHT = {"p1": "111110", "p2": "111100", "p3": "110000", "p4": "100000"}
"""Which of the six instances each phrasing gets right."""
SEEN: dict[str, Seen] = {"p1": "seen", "p2": "seen", "p3": "unseen", "p4": "unseen"}


def key_of(task: str, phrasing: str, number: int) -> str:
    """Return a request key of 32 characters."""
    return f"{task}-{phrasing}-{number}".ljust(32, "0")


def _job(name: str, text: str) -> tuple[Job, list[Score], dict[str, Response]]:
    task = Task(
        name=name,
        benchmark="toy",
        reader="table",
        chance=0.5,
        licence="CC0-1.0",
        citation="The authors, 2026",
    )
    instances = tuple(
        Instance(
            id=f"i{number}",
            fields={"question": f"Question {number}? {text}"},
            choices=("yes", "no"),
            target=0,
            references=("yes",),
        )
        for number in range(6)
    )
    rows: list[tuple[Phrasing, Block, tuple[Arrangement, ...]]] = []
    scores: list[Score] = []
    responses: dict[str, Response] = {}
    for phrasing_id, right in RIGHT.items():
        status = "doubtful" if phrasing_id == "p3" else "checked"
        phrasing = Phrasing(
            id=phrasing_id,
            text=f"Wording {phrasing_id}. {text}",
            source="evalkit",
            meaning=Meaning(status=status),
        )
        swapped = phrasing_id == "p2"  # its choices were shown in the other order
        keys = [key_of(name, phrasing_id, number) for number in range(6)]
        orders: tuple[Arrangement, ...] = tuple(((1, 0), ()) for _ in range(6)) if swapped else ()
        rows.append(
            (
                phrasing,
                Block(task=task.id, phrasing_id=phrasing_id, inputs="", keys="".join(keys)),
                orders,
            )
        )
        for number, mark in enumerate(right):
            unparsed = phrasing_id == "p4" and mark == "0"
            chosen = 0.9 if mark == "1" else 0.2
            shown = (1 - chosen, chosen) if swapped else (chosen, 1 - chosen)
            responses[keys[number]] = (
                Response(key=keys[number], text=f"rambling {text}", finish_reason="stop")
                if unparsed
                else Response(
                    key=keys[number],
                    logprobs=tuple(math.log(value) for value in shown),
                    token_counts=(1, 1),
                )
            )
            scores.append(
                Score(
                    model=f"model {text}",
                    benchmark="toy",
                    task=task.id,
                    phrasing_id=phrasing_id,
                    phrasing_source="evalkit",
                    seen=SEEN[phrasing_id],
                    layout="lettered",
                    label_space="letters",
                    perturbation="",
                    kind="correct",
                    instance_id=f"i{number}",
                    score=float(mark),
                    status="unparsed" if unparsed else "ok",
                    prediction=None if unparsed else "yes" if mark == "1" else "no",
                    target="yes",
                    probability=None if unparsed else max(shown),
                    target_probability=None if unparsed else chosen,
                )
            )
    job = Job(
        task=task,
        phrasings=tuple(phrasing for phrasing, _, _ in rows),
        instances=instances,
        seen=SEEN,
        orders={phrasing.id: orders for phrasing, _, orders in rows},
        blocks=tuple(block for _, block, _ in rows),
    )
    return job, scores, responses


@pytest.fixture(scope="session")
def make_run() -> Callable[..., RunView]:
    """Return a function that makes a run, with a text put into everything that comes from
    outside.
    """

    def make(text: str = "plain", **changes: Any) -> RunView:
        parts = [_job(name, text) for name in ("first", "second")]
        table = ScoreTable.from_scores([score for _, scores, _ in parts for score in scores])
        responses = {key: response for _, _, found in parts for key, response in found.items()}
        evidence = gather(
            table,
            [job for job, _, _ in parts],
            answers=lambda keys: {key: responses[key] for key in keys if key in responses},
            flips=changes.pop("flips", None),
        )
        return RunView(
            manifest=manifest_of(text, **changes),
            evidence=evidence,
            estimates=[_steady(row) for row in estimate(table, n_resamples=100)],
        )

    return make


def _steady(row: Estimate) -> Estimate:
    """Return an estimate with an interval of five points on either side:
    what is tested here is how intervals are shown.
    """
    return (
        row
        if math.isnan(row.value)
        else replace(row, low=row.value - 0.05, high=row.value + 0.05, interval="fixed", note="")
    )


def manifest_of(text: str, **changes: Any) -> Manifest:
    """Return a manifest with fixed content."""
    tasks = {
        f"toy/{name}": {
            "benchmark": "toy",
            "digest": "d" * 32,
            "instances_digest": "i" * 16,
            "n_instances": 6,
            "phrasings": {},
        }
        for name in ("first", "second")
    }
    base: dict[str, Any] = {
        "evalkit": "0.0.0",
        "command": f"evalkit run --model {text}",
        "suite": {"name": f"suite {text}", "tasks": tasks},
        "model": {
            "label": f"model {text}",
            "name": text,
            "tuned_on": ["flan"],
            "fingerprint": {"behaviour": text},
        },
        "attempts": [{"started": "2026-11-21T00:00:00Z", "seconds": 1.5}],
        "counts": {
            "cells": 48,
            "requests": 48,
            "unparsed": 10,
            "prompt_tokens": 480,
            "answer_tokens": 96,
        },
    }
    return made(**{**base, **changes})


@pytest.fixture(scope="session")
def run_view(make_run: Callable[..., RunView]) -> RunView:
    """Return the plain run."""
    return make_run()


def _driver() -> Any:
    """Return the module that drives Chromium; benchmarks use it too."""
    return program("benchmarks/chromium.py")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a browser, or skip."""
    driver = shutil.which("chromedriver")
    binary = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if driver is None or binary is None:
        pytest.skip(
            "no chromium and chromedriver on this machine (Debian: apt-get install chromium "
            "chromium-driver)"
        )
    started = _driver().Browser(driver, binary, tmp_path_factory.mktemp("profile"))
    yield started
    started.close()
