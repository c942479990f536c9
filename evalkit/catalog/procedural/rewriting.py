"""String rewriting: one rule on its leftmost match, and Markov programs.

References
----------
D. Zhang, J. Wang, F. Charton, Instruction Diversity Drives Generalization To Unseen Tasks (arXiv
2402.10891): the rule is the instruction, the string the input; a rule without a match leaves the
string alone. A. A. Markov, The Theory of Algorithms (1954): an ordered list of rules; the first
rule that matches rewrites its leftmost match, then the list is read from the top again, until no
rule matches.
"""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.catalog.procedural.draft import Draft, Draws, Family, Knobs

__all__ = ["MARKOV", "REWRITE", "run_program"]

LETTERS = "PQRSTUVW"
ARROW = " -> "


def _apply(string: str, left: str, right: str) -> str:
    at = string.find(left)
    return string if at < 0 else string[:at] + right + string[at + len(left) :]


def run_program(
    string: str, rules: Sequence[tuple[str, str]], max_steps: int
) -> tuple[str, int] | None:
    """Return the final string and the number of rewrites, or None when `max_steps` do not suffice.

    Examples
    --------
    >>> run_program("QPP", [("QP", "PQ"), ("Q", "R")], 5)
    ('PPR', 3)
    """
    for step in range(max_steps + 1):
        rule = next((rule for rule in rules if rule[0] in string), None)
        if rule is None:
            return string, step
        string = _apply(string, *rule)
    return None


def _draw_rewrite(draws: Draws, knobs: Knobs) -> Draft:
    alphabet = LETTERS[: knobs["letters"]]
    left = draws.word(alphabet, draws.between(1, knobs["max_left"]))
    right = left
    while right == left:
        right = draws.word(alphabet, draws.between(1, knobs["max_right"]))
    string = draws.word(alphabet, draws.between(knobs["min_length"], knobs["max_length"]))
    if draws.chance(0.75) and left not in string:
        at = draws.below(len(string) - len(left) + 1)
        string = string[:at] + left + string[at + len(left) :]
    return _rewritten(left, right, string)


def _rewrite_again(draws: Draws, knobs: Knobs, draft: Draft, applies: bool | None) -> Draft:
    """Return the same rule on another string, in which it applies or not."""
    alphabet, left = LETTERS[: knobs["letters"]], draft.slots["left"]
    while True:
        string = draws.word(alphabet, draws.between(knobs["min_length"], knobs["max_length"]))
        if applies and left not in string:
            at = draws.below(len(string) - len(left) + 1)
            string = string[:at] + left + string[at + len(left) :]
        if applies is None or (left in string) == applies:
            return _rewritten(left, draft.slots["right"], string)


def _rewritten(left: str, right: str, string: str) -> Draft:
    rule = left + ARROW + right
    return Draft(
        question=f"Rule: {rule}\nString: {string}",
        answer=_apply(string, left, right),
        rule=rule,
        slots={"rule": rule, "left": left, "right": right, "string": string},
    )


def _draw_markov(draws: Draws, knobs: Knobs) -> Draft:
    alphabet = LETTERS[: knobs["letters"]]
    while True:
        rules = []
        for _ in range(knobs["rules"]):
            left = draws.word(alphabet, draws.between(1, knobs["max_left"]))
            rules.append((left, draws.word(alphabet, draws.between(1, len(left)))))
        string = draws.word(alphabet, draws.between(knobs["min_length"], knobs["max_length"]))
        done = run_program(string, rules, knobs["max_steps"])
        if (
            done is None
            or len({left for left, _ in rules}) < len(rules)
            or any(left == right for left, right in rules)
        ):
            continue
        final, steps = done
        if steps >= 2 or (steps == 1 and draws.chance(0.5)) or draws.chance(0.1):
            break
    program = "; ".join(left + ARROW + right for left, right in rules)
    return Draft(
        question=f"Program: {program}\nString: {string}",
        answer=final,
        rule=program,
        slots={"program": program, "string": string},
    )


REWRITE = Family(
    name="rewrite",
    kind="generate",
    slots=("rule", "left", "right", "string"),
    knobs={"letters": 6, "max_left": 2, "max_right": 2, "min_length": 3, "max_length": 6},
    draw=_draw_rewrite,
    has_rules=True,
    again=_rewrite_again,
)
MARKOV = Family(
    name="markov",
    kind="generate",
    slots=("program", "string"),
    knobs={
        "letters": 4,
        "rules": 2,
        "max_left": 2,
        "min_length": 3,
        "max_length": 4,
        "max_steps": 4,
    },
    draw=_draw_markov,
    has_rules=True,
)
