"""The file of a manifest as it lies there: parsed, of a schema that is known,
with the digest it claims.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError
from evalkit.records import digest
from evalkit.records.manifest import MANIFEST_SCHEMA

__all__ = ["sealed_content"]


def sealed_content(file: Path) -> dict[str, Any]:
    """Return what a manifest holds, once its schema is known and its digest fits.

    Raises
    ------
    StoreError
        When it cannot be parsed, is no manifest, is newer, or was changed.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise StoreError(
            f"{file}: cannot be read ({error}). Run the same 'evalkit run' again to write it anew."
        ) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if type(schema) is not int or schema < 1:
        raise StoreError(
            f"{file}: is not a manifest of evalkit. Name a directory that 'evalkit run' wrote."
        )
    if schema > MANIFEST_SCHEMA:
        raise StoreError(
            f"{file}: schema {schema} is newer than {MANIFEST_SCHEMA}. "
            "Update evalkit: pip install -U evalkit"
        )
    claimed = content.pop("digest", None)
    if claimed != digest(content):
        raise StoreError(
            f"{file}: does not match its own digest, so it was changed or damaged. "
            "Run the same 'evalkit run' again to write it anew."
        )
    return dict(content)
