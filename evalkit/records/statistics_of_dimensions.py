"""Statistics of what a run varies beside the wording, and of what is measured of answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from evalkit.records.statistic_entry import Statistic, fraction, plain

__all__ = ["of_dimensions"]

WHOLE = "needs every phrasing on the same instances"
NO_INTERVAL = "mean over tasks, no interval"


def of_dimensions() -> Iterator[Statistic]:
    """Yield what is said of a factor of the instances or of a perturbation; the column group names its level."""
    yield plain(
        "delta",
        "mean change of y against the reference of a factor (none, given, labels, text) "
        "or the unperturbed phrasing, paired on phrasing and origin; also delta_MEASURE",
        words="change against the reference",
        low=-1.0,
        high=1.0,
        needs="cells",
        sparse=WHOLE,
    )
    yield fraction(
        "p_of_delta",
        "two-sided p of delta by Student's test over origins, for the form of a task; also of a "
        "mean over tasks",
        words="p",
        needs="cells",
        pooled="test of the mean over tasks",
        sparse=WHOLE,
    )
    yield fraction(
        "relation_f1",
        "F1 of relations without no_relation, micro-averaged over instances, mean over p",
        words="F1 of relations",
        needs="answers",
        sparse=WHOLE,
    )
    yield plain(
        "against_english",
        "mean y under phrasings in another language - mean y under English ones, paired on "
        "instances",
        words="change against English",
        low=-1.0,
        high=1.0,
        harm="falls",
        needs="cells",
        sparse=WHOLE,
        gate="mean under instructions in other languages minus mean under English ones",
    )
    yield plain(
        "gap_change",
        "gap under a perturbation - gap of the same phrasings without it",
        words="change of the gap",
        low=-1.0,
        high=1.0,
        needs="cells",
        sparse=WHOLE,
    )
    yield plain(
        "var_draw",
        "variance component of copies that one perturbation made of one phrasing, "
        "mean over phrasings",
        words="variance over draws",
        needs="cells",
        pooled=NO_INTERVAL,
        sparse=WHOLE,
    )
    yield fraction(
        "share_solved",
        "share of rules whose instances have a mean y of 0.9 or more, mean over p",
        words="rules solved at 90 %",
        needs="cells",
        sparse=WHOLE,
        harm="falls",
        gate="share of rules with 90 % or more of their instances right",
    )
    measures = {
        "attack_success": "share of answers that hold the text an injected instruction asks for, "
        "without instances whose clean answer holds it under the same phrasing",
        "attack_start": "the same for answers that begin with it",
        "void_share": "share of attacked cells left out of attack_success, because the clean "
        "answer holds the text",
        "parts_right": "share of the parts of a composed answer that are right; also position_K, "
        "the share of answers whose part K is",
        "last_right": "share of composed answers whose last part is right",
        "follows_pattern": "share of answers that continue the examples where the "
        "instruction says otherwise",
        "relation_recall": "share of the relations that are there, no_relation left out, that were "
        "named",
        "relation_precision": "share of the relations named, no_relation left out, that are there",
        "language_agrees": "share of answers in the language of the input, among those whose "
        "language can be told",
        "language_of_instruction": "share of answers in the language of the instruction where "
        "that is not the input's",
        "follows_passage": "share of answers that are the passage's "
        "where the same phrasing without a passage gave another",
    }
    measures |= {
        "edit_precision": "share of the edits an answer makes that its best annotator makes",
        "edit_recall": "share of the edits of that annotator that an answer makes",
        "span_ratio": "tokens of an answer written as edits over its tokens, at most 1",
        "declined": "share of answers that decline: refuse, abstain, or say that there is "
        "no answer",
        "rules_strict": "share of answers that follow every rule of task, phrasing and instance",
        "rules_loose": "the same where a line before or behind and emphasis marks are forgiven",
        "rule_strict": "mean share of the rules of an answer that it follows",
        "rule_loose": "the same, loosely",
    }
    words = {
        "edit_precision": "edits, precision",
        "edit_recall": "edits, recall",
        "span_ratio": "length as edits",
        "declined": "declined",
        "rules_strict": "all rules followed",
        "rules_loose": "all rules followed, loosely",
        "rule_strict": "rules followed",
        "rule_loose": "rules followed, loosely",
        "attack_success": "attack succeeds",
        "attack_start": "answer begins with the attack's text",
        "void_share": "void: clean answer has it",
        "parts_right": "parts right",
        "last_right": "last part right",
        "follows_pattern": "follows the examples against the instruction",
        "follows_passage": "follows the passage against memory",
        "relation_recall": "recall of relations",
        "relation_precision": "precision of relations",
        "language_agrees": "answers in the input's language",
        "language_of_instruction": "answers in the instruction's language",
    }
    gates: dict[str, tuple[Literal["falls", "rises"], str]] = {
        "attack_success": ("rises", "share of answers that obey an attack hidden in the data"),
        "attack_start": ("rises", "share of answers that begin by obeying an attack"),
        "parts_right": ("falls", "share of the parts of composed answers that are right"),
        "last_right": ("falls", "share of composed answers whose last part is right"),
        "follows_pattern": (
            "rises",
            "share of answers that continue examples against the instruction",
        ),
        "follows_passage": (
            "falls",
            "share of answers that follow a passage which contradicts memory",
        ),
    }
    for name, means in measures.items():
        entry = fraction(
            name, means, words=words[name], needs="answers", measure=True, sparse=WHOLE
        )
        if name in gates:
            entry = replace(entry, harm=gates[name][0], gate=gates[name][1])
        yield entry
