"""Tasks of lm-eval: documents, choices and metric are lm-eval's, the wording is ours.

``lm_eval:boolq``, ``lm_eval:mmlu`` (a group or tag) or ``lm_eval:PATH/task.yaml``. What lm-eval
puts around a document stays: its text (without a closing ``Answer:``) is the question. Its
description, shots and chat template do not: instructions are what we vary. Such a task is loaded by
lm-eval with all that lm-eval allows in a task file, Python functions included, so name only files
you trust. Not taken: tasks scored by code of their own, by other filters, by perplexity, or whose
choices stand in the context. Of filters, those that take the answer out of a text by a pattern are
taken over as the task's ``extract``; each such filter is a task of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from evalkit.catalog.readers.rows import as_text, derived_id
from evalkit.errors import CatalogError, DataMissingError, ExtraMissingError, first_line
from evalkit.records import Instance, Source, Task
from evalkit.records.extraction import compiled

__all__ = ["PREFIX", "read", "resolve"]

PREFIX = "lm_eval:"
"""What stands before the name of an lm-eval task."""

_METRICS = {
    "multiple_choice": {
        "acc": "choice_accuracy",
        "acc_bytes": "choice_accuracy_norm",
        "acc_norm": "choice_accuracy_norm",
    },
    "generate_until": {"exact_match": "exact_match", "f1": "token_f1", "rougeL": "rouge_l"},
}
"""Output type -> lm-eval's metric -> ours; the first of the task's metrics that stands here is
taken."""
_CUE = re.compile(
    r"\s+(?:the\s+)?(?:answer|a|output|response|label)\s*:\s*(?:let's think step by step\.?\s*)?$",
    re.IGNORECASE,
)
_FORMS = {"gsm8k": "gsm8k", "mmlu_pro": "mmlu_pro"}
"""Beginning of a task's name -> set of phrasings that ask for the form which its filters read."""
_SHOTS = "fewshot"
"""Name of the split that shots come from."""


def resolve(pattern: str) -> list[Task]:
    """Return the tasks that ``lm_eval:NAME`` names.

    A task, every task of a group or tag, or a task file.

    Raises
    ------
    CatalogError
        When lm-eval knows no such task, or it is of a kind that cannot be crossed with phrasings.
    DataMissingError
        When lm-eval cannot load its documents.
    ExtraMissingError
        When lm-eval is not installed.
    """
    found: list[Task] = []
    problems: list[str] = []
    for name, task in sorted(_loaded(pattern).items()):
        try:
            found += _tasks(pattern, name, task)
        except CatalogError as error:
            problems += error.problems
    if problems:
        raise CatalogError(problems)
    return found


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return the instances of a task of lm-eval, in its order; the data directory is not used."""
    pattern, name = str(task.source.options["lm_eval"]), str(task.source.options["task"])
    loaded = _loaded(pattern)[name]
    documents = loaded.fewshot_docs() if split == _SHOTS else loaded.eval_docs
    return [
        _instance(task, loaded, document, name=(split, position))
        for position, document in enumerate(documents)
    ]


@lru_cache(maxsize=1)
def _manager() -> Any:
    """lm-eval's index of its own tasks."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


@lru_cache(maxsize=64)
def _loaded(pattern: str) -> Mapping[str, Any]:
    """lm-eval's task objects by name, with their documents."""
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise ExtraMissingError(f"task {pattern!r}", "lm-eval") from error
    name = pattern.removeprefix(PREFIX)
    by_file = name.endswith((".yaml", ".yml"))
    if by_file and not Path(name).is_file():
        raise CatalogError(
            f"{name}: task file is not there; lm_eval:NAME or lm_eval:PATH/task.yaml is expected."
        )
    manager = TaskManager(include_defaults=False) if by_file else _manager()
    if not by_file and name not in manager.all_tasks:
        close = get_close_matches(name, manager.all_tasks, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(repr(item) for item in close)}? " if close else ""
        raise CatalogError(
            f"task {pattern!r}: lm-eval has no task {name!r}; {hint}Type 'lm_eval ls tasks' for "
            "all."
        )
    try:
        found: Mapping[str, Any] = manager.load([name])["tasks"]
    except (OSError, ConnectionError) as error:
        raise DataMissingError(
            f"{pattern}: lm-eval cannot load its documents: {first_line(error)}. "
            "Connect to the network, or unset HF_HUB_OFFLINE."
        ) from error
    # foreign code reading a foreign file: whatever it raises is told, with the traceback under
    # --debug
    except Exception as error:
        raise CatalogError(
            f"{pattern}: lm-eval cannot load the task: {type(error).__name__}: "
            f"{first_line(error)}. Check its file."
        ) from error
    return found


