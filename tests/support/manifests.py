"""Manifests as files: read and changed behind evalkit's back, with the digest that fits;
and made by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.records import digest
from evalkit.records.manifest import Manifest, migrated
from evalkit.records.reading import record_of

__all__ = ["made", "told", "write"]


def told(run: Path) -> dict[str, Any]:
    """Return what the file says, without its digest."""
    content: dict[str, Any] = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    content.pop("digest")
    return content


def write(run: Path, content: dict[str, Any]) -> None:
    """Write a manifest of any shape with the digest that fits."""
    content = {"schema": 1, **content}
    run.mkdir(parents=True, exist_ok=True)
    (run / "manifest.json").write_text(
        json.dumps({**content, "digest": digest(content)}), encoding="utf-8"
    )


def made(**changes: Any) -> Manifest:
    """Return a manifest made by hand; parts that are mappings are merged, others replaced."""
    base: dict[str, Any] = {
        "evalkit": "0.1.0",
        "command": "evalkit run",
        "identity": {"suite": {"limit": None, "budget": None}},
        "suite": {
            "name": "toy",
            "version": 1,
            "digest": "s" * 32,
            "limit": None,
            "shots": 0,
            "tasks": {},
        },
        "limited": False,
        "left_out": {},
        "model": {
            "label": "m",
            "backend": "scripted",
            "name": "m",
            "revision": None,
            "dtype": "auto",
            "chat_template": "none",
            "tuned_on": ["evalkit"],
            "fingerprint": {},
            "fingerprint_digest": "f" * 32,
        },
        "mitigations": [],
        "notes": [],
        "seed": 0,
        "device": "",
        "attempts": [],
        "state": "complete",
        "versions": {"python": "3"},
        "intervals": {"level": 0.95, "resamples": 100},
        "counts": {"cells": 1},
    }
    for name, value in changes.items():
        merge = isinstance(value, dict) and isinstance(base.get(name), dict)
        base[name] = {**base[name], **value} if merge else value
    return record_of(Manifest, migrated(base))
