"""May these two runs be compared at all? Whatever is doubtful is refused with its reason.

A gate never passes by accident.
"""

from __future__ import annotations

import numpy as np

from evalkit.analysis.compare import compare_suites
from evalkit.analysis.ways import compare_ways
from evalkit.errors import ComparisonError, GateError, IncompleteError
from evalkit.records.manifest import Manifest
from evalkit.records.policy import Policy
from evalkit.scoring import ScoreTable

__all__ = ["admit", "verify"]


def admit(candidate: Manifest, baseline: Manifest, *, policy: Policy) -> list[str]:
    """Return what a reader must know of the two runs; raise when they must not be compared.

    Parameters
    ----------
    candidate, baseline
        Manifests.
    policy
        Says what is tolerated.

    Raises
    ------
    GateError
        When suites, phrasings, instances or settings differ, or a run was limited and the policy
        does not allow it.
    IncompleteError
        When a run was not finished.
    """
    for side, manifest in (("candidate", candidate), ("baseline", baseline)):
        _finished(side, manifest)
    try:
        compare_suites(baseline.suite, candidate.suite)
        scoring = compare_ways(baseline, candidate)
    except ComparisonError as error:
        raise GateError(
            f"gate: baseline (old) and candidate (new) cannot be compared. {error}"
        ) from error
    for side, manifest in (("candidate", candidate), ("baseline", baseline)):
        _unlimited(side, manifest, policy)
    return [*_notes(candidate, baseline), *scoring]


def verify(table: ScoreTable, manifest: Manifest, *, side: str, policy: Policy) -> None:
    """Refuse cells that are not those of their manifest; everything is counted from the rows.

    Parameters
    ----------
    table
        Cells of the run.
    manifest
        Its manifest.
    side
        ``candidate`` or ``baseline``, for messages.
    policy
        Says how many cells may be missing.

    Raises
    ------
    GateError
        When model, tasks, phrasings or number of instances are others than the manifest's.
    IncompleteError
        When more cells are missing than the policy tolerates.
    """
    label = manifest.model.label
    if table.models != [label]:
        raise GateError(
            f"{side}: scores.parquet holds model {', '.join(table.models)}, "
            f"the manifest {label!r}. Type: evalkit score RUN"
        )
    tasks = manifest.suite.tasks
    if set(table.tasks(label)) != set(tasks):
        odd = sorted(set(table.tasks(label)) ^ set(tasks))
        raise GateError(
            f"{side}: scores.parquet and manifest differ in {len(odd)} tasks, first {odd[0]!r}. "
            "Type: evalkit score RUN"
        )
    cells = there = 0
    for task, told in tasks.items():
        block = table.block(label, task)
        if (
            set(block.phrasing_ids) != set(told.phrasings)
            or len(block.instance_ids) != told.n_instances
        ):
            raise GateError(
                f"{side}: {task} has {len(block.phrasing_ids)} phrasings and "
                f"{len(block.instance_ids)} instances in scores.parquet, {len(told.phrasings)} "
                f"and {told.n_instances} in the manifest, or others. Type: evalkit score RUN"
            )
        cells += block.values.size
        there += int((~np.isnan(block.values)).sum())
    share = 1 - there / cells
    if share > policy.missing:
        raise IncompleteError(
            f"{side}: {cells - there} of {cells} cells ({share:.2%}) are missing; "
            f"policy {policy.name!r} tolerates {policy.missing:.2%}. "
            f"Fill them: {manifest.to_go_on()}"
        )


def _finished(side: str, manifest: Manifest) -> None:
    torn = manifest.suite.sparse or manifest.model.backend == "imported"
    if manifest.counts is None or (torn and manifest.state != "complete"):
        raise IncompleteError(
            f"{side}: the run was not finished (state {manifest.state!r}). "
            f"Finish it: {manifest.to_go_on()}"
        )
    if manifest.counts.cells < 1:
        raise GateError(
            f"{side}: the run has no cells; there is nothing to decide on. Run the suite."
        )


def _unlimited(side: str, manifest: Manifest, policy: Policy) -> None:
    left_out = manifest.left_out
    if manifest.limited and not policy.allow_limited:
        what = (
            f"{len(left_out)} tasks were left out"
            if left_out
            else f"limit {manifest.suite.limit} or a budget"
        )
        raise GateError(
            f"{side}: the run was limited ({what}), so it does not stand for its suite. "
            "Run the whole suite, or set 'allow_limited: true' in the policy when the baseline "
            "has the same limit."
        )


def _notes(candidate: Manifest, baseline: Manifest) -> list[str]:
    notes = []
    if candidate.limited:
        notes.append(
            "Both runs were limited to the same part of their suite, which the policy allows."
        )
    if candidate.model.fingerprint_digest == baseline.model.fingerprint_digest:
        notes.append("Candidate and baseline have the same model fingerprint.")
    if candidate.evalkit != baseline.evalkit:
        notes.append(
            f"Made by different versions of evalkit: candidate {candidate.evalkit}, "
            f"baseline {baseline.evalkit}."
        )
    if candidate.mitigations != baseline.mitigations:
        names = [list(manifest.mitigations) for manifest in (candidate, baseline)]
        notes.append(f"Different mitigations: candidate {names[0]}, baseline {names[1]}.")
    if candidate.model.tuned_on != baseline.model.tuned_on:
        tuned = [
            None if manifest.model.tuned_on is None else list(manifest.model.tuned_on)
            for manifest in (candidate, baseline)
        ]
        notes.append(f"Different tuning collections: candidate {tuned[0]}, baseline {tuned[1]}.")
    return notes
