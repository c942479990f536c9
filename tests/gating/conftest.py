"""Run directories made by hand: three tasks, four phrasings each, whatever scores a test wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from manifests import made

from evalkit.records import Score, digest
from evalkit.scoring import ScoreTable
from evalkit.store.atomic import file_digest
from evalkit.store.directory import RunDir

SEEN = ("seen", "seen", "unseen", "unseen")
Scores = dict[str, np.ndarray]


def right(share: float, *, n: int = 200, n_phrasings: int = 4, seed: int = 0) -> np.ndarray:
    """Return 0/1 scores of a model that gets a share of the instances right, whatever the
    wording.
    """
    difficulty = np.random.default_rng(seed).permutation(n) / n
    return np.tile((difficulty < share).astype(float), (n_phrasings, 1))


def scores_of(share: float, *, n: int = 200, tasks: int = 3) -> Scores:
    """Return the scores of three tasks."""
    return {f"toy/t{number}": right(share, n=n, seed=number) for number in range(tasks)}


def rows(
    scores: Scores, *, model: str, instance: str = "i", target: str = "yes", wrong: str = "no"
) -> list[Score]:
    """Return the score records; NaN is missing, -1 unparsed."""
    found = []
    for task, matrix in scores.items():
        for p, line in enumerate(matrix):
            for number, value in enumerate(line):
                status = "missing" if np.isnan(value) else "unparsed" if value < 0 else "ok"
                found.append(
                    Score(
                        model=model,
                        benchmark=task.partition("/")[0],
                        task=task,
                        phrasing_id=f"p{p}",
                        phrasing_source="evalkit",
                        seen=SEEN[p % 4],  # type: ignore[arg-type]
                        layout="lettered",
                        label_space="letters",
                        perturbation="",
                        kind="correct",
                        instance_id=f"{instance}{number:04d}",
                        score=None if status == "missing" else max(0.0, float(value)),
                        status=status,  # type: ignore[arg-type]
                        prediction=None if status != "ok" else target if value >= 0.5 else wrong,
                        target=target,
                    )
                )
    return found


class Toy:
    """Makes run directories below a folder."""

    right = staticmethod(right)
    scores = staticmethod(scores_of)
    rows = staticmethod(rows)

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self,
        name: str,
        scores: Scores,
        *,
        model: str = "m",
        overrides: dict[str, Any] | None = None,
        **options: str,
    ) -> Path:
        """Write one run directory and return its path."""
        path = self.folder / name
        table = ScoreTable.from_scores(rows(scores, model=model, **options))
        table.write_parquet(path / "scores.parquet")
        missing = sum(int(np.isnan(matrix).sum()) for matrix in scores.values())
        tasks = {
            task: {
                "benchmark": task.partition("/")[0],
                "digest": digest([task, options.get("instance", "i")]),
                "instances_digest": table.block(model, task).instances_digest,
                "n_instances": matrix.shape[1],
                "phrasings": {f"p{p}": f"text{p}" for p in range(matrix.shape[0])},
            }
            for task, matrix in scores.items()
        }
        manifest = made(
            command=f"evalkit run --out {name}",
            suite={"digest": digest([1, tasks]), "tasks": tasks},
            model={"label": model, "fingerprint_digest": digest([name])},
            state="partial" if missing else "complete",
            counts={"cells": sum(matrix.size for matrix in scores.values()), "missing": missing},
            scores_digest=file_digest(path / "scores.parquet"),
            **(overrides or {}),
        )
        RunDir(path).write_manifest(manifest)
        return path


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    """Return a maker of run directories."""
    return Toy(tmp_path)
