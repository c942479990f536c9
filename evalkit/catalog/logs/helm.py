"""Runs of HELM: a folder with ``per_instance_stats.json``, ``run_spec.json`` and
``scenario_state.json``.

References
----------
stanford-crfm/helm, `helm.benchmark.runner` writes the files; a statistic of an instance has
``name.name`` and ``mean``, an instance may carry a perturbation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.logs.files import json_of
from evalkit.catalog.logs.rows import Asked, LogRow, number, one_text, picked, wording_id

__all__ = ["read"]

KNOWN = ("exact_match", "quasi_exact_match", "prefix_exact_match", "f1_score", "rouge_l", "bleu_4")
TEMPLATE = (
    *("method", "instructions", "global_prefix", "input_prefix", "input_suffix"),
    *("reference_prefix", "reference_suffix", "output_prefix", "output_suffix", "instance_prefix"),
)
"""What decides the wording in an adapter."""


def read(files: Sequence[Path], asked: Asked) -> Iterator[LogRow]:
    """Yield the rows of runs; `files` are their ``per_instance_stats.json``."""
    for file in files:
        yield from _rows(file, asked)


def _there(path: Path) -> Any:
    return json_of(path) if path.is_file() else {}


def _rows(file: Path, asked: Asked) -> Iterator[LogRow]:
    spec, state = (_there(file.parent / name) for name in ("run_spec.json", "scenario_state.json"))
    adapter = spec.get("adapter_spec") or state.get("adapter_spec") or {}
    name = str(spec.get("name") or file.parent.name)
    model = str(adapter.get("model") or _model_in(name) or "unknown")
    task = re.sub(r"[,:-]?model(?:_deployment)?=[^,]*", "", name).rstrip(",:")
    wording = task if asked.phrasing == "task" else wording_id(*(adapter.get(k) for k in TEMPLATE))
    if asked.phrasing == "task":
        task = re.split(r"[:,]", task)[0]
    answers = _answers(state)
    metric = None
    for row in json_of(file):
        where = f"{file}, instance {row.get('instance_id')}"
        stats = {
            one["name"]["name"]: one.get("mean")
            for one in row.get("stats") or ()
            if not one["name"].get("sub_split")
        }
        metric = metric or picked(stats, asked, KNOWN, where=file)
        changed = str((row.get("perturbation") or {}).get("name") or "")
        key = (str(row.get("instance_id")), changed, row.get("train_trial_index", 0))
        prediction, target, whole = answers.get(key, (None, "", {}))
        phrasing = asked.wording(wording, {"adapter_spec": adapter, **whole}, where=where)
        yield LogRow(
            model=model,
            task=task,
            phrasing_id=f"{phrasing}+{changed}" if changed else phrasing,
            instance_id=key[0],
            score=number(stats.get(metric), where=where),
            prediction=prediction,
            target=target,
            perturbation=changed,
            repeat=str(row.get("train_trial_index", "")),
        )


def _model_in(name: str) -> str:
    found = re.search("model=([^,]+)", name)
    return found[1] if found else ""


def _answers(state: Mapping[str, Any]) -> dict[tuple[str, str, int], tuple[str, str, Any]]:
    """(instance, perturbation, trial) -> answer, correct answer and the whole instance."""
    found = {}
    for one in state.get("request_states") or ():
        instance = one.get("instance") or {}
        correct = [
            reference["output"]["text"]
            for reference in instance.get("references") or ()
            if "correct" in (reference.get("tags") or ())
        ]
        completions = (one.get("result") or {}).get("completions") or [{}]
        text = str(completions[0].get("text") or "").strip()
        answer = (one.get("output_mapping") or {}).get(text, text)
        changed = str((instance.get("perturbation") or {}).get("name") or "")
        key = (str(instance.get("id")), changed, one.get("train_trial_index", 0))
        found[key] = (answer, one_text(correct), instance)
    return found
