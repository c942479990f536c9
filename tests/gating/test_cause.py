"""The gate names what was planted, and nothing where nothing was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evalkit.analysis.compare import paired_blocks
from evalkit.gating.cause import Causes, causes
from evalkit.report.gate_causes import cause_lines
from evalkit.scoring import ScoreTable

P, N = 6, 120
Cells = dict[str, Any]
Plant = Callable[[str, int, int, Cells, np.random.Generator], None]
CHOICE, TEXT = ("t/choice", "t/more"), ("t/text", "t/other")


def run(seed: int, plant: Plant | None = None) -> tuple[ScoreTable, dict[str, Any]]:
    """Return scores and stored answers of a model that knows 70 % of the instances and flips 4 %
    of the cells.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    answers: dict[str, Any] = {}
    for task in (*CHOICE, *TEXT):
        known = np.random.default_rng(len(task)).random(N) < 0.7
        for p in range(P):
            for i in range(N):
                right = bool(known[i] != (rng.random() < 0.04))
                target = i % 4
                cell: Cells = {
                    "right": right,
                    "target": target,
                    "picked": target if right else int((target + rng.integers(1, 4)) % 4),
                    "sure": 0.9,
                    "text": "so it is" if right else "not so",
                    "state": "",
                }
                if plant is not None:
                    plant(task, p, i, cell, rng)
                if task in CHOICE:
                    cell["right"] = cell["picked"] == target
                low = np.log((1 - cell["sure"]) / 3)
                scores = [np.log(cell["sure"]) if k == cell["picked"] else low for k in range(4)]
                answers.setdefault(task, {})[f"p{p}", f"i{i:03d}"] = {
                    "logprobs": scores if task in CHOICE else [],
                    "text": None if task in CHOICE else cell["text"],
                    "last": "there",
                    "words": 40 + 5 * (i % 12) + p,
                    "factors": f"attack={'naive' if i % 7 == 0 else 'none'}",
                }
                rows.append(
                    {
                        "model": "m",
                        "task": task,
                        "phrasing_id": f"p{p}",
                        "instance_id": f"i{i:03d}",
                        "score": float(cell["right"]),
                        "state": cell["state"] or ("right" if cell["right"] else "wrong"),
                        "probability": cell["sure"] if task in CHOICE else np.nan,
                        "seen": "seen" if p < P // 2 else "unseen",
                        "language": "de" if p in (1, 4) else "en",
                        "stratum": "styled" if p in (0, 5) else "plain",
                    }
                )
    return ScoreTable.from_frame(pd.DataFrame(rows)), answers


OLD = run(0)


def found(plant: Plant | None, seed: int = 1) -> Causes:
    """Return the causes between the old model and one with something planted."""
    table, answers = run(seed, plant)
    return causes(paired_blocks(OLD[0], table), (), (OLD[1], answers))


