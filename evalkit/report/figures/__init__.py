"""Figures: each ``plot_x(data, *, ax=None)`` draws on an Axes and returns it.

It computes, shows and saves nothing.

Scores come as fractions and are drawn in percentage points. Seen is a filled blue circle, unseen an
open orange diamond, unknown a grey square, in every figure.
"""

from evalkit.report.figures.arms import ArmsRow, plot_arms
from evalkit.report.figures.budget import BudgetPoint, plot_budget
from evalkit.report.figures.change import ChangeRow, plot_change
from evalkit.report.figures.distance import DistancePoint, plot_distance
from evalkit.report.figures.forest import IntervalRow, plot_gap
from evalkit.report.figures.front import FrontPoint, plot_front
from evalkit.report.figures.heatmap import HeatMap, plot_heatmap
from evalkit.report.figures.ladder import LadderLine, plot_ladder
from evalkit.report.figures.matrix import Matrix, plot_matrix
from evalkit.report.figures.ranks import RankRow, plot_ranks
from evalkit.report.figures.reliability import plot_reliability
from evalkit.report.figures.risk import plot_risk
from evalkit.report.figures.scores import Dot, ScoreRow, plot_scores
from evalkit.report.figures.task_map import TaskPoint, plot_task_map
from evalkit.report.figures.variance import VarianceRow, plot_variance

__all__ = [
    "ArmsRow",
    "BudgetPoint",
    "ChangeRow",
    "DistancePoint",
    "Dot",
    "FrontPoint",
    "HeatMap",
    "IntervalRow",
    "LadderLine",
    "Matrix",
    "RankRow",
    "ScoreRow",
    "TaskPoint",
    "VarianceRow",
    "plot_arms",
    "plot_budget",
    "plot_change",
    "plot_distance",
    "plot_front",
    "plot_gap",
    "plot_heatmap",
    "plot_ladder",
    "plot_matrix",
    "plot_ranks",
    "plot_reliability",
    "plot_risk",
    "plot_scores",
    "plot_task_map",
    "plot_variance",
]
