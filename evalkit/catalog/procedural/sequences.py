"""Counting a letter, sorting digits, comparing numbers."""

from __future__ import annotations

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["COMPARISON", "COUNTING", "SORTING"]

LETTERS = "FGHIJKLMNOPRSTVWXYZ"
"""No letters that name choices (A to E)."""


def _draw_counting(draws: Draws, knobs: Knobs) -> Draft:
    letter, *others = draws.some(LETTERS, 1 + knobs["others"])
    count = draws.between(0, knobs["max_count"])
    length = max(knobs["min_length"], count) + draws.between(0, 2)
    string = "".join(
        draws.shuffled([letter] * count + [draws.pick(others) for _ in range(length - count)])
    )
    return Draft(
        question=f"Letter: {letter}\nString: {string}",
        answer=str(count),
        choices=tuple(str(number) for number in range(knobs["max_count"] + 1)),
        rule=letter,
        slots={"letter": letter, "string": string},
    )


def _draw_sorting(draws: Draws, knobs: Knobs) -> Draft:
    numbers = draws.some(
        range(knobs["below"]), draws.between(knobs["min_items"], knobs["max_items"])
    )
    items = " ".join(str(number) for number in numbers)
    return Draft(
        question=f"List: {items}",
        answer=" ".join(str(number) for number in sorted(numbers)),
        slots={"items": items},
    )


def _draw_comparison(draws: Draws, knobs: Knobs) -> Draft:
    floor, top = 10 ** (knobs["digits"] - 1), 10 ** knobs["digits"]
    numbers = [draws.between(floor, top - 1)]
    while len(numbers) < knobs["items"]:
        near = numbers[0] + draws.between(-9, 9)
        number = near if draws.chance(0.3) else draws.between(floor, top - 1)
        if floor <= number < top and number not in numbers:
            numbers.append(number)
    texts = [str(number) for number in draws.shuffled(numbers)]
    items = ", ".join(texts)
    return Draft(
        question=f"Numbers: {items}",
        answer=max(texts, key=int),
        choices=tuple(texts),
        slots={"items": items},
    )


COUNTING = Family(
    name="counting",
    kind="choice",
    slots=("letter", "string"),
    knobs={"others": 2, "max_count": 4, "min_length": 3},
    draw=_draw_counting,
    has_rules=True,
)
SORTING = Family(
    name="sorting",
    kind="generate",
    slots=("items",),
    knobs={"min_items": 3, "max_items": 5, "below": 10},
    draw=_draw_sorting,
)
COMPARISON = Family(
    name="comparison",
    kind="choice",
    slots=("items",),
    knobs={"items": 3, "digits": 2},
    draw=_draw_comparison,
)