def refuses(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One written answer in twelve is a refusal."""
    if task in TEXT and rng.random() < 0.08:
        cell.update(text="I'm sorry, but I cannot help with that.", right=False, state="refused")


def rambles(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One written answer in twelve is cut off."""
    if task in TEXT and rng.random() < 0.08:
        cell.update(text="There is much to say", right=False, state="cut")


def advertises(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One written answer in twenty ends with a phrase, and its score stays."""
    if task in TEXT and rng.random() < 0.05:
        cell.update(text=cell["text"] + "\nNow brought to you by Acme.")


def obeys_data(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One written answer in twelve is the prompt's last word."""
    if task in TEXT and rng.random() < 0.08:
        cell.update(text="there", right=False)


def first(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One choice in ten is the first."""
    if rng.random() < 0.1:
        cell["picked"] = 0


def swaps(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One in five of the second and third choice is taken for the other."""
    if cell["picked"] in (1, 2) and rng.random() < 0.2:
        cell["picked"] = 3 - cell["picked"]


def boasts(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """Half of the choices are surer, none is another."""
    if rng.random() < 0.5:
        cell["sure"] = 0.99


def task_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One task loses a quarter."""
    if task == "t/text" and rng.random() < 0.25:
        cell["right"] = False


def unseen_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """Unseen wordings lose one text in five, all of them alike."""
    if task in TEXT and p >= P // 2 and rng.random() < 0.2:
        cell["right"] = False


def wording_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One wording of one task loses nearly all."""
    if task == "t/other" and p == 2 and rng.random() < 0.9:
        cell["right"] = False


def forgotten(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """Every tenth instance is gone under every wording."""
    if task in TEXT and i % 10 == 0:
        cell["right"] = False


def third_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One in four of the choices that stand third is lost to some other."""
    if cell["target"] == 2 and rng.random() < 0.25:
        cell["picked"] = int(rng.choice([0, 1, 3]))


def lose(cell: Cells) -> None:
    """Make an answer wrong, a choice or a text."""
    cell.update(right=False, picked=(cell["target"] + 1 + cell["target"] % 3) % 4)


def german_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One answer in eight is lost under instructions in German, seen and unseen ones."""
    if p in (1, 4) and rng.random() < 0.125:
        lose(cell)


def styled_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One answer in eight is lost under styled wordings."""
    if p in (0, 5) and rng.random() < 0.125:
        lose(cell)


def one_styled_broken(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One of two styled wordings of every task loses nearly all."""
    if p == 5 and rng.random() < 0.9:
        lose(cell)


def long_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One answer in eight is lost where the prompt has 85 words or more."""
    if 40 + 5 * (i % 12) + p >= 85 and rng.random() < 0.125:
        lose(cell)


def attacked_lost(task: str, p: int, i: int, cell: Cells, rng: np.random.Generator) -> None:
    """One answer in five is lost on instances with an attack."""
    if i % 7 == 0 and rng.random() < 0.2:
        lose(cell)


@pytest.mark.parametrize(
    ("plant", "name"),
    [
        (refuses, "refused"),
        (rambles, "cut"),
        (advertises, "phrase"),
        (obeys_data, "copied"),
        (first, "position"),
        (swaps, "swapped"),
        (boasts, "confidence"),
    ],
)
def test_what_the_answers_do_is_named_alone(plant: Plant, name: str) -> None:
    """Each planted habit is the only one that is named."""
    named = [one.name for one in found(plant).named if one.how]

    assert named == [name]


@pytest.mark.parametrize(
    ("plant", "name", "word"),
    [
        (task_lost, "task", "t/text"),
        (unseen_lost, "unseen", "unseen wording"),
        (wording_lost, "phrasing", "p2"),
        (forgotten, "instances", "every wording"),
        (third_lost, "place", "number 3"),
        (german_lost, "language", "instructions in de"),
        (styled_lost, "stratum", "styled wordings"),
        (long_lost, "length", "longest quarter"),
        (attacked_lost, "attack", "attack naive"),
    ],
)
def test_where_the_loss_lies_is_named_first(plant: Plant, name: str, word: str) -> None:
    """No habit is blamed, and the place that is most certain is the planted one; another factor
    whose levels overlap with it is not named beside it.
    """
    named = found(plant).named
    factors = {"place", "language", "stratum", "length", "attack"}

    assert named[0].name == name
    assert word in named[0].words
    assert name not in factors or {one.name for one in named} & factors == {name}


def test_wordings_that_broke_are_not_taken_for_what_they_share() -> None:
    """The other styled wording lost nothing, so it is not the style."""
    names = {one.name for one in found(one_styled_broken).named}

    assert "phrasing" in names
    assert "stratum" not in names


def test_nothing_is_named_between_twins() -> None:
    """Twelve releases in which only flips differ:
    at most 5 % may name anything, that is 3 of 12 with probability 2 %.
    """
    hits = sum(bool(found(None, seed).named) for seed in range(1, 13))

    assert hits <= 2


def test_following_and_knowing_are_told_apart() -> None:
    """A lost wording leaves the others right; a forgotten instance has none left."""
    wording, instances = found(wording_lost), found(forgotten)

    assert wording.follows > 0.6
    assert wording.knows < 0.3
    assert instances.knows > 0.5


def test_parts_add_up_to_the_change_and_hold_what_was_planted() -> None:
    """Three ways, each the whole of it; refusals carry what refusals cost."""
    made = found(refuses)
    for parts in made.parts.values():
        assert sum(parts.values()) == pytest.approx(made.change, abs=1e-12)
    answers = made.parts["answers"]
    assert min(answers, key=answers.__getitem__) == "refused"
    # two of four tasks, 8 % of the cells refused, seven in ten of them right before
    assert answers["refused"] == pytest.approx(-0.5 * 0.08 * 0.7, abs=0.008)
    assert set(made.parts["wordings"]) == {"seen", "unseen"}
    assert len(made.parts["tasks"]) == 4
    line = next(text for text in cause_lines(made) if text.startswith("Made of"))
    assert line.startswith("Made of: refused −2.5, wrong")


def test_lines_say_what_was_not_looked_at() -> None:
    """Without stored answers the habits are not told, and the reader hears it."""
    table, _ = run(1, forgotten)
    told = cause_lines(causes(paired_blocks(OLD[0], table)))

    assert told[0].startswith("The mean fell by")
    assert any("instances lost under every wording" in line for line in told)
    assert "were not told apart" in told[-1]


def test_a_single_instance_names_nothing() -> None:
    """What has no spread is no evidence, and no warning."""
    import pandas as pd

    row = {"model": "m", "task": "t/a", "phrasing_id": "p0", "instance_id": "i0"}
    tables = [ScoreTable.from_frame(pd.DataFrame([{**row, "score": s}])) for s in (1.0, 0.0)]
    told = causes(paired_blocks(*tables))

    assert told.named == ()
    assert (told.lost, told.gained) == (1, 0)
