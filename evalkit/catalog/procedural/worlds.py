"""Small worlds: walking on a grid, swapping objects, days of the week.

In the manner of BIG-Bench Hard's navigate, tracking_shuffled_objects and date_understanding (M.
Suzgun and others, arXiv 2210.09261); texts and generators are ours.
"""

from __future__ import annotations

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["CALENDAR", "NAVIGATION", "TRACKING"]

STEPS = {"north": (0, 1), "south": (0, -1), "east": (1, 0), "west": (-1, 0)}
BACK = {"north": "south", "south": "north", "east": "west", "west": "east"}
PEOPLE = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana")
OBJECTS = ("ball", "book", "coin", "cup", "hat", "key", "pen", "ring")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _draw_navigation(draws: Draws, knobs: Knobs) -> Draft:
    names = tuple(STEPS)
    moves: list[tuple[str, int]] = []
    for _ in range(draws.between(1, knobs["max_legs"])):
        name, steps = draws.pick(names), draws.between(1, knobs["max_steps"])
        first = draws.between(1, steps) if draws.chance(0.5) else steps
        moves += [
            (name, steps),
            (BACK[name], first),
            *([(BACK[name], steps - first)] if first < steps else []),
        ]
    moves = draws.shuffled(moves)
    if draws.chance(0.5):
        wrong = draws.below(len(moves))
        moves[wrong] = (draws.pick(names), draws.between(1, knobs["max_steps"]))
    x = sum(STEPS[name][0] * steps for name, steps in moves)
    y = sum(STEPS[name][1] * steps for name, steps in moves)
    text = ", ".join(f"{name} {steps}" for name, steps in moves)
    return Draft(
        question=f"Moves: {text}",
        answer="no" if x or y else "yes",
        choices=("yes", "no"),
        slots={"moves": text},
    )


def _draw_tracking(draws: Draws, knobs: Knobs) -> Draft:
    people, objects = draws.some(PEOPLE, knobs["people"]), draws.some(OBJECTS, knobs["people"])
    holds = list(objects)
    swaps = [
        sorted(draws.some(range(len(people)), 2))
        for _ in range(draws.between(1, knobs["max_swaps"]))
    ]
    asked = draws.below(len(people))
    story = " ".join(
        f"{person} has the {thing}." for person, thing in zip(people, objects, strict=True)
    )
    for one, other in swaps:
        holds[one], holds[other] = holds[other], holds[one]
        story += f" {people[one]} and {people[other]} swap."
    return Draft(
        question=f"{story}\nPerson: {people[asked]}",
        answer=holds[asked],
        choices=tuple(draws.shuffled(objects)),
        rule=f"{swaps} {asked}",
        slots={"story": story, "person": people[asked]},
    )


def _draw_calendar(draws: Draws, knobs: Knobs) -> Draft:
    start = draws.below(7)
    shifts = [
        draws.between(1, knobs["max_days"]) * draws.pick((1, -1))
        for _ in range(draws.between(1, knobs["max_shifts"]))
    ]
    parts = [
        f"{abs(days)} {'day' if abs(days) == 1 else 'days'} {'later' if days > 0 else 'earlier'}"
        for days in shifts
    ]
    shift, end = ", then ".join(parts), (start + sum(shifts)) % 7
    others = draws.some([day for day in range(7) if day != end], 3)
    return Draft(
        question=f"Start: {DAYS[start]}\nShift: {shift}",
        answer=DAYS[end],
        choices=tuple(DAYS[day] for day in sorted([end, *others])),
        rule=shift,
        slots={"start": DAYS[start], "shift": shift},
    )


NAVIGATION = Family(
    name="navigation",
    kind="choice",
    slots=("moves",),
    knobs={"max_legs": 2, "max_steps": 3},
    draw=_draw_navigation,
    labels=("yes", "no"),
)
TRACKING = Family(
    name="tracking",
    kind="choice",
    slots=("story", "person"),
    knobs={"people": 3, "max_swaps": 2},
    draw=_draw_tracking,
    has_rules=True,
)
CALENDAR = Family(
    name="calendar",
    kind="choice",
    slots=("start", "shift"),
    knobs={"max_days": 7, "max_shifts": 2},
    draw=_draw_calendar,
    has_rules=True,
)
