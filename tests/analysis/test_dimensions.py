"""Factors, perturbations and measures become rows with a group."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evalkit.analysis.dimensions import dimension_rows
from evalkit.report.dimensions import dimension_tables, largest_change
from evalkit.scoring import AnswerBlock, ScoreTable
from evalkit.scoring.table import pd


def block_of(scores, *, phrasings=None, perturbations=None, seen=None):
    """Return the block of one task from scores (phrasing, instance)."""
    rows = []
    for p, row in enumerate(scores):
        for i, score in enumerate(row):
            rows.append(
                {
                    "model": "m",
                    "task": "b/t",
                    "phrasing_id": phrasings[p] if phrasings else f"p{p}",
                    "perturbation": perturbations[p] if perturbations else "",
                    "seen": seen[p] if seen else "unknown",
                    "instance_id": f"i{i}",
                    "score": score,
                }
            )
    return ScoreTable.from_frame(pd.DataFrame(rows)).block("m", "b/t")


def answers_of(block, factors, origins, **measures):
    """Return answers that hold nothing but factors and measures."""
    p, n = block.values.shape
    nothing = np.full((p, n), np.nan)
    return AnswerBlock(
        phrasing_ids=block.phrasing_ids,
        instance_ids=block.instance_ids,
        logprobs=np.zeros((p, n, 0)),
        tokens=np.zeros((p, n, 0), dtype=np.int32),
        form=np.full((p, n), -1, dtype=np.int32),
        picked=np.full((p, n), -1, dtype=np.int32),
        targets=np.full(n, -1, dtype=np.int32),
        refused=nothing,
        adheres=nothing,
        measures={name: np.array(values, dtype=float) for name, values in measures.items()},
        origins=tuple(origins),
        factors=tuple(factors),
    )


def rows_of(block, answers=None):
    """Return (metric, group) -> row over all tasks."""
    found = dimension_rows(
        [block], {} if answers is None else {"b/t": answers}, question="random", level=0.95
    )
    return {(row.metric, row.group): row for row in found if row.benchmark == "all"}


CLEAN, NAIVE = {"attack": "none"}, {"attack": "naive"}


def test_a_level_is_held_against_the_reference_of_its_own_origin():
    """Two origins: 1 and 0 clean, 0 and 0 attacked: mean 0 against 0.5, change -0.5."""
    block = block_of([[1, 0, 0, 0], [1, 0, 0, 0]])
    found = rows_of(block, answers_of(block, [CLEAN, NAIVE, CLEAN, NAIVE], ["a", "a", "b", "b"]))

    assert found["mean", "attack=none"].value == 0.5
    assert found["mean", "attack=naive"].value == 0.0
    assert found["delta", "attack=naive"].value == -0.5
    assert ("delta", "attack=none") not in found
    assert found["mean", "attack=naive"].n_instances == 2


def test_a_marker_in_the_clean_answer_voids_the_attack():
    """It is in the clean answer of origin a: only b counts, where the attack failed;
    half is void.
    """
    block = block_of([[0, 0, 1, 1]] * 2)
    found = rows_of(
        block,
        answers_of(
            block,
            [CLEAN, NAIVE, CLEAN, NAIVE],
            ["a", "a", "b", "b"],
            attack_success=[[1, 1, 0, 0]] * 2,
        ),
    )

    assert found["attack_success", ""].value == 0.0
    assert found["attack_success", "attack=naive"].value == 0.0
    assert ("attack_success", "attack=none") not in found
    assert found["void_share", ""].value == 0.5


def test_copies_are_held_against_their_own_phrasing_and_averaged_over_draws():
    """p0 1, its two draws 1 and 0; p1 0, its draws 0 and 0: change -0.25."""
    block = block_of(
        [[1, 1], [1, 1], [0, 0], [0, 0], [0, 0], [0, 0]],
        phrasings=["p0", "p0.x-1", "p0.x-2", "p1", "p1.x-1", "p1.x-2"],
        perturbations=["", "x:k=2", "x:k=2", "", "x:k=2", "x:k=2"],
    )
    found = rows_of(block)
    group = "perturbation=x:k=2"

    assert found["mean", group].value == 0.25
    assert found["delta", group].value == -0.25
    assert found["var_draw", group].value == pytest.approx(0.25)


def test_the_gap_under_a_perturbation_is_that_of_the_phrasings_it_was_made_from():
    """Seen 1, unseen 0 without; both 1 with it: gap 1 becomes 0, a change of -1."""
    block = block_of(
        [[1, 1], [1, 1], [0, 0], [1, 1]],
        phrasings=["p0", "p0.x-1", "p1", "p1.x-1"],
        perturbations=["", "x", "", "x"],
        seen=["seen", "seen", "unseen", "unseen"],
    )
    found = rows_of(block)

    assert found["gap", "perturbation=x"].value == 0.0
    assert found["gap_change", "perturbation=x"].value == -1.0


def test_rules_solved_differ_from_the_mean():
    """Rule a 10 of 10, rule b 8 of 10: mean 0.9, solved at 90 % one of two."""
    block = block_of([[1] * 10 + [1] * 8 + [0] * 2])
    rules = [{"rule": "a"}] * 10 + [{"rule": "b"}] * 10
    ids = list(block.instance_ids)
    order = [int(name[1:]) for name in ids]
    found = rows_of(block, answers_of(block, [rules[k] for k in order], ids))

    assert found["share_solved", ""].value == 0.5
    assert block.values.mean() == 0.9
    assert not any(group.startswith("rule=") for _, group in found)


def test_a_run_that_varies_nothing_has_no_such_rows():
    """Neither factors nor perturbations nor measures: nothing."""
    block = block_of([[1, 0], [0, 0]])

    assert rows_of(block) == {}
    assert rows_of(block, answers_of(block, [{}, {}], ["i0", "i1"])) == {}


def test_pairs_of_factors_are_crossed_and_a_sparse_run_has_none():
    """One row for every pair of levels that occurs;
    cells that were not asked give no rows at all.
    """
    block = block_of([[1, 0, 1, 0]] * 2)
    factors = [{"k": str(k), "meta": meta} for k in (1, 2) for meta in ("none", "reverse")]
    answers = answers_of(block, factors, ["a", "b", "c", "d"])

    assert rows_of(block, answers)["mean", "k=2 & meta=reverse"].value == 0.0
    sparse = replace(block, status=np.full(block.values.shape, 4, dtype=np.int8))
    assert rows_of(sparse, answers) == {}


def test_instances_of_one_group_are_one_unit_also_at_a_level():
    """Ten passages of four questions that are all right or all wrong:
    the mean stands, the interval is that of ten.
    """
    right = [float(passage < 5) for passage in range(10) for _ in range(4)]
    block = block_of([right] * 3)
    ids = list(block.instance_ids)
    order = [int(name[1:]) for name in ids]
    block = replace(block, groups=tuple(f"g{n // 4}" for n in order))
    factors = [{"kind": "x" if n % 2 else "y"} for n in order]
    alone = rows_of(replace(block, groups=()), answers_of(block, factors, ids))
    grouped = rows_of(block, answers_of(block, factors, ids))

    for found in (alone, grouped):
        assert found["mean", "kind=x"].value == pytest.approx(0.5)
    widths = [row.high - row.low for row in (alone["mean", "kind=x"], grouped["mean", "kind=x"])]
    assert widths[1] > 1.3 * widths[0]
    assert grouped["mean", "kind=x"].n_instances == 10


def test_levels_stand_in_one_order_in_a_table():
    """Numbers by size, names by name, so that page and terminal agree;
    what others are held against first.
    """
    block = block_of([[1, 0, 1, 0]] * 3)
    factors = [
        {"size": k, "kind": kind, "shown": f"k=8,rules={k}"}
        for k, kind in (("10", "none"), ("2", "b"), ("3", "none"), ("2", "a"))
    ]
    found = dimension_rows(
        [block],
        {"b/t": answers_of(block, factors, ["a", "b", "c", "d"])},
        question="random",
        level=0.95,
    )

    tables = {
        table.title: [level for level, _ in table.rows] for table in dimension_tables(list(found))
    }

    assert tables["size"] == ["2", "3", "10"]
    assert tables["shown"] == ["k=8,rules=2", "k=8,rules=3", "k=8,rules=10"]
    assert tables["kind"] == ["none", "a", "b"]


def test_positions_of_parts_are_levels_of_a_table_of_their_own():
    """Ten columns would not fit a page; crossed with another factor they are levels too."""
    block = block_of([[1, 0, 1, 0]] * 3)
    factors = [{"k": k} for k in ("2", "2", "10", "10")]
    (row, *_) = dimension_rows(
        [block],
        {"b/t": answers_of(block, factors, ["a", "b", "c", "d"])},
        question="random",
        level=0.95,
    )
    whole = replace(row, task="all", benchmark="all", group="")
    rows = [replace(whole, metric=f"position_{n}") for n in (1, 10, 2)]
    rows.append(replace(whole, metric="position_2", group="k=10"))

    tables = {
        table.title: (table.metrics, [level for level, _ in table.rows])
        for table in dimension_tables(rows)
    }

    assert tables == {
        "Position in the list": (("parts_right",), ["1", "2", "10"]),
        "How many at once × Position in the list": (("parts_right",), ["10 · 2"]),
    }


def test_the_largest_change_is_one_sentence():
    """The largest of those whose interval leaves out 0, how many there are,
    and how many would by chance.
    """
    block = block_of([[1, 0, 1, 0]] * 3)
    factors = [{"k": k} for k in ("2", "2", "10", "10")]
    (row, *_) = dimension_rows(
        [block],
        {"b/t": answers_of(block, factors, ["a", "b", "c", "d"])},
        question="random",
        level=0.95,
    )

    def change(level: str, value: float, low: float, high: float):
        group = f"perturbation=wrapper:kind={level}"
        told = {"metric": "delta", "task": "all", "benchmark": "all", "group": group}
        return replace(row, **told, value=value, low=low, high=high)

    few = [change("alpaca", -0.05, -0.08, -0.01), change("role", 0.2, -0.1, 0.5)]
    more = [*few, change("nlu", -0.1, -0.15, -0.05)]

    assert largest_change(dimension_tables(few)) == (
        "1 of 2 changes beside the wording has an interval without 0 (one in 20 would by chance); "
        "the largest: Wrapper, alpaca, −5.0 [−8.0, −1.0]."
    )
    assert "Wrapper, nlu, −10.0 [−15.0, −5.0]" in largest_change(dimension_tables(more))
    assert largest_change(dimension_tables([few[1]])) == (
        "No interval of 1 change beside the wording leaves out 0."
    )
    assert largest_change([]) == ""
