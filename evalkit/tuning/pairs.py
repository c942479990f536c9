"""What is trained on: pairs of one instance in two wordings that ask for the same answer text.

A paraphrase is paired with the phrasing it was made from (its ``of``) when that is among those
given. Where no phrasing says so, phrasings of a task that want the same form of answer (text,
letter, letter in brackets) are paired, and the first of them is the reference. Some paraphrases are
kept for validation. Every batch depends on the seed and its number alone, so that a training that
was stopped goes on exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.backends.hf.encoded import Encoded
from evalkit.errors import UsageError
from evalkit.phrasings.prompts import render_prompt
from evalkit.records import Instance, Phrasing, Request, Task, digest

__all__ = ["Material", "Pair", "Sampler", "couples", "divided"]

FEWEST = 3
"""Phrasings of one form of answer a task needs: a reference, a paraphrase, and one for
validation."""
_TRIES = 200
Ids = tuple[int, ...]
Form = tuple[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One task with what it is trained on."""

    task: Task
    """The task."""
    training: tuple[Phrasing, ...]
    """Phrasings trained on, the references among them."""
    validation: tuple[Phrasing, ...]
    """Phrasings that only decide when to stop."""
    instances: tuple[Instance, ...]
    """Instances trained on."""
    held: tuple[Instance, ...]
    """Instances of validation."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One instance in two wordings."""

    reference: Ids
    """Prompt in the reference phrasing."""
    paraphrase: Ids
    """Prompt in another phrasing."""
    answer: Ids
    """Tokens of the answer, with the end token where text is generated."""
    group: str
    """Task and phrasing, for negatives of the same wording."""


def _form(task: Task, phrasing: Phrasing) -> Form:
    if task.kind != "choice":
        return ("generated", False)
    bracketed = phrasing.label_space != "text" and phrasing.layout in {"parenthesized", "original"}
    own = "|".join(phrasing.answers) if phrasing.label_space == "text" else ""
    return (own or phrasing.label_space, bracketed)


def divided(
    task: Task, phrasings: Sequence[Phrasing], *, share: float, seed: int
) -> tuple[tuple[Phrasing, ...], tuple[Phrasing, ...]]:
    """Return training and validation phrasings, references among the training ones.

    Phrasings that no pair can use are left out.

    Parameters
    ----------
    task
        What the phrasings ask.
    phrasings
        All that may be used.
    share
        Share of the paraphrases (of each form) that is kept for validation, one at least.
    seed
        Decides which.

    Raises
    ------
    UsageError
        When there are fewer than two paraphrases of given phrasings, and no form of answer has
        three phrasings.
    """
    known = {phrasing.id: phrasing for phrasing in phrasings}
    made = [p for p in phrasings if p.of in known and _form(task, p) == _form(task, known[p.of])]
    if len(made) >= FEWEST - 1:
        training, validation = _parted(made, share=share, seed=seed, fewest=1)
        origins = {phrasing.of for phrasing in made}
        references = [p for p in phrasings if p.id in origins and p not in made]
        return (*references, *training), tuple(validation)
    return _divided_by_form(task, phrasings, len(made), share=share, seed=seed)


def _divided_by_form(
    task: Task, phrasings: Sequence[Phrasing], n_made: int, *, share: float, seed: int
) -> tuple[tuple[Phrasing, ...], tuple[Phrasing, ...]]:
    """Return training and validation phrasings where any of a form is the paraphrase of any
    other.
    """
    forms: dict[Form, list[Phrasing]] = {}
    for phrasing in phrasings:
        forms.setdefault(_form(task, phrasing), []).append(phrasing)
    parts = [
        _parted(members, share=share, seed=seed, fewest=2)
        for members in forms.values()
        if len(members) >= FEWEST
    ]
    if not parts:
        most = max((len(members) for members in forms.values()), default=0)
        raise UsageError(
            f"{task.id}: too few paraphrases: at most {most} of its {len(phrasings)} phrasings "
            f"ask for the same form of answer, and {FEWEST} are needed (a reference, "
            f"a paraphrase, one for validation); {n_made} of them are paraphrases of others of "
            "them, and 2 would do. Add phrasings, or leave the task out."
        )
    return tuple(p for training, _ in parts for p in training), tuple(
        p for _, validation in parts for p in validation
    )


def _parted(
    members: Sequence[Phrasing], *, share: float, seed: int, fewest: int
) -> tuple[list[Phrasing], list[Phrasing]]:
    """Return training members, `fewest` at least, and validation members, one at least."""
    ordered = sorted(members, key=lambda phrasing: digest([seed, phrasing.id]))
    n = min(max(1, round(share * len(ordered))), len(ordered) - fewest)
    return ordered[n:], ordered[:n]


def couples(material: Material, *, validation: bool) -> list[tuple[Phrasing, Phrasing]]:
    """Return (reference, paraphrase) for every training or validation paraphrase.

    References are always training phrasings.
    """
    known = {phrasing.id: phrasing for phrasing in material.training}
    members = material.validation if validation else material.training
    named = [(known[phrasing.of], phrasing) for phrasing in members if phrasing.of in known]
    if named:
        return named
    firsts: dict[Form, Phrasing] = {}
    for phrasing in material.training:
        firsts.setdefault(_form(material.task, phrasing), phrasing)
    pairs = [(firsts[_form(material.task, phrasing)], phrasing) for phrasing in members]
    return [
        (reference, paraphrase) for reference, paraphrase in pairs if reference is not paraphrase
    ]


