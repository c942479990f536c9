"""The best or the worst phrasing under a budget.

Rejects in rounds, all survivors on the same new instances.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from evalkit.stats.point.location import phrasing_scores

__all__ = ["Search", "find_phrasing"]

Ask = Callable[[Int[np.ndarray, "cell 2"]], Float[np.ndarray, " cell"]]


@dataclass(frozen=True, slots=True)
class Search:
    """Result of a search."""

    phrasing: int
    """Index of the phrasing found."""
    score: float
    """Its mean over the instances it was scored on; biased in the direction of the search."""
    n_cells: int
    """Cells scored."""
    order: tuple[int, ...]
    """All phrasings, the one found first, then those rejected, last rejected first."""
    scores: Float[np.ndarray, "phrasing instance"]
    """Everything scored, NaN elsewhere."""


def find_phrasing(
    ask: Ask,
    shape: tuple[int, int],
    *,
    budget: int,
    rng: np.random.Generator,
    want: Literal["best", "worst"] = "best",
) -> Search:
    """Return the phrasing with the highest (or lowest) score, found within a budget.

    Parameters
    ----------
    ask
        Scores cells given as (phrasing, instance) indices; NaN for a failed one.
    shape
        (phrasings, instances).
    budget
        Most cells; at least one per phrasing.
    rng
        Order of the instances.
    want
        ``best`` or ``worst``.

    Notes
    -----
    Log2 P rounds of equal cost; the worse half goes in each. In every round all survivors answer
    the same new instances, so they are compared on exactly the same cells throughout: what
    instances differ in cancels. Survivors that have answered every instance are known exactly and
    cost nothing more.

    References
    ----------
    Karnin, Koren and Somekh 2013, "Almost Optimal Exploration in Multi-Armed Bandits" (sequential
    halving). Shi et al. 2024, "Efficient Prompt Optimization Through the Lens of Best
    Arm Identification" (arXiv 2402.09723), for the use on prompts.

    Raises
    ------
    ValueError
        When the budget is below one cell per phrasing.
    """
    n_phrasings, n_instances = shape
    if budget < n_phrasings:
        raise ValueError(
            f"find_phrasing: budget is {budget} cells; at least one per phrasing, {n_phrasings}, "
            "is accepted."
        )
    sign = 1.0 if want == "best" else -1.0
    scores = np.full(shape, np.nan)
    instances = rng.permutation(n_instances)
    alive, rejected, used, spent = np.arange(n_phrasings), [], 0, 0
    plan = _halving(n_phrasings)
    for round_number, survivors in enumerate(plan):
        share = (budget - spent) // (alive.size * (len(plan) - round_number))
        until = min(n_instances, max(used + share, 1 if used == 0 else used))
        until = min(until, used + (budget - spent) // alive.size)
        if until > used:
            cells = np.array([(p, i) for p in alive for i in instances[used:until]], dtype=np.int64)
            scores[cells[:, 0], cells[:, 1]] = ask(cells)
            spent, used = spent + len(cells), until
        value = sign * phrasing_scores(scores[alive])
        order = np.lexsort((rng.random(alive.size), -np.nan_to_num(value, nan=-np.inf)))
        rejected += alive[order[survivors:]][::-1].tolist()
        alive = alive[order[:survivors]]
    winner = int(alive[0])
    return Search(
        winner,
        float(phrasing_scores(scores[[winner]])[0]),
        spent,
        (winner, *map(int, rejected[::-1])),
        scores,
    )


def _halving(n: int) -> list[int]:
    """Survivors after each round."""
    sizes = []
    while n > 1:
        n = (n + 1) // 2
        sizes.append(n)
    return sizes or [1]
