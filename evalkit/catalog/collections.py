"""Collection files: what a tuning set holds of our phrasings,
as ``evalkit phrasings seen`` finds it.

A ``tuned_on`` entry that ends in ``.yaml`` names such a file. It says per phrasing id seen, near,
unseen or unknown, with the digest of the text that was looked for, so that a phrasing reworded
since is unknown again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from evalkit.catalog.yaml_file import load_yaml
from evalkit.errors import CatalogError
from evalkit.records import Phrasing, Seen, digest

__all__ = ["LABELS", "is_collection_file", "read_collection", "relation_in", "text_digest"]

LABELS = ("seen", "near", "unseen", "unknown")
"""What a collection file can say of a phrasing."""


def is_collection_file(entry: str) -> bool:
    """Return whether a ``tuned_on`` entry names a file instead of a known collection."""
    return entry.endswith((".yaml", ".yml"))


def text_digest(phrasing: Phrasing) -> str:
    """Return the digest a collection file keeps of a phrasing's text."""
    return digest(phrasing.text, length=16)


def read_collection(path: Path) -> Mapping[str, tuple[str, str]]:
    """Return label and text digest per phrasing id.

    Raises
    ------
    CatalogError
        With every mistake of the file.
    """
    try:
        stamp = path.stat()
    except OSError as error:
        raise CatalogError(
            f"{path}: collection file cannot be read: {error.strerror}. "
            f"Make it with 'evalkit phrasings seen --training FILE --out {path}'."
        ) from error
    return _read(path, (stamp.st_mtime_ns, stamp.st_size))


@lru_cache(maxsize=16)
def _read(path: Path, _stamp: tuple[int, int]) -> Mapping[str, tuple[str, str]]:
    file = load_yaml(path)
    entries = file.value.get("phrasings") if isinstance(file.value, dict) else None
    if not isinstance(entries, dict) or not isinstance(file.value.get("collection"), str):
        raise CatalogError(
            f"{path}:1: is no collection file; keys 'collection' and 'phrasings' are expected. "
            "Make it with 'evalkit phrasings seen'."
        )
    problems: list[str] = []
    found: dict[str, tuple[str, str]] = {}
    for name, entry in entries.items():
        label = entry.get("label") if isinstance(entry, dict) else None
        text = entry.get("text") if isinstance(entry, dict) else None
        if label not in LABELS or not isinstance(text, str):
            problems.append(
                f"{file.at(('phrasings', name))}: needs 'label' ({', '.join(LABELS)}) "
                f"and 'text' (digest); it has {entry!r:.80}."
            )
        else:
            found[name] = (label, text)
    if problems:
        raise CatalogError(problems)
    return found


def relation_in(entry: str, phrasing: Phrasing) -> Seen:
    """Return what a collection file says of a phrasing; a near copy counts as seen.

    A derived phrasing that was not looked for itself is unseen when the one it was made from is,
    and unknown otherwise.
    """
    labels = read_collection(Path(entry))
    label, text = labels.get(phrasing.id, ("unknown", ""))
    if (
        phrasing.id not in labels
        and phrasing.of is not None
        and phrasing.source.endswith("+perturbed")
    ):
        return "unseen" if labels.get(phrasing.of, ("unknown", ""))[0] == "unseen" else "unknown"
    if label == "unknown" or text != text_digest(phrasing):
        return "unknown"
    return "unseen" if label == "unseen" else "seen"
