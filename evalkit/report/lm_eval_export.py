"""A run's tasks x phrasings as lm-eval task files,
so that anyone can check our numbers with another program.

Every (task, phrasing) becomes one lm-eval task over a JSON Lines file that holds the finished
prompts, so that what is compared is the model and the scoring, not the templates. ``expected.csv``
says what we measured.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import StoreError, UsageError
from evalkit.phrasings.prompts import render_prompt, request_of
from evalkit.records import Instance, Job, Phrasing, Prompt, Task
from evalkit.records.manifest import Manifest
from evalkit.scoring import Verdict
from evalkit.scoring.columns import Cells
from evalkit.scoring.stored import score_run
from evalkit.store.atomic import slug, write_atomic
from evalkit.store.blocks import stored_jobs
from evalkit.store.csv_file import csv_of
from evalkit.store.directory import RunDir
from evalkit.store.responses import Store

__all__ = ["METRICS", "export_run"]

METRICS = {
    "choice_accuracy": "acc",
    "choice_accuracy_norm": "acc_bytes",
    "exact_match": "exact_match",
}
"""Our metric -> the one of lm-eval that counts the same."""
_EXPECTED = (
    *("lm_eval_task", "task", "phrasing_id", "metric"),
    *("score", "n_instances", "missing", "truncated"),
)
_README = """# Tasks for lm-eval

Written by evalkit from a run of {model} on the suite {suite}: {n_tasks} tasks of lm-eval, one per \
task and phrasing, {n_rows} prompts.
`expected.csv` holds what evalkit measured on each of them.

From this folder (the data paths are relative to it), for a model of Transformers:

    lm_eval --model hf --model_args pretrained=MODEL --tasks {group} --include_path . --num_fewshot\
 0

The prompts are finished texts: instruction, shots and listed choices are in them, so lm-eval adds \
nothing. Leave its chat template off for a run without one.

* `acc` is choice_accuracy, `acc_bytes` choice_accuracy_norm, `exact_match` exact_match.
* A choice with the text of the right one counts as right, so targets are lists.
* exact_match here compares the first line without the white space around it, ignoring case. \
evalkit also unifies Unicode forms, drops one layer of quotes
  and a closing full stop: where answers carry these, its scores are higher.
* Prompts longer than the model's window lose their middle in evalkit and their beginning in \
lm-eval; `expected.csv` counts them as truncated.
{left_out}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exported:
    """One lm-eval task."""

    name: str
    """Its name."""
    task: Task
    """Our task."""
    phrasing: Phrasing
    """Our phrasing."""
    rows: tuple[Mapping[str, Any], ...]
    """Its documents."""


def export_run(run: Path, out: Path) -> int:
    """Write the tasks and phrasings of a run as lm-eval task files.

    Parameters
    ----------
    run
        Run directory.
    out
        Directory to write; made when absent.

    Returns
    -------
    int
        Prompts written.

    Raises
    ------
    StoreError
        When the run is damaged, or its prompts cannot be made again from what is stored.
    UsageError
        When lm-eval has no metric for any of its tasks, or `out` is a file.
    """
    if out.is_file():
        raise UsageError(f"--out: {out} is a file; a directory is expected.")
    manifest, cells, _ = score_run(run)
    exported: list[_Exported] = []
    left_out: dict[str, str] = {}
    with Store(RunDir(run).store_path, read_only=True) as store:
        for job in stored_jobs(store, manifest.suite):
            if job.task.metric not in METRICS:
                left_out[job.task.id] = job.task.metric
                continue
            exported += _exported(job, run)
    if not exported:
        raise UsageError(
            f"{run}: lm-eval has no metric like {', '.join(sorted(set(left_out.values())))}, "
            "so there is nothing to export."
        )
    group = f"evalkit_{slug(manifest.suite.name)}"
    for item in exported:
        _write_task(item, out)
    write_atomic(
        out / "group.yaml", _yaml({"group": group, "task": [item.name for item in exported]})
    )
    write_atomic(out / "expected.csv", _expected(exported, cells))
    n_rows = sum(len(item.rows) for item in exported)
    write_atomic(
        out / "README.md",
        _readme(
            manifest,
            left_out,
            group=group,
            n_tasks=len(exported),
            n_rows=n_rows,
            repeats=max(item.task.repeats for item in exported),
        ),
    )
    return n_rows


