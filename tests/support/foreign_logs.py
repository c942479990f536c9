"""Miniature logs of other harnesses, in the shapes that those write."""

from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def whole(path: Path, value: Any) -> Path:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def lm_eval(
    folder: Path, tasks: dict[str, list[float]], *, date: str = "2026-01-02T03-04-05.6"
) -> Path:
    """A folder as lm-eval writes it: tasks -> accuracy of every document."""
    for task, scores in tasks.items():
        rows = [
            {
                "doc_id": n,
                "doc": {"tone": "kind" if n % 2 else "curt"},
                "target": 1,
                "filtered_resps": [["-2.0", "False"], ["-1.0", "True"]],
                "filter": name,
                "metrics": ["acc", "acc_norm"],
                "acc": score if name == "none" else 0.0,
                "acc_norm": 0.5,
            }
            for n, score in enumerate(scores)
            for name in ("none", "strict")
        ]
        lines(folder / f"samples_{task}_{date}.jsonl", rows)
    configs = {
        task: {"doc_to_text": f"{task}: {{{{q}}}}", "dataset_path": "owner/set"} for task in tasks
    }
    whole(folder / f"results_{date}.json", {"model_name": "org/m", "configs": configs})
    return folder


def inspect_log(
    path: Path,
    scores: list[Any],
    *,
    template: str = "{prompt}",
    model: str = "x/y",
    status: str = "success",
) -> Path:
    """An .eval file: a zip with a head and a file per sample; of 9 samples,
    where it was not ended well.
    """
    ended = status == "success"
    head = {
        "version": 2,
        "status": status,
        "error": None if ended else {"message": "rate limit\nTraceback"},
        "results": {"total_samples": 9, "completed_samples": len(scores)},
        "eval": {
            "task": "suite/quiz",
            "model": model,
            "dataset": {"name": "quiz"},
            "task_args": {},
        },
        "plan": {"steps": [{"solver": "prompt_template", "params": {"template": template}}]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", json.dumps(head))
        for n, score in enumerate(scores):
            sample: dict[str, Any] = {"id": f"s{n}", "epoch": 1, "target": ["A", "B"], "scores": {}}
            if score is not None:
                sample["scores"] = {"match": {"value": score, "answer": "A"}}
            archive.writestr(f"samples/s{n}_epoch_1.json", json.dumps(sample))
    return path


def packed_with_zstandard(path: Path, *, claims: int = 0, crc: int = 0) -> Path:
    """Pack a log again as Inspect 0.3.285 does;
    `claims` and `crc` are added to what the archive says.
    """
    pa = pytest.importorskip("pyarrow")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, pa.compress(content, codec="zstd", asbytes=True))
            info = archive.infolist()[-1]
            info.compress_type, info.file_size = 93, len(content) + claims
            info.CRC = zlib.crc32(content) + crc
    return path


def promptfoo(path: Path, share: float, *, provider: str = "openai:a", n: int = 60) -> Path:
    """An output of two prompts on `n` tests; the second prompt is a tenth worse."""
    results = [
        {
            "promptIdx": prompt,
            "testIdx": test,
            "provider": {"id": provider, "label": ""},
            "prompt": {"raw": "filled in", "label": f"Prompt {prompt}"},
            "vars": {"expected": "yes"},
            "response": {"output": "yes"},
            "score": float(test / n < share - 0.1 * prompt),
            "namedScores": {"tone": 0.5},
            "failureReason": 0,
        }
        for test in range(n)
        for prompt in range(2)
    ]
    content = {"config": {"description": "intents"}, "results": {"version": 3, "results": results}}
    return whole(path, content)


def helm(place: Path) -> Path:
    """A folder of a run of one instance, as it is and with typos."""
    folder = place / "mmlu:subject=x,model=org_m"
    stat = [{"name": {"name": "exact_match", "split": "test"}, "count": 1, "mean": 1.0}]
    whole(
        folder / "per_instance_stats.json",
        [
            {"instance_id": "id1", "train_trial_index": 0, "stats": stat},
            {
                "instance_id": "id1",
                "train_trial_index": 0,
                "perturbation": {"name": "typos"},
                "stats": stat,
            },
        ],
    )
    spec = {"method": "joint", "instructions": "Answer.", "model": "org/m"}
    whole(folder / "run_spec.json", {"name": folder.name, "adapter_spec": spec})
    state = {
        "instance": {
            "id": "id1",
            "references": [{"output": {"text": "red"}, "tags": ["correct"]}],
        },
        "train_trial_index": 0,
        "output_mapping": {"A": "red"},
        "result": {"completions": [{"text": " A"}]},
    }
    whole(folder / "scenario_state.json", {"request_states": [state]})
    return folder


def every_eval_ever(path: Path, n: int = 6) -> Path:
    """Records of `n` samples under two phrasings."""
    return lines(
        path,
        [
            {
                "evaluation_id": "e",
                "evaluation_name": "quiz",
                "model_id": "org/m",
                "sample_id": f"s{sample}",
                "input": {"reference": ["yes"]},
                "evaluation": {"score": float(sample % 2)},
                "metadata": {"phrasing_id": wording},
            }
            for sample in range(n)
            for wording in ("kind", "curt")
        ],
    )
