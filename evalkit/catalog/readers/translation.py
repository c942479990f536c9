"""Sentence pairs for translation: PromptBench's JSON, rows of the hub, and IWSLT's XML files.

* ``{"en-fr": [{"en": "...", "fr": "..."}, ...], ...}``: un_multi.json, iwslt.json of PromptBench;
* rows ``{"translation": {"en": "...", "fr": "..."}}`` (JSON Lines, Parquet);
* two XML files ``IWSLT17.TED.<set>.<en-fr>.<en|fr>.xml`` whose ``<seg>`` elements pair up.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from evalkit.catalog.files import load_json, locate
from evalkit.catalog.opening import read_utf8
from evalkit.catalog.paths import inside
from evalkit.catalog.readers.rows import cell_text, derived_id, table_rows
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["LANGUAGES", "read"]

LANGUAGES: Mapping[str, str] = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "nl": "Dutch",
    "ro": "Romanian",
    "ru": "Russian",
    "zh": "Chinese",
}
"""Language code -> name."""
_SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.DOTALL)
_XML_NAME = re.compile(r"\.([a-z]{2})-([a-z]{2})\.([a-z]{2})\.xml\Z")

_Pair = tuple[str, str, str, str, str]
"""Source language, target language, sentence, reference, and where they stand."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return sentence pairs; fields are ``question`` (the sentence), ``source_language`` and
    ``target_language``.

    Parameters
    ----------
    task
        ``source.options.pairs`` (``[en-fr, de-en]``) picks directions; all that the files hold
        without it.
    data_dir
        Data directory.
    split
        Enters the place and the ids.
    """
    wanted = set(task.source.options.get("pairs", ()))
    instances: list[Instance] = []
    found: set[str] = set()
    for path in locate(task, data_dir, split).paths:
        for source, target, sentence, reference, where in _pairs(path, wanted):
            pair = f"{source}-{target}"
            if wanted and pair not in wanted:
                continue
            found.add(pair)
            instances.append(
                Instance(
                    id=f"{pair}-{derived_id(split, len(instances), sentence, reference)}",
                    fields={
                        "question": sentence,
                        "source_language": _language(source, path),
                        "target_language": _language(target, path),
                    },
                    references=(reference,),
                    where=where,
                )
            )
    if wanted - found:
        raise CatalogError(
            f"{task.id}: no sentences of {', '.join(sorted(wanted - found))} were found; "
            f"the files hold {', '.join(sorted(found))}."
        )
    return instances


def _language(code: str, path: Path) -> str:
    if code not in LANGUAGES:
        raise CatalogError(
            f"{path}: language {code!r} is not known; accepted: {', '.join(LANGUAGES)}."
        )
    return LANGUAGES[code]


def _pairs(path: Path, wanted: set[str]) -> Iterator[_Pair]:
    if path.suffix == ".xml":
        yield from _xml(path)
        return
    if path.suffix != ".json":
        yield from _rows(path, wanted)
        return
    content = load_json(path)
    if not isinstance(content, dict) or not all(
        isinstance(rows, list) and "-" in pair for pair, rows in content.items()
    ):
        raise CatalogError(
            f"{path}:1: holds no sentence pairs; {{'en-fr': [{{'en': ..., 'fr': "
            f"...}}]}} is expected."
        )
    for pair, rows in content.items():
        source, target = pair.split("-", 1)
        for position, row in enumerate(rows, 1):
            if (
                not isinstance(row, dict)
                or not isinstance(row.get(source), str)
                or not isinstance(row.get(target), str)
            ):
                raise CatalogError(
                    f"{path}:1: {pair} {position} has no texts {source!r} and {target!r}."
                )
            yield source, target, row[source], row[target], f"{path}:1: {pair} {position}"


def _rows(path: Path, wanted: set[str]) -> Iterator[_Pair]:
    """Yield pairs of hub rows, in every wanted direction."""
    for line, row in table_rows(path):
        texts = row.get("translation")
        if not isinstance(texts, dict) or len(texts) != 2:
            raise CatalogError(
                f"{path}:{line}: translation is {texts!r}; an object with two languages is "
                "expected."
            )
        first, second = texts
        for source, target in ((first, second), (second, first)):
            if f"{source}-{target}" in wanted or (not wanted and source == first):
                left, right = (
                    cell_text(texts[code], f"{path}:{line}") for code in (source, target)
                )
                yield source, target, left, right, f"{path}:{line}"


def _xml(path: Path) -> Iterator[_Pair]:
    """Yield the pairs of one IWSLT XML file of source sentences and the file of targets beside
    it.
    """
    name = _XML_NAME.search(path.name)
    if name is None:
        raise CatalogError(
            f"{path}: name is not like IWSLT17.TED.tst2010.en-fr.en.xml. Keep upstream's names."
        )
    source, target, own = name.groups()
    if own != source:
        return
    beside = path.name.removesuffix(f"{own}.xml") + f"{target}.xml"
    other = inside(path.parent, beside, where=str(path))
    left, right = _segments(path), _segments(other)
    if len(left) != len(right):
        raise CatalogError(
            f"{other}: has {len(right)} sentences where {path.name} has {len(left)}. "
            "Get both again."
        )
    for number, (sentence, reference) in enumerate(zip(left, right, strict=True), 1):
        yield source, target, sentence, reference, f"{path}:1: sentence {number}"


def _segments(path: Path) -> list[str]:
    """Return the sentences of an IWSLT file, which is XML in name only: bare ampersands occur."""
    return [html.unescape(text).strip() for text in _SEGMENT.findall(read_utf8(path))]