class Sampler:
    """Draws pairs.

    Parameters
    ----------
    materials
        All tasks.
    encode
        Requests to ids, as the backend feeds them.
    end
        End token put behind generated answers; None for none.
    longest
        Most tokens of a prompt with its answer.
    seed
        Decides every batch together with its number.
    """

    def __init__(
        self,
        materials: Sequence[Material],
        encode: Callable[[Sequence[Request]], list[Encoded]],
        *,
        end: int | None,
        longest: int,
        seed: int,
    ) -> None:
        self._materials = list(materials)
        self._encode = encode
        self._end = end
        self._longest = longest
        self._seed = seed

    def batch(self, number: int, size: int) -> list[Pair]:
        """Return the pairs of one training batch."""
        return self._drawn(random.Random(f"{self._seed}/train/{number}"), size, validation=False)

    def kin(self, number: int, size: int) -> list[Pair]:
        """Return a batch of one task and one couple of phrasings.

        Every other member is a hard negative, the same wording about another instance.
        """
        return self._kin(random.Random(f"{self._seed}/kin/{number}"), size)

    def alternating(self, number: int, size: int) -> list[Pair]:
        """Return a batch in which every odd row is the same wording about another instance than the
        row before.

        Rows two and more apart are of any task and couple.
        """
        rng = random.Random(f"{self._seed}/alternating/{number}")
        found: list[Pair] = []
        for _ in range(_TRIES * size):
            if len(found) >= size:
                break
            both = self._kin(rng, 2)
            found += both if len(both) == 2 else []
        return found[:size]

    def n_pairs(self) -> int:
        """Return how many training pairs there are:
        couples of phrasings times instances, over all tasks.
        """
        return sum(len(couples(m, validation=False)) * len(m.instances) for m in self._materials)

    def _kin(self, rng: random.Random, size: int) -> list[Pair]:
        material = rng.choice(self._materials)
        reference, paraphrase = rng.choice(couples(material, validation=False))
        found: list[Pair] = []
        for instance in rng.sample(material.instances, len(material.instances)):
            pair = self._pair(material, instance, reference, paraphrase)
            if pair is not None and len(found) < size:
                found.append(pair)
            if len(found) == size:
                break
        return found

    def probe(self, size: int, *, validation: bool) -> list[Pair]:
        """Return fixed pairs for measuring.

        Of training or of validation phrasings and instances.
        """
        return self._drawn(
            random.Random(f"{self._seed}/probe/{validation}"), size, validation=validation
        )

    def _drawn(self, rng: random.Random, size: int, *, validation: bool) -> list[Pair]:
        found: list[Pair] = []
        for _ in range(_TRIES * size):
            material = rng.choice(self._materials)
            reference, paraphrase = rng.choice(couples(material, validation=validation))
            instance = rng.choice(material.held if validation else material.instances)
            pair = self._pair(material, instance, reference, paraphrase)
            if pair is not None:
                found.append(pair)
            if len(found) == size:
                return found
        raise UsageError(
            f"{', '.join(material.task.id for material in self._materials)}: "
            f"no pairs of prompts fit the model ({self._longest} tokens) "
            "and end in the same answer tokens. Leave long tasks out."
        )

    def _pair(
        self, material: Material, instance: Instance, reference: Phrasing, paraphrase: Phrasing
    ) -> Pair | None:
        """Return the pair, or None when a prompt does not fit or the answers are not the same
        tokens.
        """
        requests = [
            _asked(material.task, phrasing, instance) for phrasing in (reference, paraphrase)
        ]
        first, second = self._encode(requests)
        if (
            first.error
            or second.error
            or first.truncated
            or second.truncated
            or first.tails != second.tails
        ):
            return None
        answer = first.tails[0]
        if material.task.kind != "choice" and self._end is not None:
            answer = (*answer, self._end)
        if max(len(first.context), len(second.context)) + len(answer) > self._longest:
            return None
        return Pair(first.context, second.context, answer, f"{material.task.id} {paraphrase.id}")


def _asked(task: Task, phrasing: Phrasing, instance: Instance) -> Request:
    prompt = render_prompt(task, phrasing, instance)
    answer = (
        prompt.continuations[instance.target]
        if instance.target is not None and prompt.continuations
        else f" {instance.references[0]}"
    )
    return Request(
        kind="choice",
        text=prompt.text,
        system=prompt.system,
        body=prompt.body,
        continuations=(answer,),
    )


def usable(task: Task, instances: Sequence[Instance]) -> list[Instance]:
    """Return the instances that have an answer to train on."""
    return [
        item
        for item in instances
        if (
            item.target is not None
            if task.kind == "choice"
            else bool(item.references and item.references[0])
        )
    ]


def summary(materials: Sequence[Material]) -> dict[str, Any]:
    """Return what was trained on, for the record that is saved beside the weights."""
    return {
        "tasks": [material.task.id for material in materials],
        "training": sorted(
            {phrasing.id for material in materials for phrasing in material.training}
        ),
        "validation": sorted(
            {phrasing.id for material in materials for phrasing in material.validation}
        ),
        "instances": {
            material.task.id: [len(material.instances), len(material.held)]
            for material in materials
        },
    }
