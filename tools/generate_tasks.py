"""Write the task files of published benchmarks from `facts/` and the programs beside this one.

``python tools/generate_tasks.py`` writes; ``python tools/generate_tasks.py --check`` exits 1 and
names what differs.
Facts (names, counts, categories) come from the publications named in each citation; descriptions
are our own words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promptbench_tasks import Spec, facts, glue, knowledge, logic
from ready_tasks import (
    bbq,
    bigbench,
    cuad,
    exams,
    finance,
    medicine,
    passages,
    reasoning,
)

ROOT = Path(__file__).resolve().parent.parent / "tasks"
HEAD = "# Made by tools/generate_tasks.py; change tools/facts/ or that program, not this file.\n"


def dump(spec: Mapping[str, Any], indent: str = "") -> str:
    """Return a mapping as YAML: one key a line, lists in brackets, texts in double quotes where
    they need it.
    """
    lines: list[str] = []
    for key, value in spec.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{scalar(key)}:\n{dump(value, indent + '  ')}".rstrip("\n"))
        elif isinstance(value, list):
            lines.append(f"{indent}{scalar(key)}: [{', '.join(scalar(item) for item in value)}]")
        else:
            lines.append(f"{indent}{scalar(key)}: {scalar(value)}")
    return "\n".join(lines) + "\n"


def scalar(value: Any) -> str:
    """Return a text or number as YAML; names and numbers bare, all other texts quoted."""
    if isinstance(value, str):
        bare = (
            value.isascii()
            and value.replace("_", "a").isalnum()
            and value[0].isalpha()
            and value.lower() not in ("true", "false", "null")
        )
        return value if bare else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def mmlu() -> Iterator[Spec]:
    """Yield the 57 subjects."""
    for row in facts("mmlu"):
        name = row["name"]
        yield {
            "name": name,
            "benchmark": "mmlu",
            "version": 1,
            "reader": "mmlu",
            "source": {
                "local": f"mmlu/{{split}}/{name}_{{split}}.csv",
                "hub": "cais/mmlu",
                "config": name,
                "revision": "c30699e8356da336a370243923dbaf21066bb9fe",
                "files": [f"{name}/{{split}}-00000-of-00001.parquet"],
                "options": {
                    "also": [
                        f"mmlu/data/{{split}}/{name}_{{split}}.csv",
                        "mmlu/{split}_jsonl/zero_shot_mmlu_{split}.json",
                    ],
                    "hub_splits": {"val": "validation"},
                },
            },
            "split": "test",
            "shot_split": "dev",
            "kind": "choice",
            "fields": ["question"],
            "metric": "choice_accuracy",
            "chance": 0.25,
            "phrasings": ["general"],
            "subject": row["subject"],
            "category": row["category"],
            "description": f"Pick the correct one of four choices for a question on {row['subject']}.",  # noqa: E501
            "n_instances": int(row["n"]),
            "licence": "MIT",
            "citation": (
                "Hendrycks et al., Measuring Massive Multitask Language Understanding, ICLR 2021, "
                "arXiv:2009.03300"
            ),
            "notes": (
                "task664 to task737 of the SuperNI training split are MMLU subjects: "
                "a model tuned on SuperNI has met them."
            ),
        }


def bbh() -> Iterator[Spec]:
    """Yield the 27 subtasks."""
    unlisted = ("boolean_expressions", "sports_understanding", "web_of_lies")
    loose = {
        "movie_recommendation": "One target is a text and not a letter.",
        "ruin_names": "Two targets are texts and not letters.",
    }
    for row in facts("bbh"):
        name, answers = row["name"], row["answers"]
        spec: Spec = {"name": name, "benchmark": "bbh", "version": 1, "reader": "bbh"}
        options: Spec = {
            "also": [f"BIG-Bench-Hard/bbh/{name}.json"],
            "github": "suzgunmirac/BIG-Bench-Hard",
            "github_revision": "9ee07bd481feebf959a6b59d61ea57bdcf30964d",
        }
        spec |= {"source": {"local": f"bbh/bbh/{name}.json", "options": options}, "split": "test"}
        if answers == "text":
            spec |= {
                "kind": "generate",
                "fields": ["question", "input"],
                "metric": "exact_match",
                "max_tokens": 128,
                "stop": ["\n\n"],
            }
        elif answers == "options":
            spec |= {"kind": "choice", "fields": ["question", "input"], "metric": "choice_accuracy"}
        else:
            spec |= {
                "kind": "choice",
                "fields": ["question", "input"],
                "labels": answers.split("|"),
            }
            spec |= {
                "choices_shown": name not in unlisted,
                "metric": "choice_accuracy",
                "chance": 0.5,
            }
        spec |= {
            "subject": row["subject"],
            "description": row["description"],
            "n_instances": int(row["n"]),
            "licence": "MIT",
            "citation": (
                "Suzgun et al., Challenging BIG-Bench Tasks and Whether Chain-of-Thought Can "
                "Solve Them, 2022, arXiv:2210.09261"
            ),
        }
        if name in loose:
            spec["notes"] = loose[name]
        yield spec


def superni() -> Iterator[Spec]:
    """Yield the 119 English test tasks; the metric is the published ROUGE-L,
    for classification tasks too.
    """
    for row in facts("superni"):
        name = row["name"]
        yield {
            "name": name,
            "benchmark": "superni",
            "version": 1,
            "reader": "superni",
            "source": {
                "local": f"superni/tasks/{name}.json",
                "options": {
                    "also": [f"natural-instructions/tasks/{name}.json"],
                    "limit": 100,
                    "github": "allenai/natural-instructions",
                },
            },
            "split": "test",
            "shot_split": "positive_examples",
            "kind": "generate",
            "fields": ["question", "input"],
            "metric": "rouge_l",
            "max_tokens": 128,
            "stop": ["\n\n"],
            "phrasings": [row["category"].lower().replace(" ", "_")],
            "subject": row["category"].lower(),
            "category": row["category"],
            "description": row["description"],
            "licence": "Apache-2.0 for the benchmark; the file's 'Instance License' for its instances",  # noqa: E501
            "citation": "Wang et al., Super-NaturalInstructions, EMNLP 2022, arXiv:2204.07705",
            "notes": (
                "First 100 instances, as in the published evaluation. "
                "No commit is pinned: 'evalkit data fetch' records the one it gets."
            ),
        }


READY = (exams, reasoning, passages, bbq, medicine, finance, cuad, bigbench)
BENCHMARKS = (mmlu, bbh, superni, *READY, glue, knowledge, logic)


def grouped(spec: Spec, groups: Mapping[str, Mapping[str, str]]) -> Spec:
    """Return a task with the field that says which of its instances belong together,
    where there is one.
    """
    row = groups.get(f"{spec['benchmark']}/{spec['name']}")
    if row is None:
        return spec
    found = {"group": row["group"]}
    if row["group_until"]:
        found["group_until"] = json.loads(row["group_until"].replace("\n", "\\n"))
    out: Spec = {}
    for key, value in spec.items():
        out[key] = value
        if key == "fields":
            out |= found
    return out


def expected() -> dict[Path, str]:
    """Return every file this program stands for, with its text."""
    groups = {row["task"]: row for row in facts("groups")}
    made = {
        ROOT / spec["benchmark"] / f"{spec['name']}.yaml": HEAD + dump(grouped(spec, groups))
        for make in BENCHMARKS
        for spec in make()
    }
    names = {f"{path.parent.name}/{path.stem}" for path in made}
    if strange := sorted(set(groups) - names):
        raise SystemExit(f"tools/facts/groups.csv: no task {strange[0]!r}")
    return made


def stale() -> list[str]:
    """Return what differs between the files and the facts, one line each;
    empty when all is current.
    """
    wanted = expected()
    wrong = [
        f"{path}: is missing or out of date"
        for path, text in wanted.items()
        if not path.is_file() or path.read_text("utf-8") != text
    ]
    made = {path for path in ROOT.glob("*/*.yaml") if path.read_text("utf-8").startswith(HEAD)}
    return wrong + [
        f"{path}: is no longer made from the facts" for path in sorted(made - set(wanted))
    ]


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    if arguments == ["--check"]:
        wrong = stale()
        print(
            "\n".join([*wrong, "Run: python tools/generate_tasks.py"])
            if wrong
            else "all task files are current"
        )
        return 1 if wrong else 0
    if arguments:
        print("usage: python tools/generate_tasks.py [--check]", file=sys.stderr)
        return 2
    for path, text in expected().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
