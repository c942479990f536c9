"""Choices in another order, or under other labels, with every answer mapped back.

The wording stays, so a perturbed phrasing only carries the rule (`Phrasing.perturbation`) and its
own id. When a prompt is made, `instance_order` gives the order for this phrasing and instance; it
goes into `evalkit.phrasings.prompts.render_prompt(order=...)` and travels as
``Prompt.choice_order``: position shown -> index in ``Instance.choices``. Scoring reads predictions
through it, so a score never depends on where the correct choice stood.

References
----------
Pezeshkpour, Hruschka. Large language models sensitivity to the order of options, 2023; Zheng et al.
Large language models are not robust multiple choice selectors, ICLR 2024 (content order and label
order kept apart).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evalkit.phrasings.perturb.apply import Refusal, generator
from evalkit.phrasings.perturb.spec import (
    Impossible,
    Option,
    Options,
    Perturbation,
    load,
    parse_spec,
)
from evalkit.phrasings.templates import slots
from evalkit.records import Instance, Phrasing, Task

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "LABELS",
    "ORDER",
    "instance_labels",
    "instance_order",
    "movable",
    "permute_choices",
    "permute_labels",
    "reorder",
]

KINDS = ("random", "reverse", "rotate", "target-first", "target-last")
_REFERS = re.compile(
    r"\b(?:all|none|both|neither|either|two|some|any) of (?:the )?(?:above|below|these|others?"
    r"|preceding|following|options|choices)\b|\bboth \(?[A-Z1-9]\)? and \(?[A-Z1-9]\)?(?!\w)"
    r"|^\s*(?:options? )?\(?[A-Z1-9]\)? (?:and|or|but not) \(?[A-Z1-9]\)?(?:\s+only)?\s*\.?\s*$",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?m)^\s*(?:\([A-Z]\)|[A-Z][.)])\s+\S")


def reorder(instance: Instance, order: Sequence[int]) -> Instance:
    """Return the instance with its choices in `order` and its target moved along.

    Labels keep their positions.
    """
    target = None if instance.target is None else tuple(order).index(instance.target)
    return replace(
        instance, choices=tuple(instance.choices[index] for index in order), target=target
    )


def _obstacle(instance: Instance) -> str:
    """Return why choices of this instance cannot be moved, or an empty text."""
    if len(set(instance.choices)) < 2:
        return f"has {len(set(instance.choices))} different choices; 2 are needed"
    for choice in instance.choices:
        if _REFERS.search(choice):
            return f"choice {choice!r} refers to the place of other choices"
    if any(
        len(_LISTED.findall(value)) >= 2
        for name, value in instance.fields.items()
        if name == "question"
    ):
        return "the question lists the choices itself"
    return ""


def _moved(count: int, kind: str, rng: np.random.Generator) -> tuple[int, ...]:
    """Return an order of `count` things that is not the first one."""
    if kind == "reverse":
        return tuple(reversed(range(count)))
    if kind == "rotate":
        by = 1 + int(rng.integers(count - 1))
        return tuple((index + by) % count for index in range(count))
    order = tuple(range(count))
    while order == tuple(range(count)):
        order = tuple(int(i) for i in rng.permutation(count))
    return order


def permute_choices(
    instance: Instance, rng: np.random.Generator, options: Options
) -> tuple[Instance, tuple[int, ...]] | Impossible:
    """Return the instance with its choices moved, and the order.

    Position shown -> index in ``instance.choices``.

    Parameters
    ----------
    instance
        Instance in upstream order.
    rng
        Source of randomness.
    options
        ``kind``: ``random`` and ``rotate`` (never upstream's order), ``reverse``, ``target-first``
        and ``target-last`` (the correct choice there, the others as they were).
    """
    reason = _obstacle(instance)
    if reason:
        return Impossible(reason)
    kind = options["kind"]
    if kind in {"target-first", "target-last"}:
        if instance.target is None:
            return Impossible(f"has no target to put {kind.partition('-')[2]}")
        others = [index for index in range(len(instance.choices)) if index != instance.target]
        order = (instance.target, *others) if kind == "target-first" else (*others, instance.target)
        if order == tuple(range(len(order))):
            return Impossible(f"its target is {kind.partition('-')[2]} already")
    else:
        order = _moved(len(instance.choices), kind, rng)
    return reorder(instance, order), order


def permute_labels(
    instance: Instance, rng: np.random.Generator, options: Options
) -> tuple[Instance, tuple[int, ...]] | Impossible:
    """Return the instance with its labels moved among choices that stay,
    and which label each choice bears.

    The second value holds, per choice, the index of its label (1 for ``B``): a listing with order
    (1, 0) reads ``B. x`` then ``A. y``. Instances whose labels upstream did not name bear the
    letters.
    """
    reason = _obstacle(instance)
    if reason:
        return Impossible(reason)
    if len(instance.choices) > 26:
        return Impossible(f"has {len(instance.choices)} choices; at most 26 can be lettered")
    names = instance.options or tuple(
        chr(ord("A") + index) for index in range(len(instance.choices))
    )
    labels = _moved(len(names), options["kind"], rng)
    return replace(instance, options=tuple(names[index] for index in labels)), labels


_LETTER = r"(?<![\w'’])(?:\([A-J]\)|[A-J])(?![\w'’])"
_SPEAKS = re.compile(
    rf"{_LETTER}\s*(?:if|when|whenever|where|unless|for|means?|stands? for|is for)(?=\s)|\b(?:for"
    rf"|by|as|to mean|with)\s+{_LETTER}\s+(?:I|we|you) mean|\b(?:if|when|unless|should|otherwise"
    r"|else)\b[^.;?!]*\b(?:choose|pick|write|enter|answer|reply|say|give|mark|it is|select"
    rf"|respond|return)\s+{_LETTER}|{_LETTER}\s+(?:otherwise|if not|or else)",
)
"""A wording that gives letters a meaning of their own (``Choose A if it matches,
and B otherwise``).
"""


def _mark(phrasing: Phrasing, rng: np.random.Generator, options: Options) -> Phrasing | Impossible:
    """Return the phrasing as it is: the rule acts when an instance is shown.

    Refused where the wording says what a letter means, which moved choices would make untrue.
    """
    found = _SPEAKS.search(phrasing.text)
    if found:
        return Impossible(
            f"its wording says what a letter means ({found.group().strip()[:40]!r}), "
            "and moved choices would make it untrue"
        )
    return phrasing


def _rule(phrasing: Phrasing, name: str) -> str:
    """Return the specification of this kind that the phrasing carries, or an empty text."""
    return next(
        (part for part in phrasing.perturbation.split("+") if part.partition(":")[0] == name), ""
    )


def _listing(task: Task, phrasing: Phrasing) -> str:
    """How a prompt lists choices: "labelled", "plain", or empty where it lists none."""
    named = phrasing.label_space != "text"
    if task.kind != "choice" or phrasing.layout == "none":
        return ""
    inline = phrasing.position == "inline"
    if not ("choices" in slots(phrasing.text) if inline else task.choices_shown or named):
        return ""
    return "labelled" if named or phrasing.layout not in {"bulleted", "inline"} else "plain"


def movable(task: Task, phrasings: Sequence[Phrasing]) -> tuple[list[Phrasing], list[Refusal]]:
    """Return phrasings without those whose rule would move what their prompt does not show,
    and why not.

    Choices can be moved where they are listed, labels where the list bears them; elsewhere the
    prompt would be the original's again.
    """
    kept, refused = [], []
    for phrasing in phrasings:
        order, labels = _rule(phrasing, "order"), _rule(phrasing, "labels")
        how = _listing(task, phrasing) if order or labels else ""
        if (not order or how) and (not labels or how == "labelled"):
            kept.append(phrasing)
            continue
        what = "labels" if how else "choices"
        refused.append(
            Refusal(
                phrasing_id=phrasing.of or phrasing.id,
                perturbation=order if order and not how else labels,
                reason=f"its prompt lists no {what} that could be moved",
            )
        )
    return kept, refused


def _options(rule: str) -> Options:
    spec = parse_spec(rule)
    return {
        **{key: option.default for key, option in load(spec.name).options.items()},
        **spec.options,
    }


def instance_order(phrasing: Phrasing, instance: Instance) -> tuple[int, ...] | Impossible:
    """Return the choice order this phrasing shows this instance in; empty for upstream order.

    Depends on the ids of phrasing and instance only, so it is the same in every run and on every
    machine. An `Impossible` cell (fewer than two choices, a choice such as "all of the above") is
    left out and counted by the caller.
    """
    rule = _rule(phrasing, "order")
    if not rule:
        return ()
    found = permute_choices(instance, generator("order", phrasing.id, instance.id), _options(rule))
    return found if isinstance(found, Impossible) else found[1]


def instance_labels(phrasing: Phrasing, instance: Instance) -> tuple[int, ...] | Impossible:
    """Return, per choice, the index of the label it bears under this phrasing.

    Empty for upstream labels.
    """
    rule = _rule(phrasing, "labels")
    if not rule:
        return ()
    found = permute_labels(instance, generator("labels", phrasing.id, instance.id), _options(rule))
    return found if isinstance(found, Impossible) else found[1]


ORDER = Perturbation(
    edit=_mark,
    acts_on="instance",
    doc="The choices of every instance in another order; answers are mapped back.",
    options={"kind": Option(default="random", doc="Which order.", accepted=KINDS)},
)
LABELS = Perturbation(
    edit=_mark,
    acts_on="instance",
    doc=(
        "The labels of every instance moved among choices that stay in place; "
        "answers are mapped back."
    ),
    options={
        "kind": Option(
            default="random", doc="Which order of labels.", accepted=("random", "reverse", "rotate")
        )
    },
)
