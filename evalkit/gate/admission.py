"""May these two runs be compared at all? Whatever is doubtful is refused with its reason: a gate never passes by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.compare import compare_suites
from evalkit.errors import ComparisonError, GateError, IncompleteError
from evalkit.policy import Policy

__all__ = ["admit"]

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
        When suites, phrasings, instances or settings differ, or a run was limited and the policy does not allow it.
    IncompleteError
        When a run was not finished or misses more cells than the policy tolerates.
    """
    for side, manifest in (("candidate", candidate), ("baseline", baseline)):
        _whole(side, manifest, policy)
    try:
        compare_suites(baseline["suite"], candidate["suite"])
    except ComparisonError as error:
        raise GateError(f"gate: baseline (old) and candidate (new) cannot be compared. {error}") from error
    for side, manifest in (("candidate", candidate), ("baseline", baseline)):
        _unlimited(side, manifest, policy)
    return _notes(candidate, baseline)


def _whole(side: str, manifest: Manifest, policy: Policy) -> None:
    counts = manifest.get("counts") or {}
    if "cells" not in counts:
        raise IncompleteError(
            f"{side}: the run was not finished (state {manifest.get('state')!r}). Finish it: {manifest.get('command') or 'run it again'}"
        )
    cells, missing = int(counts["cells"]), int(counts["missing"])
    if cells < 1:
        raise GateError(f"{side}: the run has no cells; there is nothing to decide on. Run the suite.")
    share = missing / cells
    if share > policy.missing:
        raise IncompleteError(
            f"{side}: {missing} of {cells} cells ({share:.2%}) are missing; policy {policy.name!r} tolerates {policy.missing:.2%}. "
            f"Run it again to fill them: {manifest.get('command') or 'evalkit run'}"
        )


def _unlimited(side: str, manifest: Manifest, policy: Policy) -> None:
    left_out = manifest.get("left_out") or {}
    if manifest.get("limited") and not policy.allow_limited:
        what = f"{len(left_out)} tasks were left out" if left_out else f"limit {manifest['suite'].get('limit')} or a budget"
        raise GateError(
            f"{side}: the run was limited ({what}), so it does not stand for its suite. Run the whole suite, or set 'allow_limited: true' in "
            "the policy when the baseline has the same limit."
        )


def _notes(candidate: Manifest, baseline: Manifest) -> list[str]:
    notes = []
    if candidate.get("limited"):
        notes.append("Both runs were limited to the same part of their suite, which the policy allows.")
    same = candidate["model"].get("fingerprint_digest") == baseline["model"].get("fingerprint_digest")
    if same:
        notes.append("Candidate and baseline have the same model fingerprint.")
    if candidate.get("evalkit") != baseline.get("evalkit"):
        notes.append(f"Made by different versions of evalkit: candidate {candidate.get('evalkit')}, baseline {baseline.get('evalkit')}.")
    if candidate.get("mitigations") != baseline.get("mitigations"):
        notes.append(f"Different mitigations: candidate {candidate.get('mitigations')}, baseline {baseline.get('mitigations')}.")
    names = [manifest["model"].get("tuned_on") for manifest in (candidate, baseline)]
    if names[0] != names[1]:
        notes.append(f"Different tuning collections: candidate {names[0]}, baseline {names[1]}.")
    return notes
