"""``evalkit doctor``."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import GroupedCommand, debug_option, json_option, print_json, print_table
from evalkit.report.terminal import say

__all__ = ["command"]

_ENVIRONMENT = (
    "EVALKIT_DATA",
    "EVALKIT_HOME",
    "HF_HOME",
    "HF_ENDPOINT",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "CUDA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "NO_COLOR",
)
_SECRETS = ("HF_TOKEN", "OPENAI_API_KEY")
_EXTRAS = {
    "hf": (
        "torch",
        "transformers",
        "datasets",
        "accelerate",
        "sentencepiece",
        "sacrebleu",
    ),
    "align": ("peft",),
    "gguf": ("gguf",),
    "hub": ("huggingface_hub",),
    "lm-eval": ("lm_eval",),
    "mlflow": ("mlflow",),
    "openai": ("httpx", "tenacity"),
    "phrasings": ("datasketch",),
    "ray": ("ray",),
    "semantic": ("transformers", "all_minilm_l6_v2"),
    "vllm": ("vllm",),
    "wandb": ("wandb",),
}


@click.command("doctor", cls=GroupedCommand, epilog="Example: evalkit doctor --json")
@click.option("--model", metavar="MODEL", default=None, help="Load it and show how it would score.")
@json_option
@debug_option
def command(as_json: bool, model: str | None) -> int:
    """Show every setting with its source, and which engines, devices, data and caches are there.

    Changes nothing, and loads no model unless one is named. Secrets are shown as set or not set,
    never their value.
    """
    from evalkit.cli.config import config_values

    found: dict[str, list[dict[str, str]]] = {
        "settings": [
            *_settings(),
            *(
                {"name": name, "value": value, "source": source}
                for name, value, source in config_values()
            ),
        ],
        "parts": _parts(),
        "machine": _machine(),
        **({"model": _model(model)} if model else {}),
    }
    if as_json:
        print_json(found)
        return 0
    for title, rows in found.items():
        print_table(list(rows[0]), [list(row.values()) for row in rows], title=title)
        say()
    return 0


def _model(name: str) -> list[dict[str, str]]:
    """How a model would score: path, errors against float64, notice, from a dozen prompts."""
    from evalkit.backends.mitigations.applying import opened
    from evalkit.catalog import load_model
    from evalkit.records import Ask, Request

    choices = (" A", " B", " neither of them")
    asks = [
        Ask(
            Request(
                kind="choice",
                text=(
                    f"Which number is larger? {'Think of both. ' * n}\nA. {n}\nB. "
                    f"{7 * n - 30}\nAnswer:"
                ),
                continuations=choices,
            )
        )
        for n in range(12)
    ]
    backend = opened(load_model(name), ())
    try:
        for _ in backend.run(asks):
            pass
        stats = dict(backend.stats)
        told = {"loaded": getattr(backend, "opening", ""), "device": backend.device}
    finally:
        backend.close()
    told |= {key: stats[key] for key in ("path", "noise", "notice") if key in stats}
    told |= {
        f"proof, {key.replace('_', ' ')}": value for key, value in stats.get("proof", {}).items()
    }
    return [
        {"what": key, "value": f"{value:.2g} nat" if isinstance(value, float) else str(value)}
        for key, value in told.items()
    ]


def _settings() -> list[dict[str, str]]:
    rows = []
    for name in _ENVIRONMENT:
        value = os.environ.get(name)
        rows.append(
            {
                "name": name,
                "value": "-" if value is None else value,
                "source": "environment" if value is not None else "not set",
            }
        )
    for name in _SECRETS:
        rows.append(
            {
                "name": name,
                "value": "(hidden)" if os.environ.get(name) else "-",
                "source": "environment" if os.environ.get(name) else "not set",
            }
        )
    return rows


def _parts() -> list[dict[str, str]]:
    from importlib.metadata import PackageNotFoundError, version

    rows = []
    for extra, modules in _EXTRAS.items():
        for module in modules:
            there = importlib.util.find_spec(module) is not None
            try:
                shown = version(module.replace("_", "-")) if there else "-"
            except PackageNotFoundError:
                shown = "unknown version"
            rows.append(
                {
                    "package": module,
                    "version": shown,
                    "extra": extra,
                    "if missing": "" if there else f"pip install 'evalkit[{extra}]'",
                }
            )
    return rows


def _machine() -> list[dict[str, str]]:
    from evalkit.catalog.paths import cache_dir, default_runs_dir

    cache = cache_dir() / "responses.sqlite"
    free = shutil.disk_usage(Path.cwd()).free
    rows: list[dict[str, Any]] = [
        {"what": "CPU cores", "value": str(os.cpu_count() or 0)},
        {"what": "GPU", "value": _gpu()},
        {"what": "runs go to", "value": str(default_runs_dir().absolute())},
        {"what": "free disk", "value": f"{free / 2**30:.1f} GiB"},
        {
            "what": "cache",
            "value": f"{cache} ({cache.stat().st_size / 2**20:.1f} MiB)"
            if cache.is_file()
            else f"{cache} (none yet)",
        },
    ]
    return rows


def _gpu() -> str:
    """Name of the GPUs, from the driver's own listing; torch is not imported for it."""
    folder = Path("/proc/driver/nvidia/gpus")
    if not folder.is_dir():
        return "none"
    names = [
        line.split(":", 1)[1].strip()
        for file in folder.glob("*/information")
        for line in file.read_text().splitlines()
        if line.startswith("Model:")
    ]
    return ", ".join(names) or "none"
