"""Two run directories and a policy -> a decision; reads, verifies and hands to `evalkit.gating`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import EvalkitError, GateError
from evalkit.records.manifest import Manifest
from evalkit.records.policy import Policy

if TYPE_CHECKING:
    from evalkit.gating import Decision, Explanation
    from evalkit.scoring import AnswerBlock, Block, ScoreTable

__all__ = ["gate_runs"]

MOST_CELLS = 200_000
"""Cells of a run up to which stored answers are looked at."""
LOOK = (
    "Look {look} at this candidate: judged at {own}, so that all looks together keep {level}; "
    "a pass or a regression at any of them ends them"
)


def gate_runs(
    candidate: Path,
    baseline: Path,
    *,
    policy: Policy,
    today: date,
    explained: int = 0,
    look: int = 0,
    answers: Callable[[Path], Iterable[Mapping[str, Any]]] | None = None,
    blocks: Callable[[Path], Mapping[str, AnswerBlock]] | None = None,
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
    look
        Which look at this candidate it is, from 1 on; 0: the only one. See
        `evalkit.gating.series.spending`.
    answers
        Gives the rows of a run's stored answers, from which refusals, positions and phrases are
        told; None: only scores are looked at.
    blocks
        Gives a run's answers by task, for rules on what a suite measures or varies; read only where
        the policy has such a rule.

    Raises
    ------
    GateError
        When a run cannot be read or trusted, or the two must not be compared. Never a pass then.
    IncompleteError
        When a run was not finished or misses cells.
    """
    from evalkit.analysis.compare import control_pairs, paired_blocks, whole_blocks
    from evalkit.gating import admit, decide, explain, measure
    from evalkit.gating.cause import DEAF, causes
    from evalkit.gating.varied import Sides
    from evalkit.scoring import FIRST_OF_REPEATS

    if candidate.resolve() == baseline.resolve():
        raise GateError(
            f"{candidate}: is candidate and baseline at once, which would pass anything. "
            "Name the run of the earlier release."
        )
    paths = {"candidate": candidate, "baseline": baseline}
    manifests = {side: _manifest(path, side) for side, path in paths.items()}
    notes = admit(manifests["candidate"], manifests["baseline"], policy=policy)
    policy, said = _at_look(policy, look)
    notes += [*said, *_same_judge(baseline, candidate, policy)]
    new, old = (_table(paths[side], manifests[side], side, policy) for side in paths)
    pairs = _told(paired_blocks(old, new), baseline, policy)
    notes += _few_groups(pairs)
    if old.repeated or new.repeated:
        notes.append(FIRST_OF_REPEATS)
    decision = decide(
        measure(
            pairs,
            policy,
            whole=whole_blocks(old, new),
            sides=Sides(cache(partial(_blocks, baseline, candidate, blocks))),
        ),
        policy,
        today=today,
        candidate=_shown(candidate, manifests["candidate"]),
        baseline=_shown(baseline, manifests["baseline"]),
        suite=_suite(manifests["candidate"]),
        notes=notes,
    )
    rows = _answers([baseline, candidate], manifests, answers)
    found = causes(pairs, control_pairs(old, new, DEAF), rows, level=policy.level)
    return replace(decision, causes=found), explain(pairs, limit=explained) if explained else None


def _at_look(policy: Policy, look: int) -> tuple[Policy, list[str]]:
    """Return the policy at the level of one look among several, and what is to be said of it;
    unchanged where it is the only one.
    """
    from evalkit.gating.series import spending

    if not look:
        return policy, []
    own = 1 - spending(look, policy.level)
    said = LOOK.format(look=look, own=f"{own:.2%}", level=f"{policy.level:.0%}")
    return replace(policy, level=own), [said]


def _told(
    pairs: Sequence[tuple[Block, Block]], baseline: Path, policy: Policy
) -> list[tuple[Block, Block]]:
    """Blocks with what the estimates of the baseline say of their tasks, where a rule needs it:
    chance, labels.
    """
    from evalkit.analysis import read_estimates
    from evalkit.store.directory import sealed_file

    asked = {"accuracy_norm", "label_adherence"} & {rule.metric for rule in policy.rules}
    if not asked or not (baseline / "estimates.csv").exists():
        return list(pairs)
    found = {
        (row.task, row.metric): row
        for row in read_estimates(sealed_file(baseline, "estimates.csv"))
        if row.task != "all" and not row.group
    }
    told = []
    for old, new in pairs:
        rows = [found.get((old.task, name)) for name in ("mean", "accuracy_norm")]
        chance = math.nan if None in rows else _chance(*rows)
        row = found.get((old.task, "label_adherence"))
        labelled = row is not None and not math.isnan(row.value)
        told.append(
            (
                replace(old, chance=chance, labelled=labelled),
                replace(new, chance=chance, labelled=labelled),
            )
        )
    return told


