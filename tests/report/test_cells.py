"""Every cell can be looked at in the page: what is packed is what the run holds,
and its size follows the cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalkit.records import Score
from evalkit.report.evidence import gather
from evalkit.report.page import render_page
from evalkit.report.page_data import packed_cells, unpacked
from evalkit.report.run_view import RunView
from evalkit.scoring import ScoreTable


def test_what_is_packed_is_what_the_run_holds(run_view: RunView) -> None:
    """Scores, states, answers and targets of all 24 cells of a task,
    and prompts with the instance in them.
    """
    packed = packed_cells(run_view.evidence)
    found = unpacked(packed[0]["packed"])
    view = run_view.evidence.tasks[0]
    assert view.cells is not None
    scores = np.array(found["score"]).reshape(4, 6) / 1000

    assert [one["n"] for one in packed] == [24, 24]
    assert found["phrasings"] == ["p1", "p2", "p3", "p4"]
    assert scores.tolist() == view.cells.values.tolist()
    assert [found["states"][code] for code in found["state"]].count("right") == 12
    assert set(found["targets"]) == {"yes"}
    assert len(found["prompts"]) == 24
    assert all("Question 0?" in one[2] for one in found["prompts"] if one[1] == 0)
    assert all("Wording p" in one[2] for one in found["prompts"])


def test_hostile_text_stays_packed(make_run: Callable[..., RunView]) -> None:
    """Nothing of an attack is in the page's markup by way of the cells,
    and hidden characters are spelt out.
    """
    page = render_page(make_run("</script><script>window.hacked = 1</script>\u202e"))
    scripts = re.findall(r'<script type="application/gzip"[^>]*>([^<]*)</script>', page)

    assert len(scripts) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9+/=]+", one) for one in scripts)
    assert "⟨U+202E⟩" in str(unpacked(scripts[0]))


@pytest.mark.slow
def test_a_hundred_thousand_cells_take_less_than_a_megabyte() -> None:
    """A million then stay below ten; measured on random scores, which pack worst."""
    rng = np.random.default_rng(3)
    right = rng.random((50, 2000)) < 0.6
    rows = [
        Score(
            model="m",
            benchmark="b",
            task="b/t",
            phrasing_id=f"p{p:02d}",
            phrasing_source="s",
            seen="unknown",
            layout="",
            label_space="",
            perturbation="",
            kind="correct",
            instance_id=f"i{n:04d}",
            score=float(right[p, n]),
            status="ok",
            prediction="yes" if right[p, n] else "no",
            target="yes",
        )
        for p in range(50)
        for n in range(2000)
    ]
    table = ScoreTable.from_scores(rows)
    job = _job(table)
    evidence = gather(table, [job], answers=lambda keys: {}, flips=0)
    (packed,) = packed_cells(evidence)

    assert packed["n"] == 100_000
    assert len(packed["packed"]) < 1_000_000


def _job(table: ScoreTable) -> Any:
    """A stored job that fits a table."""
    from evalkit.records import Block, Instance, Job, Phrasing, Task

    block = table.block("m", "b/t")
    return Job(
        task=Task(name="t", benchmark="b", reader="table"),
        phrasings=tuple(Phrasing(id=name, text="Say.", source="s") for name in block.phrasing_ids),
        instances=tuple(
            Instance(
                id=name, fields={"question": f"Is {name} so?"}, choices=("yes", "no"), target=0
            )
            for name in block.instance_ids
        ),
        seen=dict.fromkeys(block.phrasing_ids, "unknown"),
        orders={},
        blocks=tuple(
            Block(task="b/t", phrasing_id=name, inputs="", keys="0" * 32 * 2000)
            for name in block.phrasing_ids
        ),
    )
