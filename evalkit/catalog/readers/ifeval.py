"""IFEval as published (``input_data.jsonl``: key, prompt, instruction_id_list, kwargs) -> instances
with rules of ours.

The English file of M-IFEval is the same with ``en:`` before each kind; those of other languages
count in ways of their own and are refused.
An instance keeps its rules as JSON in the field ``constraints``. Sentences are counted by
punctuation and languages by lingua here, by other libraries upstream, so single verdicts can
differ from upstream's program.

References
----------
Zhou et al. 2023 (arXiv 2311.07911), table of the 25 kinds of instruction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from evalkit.catalog.files import json_lines, locate
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["KNOWN", "read", "rule_of"]

Rule = dict[str, Any]
Told = Mapping[str, Any]


def _amount(told: Told, number: str, relation: str) -> Rule:
    """Upstream's relation: ``less than`` n, or ``at least`` n."""
    n = int(told[number])
    if told[relation] == "less than":
        return {"at_most": n - 1}
    if told[relation] != "at least":
        raise ValueError(f"relation {told[relation]!r} is not known")
    return {"at_least": n}


KNOWN: Mapping[str, Callable[[Told], list[Rule]]] = {
    "keywords:existence": lambda t: [{"rule": "contains", "text": w} for w in t["keywords"]],
    "keywords:frequency": lambda t: [
        {"rule": "contains", "text": t["keyword"], **_amount(t, "frequency", "relation")}
    ],
    "keywords:forbidden_words": lambda t: [
        {"rule": "excludes", "text": w} for w in t["forbidden_words"]
    ],
    "keywords:letter_frequency": lambda t: [
        {"rule": "letter", "text": t["letter"], **_amount(t, "let_frequency", "let_relation")}
    ],
    "language:response_language": lambda t: [{"rule": "language", "code": t["language"]}],
    "length_constraints:number_sentences": lambda t: [
        {"rule": "sentences", **_amount(t, "num_sentences", "relation")}
    ],
    "length_constraints:number_words": lambda t: [
        {"rule": "words", **_amount(t, "num_words", "relation")}
    ],
    "length_constraints:number_paragraphs": lambda t: [
        {"rule": "paragraphs", "between": "***", "exactly": int(t["num_paragraphs"])}
    ],
    "length_constraints:nth_paragraph_first_word": lambda t: [
        {
            "rule": "first_word",
            "text": t["first_word"],
            "paragraph": int(t["nth_paragraph"]),
            "paragraphs": int(t["num_paragraphs"]),
        }
    ],
    "detectable_content:number_placeholders": lambda t: [
        {"rule": "placeholders", "at_least": int(t["num_placeholders"])}
    ],
    "detectable_content:postscript": lambda t: [
        {"rule": "postscript", "text": t["postscript_marker"]}
    ],
    "detectable_format:number_bullet_lists": lambda t: [
        {"rule": "bullets", "exactly": int(t["num_bullets"])}
    ],
    "detectable_format:constrained_response": lambda t: [
        {
            "rule": "one_of",
            "texts": ["My answer is yes.", "My answer is no.", "My answer is maybe."],
        }
    ],
    "detectable_format:number_highlighted_sections": lambda t: [
        {"rule": "highlights", "at_least": int(t["num_highlights"])}
    ],
    "detectable_format:multiple_sections": lambda t: [
        {"rule": "sections", "text": t["section_spliter"], "at_least": int(t["num_sections"])}
    ],
    "detectable_format:json_format": lambda t: [{"rule": "json"}],
    "detectable_format:title": lambda t: [{"rule": "title"}],
    "combination:two_responses": lambda t: [{"rule": "two_answers"}],
    "combination:repeat_prompt": lambda t: [{"rule": "starts", "text": t["prompt_to_repeat"]}],
    "startend:end_checker": lambda t: [{"rule": "ends", "text": t["end_phrase"]}],
    "startend:quotation": lambda t: [{"rule": "quoted"}],
    "change_case:capital_word_frequency": lambda t: [
        {"rule": "capital_words", **_amount(t, "capital_frequency", "capital_relation")}
    ],
    "change_case:english_capital": lambda t: [{"rule": "upper"}],
    "change_case:english_lowercase": lambda t: [{"rule": "lower"}],
    "punctuation:no_comma": lambda t: [{"rule": "excludes", "text": ","}],
}
"""Upstream's kind of instruction -> rules of ours;
several words of one instruction are one rule.
"""


def rule_of(kind: str, told: Told) -> list[Rule]:
    """Return the rules that one instruction of upstream's stands for.

    Raises
    ------
    ValueError
        When the kind is not known, or its arguments are not those it takes.

    Examples
    --------
    >>> rule_of("length_constraints:number_words", {"relation": "less than", "num_words": 50})
    [{'rule': 'words', 'at_most': 49}]
    """
    if kind not in KNOWN:
        raise ValueError(f"instruction {kind!r} is not known")
    try:
        return KNOWN[kind](told)
    except (KeyError, TypeError) as error:
        raise ValueError(f"instruction {kind!r} lacks {error}") from None


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the prompts of IFEval with their rules."""
    instances: list[Instance] = []
    for path in locate(task, data_dir, split).paths:
        for line, row in json_lines(path):
            try:
                kinds, told = row["instruction_id_list"], row["kwargs"]
                given = [
                    {key: value for key, value in one.items() if value is not None} for one in told
                ]
                rules = [
                    rule
                    for kind, arguments in zip(kinds, given, strict=True)
                    for rule in rule_of(kind.removeprefix("en:"), arguments)
                ]
                name, prompt = str(row["key"]), str(row["prompt"])
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                raise CatalogError(
                    f"{path}:{line}: is no prompt of IFEval ({error}); key, prompt, "
                    "instruction_id_list and kwargs of the same length are expected. "
                    "Get the file again."
                ) from None
            fields = {"question": prompt, "constraints": json.dumps(rules, ensure_ascii=False)}
            instances.append(Instance(id=name, fields=fields, where=f"{path}:{line}"))
    return instances