def _chance(mean: Any, norm: Any) -> float:
    """Score of guessing from a mean m and (m - chance) / (1 - chance),
    or their ends where the mean is 1.
    """
    for name in ("value", "low", "high"):
        one, other = getattr(mean, name), getattr(norm, name)
        if other < 1:
            return float((one - other) / (1 - other))
    return math.nan


def _same_judge(baseline: Path, candidate: Path, policy: Policy) -> list[str]:
    """Say which judge decides; refuse verdicts of two judges,
    or of one that was asked otherwise.
    """
    from evalkit.store.judgements import ALONE, get_passes, judge_path
    from evalkit.store.responses import Store

    if all(rule.metric != "judged_mean" for rule in policy.rules):
        return []
    found = []
    for path in (baseline, candidate):
        if judge_path(path).is_file():
            with Store(judge_path(path), read_only=True) as store:
                found += [one for one in get_passes(store) if one.name == ALONE]
    if len({one.digest for one in found}) > 1:
        raise GateError(
            f"gate: {found[0].judge} judged the baseline and {found[-1].judge} the candidate, or "
            "one of them in other wordings or with other limits, so their verdicts cannot be "
            "compared. Type 'evalkit judge' for both runs with the same judge and options."
        )
    return [f"The policy lets a judge decide too: {one.judge}" for one in found[:1]]


def _blocks(
    baseline: Path, candidate: Path, blocks: Callable[[Path], Mapping[str, AnswerBlock]] | None
) -> tuple[Mapping[str, AnswerBlock], Mapping[str, AnswerBlock]] | None:
    """Return the answers of both runs by task; None where one keeps none."""
    kept = all((path / "responses.sqlite").is_file() for path in (baseline, candidate))
    return (blocks(baseline), blocks(candidate)) if blocks is not None and kept else None


def _few_groups(pairs: Sequence[tuple[Block, Block]]) -> list[str]:
    """Which tasks have instances in too few groups for their bounds."""
    from evalkit.stats import FEW_GROUPS, group_codes

    counts = {
        old.task: len(set(old.groups))
        for old, _ in pairs
        if old.groups and group_codes(old.groups) is not None
    }
    few = [f"{task} ({n})" for task, n in counts.items() if n < FEW_GROUPS]
    if not few:
        return []
    return [f"Fewer than {FEW_GROUPS} groups of instances, bounds are too sure: {', '.join(few)}"]


def _answers(
    paths: Sequence[Path],
    manifests: Mapping[str, Manifest],
    answers: Callable[[Path], Iterable[Mapping[str, Any]]] | None,
) -> Any:
    """Return the stored answers of both runs by task; None where one keeps none,
    or they are too many to look at.
    """
    from evalkit.gating.answered import by_task

    cells = max(manifest.totals.cells for manifest in manifests.values())
    kept = all((path / "responses.sqlite").is_file() for path in paths)
    if answers is None or not kept or cells > MOST_CELLS:
        return None
    try:
        old, new = (by_task(answers(path)) for path in paths)
    except (EvalkitError, OSError):  # scores decide; answers only tell more
        return None
    return old, new


def _manifest(path: Path, side: str) -> Manifest:
    from evalkit.store.directory import read_manifest

    try:
        return read_manifest(path)
    except EvalkitError as error:
        raise GateError(f"{side} cannot be read, so there is no decision. {error}") from error


def _table(path: Path, manifest: Manifest, side: str, policy: Policy) -> ScoreTable:
    """Return the scores of a run, verified against its manifest and what the policy asks of
    them.
    """
    from evalkit.gating import verify
    from evalkit.scoring.table import read_table

    try:
        if manifest.scores_digest is None:
            raise GateError(
                f"{path}: the manifest does not seal scores.parquet; an earlier version wrote it. "
                f"Type: evalkit score {path}"
            )
        table = read_table(path, manifest)
    except (EvalkitError, OSError) as error:
        raise GateError(f"{side} cannot be read, so there is no decision. {error}") from error
    verify(table, manifest, side=side, policy=policy)
    return table


def _suite(manifest: Manifest) -> dict[str, Any]:
    return {name: getattr(manifest.suite, name) for name in ("name", "version", "digest")}


def _shown(path: Path, manifest: Manifest) -> dict[str, Any]:
    model = manifest.model
    return {
        "run": str(path),
        "model": model.label,
        "started": manifest.attempts[0].started if manifest.attempts else "",
        "fingerprint": model.fingerprint_digest,
        "tuned_on": None if model.tuned_on is None else list(model.tuned_on),
        "evalkit": manifest.evalkit,
        "counts": asdict(manifest.totals),
    }
