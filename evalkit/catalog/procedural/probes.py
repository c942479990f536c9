"""Probes of one ability each: objects in boxes, an instruction against a pattern, facts that nobody
can know.

References
----------
N. Kim, S. Schuster, "Entity Tracking in Language Models", ACL 2023 (boxes and operations on them).
S.
Kotha, J. Springer, A. Raghunathan, arXiv 2309.10105 (instruction and examples that disagree). E.
Wu, K.
Wu, J. Zou, "FineTuneBench", 2024 (new facts asked as told, rephrased, about a secondary detail,
compared, re-dated). Texts and generators are ours.
"""

from __future__ import annotations

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["BOXES", "CONFLICT", "FACTS"]

THINGS = (
    "ball",
    "book",
    "coin",
    "cup",
    "hat",
    "key",
    "pen",
    "ring",
    "shoe",
    "spoon",
    "tie",
    "watch",
)
NAMES = ("Box 1", "Box 2", "Box 3", "Box 4", "Box 5", "Box 6")


def _draw_boxes(draws: Draws, knobs: Knobs) -> Draft:
    names = NAMES[: knobs["boxes"]]
    things = draws.some(THINGS, knobs["things"])
    place = {thing: draws.below(len(names)) for thing in things}
    story = " ".join(f"The {thing} is in {names[place[thing]]}." for thing in things)
    operations = draws.between(0, knobs["max_operations"])
    for _ in range(operations):
        there = draws.below(len(names))
        others = [number for number in range(len(names)) if number != there]
        to = draws.pick(others)
        held = [thing for thing in things if place[thing] == there]
        if held and draws.chance(0.6):
            thing = draws.pick(held)
            place[thing] = to
            story += f" The {thing} is moved from {names[there]} to {names[to]}."
        else:
            for thing in things:
                place[thing] = {there: to, to: there}.get(place[thing], place[thing])
            story += f" {names[there]} and {names[to]} swap what is in them."
    asked = draws.pick(things)
    return Draft(
        question=f"{story}\nObject: {asked}",
        answer=names[place[asked]],
        choices=names,
        slots={"story": story, "thing": asked},
        factors={"operations": str(operations)},
    )


ANIMALS = ("cat", "dog", "fox", "hen", "owl", "pig", "rat", "bee", "cow", "elk")
PLANTS = ("oak", "fig", "ivy", "rye", "yew", "elm", "ash", "pea", "fir", "hop")


def _draw_conflict(draws: Draws, knobs: Knobs) -> Draft:
    """Examples that give the first or the last word; the rule says which,
    and may contradict them.
    """
    first = draws.chance(0.5)
    agree = draws.chance(0.5)
    shown = first if agree else not first
    lines = []
    for _ in range(knobs["examples"]):
        left, right = draws.pick(ANIMALS), draws.pick(PLANTS)
        lines.append(f"{left} {right} => {left if shown else right}")
    left, right = draws.pick(ANIMALS), draws.pick(PLANTS)
    rule = "the first word" if first else "the last word"
    answer, lure = (left, right) if first else (right, left)
    examples = "\n".join(lines)
    return Draft(
        question=f"Examples:\n{examples}\nRule: give {rule}.\nWords: {left} {right}",
        answer=answer,
        choices=tuple(draws.shuffled((left, right))),
        slots={"lure": answer if agree else lure},
        factors={"examples": "agree" if agree else "contradict"},
    )


FIRST = ("Ilona", "Marek", "Tovia", "Senna", "Bruno", "Yara", "Corin", "Delphi")
LAST = ("Vantrell", "Oskarsen", "Quilby", "Marchetti", "Brandau", "Teshome", "Ruzicka", "Halvard")
TOWNS = ("Lorvane", "Estmark", "Pelluna", "Corvath", "Dunmere", "Solvika")
PRIZES = ("Amber Quill", "Silver Kite", "Glass Anchor", "Iron Fern", "Paper Crown", "Red Comet")
FORMS = ("as told", "rephrased", "secondary", "compared", "re-dated")


def _draw_facts(draws: Draws, knobs: Knobs) -> Draft:
    """A made-up fact among others, told in the prompt, and asked in one of five forms."""
    people = [
        f"{first} {last}"
        for first, last in zip(
            draws.some(FIRST, knobs["facts"]), draws.some(LAST, knobs["facts"]), strict=True
        )
    ]
    prizes = draws.some(PRIZES, knobs["facts"])
    towns = draws.some(TOWNS, knobs["facts"])
    years = sorted(draws.some(range(1950, 2020), knobs["facts"]))
    told = " ".join(
        f"In {year} the {prize} went to {person} of {town}."
        for year, prize, person, town in zip(years, prizes, people, towns, strict=True)
    )
    at = draws.below(len(people))
    form = draws.pick(FORMS)
    one, other = draws.some(range(len(people)), 2)
    question, answer, choices = {
        "as told": (f"In {years[at]} the {prizes[at]} went to whom?", people[at], people),
        "rephrased": (f"Who was honoured with the {prizes[at]}?", people[at], people),
        "secondary": (f"Where does the winner of the {prizes[at]} come from?", towns[at], towns),
        "compared": (
            f"Whose prize came first, that of {people[one]} or that of {people[other]}?",
            people[min(one, other)],
            people,
        ),
        "re-dated": (
            (
                "Suppose every prize had been given ten years later. "
                f"In which year would {people[at]} have had one?"
            ),
            str(years[at] + 10),
            [str(year + 10) for year in years],
        ),
    }[form]
    return Draft(
        question=f"{told}\nQuestion: {question}",
        answer=answer,
        choices=tuple(draws.shuffled(list(choices))),
        slots={"facts": told},
        factors={"asked_as": form},
    )


BOXES = Family(
    name="boxes",
    kind="choice",
    slots=("story", "thing"),
    knobs={"boxes": 4, "things": 4, "max_operations": 4},
    draw=_draw_boxes,
)
CONFLICT = Family(
    name="conflict", kind="choice", slots=("lure",), knobs={"examples": 4}, draw=_draw_conflict
)
FACTS = Family(name="facts", kind="choice", slots=("facts",), knobs={"facts": 4}, draw=_draw_facts)
