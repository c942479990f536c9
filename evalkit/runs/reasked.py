"""Does a candidate no longer follow a wording, or no longer know the answer? What was lost is asked
again in other wordings.

The candidate is run once more on the same instances in wordings that neither run has asked, with
the settings of its own run, into a directory of its own.
Unit is the instance: *lost* is one of which some cell was right for the baseline and is wrong for
the candidate.
What is right in a new wording has not been forgotten; how often that happens by chance and by ease
is told by the instances that lost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from evalkit.errors import GateError
from evalkit.records import ModelSpec, Suite
from evalkit.records.reading import ShapeError, record_of

if TYPE_CHECKING:
    from evalkit.gating.measures import Pair
    from evalkit.runs.ask import Progress
    from evalkit.runs.settings import Settings
    from evalkit.scoring import ScoreTable

__all__ = ["Again", "again_line", "again_of", "ask_again", "settings_again"]

WORDINGS = 2
"""New wordings per task."""
RIGHT = 0.5
"""Score from which a cell counts as right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """What asking again found."""

    lost: int
    """Instances of which something was lost and that were asked again."""
    follows: float
    """Share of them right in every new wording: the old one is no longer followed;
    NaN without any.
    """
    some: float
    """Share right in some and not in all."""
    knows: float
    """Share right in none: the answer is no longer known."""
    kept: float
    """Of the instances that the baseline had right and that lost nothing, the share right in
    every new wording; NaN without any.
    """


def settings_again(candidate: Path, baseline: Path, out: Path) -> Settings:
    """Return the settings of the candidate's run with wordings that neither run asked.

    Raises
    ------
    GateError
        When its manifest does not say how it was asked, or its tasks were held in memory.
    """
    from evalkit.runs.read import finished, table_of
    from evalkit.runs.settings import Settings

    manifest = finished(candidate)
    told = dict(manifest.identity)
    if told.get("tasks") or told.get("phrasings"):
        raise GateError(
            f"{candidate}: was asked tasks or phrasings that were held in memory, which cannot be "
            "asked again from here. Leave --reask out."
        )
    try:
        model = record_of(ModelSpec, told["model"])
        suite = record_of(Suite, told["suite"])
    except (KeyError, ShapeError) as error:
        raise GateError(
            f"{candidate}: its manifest does not say how it was asked ({error}). Leave --reask out."
        ) from error
    asked = {
        name
        for path in (candidate, baseline)
        for name in table_of(path, None).frame["phrasing_id"].astype(str)
    }
    suite = replace(
        suite,
        name=f"{suite.name}, again",
        phrasings=WORDINGS,
        kinds=("correct",),
        perturbations=(),
        budget=None,
        without=tuple(sorted({*suite.without, *asked})),
    )
    return Settings(
        model=replace(model, label=manifest.model.label, tuned_on=manifest.model.tuned_on),
        suite=suite,
        mitigations=tuple(told.get("mitigations", ())),
        phrasing_files=tuple(Path(path) for path in told.get("phrasing_files", ())),
        out=out,
        report=False,
        resamples=100,
        available=True,
        seed=int(told.get("seed", 0)),
    )


def ask_again(candidate: Path, baseline: Path, out: Path, progress: Progress) -> ScoreTable:
    """Run the candidate in other wordings, or go on with that run, and return its scores."""
    from evalkit.runs.execute import run
    from evalkit.runs.read import table_of

    return table_of(run(settings_again(candidate, baseline, out), progress).path, None)


def again_of(pairs: Sequence[Pair], table: ScoreTable) -> Again:
    """Return what became of lost instances in new wordings.

    Parameters
    ----------
    pairs
        Baseline and candidate blocks of every task.
    table
        The candidate's scores in new wordings.
    """
    shares: dict[bool, list[float]] = {True: [], False: []}
    model = table.models[0]
    for old, new in pairs:
        if old.task not in table.tasks(model):
            continue
        block = table.block(model, old.task)
        there = ~(np.isnan(old.values) | np.isnan(new.values))
        right = (old.values >= RIGHT) & there
        gone = np.atleast_1d((right & (new.values < RIGHT)).any(axis=0))
        columns = {name: place for place, name in enumerate(block.instance_ids)}
        for place, name in enumerate(old.instance_ids):
            if name not in columns or not right[:, place].any():
                continue
            again = block.values[:, columns[name]]
            again = again[~np.isnan(again)]
            if again.size == WORDINGS:
                shares[bool(gone[place])].append(float((again >= RIGHT).mean()))
    lost, kept = np.array(shares[True]), np.array(shares[False])
    nan = float("nan")
    return Again(
        lost=len(lost),
        follows=float((lost == 1).mean()) if lost.size else nan,
        some=float(((lost > 0) & (lost < 1)).mean()) if lost.size else nan,
        knows=float((lost == 0).mean()) if lost.size else nan,
        kept=float((kept == 1).mean()) if kept.size else nan,
    )


def again_line(found: Again) -> str:
    """Return what asking lost instances again in two other wordings tells."""
    if not found.lost:
        return "Asked again in two other wordings: no instance was lost that could be asked."
    kept = "" if found.kept != found.kept else f"; of those that lost nothing {found.kept:.0%} are"
    return (
        f"Asked again in two other wordings: of {found.lost:,} instances that lost something "
        f"{found.follows:.0%} are right in both (the wording is no longer followed){kept}; "
        f"{found.some:.0%} in one, {found.knows:.0%} in none (the answer is no longer known)."
    )
