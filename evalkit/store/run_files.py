"""The files of a run directory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["RUN_FILES", "RunFile"]


@dataclass(frozen=True, slots=True)
class RunFile:
    """One file of a run directory."""

    name: str
    """Its name in the directory; a pattern for figures that are numbered."""
    made: Literal["manifest", "store", "table", "page", "figure", "log", "lock"]
    """What kind of thing it is; a page and figures are only made when they are wanted."""
    seal: Literal["scores_digest", "estimates_digest"] | None = None
    """Field of the manifest that holds the digest of its bytes."""


_FIGURES = (
    "scores",
    "gap",
    "variance",
    "heatmap",
    "ladder",
    "budget",
    "reliability",
    "risk",
    "task_map",
    "distance*",
)


_FORMS = ("svg", "png", "pdf")


RUN_FILES = (
    RunFile("run.lock", "lock"),
    RunFile("manifest.json", "manifest"),
    RunFile("responses.sqlite", "store"),
    RunFile("responses.sqlite-wal", "store"),
    RunFile("responses.sqlite-shm", "store"),
    RunFile("responses.sqlite-journal", "store"),
    RunFile("judge.sqlite", "store"),
    RunFile("judge.sqlite-wal", "store"),
    RunFile("judge.sqlite-shm", "store"),
    RunFile("judge.sqlite-journal", "store"),
    RunFile("scores.parquet", "table", "scores_digest"),
    RunFile("scores.probabilities.parquet", "table"),
    RunFile("estimates.csv", "table", "estimates_digest"),
    RunFile("phrasings.csv", "table"),
    RunFile("leaderboard.csv", "table"),
    RunFile("report.html", "page"),
    RunFile("report.md", "page"),
    *(RunFile(f"figures/{name}.{form}", "figure") for name in _FIGURES for form in _FORMS),
    RunFile("stall.txt", "log"),
)
"""Every file that evalkit writes into a run directory; what else lies there is the user's."""
