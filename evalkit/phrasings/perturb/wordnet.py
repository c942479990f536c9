"""WordNet from files on this machine, through nltk.

Where they are looked for, part of speech by rule, inflection.

Needs no download: Debian's package ``wordnet-base`` (``/usr/share/wordnet``), nltk's own
``corpora/wordnet`` (folder or zip) in any nltk data folder, or a folder of the published ``dict``
files named by ``EVALKIT_WORDNET`` or option ``data``.

References
----------
Fellbaum (ed.). WordNet: an electronic lexical database, 1998. File formats: wndb(5WN),
wninput(5WN).
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import DataMissingError

__all__ = ["DEBIAN_PATHS", "WordNet", "find_wordnet", "inflect", "inflection_of", "open_wordnet"]

DEBIAN_PATHS = (Path("/usr/share/wordnet"), Path("/usr/local/share/wordnet"))
"""Where Linux distributions put the dictionary files."""
_LEXNAMES_WORDS = """
adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute noun.body
noun.cognition noun.communication noun.event noun.feeling noun.food noun.group noun.location
noun.motive noun.object noun.person noun.phenomenon noun.plant noun.possession noun.process
noun.quantity noun.relation noun.shape noun.state noun.substance noun.time verb.body verb.change
verb.cognition verb.communication verb.competition verb.consumption verb.contact verb.creation
verb.emotion verb.motion verb.perception verb.possession verb.social verb.stative verb.weather
adj.ppl
"""
_LEXNAMES = _LEXNAMES_WORDS.split()
_POS_NUMBER = {"noun": 1, "verb": 2, "adj": 3, "adv": 4}
_DETERMINERS_WORDS = """
a an the this these those its his her their our your my each every any some one both all two
three many several few other another
"""
_DETERMINERS = frozenset(_DETERMINERS_WORDS.split())
_BEFORE_VERB_WORDS = """
to please must should shall can could will would may might not never always then and you do does did
"""
_BEFORE_VERB = frozenset(_BEFORE_VERB_WORDS.split())
_AFTER_VERB_WORDS = """
a an the this that these those its whether which what if how who each every all one only it
"""
_AFTER_VERB = frozenset(_AFTER_VERB_WORDS.split())
_AFTER_NOUN = frozenset({"is", "are", "was", "were", "has", "have", "of"})
_VOWELS = "aeiou"


def find_wordnet(data: str = "") -> Any:
    """Return the folder (or nltk pointer into a zip) that holds WordNet's files.

    Parameters
    ----------
    data
        Folder named by the user; empty to look in ``EVALKIT_WORDNET``, nltk's data folders and
        `DEBIAN_PATHS`.

    Raises
    ------
    DataMissingError
        When it is in none of them; the message says how to get it.
    """
    named = data or os.environ.get("EVALKIT_WORDNET", "")
    if named:
        folder = Path(named).expanduser()
        if (folder / "data.noun").is_file():
            return folder
        raise DataMissingError(
            f"{folder}: holds no file data.noun, so it is no WordNet dictionary folder. "
            "Name the folder of the dict files."
        )
    import nltk.data

    for entry in nltk.data.path:
        folder = Path(entry) / "corpora" / "wordnet"
        if (folder / "data.noun").is_file():
            return folder
        if folder.with_suffix(".zip").is_file():
            return nltk.data.ZipFilePathPointer(str(folder.with_suffix(".zip")), "wordnet/")
    for folder in DEBIAN_PATHS:
        if (folder / "data.noun").is_file():
            return folder
    raise DataMissingError(
        f"WordNet: not found in EVALKIT_WORDNET, {len(nltk.data.path)} nltk data folders or "
        f"{DEBIAN_PATHS[0]}; synonyms need it. "
        "Type one of: apt-get install wordnet-base | python -m nltk.downloader wordnet | export "
        "EVALKIT_WORDNET=FOLDER"
    )


class WordNet:
    """Lemmas and synonyms by part of speech; a thin worker around nltk's reader."""

    def __init__(self, root: Any) -> None:
        import nltk.data
        from nltk.corpus.reader.wordnet import WordNetCorpusReader

        if isinstance(root, Path) and str(root) not in nltk.data.path:
            nltk.data.path.append(
                str(root)
                # nltk opens only files below its data path; this is its documented way to allow one
                # more
            )

        class Reader(WordNetCorpusReader):  # type: ignore[misc]  # nltk ships no types
            """Nltk's reader for folders without ``lexnames`` (Debian leaves it out) and without
            the multilingual data.
            """

            def open(self, file: str) -> Any:
                if file == "lexnames":
                    numbers = (_POS_NUMBER[name.split(".")[0]] for name in _LEXNAMES)
                    lines = (
                        f"{i:02d}\t{name}\t{n}\n"
                        for i, (name, n) in enumerate(zip(_LEXNAMES, numbers, strict=True))
                    )
                    return io.StringIO("".join(lines))
                return super().open(file)

            def map_wn(self, version: str = "wordnet") -> None:
                """Map nothing: the multilingual index needs a second copy of WordNet."""

        self._reader = Reader(root if not isinstance(root, Path) else str(root), object())
        self._counted = self._has("cntlist.rev")
        self._irregular = {
            pos: self._irregular_lemmas(f"{name}.exc")
            for pos, name in (("n", "noun"), ("v", "verb"))
        }

    def _has(self, file: str) -> bool:
        try:
            with self._reader.open(file) as lines:
                return bool(lines.readline())
        except (OSError, KeyError):  # a zip pointer says KeyError or OSError for a file it lacks
            return False

    def _irregular_lemmas(self, file: str) -> frozenset[str]:
        """Lemmas with an irregular form, whose regular forms must not be made up."""
        with self._reader.open(file) as lines:
            return frozenset(lemma for line in lines for lemma in line.split()[1:])

    def lemma(self, word: str, pos: str) -> str | None:
        """Return the base form of `word` as this part of speech (``n v a r``),
        or None when there is none.
        """
        found = self._reader.morphy(word.lower(), pos)
        return None if found is None else str(found)

    def irregular(self, lemma: str, pos: str) -> bool:
        """Return whether `lemma` has irregular forms."""
        return lemma in self._irregular.get(pos, frozenset())

    def count(self, lemma: str, pos: str) -> int:
        """Return how often the lemma's senses were tagged in WordNet's corpus (0 where no counts
        are shipped).
        """
        return (
            sum(int(entry.count()) for entry in self._reader.lemmas(lemma, pos))
            if self._counted
            else 0
        )

    def senses(self, lemma: str, pos: str) -> int:
        """Return how many senses a lemma has as any part of speech;
        a word of one sense cannot be mistaken.
        """
        return sum(len(self._reader.synsets(lemma, other)) for other in "nvar")

    def synonyms(self, lemma: str, pos: str, *, senses: int) -> list[str]:
        """Return single-word synonyms of the first `senses` senses, most usual sense first,
        without `lemma` itself.

        The shared sense must be among the first `senses` of the synonym too, and where WordNet's
        corpus counts are there the synonym must have been met in it: this keeps out words that
        mostly mean something else (``lick`` for ``solve``).
        """
        found: dict[str, None] = {}
        for synset in self._reader.synsets(lemma, pos)[:senses]:
            for entry in synset.lemmas():
                name = entry.name()
                usual = synset in self._reader.synsets(name, pos)[:senses]
                if (
                    name.isalpha()
                    and name.islower()
                    and name != lemma
                    and usual
                    and (not self._counted or entry.count() > 0)
                ):
                    found.setdefault(name)
        return list(found)

    def part_of_speech(self, words: Sequence[str], index: int) -> str | None:
        """Return ``n``, ``v``, ``a`` or ``r`` for ``words[index]`` in its sentence,
        or None when WordNet lacks it.

        Rules, first that fits: the only part of speech there is; a verb after ``to``, ``please``, a
        modal and the like, or before a determiner or question word and not after one; a noun before
        ``is``, ``are`` and the like; after a determiner a noun, unless another noun follows an
        adjective; ``-ly`` an adverb; else the part of speech WordNet's corpus counts most often.
        """
        word = words[index].lower()
        able = [pos for pos in "nvar" if self.lemma(word, pos) is not None]
        if len(able) < 2:
            return able[0] if able else None
        before = words[index - 1].lower() if index else ""
        after = words[index + 1].lower() if index + 1 < len(words) else ""
        if "v" in able and (
            before in _BEFORE_VERB or (before not in _DETERMINERS and after in _AFTER_VERB)
        ):
            return "v"
        if after in _AFTER_NOUN and "n" in able:
            return "n"
        if before in _DETERMINERS:
            noun_follows = (
                bool(after) and self.lemma(after, "n") is not None and after not in _AFTER_VERB
            )
            return "a" if "a" in able and noun_follows else "n" if "n" in able else able[0]
        if word.endswith("ly") and "r" in able:
            return "r"
        return max(
            able,
            key=lambda pos: (self.count(self.lemma(word, pos) or word, pos), -"nvar".index(pos)),
        )


