"""Figures, checked by the values on their axes."""

from __future__ import annotations

import math
import re

import pytest

from evalkit.records.manifest import CurveStep
from evalkit.report.figures.canvas import COLOURS, figure_bytes
from evalkit.report.figures.lines import plot_budget
from evalkit.report.figures.maps import Grid, plot_heatmap
from evalkit.report.figures.points import DistancePoint, TaskPoint, plot_distance, plot_task_map
from evalkit.report.figures.rows import (
    ChangeRow,
    IntervalRow,
    VarianceRow,
    plot_change,
    plot_gap,
    plot_ranks,
    plot_variance,
)
from evalkit.report.figures.scores import Dot, ScoreRow, plot_scores
from evalkit.report.svg import inline_svg

ROWS = [
    ScoreRow(
        label="first",
        dots=[
            Dot(score=0.25, seen="seen"),
            Dot(score=0.75, seen="unseen"),
            Dot(score=0.5, seen="unknown"),
            Dot(score=math.nan, seen="seen"),
        ],
        mean=0.5,
        low=0.4,
        high=0.6,
        new_low=-0.1,
        new_high=0.9,
        chance=0.25,
    ),
    ScoreRow(
        label="second",
        dots=[Dot(score=1.0, seen="seen")],
        mean=1.0,
        low=math.nan,
        high=math.nan,
        chance=0.25,
    ),
]


def line(ax, gid: str) -> list[float]:
    """Return the x values of the line with an id."""
    return next(list(one.get_xdata()) for one in ax.lines if one.get_gid() == gid)


def labels(ax) -> list[str]:
    """Return the names of the rows, top to bottom."""
    return [label.get_text() for label in ax.get_yticklabels()]


def test_scores_stand_at_their_percentage_points_by_relation() -> None:
    """One mark per phrasing with a score: 25 seen, 75 unseen, 50 unknown,
    and 100 in the second row.
    """
    ax = plot_scores(ROWS)
    found = {
        one.get_label(): list(one.get_xdata()) for one in ax.lines if one.get_label() in COLOURS
    }

    assert found == {"seen": [25.0, 100.0], "unseen": [75.0], "unknown": [50.0]}
    assert labels(ax) == ["first", "second"]


def test_unseen_is_open_and_seen_filled_in_other_shapes() -> None:
    """Shape and filling repeat the colour, for readers who see no colours."""
    marks = {one.get_label(): one for one in plot_scores(ROWS).lines if one.get_label() in COLOURS}

    assert marks["unseen"].get_markerfacecolor() == "none"
    assert marks["seen"].get_markerfacecolor() == COLOURS["seen"]
    assert len({mark.get_marker() for mark in marks.values()}) == 3


def test_interval_of_the_mean_and_of_a_new_phrasing_are_drawn_and_cut_to_the_scale() -> None:
    """Mean 40 to 60; a new phrasing -10 to 90, cut at 0; no line where there is no interval."""
    ax = plot_scores(ROWS)

    assert line(ax, "mean-0") == [40.0, 60.0]
    assert line(ax, "new-0") == [0.0, 90.0]
    assert [one.get_gid() for one in ax.lines if one.get_gid() == "mean-1"] == []


def test_chance_level_is_drawn_once_when_all_rows_share_it() -> None:
    """A line over the whole height at 25."""
    ax = plot_scores(ROWS)

    assert [list(one.get_xdata()) for one in ax.lines if one.get_label() == "chance"] == [
        [25.0, 25.0]
    ]


def test_gap_shows_value_interval_and_zero() -> None:
    """A gap of 5 with interval 1 to 9."""
    ax = plot_gap(
        [
            IntervalRow(label="t", value=0.05, low=0.01, high=0.09),
            IntervalRow(label="u", value=0.0, low=math.nan, high=math.nan),
        ]
    )

    assert line(ax, "value-0") == [5.0]
    assert line(ax, "interval-0") == [1.0, 9.0]
    assert [one.get_gid() for one in ax.lines if one.get_gid() == "interval-1"] == []


def test_variance_bars_fill_the_row() -> None:
    """Shares 0.2, 0.3, 0.5 are bars of 20, 30 and 50 that start where the one before ends."""
    ax = plot_variance([VarianceRow(label="t", phrasing=0.2, instance=0.3, interaction=0.5)])

    assert [(round(bar.get_x(), 6), round(bar.get_width(), 6)) for bar in ax.patches] == [
        (0.0, 20.0),
        (20.0, 30.0),
        (50.0, 50.0),
    ]


def test_heat_map_holds_the_scores_and_leaves_out_what_is_not_there() -> None:
    """Rows and columns as given, in percentage points; NaN is no colour."""
    ax = plot_heatmap(
        Grid(rows=["a", "b"], values=[[0.1, 0.2], [0.3, math.nan]], column_label="phrasings")
    )
    shown = ax.images[0].get_array()

    assert shown.filled(-1).round(6).tolist() == [[10.0, 20.0], [30.0, -1.0]]
    assert ax.images[0].get_clim() == (0, 100)


