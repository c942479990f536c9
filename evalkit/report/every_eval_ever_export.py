"""A run as records of Every Eval Ever 0.3: an aggregate with our intervals, and a line per cell.

References
----------
evaleval/every_eval_ever, `eval.schema.json` and `instance_level_eval.schema.json`, version 0.3.0.
The schema has no field for a phrasing: its id stands in ``metadata.phrasing_id`` of a cell, its
text in ``generation_config.generation_args.prompt_template`` of the score under it.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from evalkit.records import Estimate
from evalkit.records.manifest import Manifest
from evalkit.records.statistics import shown_in
from evalkit.report.evidence import Evidence, PhrasingView

__all__ = ["SCHEMA", "aggregate", "samples"]

SCHEMA = "0.3.0"


def _timestamp(manifest: Manifest) -> str:
    """Seconds since 1970 at which the last attempt began: the same for the same run."""
    from datetime import datetime

    started = manifest.attempts[-1].started if manifest.attempts else "1970-01-01T00:00:00Z"
    return str(int(datetime.fromisoformat(started.replace("Z", "+00:00")).timestamp()))


def _model_id(manifest: Manifest) -> str:
    """Name of the model at its engine; the label of one that is a place on this machine."""
    name = manifest.model.name
    return manifest.model.label if PurePath(name).is_absolute() else name


def evaluation_id(manifest: Manifest) -> str:
    """Return the id of a run's records: suite, model and moment."""
    return f"{manifest.suite.name}/{manifest.model.label}/{_timestamp(manifest)}"


def aggregate(
    manifest: Manifest, evidence: Evidence, estimates: Sequence[Estimate]
) -> dict[str, Any]:
    """Return the aggregate record: every headline statistic with its interval,
    and the score under every phrasing.

    Parameters
    ----------
    manifest, evidence, estimates
        Of the run.
    """
    model = manifest.model
    local = model.backend in ("hf", "vllm")
    return {
        "schema_version": SCHEMA,
        "evaluation_id": evaluation_id(manifest),
        "retrieved_timestamp": _timestamp(manifest),
        "source_metadata": {
            "source_name": f"evalkit, suite {manifest.suite.name}",
            "source_type": "evaluation_run",
            "source_organization_name": "unknown",
            "evaluator_relationship": "other",
            "additional_details": {"suite_digest": manifest.suite.digest},
        },
        "eval_library": {"name": "evalkit", "version": manifest.evalkit},
        "model_info": {
            "name": model.label,
            "id": _model_id(manifest),
            "inference_engine": {"name": model.backend},
            "additional_details": {
                "deployment_type": "self_deployed" if local else "unknown",
                "model_availability": "unknown",
                "fingerprint": model.fingerprint_digest,
                "mitigations": ", ".join(manifest.mitigations) or "none",
            },
        },
        "evaluation_results": [*_headlines(estimates), *_wordings(evidence)],
    }


def _headlines(estimates: Iterable[Estimate]) -> Iterator[dict[str, Any]]:
    """One result per headline statistic of a task, and of all tasks."""
    entries = {entry.name: entry for entry in shown_in("summary")}
    for row in estimates:
        if row.metric not in entries or row.group or math.isnan(row.value):
            continue
        if row.task == "all" and row.benchmark != "all":
            continue
        entry = entries[row.metric]
        low, high = (0.0, 1.0) if entry.low == 0 else (-1.0, 1.0)
        yield {
            "evaluation_result_id": f"{row.task}#{row.metric}",
            "evaluation_name": row.task,
            "source_data": {"dataset_name": row.benchmark, "source_type": "other"},
            "metric_config": {
                "evaluation_description": entry.means,
                "metric_id": f"evalkit.{row.metric}",
                "metric_name": entry.title,
                "metric_unit": "proportion",
                "lower_is_better": entry.harm == "rises",
                "score_type": "continuous",
                "min_score": low,
                "max_score": high,
            },
            "score_details": {
                "score": row.value,
                "details": {
                    "n_phrasings": str(row.n_phrasings),
                    "n_instances": str(row.n_instances),
                    **({"interval_question": row.question} if row.question else {}),
                },
                **_uncertainty(
                    row.low, row.high, row.level, row.method or row.interval, row.n_instances
                ),
            },
        }


