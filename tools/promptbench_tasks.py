"""The PromptBench set of tasks, for `generate_tasks.py`; and the fact tables both read."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

Spec = dict[str, Any]

MATH_TOPICS = {
    "algebra__linear_1d": "linear equations",
    "algebra__linear_2d": "pairs of linear equations",
    "algebra__sequence_next_term": "the next term of a sequence",
    "arithmetic__add_sub_multiple": "adding and subtracting several numbers",
    "arithmetic__mul_div_multiple": "multiplying and dividing several numbers",
    "arithmetic__mixed": "mixed arithmetic",
    "arithmetic__nearest_integer_root": "roots to the nearest whole number",
    "comparison__closest": "the number closest to another",
    "comparison__kth_biggest": "the biggest or smallest numbers of a list",
    "comparison__pair": "the larger of two numbers",
    "measurement__conversion": "units of measurement",
    "numbers__base_conversion": "numbers in other bases",
    "numbers__div_remainder": "remainders",
    "numbers__gcd": "greatest common divisors",
    "numbers__is_factor": "divisors of a number",
    "numbers__is_prime": "prime numbers",
    "numbers__lcm": "least common multiples",
    "numbers__place_value": "digits by place",
    "numbers__round_number": "rounding",
    "polynomials__evaluate": "values of polynomials",
}
"""PromptBench's 20 modules -> their topic in our words;
its ``addition_sub`` and ``number__is_prime`` under upstream's names.
"""


def facts(name: str) -> list[dict[str, str]]:
    """Return the rows of one fact table."""
    with (HERE / "facts" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


SERVED = "https://wjdcloud.blob.core.windows.net/dataset/promptbench/dataset"
"""Where microsoft/promptbench:promptbench/dataload/dataset.py gets the files that its repository
does not hold.
"""
PROMPTBENCH = "set of Zhu et al., PromptBench, 2023, arXiv:2306.04528"


def promptbench(name: str, **rest: Any) -> Spec:
    """Return one PromptBench task; what all have in common comes first."""
    citation = rest.pop("citation", "")
    return {
        "name": name,
        "benchmark": "promptbench",
        "version": 1,
        **{key: value for key, value in rest.items() if value != []},
        "citation": "; ".join(part for part in (citation, PROMPTBENCH) if part),
    }


def glue() -> Iterator[Spec]:
    """Yield the GLUE tasks of PromptBench, on their whole validation splits."""
    for row in facts("glue"):
        two = [
            part for part in ("sentence1", "sentence2") if row["glue"] in ("mrpc", "rte", "wnli")
        ]
        parts = {
            "qqp": ["question1", "question2"],
            "mnli": ["premise", "hypothesis"],
            "qnli": ["sentence"],
        }.get(row["glue"], two or ["sentence"])
        yield promptbench(
            row["name"],
            reader="glue",
            source={
                "local": f"glue/{row['file']}",
                "hub": "nyu-mll/glue",
                "config": row["glue"],
                "revision": "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c",
                "files": [row["hub_file"]],
                "options": {"glue": row["glue"]},
            },
            split="validation",
            kind="choice",
            fields=["question", *parts],
            labels=row["labels"].split("|"),
            choices_shown=False,
            metric="choice_accuracy",
            phrasings=[] if row["glue"] == row["name"] else [row["glue"]],
            subject=row["subject"],
            category="GLUE",
            description=row["description"],
            n_instances=int(row["n"]),
            licence="as stated by each GLUE task",
            citation=row["citation"],
            notes=(
                "PromptBench scores a sample of at most 1000 that it does not publish; "
                "this is the whole validation split."
            ),
        )


def knowledge() -> Iterator[Spec]:
    """Yield MMLU, SQuAD 2.0, the two translation sets and math, as PromptBench has them."""
    subjects = [row["name"] for row in facts("mmlu")]
    yield promptbench(
        "mmlu",
        reader="mmlu",
        source={
            "local": ";".join(f"mmlu/{{split}}/{name}_{{split}}.csv" for name in subjects),
            "hub": "cais/mmlu",
            "revision": "c30699e8356da336a370243923dbaf21066bb9fe",
            "files": [f"{name}/{{split}}-00000-of-00001.parquet" for name in subjects],
            "options": {"subject": "*", "hub_splits": {"val": "validation"}},
        },
        split="test",
        shot_split="dev",
        kind="choice",
        fields=["question", "subject"],
        metric="choice_accuracy",
        chance=0.25,
        subject="all subjects",
        category="knowledge",
        description="Pick the correct one of four choices for a question on any of 57 subjects.",
        n_instances=14042,
        licence="MIT",
        citation=(
            "Hendrycks et al., Measuring Massive Multitask Language Understanding, ICLR 2021, "
            "arXiv:2009.03300"
        ),
        notes=(
            "All 57 subjects in one task; PromptBench scores a sample of 564 that it does not "
            "publish."
        ),
    )
    yield promptbench(
        "squad_v2",
        reader="squad",
        source={
            "local": "squad_v2/dev-v2.0.json",
            "hub": "rajpurkar/squad_v2",
            "config": "squad_v2",
            "revision": "3ffb306f725f7d2ce8394bc1873b24868140c412",
            "files": ["squad_v2/validation-00000-of-00001.parquet"],
        },
        split="validation",
        kind="generate",
        fields=["question", "context", "query"],
        metric="squad_v2",
        max_tokens=32,
        stop=["\n"],
        subject="Wikipedia articles",
        category="reading",
        description="Answer a question from a passage, or say that it is unanswerable.",
        n_instances=11873,
        licence="CC-BY-SA-4.0",
        citation="Rajpurkar et al., Know What You Don't Know, ACL 2018, arXiv:1806.03822",
        notes="PromptBench scores a sample of 200 that it does not publish.",
    )
    yield from translation()
    yield promptbench(
        "math",
        reader="math",
        source={
            "local": ";".join(f"mathematics_dataset/{{split}}/{name}.txt" for name in MATH_TOPICS),
            "options": {
                "also": [
                    ";".join(
                        f"mathematics_dataset-v1.0/{{split}}/{name}.txt" for name in MATH_TOPICS
                    )
                ],
                "per_module": 8,
                "topics": MATH_TOPICS,
            },
        },
        split="interpolate",
        kind="generate",
        fields=["question", "topic"],
        metric="math_match",
        max_tokens=32,
        stop=["\n"],
        subject="mathematics",
        category="mathematics",
        description="Answer a short question of one of 20 kinds of school mathematics.",
        n_instances=160,
        licence="Apache-2.0",
        citation=(
            "Saxton et al., Analysing Mathematical Reasoning Abilities of Neural Models, "
            "ICLR 2019, arXiv:1904.01557"
        ),
        notes="The first 8 questions of each of PromptBench's 20 modules; which 8 PromptBench drew "
        "is not published. Unpack mathematics_dataset-v1.0.tar.gz "
        "(google-deepmind/mathematics_dataset) in the data directory.",
    )


def translation() -> Iterator[Spec]:
    """Yield the two translation sets."""
    shared: Spec = {
        "kind": "generate",
        "fields": ["question", "source_language", "target_language"],
        "metric": "sentence_bleu",
        "max_tokens": 256,
    }
    yield promptbench(
        "un_multi",
        reader="translation",
        source={
            "local": "promptbench/data/un_multi.json",
            "options": {"also": ["un_multi/un_multi.json"], "url": f"{SERVED}/un_multi.json"},
        },
        split="test",
        **shared,
        stop=["\n"],
        subject="United Nations documents",
        category="translation",
        description="Translate a sentence of a United Nations document.",
        languages=["ar", "de", "en", "es", "fr", "ru", "zh"],
        licence="United Nations terms of use",
        citation=(
            "Eisele and Chen, MultiUN: A Multilingual Corpus from United Nation Documents, "
            "LREC 2010"
        ),
        notes=(
            "PromptBench's own selection (99 sentence pairs in the paper), "
            "which it serves as un_multi.json apart from its repository."
        ),
    )
    sets = ("en-de", "de-en", "en-fr", "fr-en")
    yield promptbench(
        "iwslt",
        reader="translation",
        source={
            "local": ";".join(
                f"iwslt2017/{pair}/IWSLT17.TED.tst20*.{pair}.{pair[:2]}.xml" for pair in sets
            ),
            "options": {"also": ["promptbench/data/iwslt.json"]},
        },
        split="test",
        **shared,
        stop=["\n"],
        subject="talks",
        category="translation",
        description="Translate a sentence of a talk.",
        languages=["de", "en", "fr"],
        licence="CC-BY-NC-ND-4.0",
        citation="Cettolo et al., Overview of the IWSLT 2017 Evaluation Campaign, IWSLT 2017",
        notes="English with German and French, both ways; PromptBench scores 242 sentence pairs "
        "that it does not publish. Unpack the test sets of wit3.fbk.eu/2017-01 below "
        "iwslt2017/ in the data directory, a folder per direction (en-de/ ...).",
    )


def logic() -> Iterator[Spec]:
    """Yield the two logic tasks PromptBench added to its set."""
    yield promptbench(
        "bool_logic",
        reader="table",
        source={
            "local": "promptbench/data/bool_logic.json",
            "options": {
                "columns": {"target": "answer"},
                "also": ["bool_logic/bool_logic.json"],
                "url": f"{SERVED}/bool_logic.json",
            },
        },
        split="test",
        kind="choice",
        fields=["question"],
        labels=["True", "False"],
        choices_shown=False,
        metric="choice_accuracy",
        subject="Boolean expressions",
        category="logic",
        description="Say whether a Boolean expression is true.",
        licence="MIT",
        notes="PromptBench serves bool_logic.json apart from its repository.",
    )
    yield promptbench(
        "valid_parentheses",
        reader="bigbench",
        source={
            "local": "promptbench/data/valid_parentheses.json",
            "options": {
                "limit": 100,
                "also": ["valid_parentheses/valid_parentheses.json"],
                "url": f"{SERVED}/valid_parentheses.json",
            },
        },
        split="test",
        kind="choice",
        fields=["question"],
        choices_shown=False,
        metric="choice_accuracy",
        subject="bracket sequences",
        category="logic",
        description="Say whether a sequence of brackets is balanced.",
        n_instances=100,
        licence="MIT",
        notes=(
            "The first 100, as in PromptBench, which serves valid_parentheses.json apart from its "
            "repository."
        ),
    )
