"""Score tables of matrices, shared by tests of the analysis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.scoring import ScoreTable

__all__ = ["table_of"]


def table_of(scores: Any, *, model: str = "m", task: str = "b/t", **by_phrasing: Any) -> ScoreTable:
    """Return the table of a matrix (phrasing, instance);
    keyword columns have one value per phrasing.
    """
    scores = np.asarray(scores, dtype=float)
    p, n = scores.shape
    columns = {
        name: np.repeat(np.asarray(values, dtype=object), n) for name, values in by_phrasing.items()
    }
    base = {
        "model": model,
        "task": task,
        "phrasing_id": np.repeat([f"p{k}" for k in range(p)], n),
        "instance_id": np.tile([f"i{k:04d}" for k in range(n)], p),
        "score": scores.ravel(),
    }
    return ScoreTable.from_frame(pd.DataFrame({**base, **columns}))
