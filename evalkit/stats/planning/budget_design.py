"""Which cells to score when not all can be: balanced sparse designs."""

import numpy as np
from jaxtyping import Bool, Int

__all__ = ["balanced_design"]

Design = Bool[np.ndarray, "phrasing instance"]


def balanced_design(
    n_phrasings: int,
    n_instances: int,
    *,
    budget: int,
    rng: np.random.Generator,
    scored: Design | None = None,
    groups: Int[np.ndarray, " instance"] | None = None,
) -> Design:
    """Return a sparse design in which phrasings, and instances, are scored equally often.

    Parameters
    ----------
    n_phrasings, n_instances
        Size of the whole matrix.
    budget
        Most cells, those already scored included.
    scored
        Cells that are scored already and stay in the design.
    groups
        Code of each instance's group, from 0 on; None when each is its own.

    Notes
    -----
    Each phrasing in turn, in random order, takes the instances scored least so far (ties at
    random). Counts per phrasing differ by at most one, per instance hardly more. Spreading the
    cells over all instances takes the difficulty of the instances out of the mean, which few shared
    instances cannot. Instances of one group are alike, so among those scored least the ones
    are taken whose group is scored least for its size.

    Examples
    --------
    >>> design = balanced_design(4, 6, budget=12, rng=np.random.default_rng(0))
    >>> design.sum(axis=1).tolist(), design.sum(axis=0).tolist()
    ([3, 3, 3, 3], [2, 2, 2, 2, 2, 2])
    """
    design = np.zeros((n_phrasings, n_instances), dtype=bool) if scored is None else scored.copy()
    budget = min(budget, design.size)
    codes = np.arange(n_instances) if groups is None else groups
    sizes = np.bincount(codes)
    while design.sum() < budget:
        by_phrasing = design.sum(axis=1)
        lowest = np.flatnonzero(by_phrasing == by_phrasing.min())
        for row in rng.permutation(lowest)[: budget - int(design.sum())]:
            count = np.where(design[row], np.inf, design.sum(axis=0))
            least = np.flatnonzero(count == count.min())
            if groups is not None:
                share = np.bincount(codes, weights=design.sum(axis=0)) / np.maximum(sizes, 1)
                least = least[share[codes[least]] == share[codes[least]].min()]
            design[row, rng.choice(least)] = True
    return design
