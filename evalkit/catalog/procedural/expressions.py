"""Boolean expressions: the value of ``True and ( not False or True )``.

Every inner operation is in brackets, so precedence matters only for ``not``, which binds tightest.
The rule is the expression with its values blanked: held-out rules are forms of expression never met
in training.
"""

from __future__ import annotations

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["BOOLEAN"]


def _draw_tree(draws: Draws, leaves: int) -> tuple[str, str, bool]:
    """Return (text, text with values blanked, value) of an expression with `leaves` constants."""
    negated = draws.chance(0.35)
    no = "not " if negated else ""
    if leaves == 1:
        value = draws.chance(0.5)
        return f"{no}{value}", f"{no}_", value != negated
    split = draws.between(1, leaves - 1)
    left, left_form, left_value = _draw_tree(draws, split)
    right, right_form, right_value = _draw_tree(draws, leaves - split)
    if draws.chance(0.5):
        operator, value = "and", left_value and right_value
    else:
        operator, value = "or", left_value or right_value
    text, form = f"( {left} {operator} {right} )", f"( {left_form} {operator} {right_form} )"
    return no + text, no + form, value != negated


def _draw_boolean(draws: Draws, knobs: Knobs) -> Draft:
    text, form, value = _draw_tree(draws, draws.between(2, knobs["max_leaves"]))
    return Draft(
        question=text,
        answer=str(value),
        choices=("True", "False"),
        rule=form,
        slots={"expression": text},
    )


BOOLEAN = Family(
    name="boolean",
    kind="choice",
    slots=("expression",),
    knobs={"max_leaves": 3},
    draw=_draw_boolean,
    labels=("True", "False"),
    has_rules=True,
)
