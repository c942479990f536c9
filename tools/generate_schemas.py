"""Writes the JSON Schemas that ship in the package; ``--check`` says whether they are current."""

from __future__ import annotations

import sys

from evalkit.catalog.schemas import schema_paths, schema_text


def main() -> int:
    """Write every schema, or with ``--check`` compare; return 1 when one is out of date."""
    stale = 0
    for kind, path in schema_paths().items():
        text = schema_text(kind)
        if "--check" in sys.argv[1:]:
            current = path.is_file() and path.read_text(encoding="utf-8") == text
            stale += not current
            print(f"{path.name}: {'current' if current else 'out of date'}")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{path.name}: {len(text):,} bytes")
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