def _exported(job: Job, run: Path) -> Iterator[_Exported]:
    """Every phrasing of a stored task with its finished prompts."""
    for phrasing, block in zip(job.phrasings, job.blocks, strict=True):
        rows = []
        for position, (key, instance) in enumerate(zip(block.each(), job.instances, strict=True)):
            order, names = job.arrangement(phrasing, position)
            prompt = render_prompt(
                job.task,
                phrasing,
                instance,
                shots=job.shown(phrasing, position),
                order=order,
                names=names,
            )
            if request_of(prompt).key != key:
                raise StoreError(
                    f"{run}: the prompt of {job.task.id}, phrasing {phrasing.id!r}, "
                    f"instance {instance.id!r} is not the one that was asked: "
                    "another version of evalkit wrote this run. Run the same 'evalkit run' again."
                )
            rows.append(_document(prompt, instance))
        yield _Exported(
            name=f"evalkit_{slug(job.task.id)}_{slug(phrasing.id)}",
            task=job.task,
            phrasing=phrasing,
            rows=tuple(rows),
        )


def _document(prompt: Prompt, instance: Instance) -> dict[str, Any]:
    """One prompt as a document of lm-eval."""
    text = f"{prompt.system}\n\n{prompt.text}" if prompt.system else prompt.text
    if prompt.kind == "generate":
        return {"id": instance.id, "text": text, "target": list(instance.references)}
    shown = prompt.choice_order or range(len(instance.choices))
    right = [position for position, index in enumerate(shown) if _is_right(instance, index)]
    return {
        "id": instance.id,
        "text": text,
        "choices": [choice.removeprefix(" ") for choice in prompt.continuations],
        "target": right,
    }


def _is_right(instance: Instance, index: int) -> bool:
    if instance.target is None:
        return instance.choices[index] in instance.references
    return index == instance.target or instance.choices[index] == instance.choices[instance.target]


def _write_task(item: _Exported, out: Path) -> None:
    """Write the task file and the documents of one lm-eval task."""
    metric = {"metric": METRICS[item.task.metric], "aggregation": "mean", "higher_is_better": True}
    body: dict[str, Any] = {
        "task": item.name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"data/{item.name}.jsonl"}},
        "test_split": "test",
        "num_fewshot": 0,
        "doc_to_text": "text",
        "doc_to_target": "target",
        "metadata": {
            "version": item.task.version,
            "evalkit_task": item.task.id,
            "evalkit_phrasing": item.phrasing.id,
        },
    }
    if item.task.kind == "choice":
        body |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "target_delimiter": " ",
            "metric_list": [metric],
        }
    else:
        first_line = {"function": "regex", "regex_pattern": r"^\s*([^\n]*?)\s*(?:\n|$)"}
        body |= {
            "output_type": "generate_until",
            "generation_kwargs": {
                "until": list(item.task.stop),
                "max_gen_toks": item.task.max_tokens,
                **_drawing(item.task),
            },
            "metric_list": [{**metric, "ignore_case": True}],
            "filter_list": [
                {"name": "first_line", "filter": [first_line, {"function": "take_first"}]}
            ],
        }
    write_atomic(out / f"{item.name}.yaml", _yaml(body))
    lines = (json.dumps(row, ensure_ascii=True, allow_nan=False) for row in item.rows)
    write_atomic(out / "data" / f"{item.name}.jsonl", "".join(f"{line}\n" for line in lines))


def _drawing(task: Task) -> dict[str, Any]:
    """How an answer is drawn, as Transformers names it."""
    if not task.temperature:
        return {"do_sample": False, "temperature": 0.0}
    return {"do_sample": True, "temperature": task.temperature, "top_p": task.top_p}


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000))


def _expected(exported: Sequence[_Exported], found: Sequence[Cells]) -> str:
    """Table of what we measured, per lm-eval task; a mean over missing cells is left empty."""
    cells: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for part in found:  # one per repeat
        cells[part.task.id, part.phrasing.id] += part.verdicts
    rows = []
    for item in exported:
        mine = cells[item.task.id, item.phrasing.id]
        values = [score.score for score in mine if score.score is not None]
        mean = sum(values) / len(values) if len(values) == len(mine) else None
        truncated = sum(score.status == "truncated" for score in mine)
        row = [
            item.name,
            item.task.id,
            item.phrasing.id,
            METRICS[item.task.metric],
            mean,
            len(item.rows),
            len(mine) - len(values),
            truncated,
        ]
        rows.append(row)
    return csv_of(_EXPECTED, rows)


def _readme(
    manifest: Manifest,
    left_out: Mapping[str, str],
    *,
    group: str,
    n_tasks: int,
    n_rows: int,
    repeats: int,
) -> str:
    several = (
        f"* Answers were drawn, up to {repeats} per prompt: `expected.csv` holds the mean of all "
        "(missing and truncated count answers), and lm-eval draws one.\n"
    )
    lines = [
        (
            "* Left out, since lm-eval has no metric like theirs: "
            f"{', '.join(f'{task} ({metric})' for task, metric in left_out.items())}.\n"
        )
    ]
    return _README.format(
        model=manifest.model.label,
        suite=manifest.suite.name,
        group=group,
        n_tasks=n_tasks,
        n_rows=n_rows,
        left_out=(several if repeats > 1 else "") + (lines[0] if left_out else ""),
    )