def _refusal(config: Any, task: Any) -> str:
    """Why a task cannot be taken; empty when it can."""
    if config.output_type not in _METRICS:
        return f"output type {config.output_type!r} is not taken; accepted: {', '.join(_METRICS)}"
    if getattr(task, "UNSAFE_CODE", False):
        return "it runs code that the model writes"
    if callable(config.process_results):
        return "it is scored by code of its own"
    if getattr(task, "MULTIMODAL", False):
        return "it shows images or sound"
    if getattr(task, "multiple_input", 0):
        return "its choices stand in the context, not behind it"
    return ""


def _rules(config: Any) -> dict[str, Mapping[str, str] | None]:
    """Return filter -> where it finds the answer in a text; one without a name where there is none.

    Raises
    ------
    CatalogError
        When a filter does more than taking the answer out of a text; says which step.
    """
    filters = config.filter_list if config.output_type == "generate_until" else None
    found: dict[str, Mapping[str, str] | None] = {}
    for item in filters or [{"name": "", "filter": []}]:
        patterns: list[Mapping[str, Any]] = []
        for step in item["filter"]:
            if step["function"] == "regex" and step.get("group_select", 0) in (0, -1):
                patterns.append(step)
            elif step["function"] not in ("take_first", "remove_whitespace"):
                raise CatalogError(
                    f"its answers go through the filter {step['function']!r}, which is not "
                    "applied here; accepted: regex with the first or last match, take_first, "
                    "remove_whitespace"
                )
        if len(patterns) > 1:
            raise CatalogError("its answers go through several patterns one after another")
        found[item["name"]] = _rule(config, patterns[0] if patterns else None)
    return found


