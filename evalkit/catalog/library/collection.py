"""Writes what the seen detector found as a collection file,
which `evalkit.catalog.collections` reads back.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.collections import text_digest
from evalkit.catalog.library.seen import Finding
from evalkit.catalog.library.writing import dump_yaml, write_new
from evalkit.records import Phrasing

__all__ = ["as_collection", "counts", "write_collection"]


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """Return the number of phrasings by label, all labels named."""
    found = Counter(finding.label for finding in findings)
    return {label: found[label] for label in ("seen", "near", "unseen", "unknown")}


def as_collection(
    name: str,
    phrasings: Sequence[Phrasing],
    findings: Sequence[Finding],
    *,
    made: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the content of a collection file.

    Parameters
    ----------
    name
        Name of the collection.
    phrasings, findings
        What was looked for and what was found, in the same order.
    made
        How: sources, number of rows, thresholds, version, date.
    """
    entries = {
        phrasing.id: {
            "label": finding.label,
            "text": text_digest(phrasing),
            **(
                {"evidence": [dataclasses.asdict(item) for item in finding.evidence]}
                if finding.evidence
                else {}
            ),
        }
        for phrasing, finding in zip(phrasings, findings, strict=True)
    }
    return {
        "collection": name,
        "made": dict(made),
        "counts": counts(findings),
        "phrasings": entries,
    }


def write_collection(path: Path, collection: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """Write a collection file.

    Raises
    ------
    UsageError
        When the file is there already, or cannot be written.
    """
    write_new(path, dump_yaml(dict(collection)), overwrite=overwrite)
