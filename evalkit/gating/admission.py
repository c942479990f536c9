"""May these two runs be compared at all? Whatever is doubtful is refused with its reason.

A gate never passes by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from evalkit.analysis.compare import compare_suites
from evalkit.errors import ComparisonError, GateError, IncompleteError
from evalkit.records.policy import Policy
from evalkit.scoring import ScoreTable

__all__ = ["admit", "verify"]

Manifest = Mapping[str, Any]


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
        compare_suites(baseline["suite"], candidate["suite"])
    except ComparisonError as error:
        raise GateError(
            f"gate: baseline (old) and candidate (new) cannot be compared. {error}"
        ) from error
    for side, manifest in (("candidate", candidate), ("baseline", baseline)):
        _unlimited(side, manifest, policy)
    return _notes(candidate, baseline)


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
    label = str(manifest["model"]["label"])
    if table.models != [label]:
        raise GateError(
            f"{side}: scores.parquet holds model {', '.join(table.models)}, the manifest {label!r}. Type: evalkit score RUN"
        )
    tasks = dict(manifest["suite"]["tasks"])
    if set(table.tasks(label)) != set(tasks):
        odd = sorted(set(table.tasks(label)) ^ set(tasks))
        raise GateError(
            f"{side}: scores.parquet and manifest differ in {len(odd)} tasks, first {odd[0]!r}. Type: evalkit score RUN"
        )
    cells = there = 0
    for task, told in tasks.items():
        block = table.block(label, task)
        if (
            set(block.phrasing_ids) != set(told["phrasings"])
            or len(block.instance_ids) != told["n_instances"]
        ):
            raise GateError(
                f"{side}: {task} has {len(block.phrasing_ids)} phrasings and {len(block.instance_ids)} instances in scores.parquet, "
                f"{len(told['phrasings'])} and {told['n_instances']} in the manifest, or others. Type: evalkit score RUN"
            )
        cells += block.values.size
        there += int((~np.isnan(block.values)).sum())
    share = 1 - there / cells
    if share > policy.missing:
        raise IncompleteError(
            f"{side}: {cells - there} of {cells} cells ({share:.2%}) are missing; policy {policy.name!r} tolerates {policy.missing:.2%}. "
            f"Fill them: {manifest.get('command') or 'run it again'}"
        )


def _finished(side: str, manifest: Manifest) -> None:
    counts = manifest.get("counts") or {}
    if "cells" not in counts:
        raise IncompleteError(
            f"{side}: the run was not finished (state {manifest.get('state')!r}). Finish it: {manifest.get('command') or 'run it again'}"
        )
    if int(counts["cells"]) < 1:
        raise GateError(
            f"{side}: the run has no cells; there is nothing to decide on. Run the suite."
        )


def _unlimited(side: str, manifest: Manifest, policy: Policy) -> None:
    left_out = manifest.get("left_out") or {}
    if manifest.get("limited") and not policy.allow_limited:
        what = (
            f"{len(left_out)} tasks were left out"
            if left_out
            else f"limit {manifest['suite'].get('limit')} or a budget"
        )
        raise GateError(
            f"{side}: the run was limited ({what}), so it does not stand for its suite. Run the whole suite, or set 'allow_limited: true' in "
            "the policy when the baseline has the same limit."
        )


def _notes(candidate: Manifest, baseline: Manifest) -> list[str]:
    notes = []
    if candidate.get("limited"):
        notes.append(
            "Both runs were limited to the same part of their suite, which the policy allows."
        )
    same = candidate["model"].get("fingerprint_digest") == baseline["model"].get(
        "fingerprint_digest"
    )
    if same:
        notes.append("Candidate and baseline have the same model fingerprint.")
    if candidate.get("evalkit") != baseline.get("evalkit"):
        notes.append(
            f"Made by different versions of evalkit: candidate {candidate.get('evalkit')}, baseline {baseline.get('evalkit')}."
        )
    if candidate.get("mitigations") != baseline.get("mitigations"):
        notes.append(
            f"Different mitigations: candidate {candidate.get('mitigations')}, baseline {baseline.get('mitigations')}."
        )
    names = [manifest["model"].get("tuned_on") for manifest in (candidate, baseline)]
    if names[0] != names[1]:
        notes.append(f"Different tuning collections: candidate {names[0]}, baseline {names[1]}.")
    return notes
