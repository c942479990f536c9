"""Relations between two entities: TACRED's names with statements and types of ours,
and sentences made here.

The names, and which entity types occur together, are those of TACRED's annotation (Zhang and
others, "Position-aware Attention and Supervised Data Improve Slot Filling", EMNLP 2017, in the
terms of TAC KBP's slots); statements and sentences are our own words. Invented people and firms, so
that nothing can be remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from evalkit.catalog.procedural.draft import Draws

__all__ = ["NO_RELATION", "RELATIONS", "RETACRED", "Made", "Relation", "made"]

NO_RELATION = "no_relation"
"""Name of "none of the relations"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One relation of the table."""

    statement: str
    """What it says, with the slots ``{subject}`` and ``{object}``."""
    types: frozenset[str]
    """Pairs of entity types it can hold between, as ``PERSON:CITY``."""


def _relation(statement: str, subject: str, *objects: str) -> Relation:
    return Relation(statement=statement, types=frozenset(f"{subject}:{one}" for one in objects))


_P, _O = "PERSON", "ORGANIZATION"
_STATE = "STATE_OR_PROVINCE"
RELATIONS: Mapping[str, Relation] = MappingProxyType(
    {
        "org:alternate_names": _relation("{subject} is also called {object}.", _O, _O, "MISC"),
        "org:city_of_headquarters": _relation(
            "{subject} has its head office in the city of {object}.", _O, "CITY", "LOCATION"
        ),
        "org:country_of_headquarters": _relation(
            "{subject} has its head office in the country {object}.", _O, "COUNTRY", "LOCATION"
        ),
        "org:dissolved": _relation("{subject} was dissolved in {object}.", _O, "DATE"),
        "org:founded": _relation("{subject} was founded in {object}.", _O, "DATE"),
        "org:founded_by": _relation("{subject} was founded by {object}.", _O, _P),
        "org:member_of": _relation(
            *("{subject} is a member of {object}.", _O, _O, "COUNTRY", "LOCATION", _STATE)
        ),
        "org:members": _relation("{object} is a member of {subject}.", _O, _O, "COUNTRY"),
        "org:number_of_employees/members": _relation(
            "{subject} has {object} employees or members.", _O, "NUMBER"
        ),
        "org:parents": _relation(
            *("{subject} is owned by {object}.", _O, _O, "COUNTRY", "LOCATION", _STATE)
        ),
        "org:political/religious_affiliation": _relation(
            "{subject} holds with the politics or religion of {object}.",
            *(_O, "RELIGION", "IDEOLOGY"),
        ),
        "org:shareholders": _relation("{object} holds shares in {subject}.", _O, _P, _O),
        "org:stateorprovince_of_headquarters": _relation(
            "{subject} has its head office in the state or province of {object}.",
            *(_O, _STATE, "LOCATION"),
        ),
        "org:subsidiaries": _relation("{subject} owns {object}.", _O, _O, "COUNTRY", "LOCATION"),
        "org:top_members/employees": _relation("{object} is a leader of {subject}.", _O, _P),
        "org:website": _relation("{object} is the website of {subject}.", _O, "URL"),
        "per:age": _relation("{subject} is {object} years old.", _P, "NUMBER", "DURATION"),
        "per:alternate_names": _relation("{subject} is also called {object}.", _P, _P, "MISC"),
        "per:cause_of_death": _relation("{subject} died of {object}.", _P, "CAUSE_OF_DEATH"),
        "per:charges": _relation("{subject} is charged with {object}.", _P, "CRIMINAL_CHARGE"),
        "per:children": _relation("{object} is a child of {subject}.", _P, _P),
        "per:cities_of_residence": _relation(
            "{subject} lives in the city of {object}.", _P, "CITY", "LOCATION"
        ),
        "per:city_of_birth": _relation(
            "{subject} was born in the city of {object}.", _P, "CITY", "LOCATION"
        ),
        "per:city_of_death": _relation(
            "{subject} died in the city of {object}.", _P, "CITY", "LOCATION"
        ),
        "per:countries_of_residence": _relation(
            "{subject} lives in the country {object}.", _P, "COUNTRY", "NATIONALITY", "LOCATION"
        ),
        "per:country_of_birth": _relation(
            "{subject} was born in the country {object}.", _P, "COUNTRY", "NATIONALITY"
        ),
        "per:country_of_death": _relation("{subject} died in the country {object}.", _P, "COUNTRY"),
        "per:date_of_birth": _relation("{subject} was born in {object}.", _P, "DATE"),
        "per:date_of_death": _relation("{subject} died in {object}.", _P, "DATE"),
        "per:employee_of": _relation(
            *("{subject} works for {object}.", _P, _O, "CITY", "COUNTRY", "LOCATION", _STATE)
        ),
        "per:origin": _relation(
            "{subject} has the nationality {object}.", _P, "NATIONALITY", "COUNTRY", "LOCATION"
        ),
        "per:other_family": _relation(
            "{object} is a relative of {subject}, but neither parent, child, sibling nor spouse.",
            *(_P, _P),
        ),
        "per:parents": _relation("{object} is a parent of {subject}.", _P, _P),
        "per:religion": _relation("{subject} has the religion {object}.", _P, "RELIGION"),
        "per:schools_attended": _relation("{subject} studied at {object}.", _P, _O),
        "per:siblings": _relation("{object} is a brother or sister of {subject}.", _P, _P),
        "per:spouse": _relation("{subject} is married to {object}.", _P, _P),
        "per:stateorprovince_of_birth": _relation(
            "{subject} was born in the state or province of {object}.", _P, _STATE, "LOCATION"
        ),
        "per:stateorprovince_of_death": _relation(
            "{subject} died in the state or province of {object}.", _P, _STATE, "LOCATION"
        ),
        "per:stateorprovinces_of_residence": _relation(
            "{subject} lives in the state or province of {object}.", _P, _STATE, "LOCATION"
        ),
        "per:title": _relation("{subject} has the office or profession {object}.", _P, "TITLE"),
        NO_RELATION: Relation(
            statement="The sentence says nothing of how {subject} and {object} are related.",
            types=frozenset(),
        ),
    }
)
"""Relation -> statement and types; `NO_RELATION` holds between any."""
_GONE = (
    *("org:city_of_headquarters", "org:country_of_headquarters", "org:parents"),
    *("org:stateorprovince_of_headquarters", "org:subsidiaries", "per:alternate_names"),
)
RETACRED: Mapping[str, Relation] = MappingProxyType(
    {
        **{name: one for name, one in RELATIONS.items() if name not in _GONE},
        "org:city_of_branch": _relation(
            "{subject} has an office in the city of {object}.", _O, "CITY", "LOCATION"
        ),
        "org:country_of_branch": _relation(
            "{subject} has an office in the country {object}.", _O, "COUNTRY", "LOCATION"
        ),
        "org:stateorprovince_of_branch": _relation(
            "{subject} has an office in the state or province of {object}.",
            *(_O, _STATE, "LOCATION"),
        ),
        "per:identity": _relation("{subject} and {object} are the same person.", _P, _P, "MISC"),
    }
)
"""The forty relations of Re-TACRED: offices for head offices, members for owners and owned, and one
person under two names (Stoica and others, AAAI 2021)."""

_NAMES: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "PERSON": (
            *("Mirel Tavash", "Odette Brunholt", "Karo Lindeval", "Sunniva Ekwere"),
            *("Talib Orsenne", "Greta Molvik", "Iker Zubelli", "Naledi Warszko"),
        ),
        "ORGANIZATION": (
            *("Velmora Foods", "Tarn and Pell", "the Quillon Institute", "Brightacre Bank"),
            *("the Osterby Trust", "Halvex Motors", "Corvane Media", "the Linnet Society"),
        ),
        "CITY": ("Graz", "Porto", "Leeds", "Tampere", "Recife", "Kumasi", "Osaka", "Halifax"),
        "COUNTRY": ("Chile", "Norway", "Ghana", "Japan", "Portugal", "Canada"),
        "DATE": ("1948", "1963", "1971", "1986", "1994", "2003", "2011"),
        "NUMBER": ("31", "38", "44", "52", "67", "73"),
        "TITLE": ("surgeon", "mayor", "cellist", "architect", "translator"),
    }
)
_SAID: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "per:city_of_birth": (
            "{subject} first saw the light of day in {object} .",
            "A native of {object} , {subject} left school early .",
        ),
        "per:city_of_death": (
            "{subject} passed away in {object} after a short illness .",
            "In {object} , where {subject} drew a last breath , a street bears the name .",
        ),
        "per:cities_of_residence": (
            "{subject} has made a home in {object} for ten years .",
            "Neighbours in {object} say that {subject} keeps bees on the roof of the house .",
        ),
        "per:country_of_birth": (
            "{subject} came into the world on a farm in {object} .",
            "Born to teachers in {object} , {subject} learned to read at four .",
        ),
        "per:date_of_birth": (
            "{subject} , born in {object} , grew up by the sea .",
            "It was in {object} that {subject} came into the world .",
        ),
        "per:date_of_death": (
            "{subject} died in {object} and left no will .",
            "The funeral of {subject} was held in {object} , two days after the death .",
        ),
        "per:age": (
            "{subject} , {object} , has run the shop since the spring .",
            "At {object} , {subject} still swims every morning .",
        ),
        "per:title": (
            "{subject} has been a {object} since leaving the army .",
            "The report quotes the {object} {subject} at length .",
        ),
        "per:employee_of": (
            "{subject} has been on the payroll of {object} for six years .",
            "A spokesman for {object} , {subject} , declined to comment .",
        ),
        "per:schools_attended": (
            "{subject} took a degree at {object} .",
            "As a student at {object} , {subject} rowed for the college .",
        ),
        "per:spouse": (
            "{subject} and {object} were wed in a small chapel .",
            "{object} , the husband or wife of {subject} for thirty years , thanked the guests .",
        ),
        "per:parents": (
            "{subject} was raised by {object} , father and cook at once .",
            "{object} named {subject} , a first child , after an aunt .",
        ),
        "per:siblings": (
            "{subject} and {object} have the same mother and father .",
            "{subject} shared a bunk bed with little brother {object} .",
        ),
        "org:founded_by": (
            "{object} set up {subject} in a rented garage .",
            "{subject} , the creation of {object} , turned a profit in its first year .",
        ),
        "org:top_members/employees": (
            "{object} chairs the board of {subject} .",
            "{subject} named {object} its chief executive .",
        ),
        "org:city_of_headquarters": (
            "{subject} runs its business from a tower in {object} .",
            "Staff at the main office of {subject} in {object} went home early .",
        ),
        "org:founded": (
            "{subject} opened its doors in {object} .",
            "Since its start in {object} , {subject} has sold bread and little else .",
        ),
        "org:dissolved": (
            "{subject} was wound up in {object} .",
            "In {object} the last members voted to close {subject} for good .",
        ),
    }
)
_NOTHING: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "PERSON:CITY": (
            "{subject} missed the train to {object} twice in a week .",
            "A postcard from {object} lay on the desk of {subject} .",
        ),
        "PERSON:PERSON": (
            "{subject} and {object} stood in the same queue without a word .",
            "Neither {subject} nor {object} had met the other before the trial .",
        ),
        "PERSON:ORGANIZATION": (
            "{subject} sued {object} over a broken lamp .",
            "{object} sent {subject} the wrong invoice .",
        ),
        "ORGANIZATION:PERSON": (
            "{subject} turned down a loan to {object} .",
            "A letter from {object} about noise reached {subject} on Monday .",
        ),
        "PERSON:DATE": ("{subject} bought a boat in {object} .",),
        "ORGANIZATION:DATE": ("{subject} painted its fence in {object} .",),
    }
)
"""Sentences in which both stand and no relation holds, by types."""
SHARE_OF_NONE = 0.3
"""Share of made sentences without a relation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One made sentence with two entities, as tokens."""

    tokens: tuple[str, ...]
    """Its words and marks."""
    subject: tuple[int, int]
    """First and last token of the subject."""
    object: tuple[int, int]
    """First and last token of the object."""
    types: tuple[str, str]
    """Types of both."""
    relation: str
    """What the sentence says of them."""


def made(draws: Draws) -> Made:
    """Return a sentence that states a relation, or holds two entities and states none.

    Examples
    --------
    >>> one = made(Draws("a"))
    >>> " ".join(one.tokens), one.relation
    ('Halvex Motors painted its fence in 1963 .', 'no_relation')
    """
    if draws.chance(SHARE_OF_NONE):
        pair = draws.pick(sorted(_NOTHING))
        relation, text = NO_RELATION, draws.pick(_NOTHING[pair])
    else:
        relation = draws.pick(sorted(_SAID))
        text = draws.pick(_SAID[relation])
        fits = [one for one in sorted(RELATIONS[relation].types) if one.split(":")[1] in _NAMES]
        pair = _usual(relation, fits)
    types = (pair.split(":")[0], pair.split(":")[1])
    first = draws.pick(_NAMES[types[0]])
    second = draws.pick([name for name in _NAMES[types[1]] if name != first])
    tokens: list[str] = []
    spans: dict[str, tuple[int, int]] = {}
    for word in text.split():
        name = {"{subject}": first, "{object}": second}.get(word)
        parts = word.split() if name is None else name.split()
        if name is not None:
            spans[word] = (len(tokens), len(tokens) + len(parts) - 1)
        tokens += parts
    return Made(
        tokens=tuple(tokens),
        subject=spans["{subject}"],
        object=spans["{object}"],
        types=types,
        relation=relation,
    )


def _usual(relation: str, pairs: Sequence[str]) -> str:
    """Return the pair of types that the sentences of a relation are written for.

    >>> _usual("per:employee_of", ["PERSON:CITY", "PERSON:ORGANIZATION"])
    'PERSON:ORGANIZATION'
    """
    wanted = {"per:employee_of": "PERSON:ORGANIZATION"}.get(relation, pairs[0])
    return wanted if wanted in pairs else pairs[0]
