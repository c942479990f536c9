"""How many phrasings and instances show a gap of a given size, from a pilot run or from stated
variance components.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from evalkit.analysis.independent import independent_units
from evalkit.errors import UsageError
from evalkit.scoring import ScoreTable
from evalkit.scoring.table import read_table
from evalkit.stats import Components, Design, components, designs, phrasing_scores

__all__ = ["Pilot", "Sizing", "pilot_of", "size", "stated"]

INSTANCES = (50, 100, 200, 500, 1000, 2000, 5000)
"""Numbers of instances per task that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """What is known of one task."""

    task: str
    """Task id, or ``stated``."""
    components: Components
    """Variance components of its scores."""
    gap_variance: float
    """Variance over instances of the gap itself; 0 when it cannot be told."""
    a: Mapping[str, float] = field(default_factory=dict)
    """Phrasing id -> its score, where a run is the pilot."""
    seen: Mapping[str, str] = field(default_factory=dict)
    """Phrasing id -> its relation to the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizing:
    """Designs that show the gap for one scope."""

    scope: str
    """Task id, ``one task`` (average components), or the suite."""
    components: Components
    """Components it was computed from; those of a mean over tasks for the suite."""
    gap_variance: float
    """Variance over instances of the gap."""
    designs: tuple[Design, ...]
    """One per number of instances, as far as any number of phrasings is enough."""

    @property
    def cheapest(self) -> Design | None:
        """Return the design with the fewest cells; None when there is none."""
        return min(self.designs, key=lambda design: design.n_cells, default=None)


def stated(text: str) -> list[Pilot]:
    """Return the components that a user states as ``phrasing,instance,interaction``.

    Raises
    ------
    UsageError
        When these are not three numbers from 0.

    Examples
    --------
    >>> stated("0.0004,0.15,0.05")[0].components.instance
    0.15
    """
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(0.0 <= value <= 1.0 for value in values):
        raise UsageError(
            f"--components: {text!r} is not understood; three variances from 0 to 1 are accepted: "
            "PHRASING,INSTANCE,INTERACTION, such as 0.0004,0.15,0.05."
        )
    phrasing, instance, interaction = values
    return [
        Pilot(
            task="stated",
            components=Components(phrasing, instance, interaction, n_phrasings=0, n_instances=0),
            gap_variance=0.0,
        )
    ]


def pilot_of(run: Path) -> list[Pilot]:
    """Return what a finished run says of each of its tasks.

    Controls and perturbed copies are left out.

    Raises
    ------
    UsageError
        When no task has two phrasings and two instances.
    """
    return _pilots(read_table(run), run)


def _pilots(table: ScoreTable, run: Path) -> list[Pilot]:
    found = []
    plain = {"kind": "correct", "perturbation": ""}
    for model in table.models[:1]:
        for task in table.tasks(model):
            block = table.block(model, task, where=plain)
            units = independent_units(block, block.values)
            mine = _within_arms(units, block.seen)
            if not np.isnan(mine.phrasing):
                each = block.values.shape[1] / units.shape[1]  # instances of an independent unit
                gap_variance = each * _gap_variance(units, block.seen, mine)
                ids, a = block.phrasing_ids, phrasing_scores(block.values)
                found.append(
                    Pilot(
                        task=task,
                        components=_per_instance(mine, each),
                        gap_variance=gap_variance,
                        a={name: float(score) for name, score in zip(ids, a, strict=True)},
                        seen=dict(zip(ids, block.seen, strict=True)),
                    )
                )
    if not found:
        raise UsageError(
            f"--pilot: {run} has no task with two phrasings and two instances; "
            "a pilot needs both. Run it with more."
        )
    return found


def _per_instance(found: Components, each: float) -> Components:
    """Components of groups as those of instances that bring as much error:
    what groups of m vary, m times.

    The mean of N instances then has the error of N / m groups, so designs ask for instances in
    groups of the pilot's size.
    """
    return replace(found, instance=each * found.instance, interaction=each * found.interaction)


def _within_arms(values: np.ndarray, seen: Sequence[str]) -> Components:
    """Components within seen and within unseen phrasings, averaged by degrees of freedom.

    Of all phrasings where an arm has fewer than two.

    Taken over both arms together, the gap itself would count as variance of phrasings.
    """
    arms = [values[[relation == name for relation in seen]] for name in ("seen", "unseen")]
    if min(len(arm) for arm in arms) < 2:
        return components(values)
    both = [components(arm) for arm in arms]
    weights = np.array([len(arm) - 1 for arm in arms], dtype=np.float64)
    parts = np.array([[part.phrasing, part.instance, part.interaction] for part in both])
    phrasing, instance, interaction = (
        float(value) for value in np.average(parts, axis=0, weights=weights)
    )
    return Components(
        phrasing,
        instance,
        interaction,
        n_phrasings=len(values),
        n_instances=min(part.n_instances for part in both),
    )


def _gap_variance(values: np.ndarray, seen: Sequence[str], found: Components) -> float:
    """Variance over instances of mean seen score minus mean unseen score, less what the interaction
    alone explains, at least 0.

    E[var_i(d_i)] = vg + ve (1 / Ps + 1 / Pu) for d_i over Ps seen and Pu unseen phrasings.
    """
    arms = [values[[relation == name for relation in seen]] for name in ("seen", "unseen")]
    if min(len(arm) for arm in arms) < 1:
        return 0.0
    whole = ~np.isnan(values).any(axis=0)
    if whole.sum() < 2:
        return 0.0
    difference = arms[0][:, whole].mean(axis=0) - arms[1][:, whole].mean(axis=0)
    noise = found.clipped.interaction * sum(1 / len(arm) for arm in arms)
    return max(0.0, float(difference.var(ddof=1)) - noise)


def size(
    pilots: Sequence[Pilot],
    *,
    gap: float,
    power: float = 0.8,
    level: float = 0.95,
    instances: Sequence[int] = INSTANCES,
) -> list[Sizing]:
    """Return the designs that show a gap.

    For one task, and for the mean over all tasks when there are several.

    Parameters
    ----------
    pilots
        What is known per task.
    gap
        Gap that must not be missed, a fraction.
    power, level
        Chance of seeing it, and level of the interval that must exclude 0.
    instances
        Numbers of instances per task to look at.

    Notes
    -----
    *One task* has the mean components over tasks. The mean over T tasks with phrasings and
    instances of their own has components a T-th of that. Where tasks share their phrasings (57
    subjects, one set of instructions), only what a phrasing does in one task and not in the others
    is averaged out: with vc the variance that phrasings have in common over tasks, the component is
    vc + (vp - vc) / T.
    """
    if not gap > 0:
        raise UsageError(
            f"--difference: {gap * 100:g} points cannot be looked for; a number above 0 is "
            "accepted, such as 2."
        )
    return [
        Sizing(
            scope=scope.task,
            components=scope.components,
            gap_variance=scope.gap_variance,
            designs=tuple(
                designs(
                    gap,
                    scope.components,
                    n_instances=tuple(instances),
                    power=power,
                    var_gap_instance=scope.gap_variance,
                    level=level,
                )
            ),
        )
        for scope in _scopes(pilots)
    ]


def _scopes(pilots: Sequence[Pilot]) -> list[Pilot]:
    """Return what is known of one task and, where there are several, of the mean over them."""
    mean = _mean(pilots)
    gap_variance = float(np.mean([pilot.gap_variance for pilot in pilots]))
    one = Pilot(task="one task", components=mean, gap_variance=gap_variance)
    number = len(pilots)
    if number == 1:
        return [one]
    shared = Components(
        _in_common(pilots) + (mean.phrasing - _in_common(pilots)) / number,
        mean.instance / number,
        mean.interaction / number,
        n_phrasings=mean.n_phrasings,
        n_instances=mean.n_instances,
    )
    over = Pilot(
        task=f"mean of {number} tasks", components=shared, gap_variance=gap_variance / number
    )
    return [one, over]


def _in_common(pilots: Sequence[Pilot]) -> float:
    """Variance of phrasings over tasks.

    Phrasing component of the (phrasing, task) scores, within arms, between 0 and the mean over
    tasks.

    0 where fewer than half of the phrasings occur in two tasks: they are then phrasings of their
    own.
    """
    ids = sorted({name for pilot in pilots for name in pilot.a})
    layout = np.array([[pilot.a.get(name, np.nan) for pilot in pilots] for name in ids])
    if not ids or ((~np.isnan(layout)).sum(axis=1) > 1).mean() < 0.5:
        return 0.0
    seen = [next(pilot.seen[name] for pilot in pilots if name in pilot.seen) for name in ids]
    found = _within_arms(layout, seen).phrasing
    return 0.0 if np.isnan(found) else float(np.clip(found, 0.0, max(0.0, _mean(pilots).phrasing)))


def _mean(pilots: Sequence[Pilot]) -> Components:
    """Mean components over tasks; negative estimates enter as they are, so that they cancel."""
    parts = np.array(
        [
            [pilot.components.phrasing, pilot.components.instance, pilot.components.interaction]
            for pilot in pilots
        ]
    )
    phrasing, instance, interaction = (float(value) for value in parts.mean(axis=0))
    sizes = [
        min(getattr(pilot.components, name) for pilot in pilots)
        for name in ("n_phrasings", "n_instances")
    ]
    return Components(phrasing, instance, interaction, n_phrasings=sizes[0], n_instances=sizes[1])
