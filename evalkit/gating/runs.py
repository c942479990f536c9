"""Two run directories and a policy -> a decision; reads, verifies and hands to `evalkit.gating`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, GateError
from evalkit.records.manifest import Manifest
from evalkit.records.policy import Policy

if TYPE_CHECKING:
    from evalkit.gating import Decision, Explanation
    from evalkit.scoring import ScoreTable

__all__ = ["gate_runs"]


def gate_runs(
    candidate: Path, baseline: Path, *, policy: Policy, today: date, explained: int = 0
) -> tuple[Decision, Explanation | None]:
    """Return the decision on two run directories, and what is behind it.

    Parameters
    ----------
    candidate, baseline
        Run directories; a directory with ``manifest.json`` and ``scores.parquet`` is enough.
    policy
        The policy.
    today
        Day that waivers are held against.
    explained
        Phrasings and instances named in the explanation; 0 for none.

    Raises
    ------
    GateError
        When a run cannot be read or trusted, or the two must not be compared. Never a pass then.
    IncompleteError
        When a run was not finished or misses cells.
    """
    from evalkit.analysis.compare import paired_blocks, whole_blocks
    from evalkit.gating import admit, decide, explain, measure, verify

    if candidate.resolve() == baseline.resolve():
        raise GateError(
            f"{candidate}: is candidate and baseline at once, which would pass anything. Name the run of the earlier release."
        )
    paths = {"candidate": candidate, "baseline": baseline}
    manifests = {side: _manifest(path, side) for side, path in paths.items()}
    notes = admit(manifests["candidate"], manifests["baseline"], policy=policy)
    tables = {}
    for side, path in paths.items():
        tables[side] = _table(path, manifests[side], side)
        verify(tables[side], manifests[side], side=side, policy=policy)
    pairs = paired_blocks(tables["baseline"], tables["candidate"])
    decision = decide(
        measure(pairs, policy, whole=whole_blocks(tables["baseline"], tables["candidate"])),
        policy,
        today=today,
        candidate=_shown(candidate, manifests["candidate"]),
        baseline=_shown(baseline, manifests["baseline"]),
        suite={
            name: getattr(manifests["candidate"].suite, name)
            for name in ("name", "version", "digest")
        },
        notes=notes,
    )
    return decision, explain(pairs, limit=explained) if explained else None


def _manifest(path: Path, side: str) -> Manifest:
    from evalkit.store.directory import read_manifest

    try:
        return read_manifest(path)
    except EvalkitError as error:
        raise GateError(f"{side} cannot be read, so there is no decision. {error}") from error


def _table(path: Path, manifest: Manifest, side: str) -> ScoreTable:
    from evalkit.scoring.table import read_table

    try:
        if manifest.scores_digest is None:
            raise GateError(
                f"{path}: the manifest does not seal scores.parquet; an earlier version wrote it. Type: evalkit score {path}"
            )
        return read_table(path, manifest)
    except (EvalkitError, OSError) as error:
        raise GateError(f"{side} cannot be read, so there is no decision. {error}") from error


def _shown(path: Path, manifest: Manifest) -> dict[str, Any]:
    model = manifest.model
    return {
        "run": str(path),
        "model": model.label,
        "fingerprint": model.fingerprint_digest,
        "tuned_on": None if model.tuned_on is None else list(model.tuned_on),
        "evalkit": manifest.evalkit,
        "counts": asdict(manifest.totals),
    }
