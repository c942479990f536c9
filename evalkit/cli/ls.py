"""``evalkit ls``: what there is to choose from."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import (
    GroupedCommand,
    debug_option,
    json_option,
    option,
    print_json,
    print_table,
    table_options,
)
from evalkit.errors import UsageError
from evalkit.report.terminal import counted, say, shown, table_form

__all__ = ["KINDS", "command"]

Rows = list[dict[str, Any]]


def _tasks(patterns: tuple[str, ...]) -> Rows:
    from evalkit.catalog.tasks import list_tasks

    return [
        {
            "task": task.id,
            "kind": task.kind,
            "metric": task.metric,
            "instances": task.n_instances,
            "category": task.category,
            "description": task.description,
        }
        for task in list_tasks(patterns or ("*",))
    ]


def _phrasings(patterns: tuple[str, ...]) -> Rows:
    from evalkit.catalog.phrasings import load_phrasings, sources_apart
    from evalkit.catalog.tasks import list_tasks

    found: dict[str, dict[str, Any]] = {}
    for task in list_tasks(patterns or ("*",)):
        for phrasing in load_phrasings(task, sources=sources_apart(task.benchmark)):
            row = {
                "phrasing": phrasing.id,
                "source": phrasing.source,
                "kind": phrasing.kind,
                "layout": phrasing.layout,
            }
            row |= {
                "answers": phrasing.label_space,
                "checked": phrasing.meaning.status,
                "text": phrasing.text,
            }
            found.setdefault(phrasing.id, row)
    return list(found.values())


def _suites(patterns: tuple[str, ...]) -> Rows:
    from evalkit.catalog.tasks import list_suites

    return [
        {
            "suite": suite.name,
            "measures": suite.measures,
            "source": suite.citation,
            "tasks": " ".join(suite.tasks),
            "phrasings": suite.phrasings or "all",
            "limit": suite.limit or "all",
            "description": suite.description,
        }
        for suite in list_suites()
    ]


def _models(patterns: tuple[str, ...]) -> Rows:
    from evalkit.catalog.models import MODEL_FILE, known_models, read_model_file, shipped_models

    rows: Rows = []
    for name, path in shipped_models().items():
        model = read_model_file(path / MODEL_FILE, directory=path)
        rows.append(
            {"model": name, "tuned_on": _tuning(model.tuned_on), "reference": "ships with evalkit"}
        )
    rows += [
        {
            "model": " ".join(known.ids),
            "tuned_on": _tuning(known.tuned_on),
            "reference": known.reference,
        }
        for known in known_models()
    ]
    return rows


def _tuning(tuned_on: tuple[str, ...] | None) -> str:
    return "unknown" if tuned_on is None else " ".join(tuned_on) or "nothing"


def _schemas(patterns: tuple[str, ...]) -> Rows:
    from evalkit.catalog.schemas import KINDS as SCHEMAS
    from evalkit.catalog.schemas import schema_paths

    paths = schema_paths()
    return [{"schema": kind, "is": SCHEMAS[kind][1], "file": str(paths[kind])} for kind in SCHEMAS]


_NEEDS = {
    "adapter": "evalkit[align]",
    "back_translation": "evalkit[hf]",
    "hf": "evalkit[hf]",
    "lm-eval": "evalkit[lm-eval]",
    "lm_eval": "evalkit[lm-eval]",
    "openai": "evalkit[openai]",
    "paraphrase": "evalkit[hf]",
    "sentence_bleu": "evalkit[hf]",
    "chrf": "evalkit[hf]",
    "vllm": "evalkit[vllm]",
}
"""What is registered -> the extra to install for it; others need nothing."""


def _registered(kind: str) -> Callable[[tuple[str, ...]], Rows]:
    """Return a lister of one registry; nothing registered is imported."""

    def rows(patterns: tuple[str, ...]) -> Rows:
        from evalkit import registry

        entries: registry.Registry = getattr(registry, kind)
        return [
            {
                entries.kind: name,
                "is": _first_words(entries.target(name)),
                "needs": _NEEDS.get(name, ""),
                "from": entries.origin(name),
            }
            for name in entries.names()
        ]

    return rows


def _first_words(target: str) -> str:
    """First sentence of the docstring behind ``module:attribute``, read without importing it.

    Empty for what other packages bring.

    >>> _first_words("evalkit.scoring.text:exact_match").startswith("1 when the first line")
    True
    """
    import ast

    module, _, name = target.partition(":")
    path = Path(__file__).parents[1].joinpath(*module.split(".")[1:]).with_suffix(".py")
    if not module.startswith("evalkit.") or not path.is_file():
        return ""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        defined = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        if defined and isinstance(node, ast.FunctionDef | ast.ClassDef):
            text = ast.get_docstring(node) or text
        assigned = isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == name for one in node.targets
        )
        if assigned and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = str(after.value.value)
    sentence = " ".join(text.split("\n\n")[0].split())
    return sentence.replace("`", "").removesuffix(".").removeprefix("Return ")


KINDS: Mapping[str, Callable[[tuple[str, ...]], Rows]] = {
    "tasks": _tasks,
    "phrasings": _phrasings,
    "suites": _suites,
    "models": _models,
    "backends": _registered("BACKENDS"),
    "metrics": _registered("METRICS"),
    "perturbations": _registered("PERTURBATIONS"),
    "mitigations": _registered("MITIGATIONS"),
    "readers": _registered("READERS"),
    "schemas": _schemas,
}
"""What can be listed -> the function that lists it."""
_BY_TASK = ("tasks", "phrasings")
_LONG = ("description", "text", "reference")
_LEFT_OUT = ("needs", "from")
"""Columns that are shown where they say something."""


@click.command("ls", cls=GroupedCommand, epilog="Example: evalkit ls phrasings --task mmlu/anatomy")
@click.argument("kind", type=click.Choice(list(KINDS)))
@option(
    "--task",
    "patterns",
    multiple=True,
    metavar="TASK",
    help="Only these tasks, or phrasings of these; ids, patterns, benchmarks.",
)
@table_options()
@json_option
@debug_option
def command(kind: str, patterns: tuple[str, ...], as_json: bool) -> None:
    """List tasks, phrasings, suites, models, engines and whatever else has a name here."""
    if patterns and kind not in _BY_TASK:
        raise UsageError(
            f"--task: cannot be used with {kind!r}; accepted with {' and '.join(_BY_TASK)}."
        )
    rows = KINDS[kind](patterns)
    if as_json:
        print_json(rows)
    elif not rows:
        say(f"no {kind}")
    elif kind in _BY_TASK and not table_form():
        _print_lines(rows)
    elif kind == "suites" and not table_form():
        _print_suites(rows)
    else:
        columns = list(rows[0]) if kind in _BY_TASK else _columns(rows)
        print_table(columns, [[str(row[name]) for name in columns] for row in rows])


def _sentence(text: str) -> str:
    """First sentence of a text.

    >>> _sentence("How far? In ten wordings."), _sentence("bbh"), _sentence("One to 1.5. Two.")
    ('How far?', 'bbh', 'One to 1.5.')
    """
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0]


def _print_suites(rows: Rows) -> None:
    """Print a block per suite: what it asks, what it measures, and in whose sense."""
    width = max(len(row["suite"]) for row in rows) + 2
    for row in rows:
        lines = [_sentence(row["description"])]
        lines += [f"measures {row['measures']}"] * bool(row["measures"])
        lines += [f"after {row['source']}"] * bool(row["source"])
        for place, line in enumerate(lines):
            name = "" if place else row["suite"]
            say(
                textwrap.fill(
                    shown(line, lines=False),
                    width=max(shutil.get_terminal_size().columns, 60),
                    initial_indent=name.ljust(width),
                    subsequent_indent=" " * (width + 2),
                    break_long_words=False,
                    break_on_hyphens=False,
                )
            )
    say("Tasks, phrasings, limits and the rest of each: evalkit ls suites --json", err=True)


def _columns(rows: Rows) -> list[str]:
    """Columns of the table: what fits a terminal and says something; --json has all."""
    usual = ("", "evalkit")
    return [
        name
        for name in rows[0]
        if name not in _LEFT_OUT or any(row[name] not in usual for row in rows)
    ]


def _print_lines(rows: Rows) -> None:
    """Print long lists as aligned lines.

    The terminal's width cuts nothing, so they can be searched.
    """
    columns = list(rows[0])
    cells = [
        [shown("" if row[name] is None else str(row[name]), lines=False) for name in columns]
        for row in rows
    ]
    widths = [max(len(line[index]) for line in [columns, *cells]) for index in range(len(columns))]
    for line in [columns, *cells]:
        padded = (
            cell if columns[index] in _LONG else cell.ljust(widths[index])
            for index, cell in enumerate(line)
        )
        say("  ".join(padded).rstrip())
    say(counted(len(rows), columns[0]), err=True)