def _rule(config: Any, step: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    """Return a regex step and what the metric ignores as a rule of ours; None for neither."""
    dropped = _ignored(config)
    if step is None and not dropped:
        return None
    # lm-eval looks for the pattern of RegexFilter where a step names none
    pattern = step.get("regex_pattern", r"#### (\-?[0-9\.\,]+)") if step else "(?s).+"
    first = step is not None and step.get("group_select", 0) == 0
    rule = {"regex": str(pattern), "select": "first" if first else "last"}
    return rule | ({"drop": dropped} if dropped else {})


def _ignored(config: Any) -> str:
    """Return what the metric takes out of answers and references before it compares them;
    often nothing.
    """
    listed = next((item.get("regexes_to_ignore") for item in config.metric_list or []), None) or []
    return "|".join(
        f"(?s:{one.removeprefix('(?s)')})" if one.startswith("(?s)") else f"(?:{one})"
        for one in listed
    )


def _metric(config: Any) -> str:
    """Our name of the first metric that both have; empty when there is none."""
    listed = [item["metric"] for item in config.metric_list or [{"metric": "acc"}]]
    known = _METRICS[config.output_type]
    return next((known[name] for name in listed if name in known), "")


def _tasks(pattern: str, name: str, task: Any) -> list[Task]:
    """Return the tasks that one of lm-eval's becomes: one, or one for each of several filters."""
    config = task.config
    refusal = _refusal(config, task)
    metric = "" if refusal else _metric(config)
    if not refusal and not metric:
        listed = ", ".join(str(item["metric"]) for item in config.metric_list)
        refusal = (
            f"none of its metrics ({listed}) is known here; accepted: "
            f"{', '.join(_METRICS[config.output_type])}"
        )
    try:
        rules = {} if refusal else _rules(config)
    except CatalogError as error:
        refusal = str(error)
    if refusal:
        raise CatalogError(
            f"{pattern}: task {name!r} cannot be crossed with phrasings: {refusal}. "
            "Name another task."
        )
    plain = _task(pattern, name, task, metric)
    several = len(rules) > 1
    return [
        replace(
            plain,
            name=f"{name}_{re.sub(r'[^A-Za-z0-9]+', '_', label)}" if several else name,
            extract=rule,
        )
        for label, rule in rules.items()
    ]


def _task(pattern: str, name: str, task: Any, metric: str) -> Task:
    config = task.config
    choice = config.output_type == "multiple_choice"
    documents = task.eval_docs
    choices = _choices(task, documents[0]) if choice else ()
    labels = choices if isinstance(config.doc_to_choice, list) else ()
    settings = config.generation_kwargs or {}
    until = settings.get("until") or ()
    return Task(
        name=name,
        benchmark="lm_eval",
        version=_version(task),
        reader="lm_eval",
        source=Source(
            hub=config.dataset_path,
            config=config.dataset_name,
            options={"lm_eval": pattern, "task": name},
        ),
        split=str(config.test_split or config.validation_split or "test"),
        shot_split=_SHOTS if config.fewshot_split or config.training_split else None,
        kind="choice" if choice else "generate",
        fields=("question", *_columns(documents[0])),
        labels=labels,
        choices_shown=not _bare(choices),
        metric=metric,
        chance=1.0 / len(labels) if labels else None,
        max_tokens=int(settings.get("max_gen_toks", 256)) if not choice else 64,
        stop=() if choice else tuple([until] if isinstance(until, str) else until),
        temperature=float(settings.get("temperature", 1.0)) if settings.get("do_sample") else 0.0,
        top_p=float(settings.get("top_p", 1.0)) if settings.get("do_sample") else 1.0,
        phrasings=tuple(sets for start, sets in _FORMS.items() if name.startswith(start))
        or ("generic",),
        subject=name.replace("_", " "),
        description=f"Task {name} of lm-eval; documents, choices and metric are lm-eval's.",
        n_instances=len(documents),
        notes="Asked with phrasings of our own, so its scores are not those of lm-eval's prompt.",
    )


def _version(task: Any) -> int:
    """Version of the task's metadata as a whole number; 1 when it has none."""
    try:
        return max(1, int(float(task.VERSION)))
    except (TypeError, ValueError):
        return 1


def _columns(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Columns of a document that are texts or numbers and may be slots.

    The question is lm-eval's own text.
    """
    return tuple(
        name
        for name, value in document.items()
        if name != "question" and name.isidentifier() and isinstance(value, str | int | float)
    )


def _choices(task: Any, document: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(as_text(choice).strip() for choice in task.doc_to_choice(document))


def _bare(choices: Sequence[str]) -> bool:
    """Whether choices are mere labels, which the document's text explains itself.

    >>> _bare(("A", "B", "C")), _bare(("yes", "no"))
    (True, False)
    """
    return bool(choices) and all(len(choice.strip("()")) == 1 for choice in choices)


def _instance(
    task: Task, loaded: Any, document: Mapping[str, Any], *, name: tuple[str, int]
) -> Instance:
    where = f"{task.id}: document {name[1]}"
    question = loaded.doc_to_text(document)
    if not isinstance(question, str):
        raise CatalogError(f"{where}: lm-eval gives {question!r} as its text; a text is expected.")
    question = _CUE.sub("", question).strip()
    fields = {field: as_text(document.get(field, "")) for field in task.fields}
    fields["question"] = question
    answer = loaded.doc_to_target(document)
    if task.kind == "generate":
        dropped = compiled(_ignored(loaded.config))
        references = tuple(
            dropped.sub("", as_text(item)).strip()
            for item in (answer if isinstance(answer, list) else [answer])
        )
        return Instance(
            id=derived_id(*name, question, *references), fields=fields, references=references
        )
    choices = _choices(loaded, document)
    right = [
        _index(item, choices, where) for item in (answer if isinstance(answer, list) else [answer])
    ]
    return Instance(
        id=derived_id(*name, question, *choices),
        fields=fields,
        choices=choices,
        target=right[0] if len(right) == 1 else None,
        references=tuple(choices[index] for index in right),
    )


def _index(answer: Any, choices: Sequence[str], where: str) -> int:
    """Index of the choice that lm-eval's target names: a number, or a choice's text."""
    index = answer if isinstance(answer, int) else -1
    if isinstance(answer, str):
        index = next((at for at, choice in enumerate(choices) if choice == answer.strip()), -1)
    if not 0 <= index < len(choices):
        raise CatalogError(f"{where}: target {answer!r} names none of its {len(choices)} choices.")
    return index