_OPEN: dict[str, WordNet] = {}
"""Dictionaries read so far by folder; nltk keeps their files open, so they are kept too."""


def open_wordnet(data: str = "") -> WordNet:
    """Return WordNet, read once per folder; see `find_wordnet` for where it is looked for."""
    root = find_wordnet(data)
    return _OPEN.get(str(root)) or _OPEN.setdefault(str(root), WordNet(root))


def _doubled(lemma: str) -> str:
    """Return a short lemma with its last consonant doubled (``stop`` -> ``stopp``), others as
    they are.
    """
    short = (
        len(lemma) <= 4
        and lemma[-1] not in "aeiouwxy"
        and lemma[-2:-1] in tuple(_VOWELS)
        and lemma[-3:-2] not in tuple(_VOWELS)
    )
    return lemma + lemma[-1] if short else lemma


def inflect(lemma: str, form: str) -> str:
    """Return a regular English form of `lemma`.

    Parameters
    ----------
    lemma
        Base form.
    form
        ``base``, ``s`` (plural or third person), ``ed`` or ``ing``.

    Examples
    --------
    >>> [
    ...     inflect("classify", "s"),
    ...     inflect("choose", "ing"),
    ...     inflect("pick", "ed"),
    ...     inflect("match", "s"),
    ... ]
    ['classifies', 'choosing', 'picked', 'matches']
    """
    after_consonant = len(lemma) > 1 and lemma[-1] == "y" and lemma[-2] not in _VOWELS
    if form == "s":
        if after_consonant:
            return f"{lemma[:-1]}ies"
        return f"{lemma}es" if lemma.endswith(("s", "x", "z", "ch", "sh", "o")) else f"{lemma}s"
    if form == "ed":
        if after_consonant:
            return f"{lemma[:-1]}ied"
        return f"{lemma}d" if lemma.endswith("e") else f"{_doubled(lemma)}ed"
    if form == "ing":
        return (
            f"{lemma[:-1]}ing"
            if lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye"))
            else f"{_doubled(lemma)}ing"
        )
    return lemma


def inflection_of(word: str, lemma: str) -> str | None:
    """Return which regular form of `lemma` the `word` is, or None when it is an irregular one."""
    return next(
        (form for form in ("base", "s", "ed", "ing") if inflect(lemma, form) == word.lower()), None
    )