def _uncertainty(low: float, high: float, level: float, method: str, n: int) -> dict[str, Any]:
    if math.isnan(low) or math.isnan(high):
        return {}
    interval = {"lower": low, "upper": high, "confidence_level": level, "method": method}
    return {"uncertainty": {"confidence_interval": interval, "num_samples": n}}


def _wordings(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """One result per phrasing of a task, with its text."""
    for view in evidence.tasks:
        for row in view.phrasings:
            if not math.isnan(row.score):
                yield _wording(row, evidence.level, view.task.benchmark)


def _wording(row: PhrasingView, level: float, benchmark: str) -> dict[str, Any]:
    template = {"generation_args": {"prompt_template": row.text}} if row.text else None
    return {
        "evaluation_result_id": f"{row.task}#{row.phrasing_id}",
        "evaluation_name": row.task,
        "source_data": {"dataset_name": benchmark, "source_type": "other"},
        "metric_config": {
            "evaluation_description": "mean score over instances under one phrasing",
            "metric_id": "evalkit.phrasing_mean",
            "metric_name": "score under one phrasing",
            "metric_unit": "proportion",
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0.0,
            "max_score": 1.0,
        },
        "score_details": {
            "score": row.score,
            "details": {
                "phrasing_id": row.phrasing_id,
                "phrasing_source": row.source,
                "seen": row.seen,
                "kind": row.kind,
                "perturbation": row.perturbation,
            },
            **_uncertainty(row.low, row.high, level, "this phrasing on new instances", row.n),
        },
        **({"generation_config": template} if template else {}),
    }


def samples(
    manifest: Manifest,
    cells: Iterable[Mapping[str, Any]],
    prompts: Mapping[tuple[str, str, str], Any],
) -> Iterator[dict[str, Any]]:
    """Yield the record of every cell.

    Parameters
    ----------
    manifest
        Of the run.
    cells
        Rows of ``scores.parquet``.
    prompts
        (task, phrasing, instance) -> row of `evalkit.runs.read.answers_of`.
    """
    name = evaluation_id(manifest)
    for cell in cells:
        key = (str(cell["task"]), str(cell["phrasing_id"]), str(cell["instance_id"]))
        told = prompts.get(key) or {}
        prompt, said = told.get("prompt") or "", cell.get("prediction")
        answer = told.get("text") if told.get("text") is not None else said
        score = cell.get("score")
        yield {
            "schema_version": SCHEMA,
            "evaluation_id": name,
            "model_id": _model_id(manifest),
            "evaluation_name": key[0],
            "evaluation_result_id": f"{key[0]}#{key[1]}",
            "sample_id": key[2],
            "sample_hash": hashlib.sha256(
                json.dumps([prompt, str(cell.get("target") or "")]).encode("utf-8", "surrogatepass")
            ).hexdigest(),
            "interaction_type": "single_turn",
            "input": {
                "raw": prompt,
                "reference": [str(cell.get("target") or "")],
                **({"choices": told["choices"]} if told.get("choices") else {}),
            },
            "output": {"raw": [str(answer)]} if answer is not None else None,
            "answer_attribution": [
                {
                    "turn_idx": 0,
                    "source": "output.raw",
                    "extracted_value": "" if said is None else str(said),
                    "extraction_method": "evalkit",
                    "is_terminal": True,
                }
            ],
            "evaluation": {
                "score": 0.0 if score is None or score != score else float(score),
                "is_correct": bool(score is not None and score >= 1),
            },
            "error": "no answer by a fault of the run" if cell.get("status") == "missing" else None,
            "metadata": {
                "task": key[0],
                "phrasing_id": key[1],
                "phrasing_source": str(cell.get("phrasing_source") or ""),
                "seen": str(cell.get("seen") or ""),
                "state": str(cell.get("state") or cell.get("status") or ""),
            },
        }


def record_name(manifest: Manifest) -> str:
    """Return the name of the record's files: a UUID that the same run always gets."""
    seed = hashlib.sha256(evaluation_id(manifest).encode()).digest()[:16]
    return str(uuid.UUID(bytes=seed, version=4))
