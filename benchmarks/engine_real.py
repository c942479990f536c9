"""Workloads for `engine.py --model`: a real model asked real questions of MMLU and BBH in
shipped phrasings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine_workloads import Workload

from evalkit import catalog
from evalkit.phrasings.prompts import render_prompt, request_of
from evalkit.records import Request

ANSWER = 32
"""Tokens of a generated answer at most; BBH's own limit of 128 would make one workload the whole
benchmark.
"""
SHOTS = 5
"""Worked instances of the workload that has some."""


def real(*, phrasings: int, instances: int, data: Path | None) -> list[Workload]:
    """Return letters and long choices of MMLU and answers of BBH, the first phrasings and instances
    of each.

    Parameters
    ----------
    phrasings
        Most phrasings per task; only some ask for the text of a choice.
    instances
        Per task.
    data
        Data directory; None for the usual one.
    """

    def ask(task: str, label_space: str, shots: int = 0) -> tuple[Request, ...]:
        return tuple(_requests(task, label_space, phrasings, instances, data, shots))

    letters = ask("mmlu/moral_disputes", "letters")
    generated = [
        replace(one, max_tokens=ANSWER) for one in ask("bbh/multistep_arithmetic_two", "text")
    ]
    return [
        Workload("causal letters", "causal", letters),
        Workload(
            "causal letters, five shots", "causal", ask("mmlu/moral_disputes", "letters", SHOTS)
        ),
        Workload("causal letters, bracketed", "causal", ask("bbh/date_understanding", "letters")),
        Workload("causal long", "causal", ask("mmlu/moral_disputes", "text")),
        Workload("generation", "causal", tuple(generated)),
    ]


def _requests(
    name: str, label_space: str, phrasings: int, instances: int, data: Path | None, shots: int
) -> Sequence[Request]:
    """Requests of a task, phrasing after phrasing;
    the last instances of the file stand for worked ones.
    """
    task = catalog.load_task(name)
    found = [one for one in catalog.load_phrasings(task) if one.label_space == label_space]
    items = catalog.load_instances(task, data)
    worked = tuple(items[-shots:]) if shots else ()
    chosen = sorted(found, key=lambda one: one.id)[:phrasings]
    return [
        request_of(render_prompt(task, one, item, shots=worked))
        for one in chosen
        for item in items[:instances]
    ]


def as_directory(model: Path, target: Path) -> Path:
    """Return a model as a directory of float32 weights, which lm-eval reads too;
    a GGUF file is dequantised.
    """
    if model.is_dir():
        return model
    from evalkit.backends.hf.files import locate
    from evalkit.backends.hf.loading import load

    spec = catalog.load_model(str(model), dtype="float32")
    loaded = load(spec, locate(spec))
    loaded.model.hf_quantizer = None
    del loaded.model.config.quantization_config
    loaded.model.save_pretrained(target)
    loaded.tokenizer.save_pretrained(target)
    return target
