"""Two runs whose choices were scored in two ways are not compared: by log-probabilities,
or by the text of the answer.
"""

from __future__ import annotations

from evalkit.errors import ComparisonError
from evalkit.records.manifest import Manifest

__all__ = ["compare_ways", "share_by_text"]

TEXT = "text of choices"
"""What the parser's version is kept under."""
_OTHER_WAY = 0.5
"""Difference of shares from which on two runs were scored in two ways."""


def share_by_text(manifest: Manifest) -> float | None:
    """Return the share of the answered choices of a run that were scored by text.

    None where it has no choices or does not say.
    """
    if manifest.totals.choices:
        return (manifest.totals.by_text or 0) / manifest.totals.choices
    ways = [
        attempt.engine["scoring"] for attempt in manifest.attempts if "scoring" in attempt.engine
    ]
    return float(ways[-1] == "text") if ways else None


def _refuse_versions(old: Manifest, new: Manifest) -> None:
    """Refuse runs scored with other versions of a metric;
    runs of version 0.1.0 name none and have 1.
    """
    told = [manifest.totals.metrics or {} for manifest in (old, new)]
    for name in sorted({*told[0], *told[1]} - {TEXT}):
        first, second = (versions.get(name, 1) for versions in told)
        _refuse_version(name, first, second)
    if told[0].get(TEXT) and told[1].get(TEXT):
        _refuse_version(TEXT, told[0][TEXT], told[1][TEXT])


def _refuse_version(name: str, first: int, second: int) -> None:
    if first != second:
        raise ComparisonError(
            f"compare: {name} is at version {first} in old and {second} in new, "
            "so a difference could be one of scoring. "
            "Score the one with the lower version again: evalkit score RUN"
        )


def compare_ways(old: Manifest | None, new: Manifest | None) -> list[str]:
    """Return what must be said of how choices were scored in two runs; nothing when alike.

    Parameters
    ----------
    old, new
        Manifests; None for a plain table, and then nothing is checked.

    Raises
    ------
    ComparisonError
        When one was scored by log-probabilities and the other by text.
    """
    if old is None or new is None:
        return []
    _refuse_versions(old, new)
    shares = share_by_text(old), share_by_text(new)
    if shares[0] is None or shares[1] is None or shares[0] == shares[1]:
        return []
    told = (
        f"{shares[0]:.1%} of the choices of old and {shares[1]:.1%} of those of new were scored "
        "by the text of the answer, the others by log-probabilities"
    )
    if abs(shares[0] - shares[1]) >= _OTHER_WAY:
        raise ComparisonError(
            f"compare: the two were not scored in the same way: {told}. "
            "A difference would be one of scoring. "
            "Run both in one way: for a served model with the option scoring=text, "
            "or on servers that give log-probabilities."
        )
    return [f"{told}."]