def test_ranks_show_rank_and_interval() -> None:
    """Rank 1, between 1 and 2."""
    ax = plot_ranks(
        [
            IntervalRow(label="m", value=1, low=1, high=2),
            IntervalRow(label="n", value=2, low=1, high=2),
        ]
    )

    assert line(ax, "interval-0") == [1, 2]
    assert line(ax, "value-1") == [2]


def test_budget_has_a_line_per_design() -> None:
    """Cells to half-width in percentage points."""
    ax = plot_budget(
        [
            CurveStep(line="a", cells=100, half_width=0.1),
            CurveStep(line="a", cells=400, half_width=0.05),
        ]
    )

    assert [(list(one.get_xdata()), list(one.get_ydata())) for one in ax.lines] == [
        ([100, 400], [10.0, 5.0])
    ]


def test_task_map_places_and_names_tasks() -> None:
    """Uncertainty to the right, confidence up."""
    ax = plot_task_map([TaskPoint(label="t", uncertainty=0.1, confidence=0.9)])

    assert (list(ax.lines[0].get_xdata()), list(ax.lines[0].get_ydata())) == ([0.1], [0.9])
    assert [text.get_text() for text in ax.texts] == ["t"]


def test_names_on_the_task_map_do_not_cover_each_other() -> None:
    """Two tasks side by side: their names stand on different sides."""
    ax = plot_task_map(
        [
            TaskPoint(label="left_task", uncertainty=0.1, confidence=0.5),
            TaskPoint(label="right_task", uncertainty=0.11, confidence=0.5),
        ]
    )
    first, second = ({"left": text.get_ha(), "up": text.get_va()}.items() for text in ax.texts)

    assert list(first) != list(second)


def test_distance_draws_changes_in_points() -> None:
    """A loss of 5 at distance 2."""
    ax = plot_distance([DistancePoint(distance=2.0, change=-0.05, seen="unseen")])
    found = [
        (list(one.get_xdata()), list(one.get_ydata()))
        for one in ax.lines
        if one.get_label() == "unseen"
    ]

    assert found == [([2.0], [-5.0])]


def test_change_shows_before_and_after_by_their_names() -> None:
    """From 50 to 60; of a perturbation, from clean to perturbed."""
    rows = [ChangeRow(label="t", before=0.5, after=0.6)]
    for names in (("before", "after"), ("clean", "perturbed")):
        ax = plot_change(rows, names=names)
        found = {one.get_label(): list(one.get_xdata()) for one in ax.lines}

        assert [found[name] for name in names] == [[50.0], [60.0]]


def test_a_figure_can_be_drawn_on_the_axes_of_the_caller() -> None:
    """A panel of a larger figure is the caller's own."""
    from matplotlib.figure import Figure

    mine = Figure().add_subplot()

    assert plot_gap([IntervalRow(label="t", value=0.0, low=-0.1, high=0.1)], ax=mine) is mine


def test_the_users_own_settings_change_nothing_and_stay() -> None:
    """House style inside, the user's style before and after."""
    import matplotlib

    plain = figure_bytes(plot_scores(ROWS))
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.spines.top": True}):
        assert figure_bytes(plot_scores(ROWS)) == plain
        assert matplotlib.rcParams["font.size"] == 30


@pytest.mark.parametrize("form", ["svg", "png", "pdf", "text-svg"])
def test_the_same_data_give_the_same_bytes(form: str) -> None:
    """No date, no random ids."""
    assert figure_bytes(plot_scores(ROWS), form=form) == figure_bytes(plot_scores(ROWS), form=form)  # type: ignore[arg-type]


def test_inline_svg_needs_no_style_and_names_its_own_parts() -> None:
    """No style attribute or element, ids with the prefix only, references that resolve."""
    text = inline_svg(figure_bytes(plot_scores(ROWS), form="text-svg"), name="one", label="Scores")
    ids = re.findall(r'\bid="([^"]+)"', text)

    assert "style" not in text
    assert len(ids) == len(set(ids))
    assert all(found.startswith("one-") for found in ids)
    assert set(re.findall(r'href="#([^"]+)"', text)) | set(
        re.findall(r"url\(#([^)]+)\)", text)
    ) <= set(ids)
    assert ">first</text>" in text


def test_labels_are_text_not_formulas() -> None:
    """A task called $x$ is written so, not set as mathematics."""
    row = IntervalRow(label="$x$ <&>", value=0.0, low=-0.1, high=0.1)

    assert "$x$ &lt;&amp;&gt;" in figure_bytes(plot_gap([row]), form="text-svg").decode()
