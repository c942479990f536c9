"""The page of a gate says what the gate says; text of models and files stays text."""

from __future__ import annotations

from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.gating.runs import gate_runs
from evalkit.records.policy import Policy, Rule
from evalkit.report.gate_page import gate_html

HOSTILE = "<script>alert(1)</script><img src=x onerror=y>\u202e{{ 7*7 }}"


class Reader(HTMLParser):
    """Tags with attributes, in order, and the texts of cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep a text."""
        self.texts.append(data.strip())


def test_names_and_answers_of_models_are_text(toy: Any) -> None:
    """One script, ours; no handler, no image; hidden characters are spelt out."""
    ways = {"model": HOSTILE, "instance": HOSTILE, "target": HOSTILE, "wrong": "<b>x</b>"}
    new, old = (
        toy.run(name, toy.scores(share), **ways) for name, share in (("n", 0.6), ("o", 0.7))
    )
    policy = Policy(name=HOSTILE, rules=(Rule(metric="mean", margin=0.02),))
    page = gate_html([gate_runs(new, old, policy=policy, today=date(2026, 11, 21), explained=3)])
    read = Reader(page)

    assert [name for name, _ in read.tags].count("script") == 1
    assert not [name for name, _ in read.tags if name in ("img", "b", "iframe", "link")]
    assert not [found for _, kept in read.tags for found in kept if found.startswith("on")]
    assert "\u202e" not in page
    assert "{{ 7*7 }}" in page
    assert "default-src 'none'" in page.replace("&#39;", "'")


def test_losses_bounds_and_margins_stand_on_one_scale(toy: Any) -> None:
    """Places in the figure are those of the numbers:
    differences of places go as differences of values.
    """
    new, old = toy.run("new", toy.scores(0.5)), toy.run("old", toy.scores(0.7))
    policy = Policy(
        name="p",
        rules=(Rule(metric="mean", margin=0.02), Rule(metric="worst_phrasing", margin=0.05)),
    )
    decision, told = gate_runs(new, old, policy=policy, today=date(2026, 11, 21), explained=0)
    read = Reader(gate_html([(decision, told)]))
    lines = [kept for name, kept in read.tags if name == "line"]
    drawn = [
        tuple(float(str(one["x1"]).rstrip("%")) for one in lines if one["class"] == kind)
        for kind in ("grid", "chance", "at")
    ]

    for check, zero, margin, harm in zip(decision.checks, *drawn, strict=True):
        scale = (margin - zero) / check.margin
        assert harm - zero == pytest.approx(check.harm * scale, abs=0.2)
        assert f"{100 * check.harm:+.1f}" in read.texts
    assert "regression" in read.texts


def test_no_change_and_no_number_are_drawn(toy: Any) -> None:
    """Two equal runs; a check that was skipped has a row in the table and none in the figure."""
    new, old = toy.run("new", toy.scores(0.7)), toy.run("old", toy.scores(0.7))
    for metric, strips in (("mean", 1), ("reliance", 0)):
        policy = Policy(name="p", rules=(Rule(metric=metric, margin=0.02),))
        made = gate_runs(new, old, policy=policy, today=date(2026, 11, 21), explained=2)
        read = Reader(gate_html([made]))
        assert [kept.get("class") for _, kept in read.tags].count("strip-row") == strips
        assert metric in read.texts


def test_the_command_writes_it_and_an_error_leaves_no_older_one(
    toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit codes are those without it; several baselines stand on one page;
    a run's file is not replaced.
    """
    old, same, worse = (
        str(toy.run(name, toy.scores(share, n=500)))
        for name, share in (("old", 0.7), ("same", 0.7), ("worse", 0.5))
    )
    page = tmp_path / "gate.html"
    words = ["--html", str(page), "-q"]

    assert invoke(["gate", same, "--baseline", old, *words]) == 0
    assert "pass" in Reader(page.read_text(encoding="utf-8")).texts
    assert invoke(["gate", worse, "--baseline", old, "--baseline", same, *words]) == 1
    read = Reader(page.read_text(encoding="utf-8"))
    assert [name for name, _ in read.tags].count("section") == 2
    assert invoke(["gate", worse, "--baseline", str(tmp_path / "none"), *words]) == 2
    assert not page.exists()
    assert invoke(["gate", same, "--baseline", old, "--html", f"{old}/report.html"]) == 2
    assert invoke(["gate", same, "--baseline", old, "--html", str(tmp_path)]) == 2
    assert "is a directory; name a file" in capsys.readouterr().err
