"""Models that take long: rows are handed on as they end, a stop breaks in, threads and formats
are chosen.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import BackendError, Interrupted
from evalkit.records import Ask, ModelSpec, Request, Response
from evalkit.runs.ask import ask
from evalkit.runs.progress import ShownProgress, interruptible

torch = pytest.importorskip("torch")


def writing(*lengths: int) -> list[Ask]:
    """Prompts that are answered with so many tokens at most."""
    return [
        Ask(Request(kind="generate", text=f"Two dogs and {i}", max_tokens=n))
        for i, n in enumerate(lengths)
    ]


def spec_of(directory: Path, **fields: Any) -> ModelSpec:
    """Specification of a local model on the CPU."""
    return ModelSpec(backend="hf", name=str(directory), device="cpu", **fields)


def test_a_row_that_ends_early_does_not_wait_for_its_batch(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no second to wait, short answers come before the long one of the same batch, each
    once.
    """
    from evalkit.backends.hf import generation
    from evalkit.backends.hf.backend import HFBackend

    monkeypatch.setattr(generation, "_TOLD_EVERY", 0.0)
    asks = writing(2, 40, 5)
    batches = list(HFBackend(spec_of(model_dir("llama"))).run(asks))
    order = [response.key for batch in batches for response in batch]

    assert order == [asks[i].request.key for i in (0, 2, 1)]
    assert len(batches) == 3


def test_rows_left_when_memory_runs_out_are_generated_in_halves(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was handed on is not generated again,
    and the texts are those of an undisturbed batch.
    """
    from evalkit.backends.hf import generation
    from evalkit.backends.hf.backend import HFBackend

    asks = writing(2, 30, 31, 32)
    whole = {r.key: r.text for b in HFBackend(spec_of(model_dir("llama"))).run(asks) for r in b}
    monkeypatch.setattr(generation, "_TOLD_EVERY", 0.0)
    step = generation.CausalSession.step

    def full(self: Any, tokens: Sequence[int]) -> list[int]:
        if len(tokens) > 2 and self._next[0] > 12:
            raise MemoryError
        return step(self, tokens)

    monkeypatch.setattr(generation.CausalSession, "step", full)
    backend = HFBackend(spec_of(model_dir("llama")))
    found = [response for batch in backend.run(asks) for response in batch]

    assert {r.key: r.text for r in found} == whole
    assert len(found) == len(asks)
    assert backend.stats["halvings"] > 0


class Slow:
    """A backend that answers once and is then interrupted while it computes."""

    capabilities = frozenset({"generate"})

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Answer the first request, then wait as a long forward does."""
        yield [Response(key=asks[0].request.key, text="one", finish_reason="stop")]
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the signal did not break in")


class Kept:
    """Keeps what was put."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def put(self, fingerprint: str, responses: Sequence[Response]) -> None:
        """Keep a batch."""
        self.keys += [response.key for response in responses]


def test_a_signal_breaks_into_the_engine_and_keeps_what_was_answered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first signal ends the wait for the engine at once; the exit code is the signal's."""
    kept, progress = Kept(), ShownProgress(quiet=True, label="slow")
    asks = writing(3, 3)
    with interruptible(progress), pytest.raises(Interrupted, match="everything answered so far"):
        ask(Slow(), asks, fingerprint="f", stores=[kept], progress=progress)  # type: ignore[arg-type]

    assert kept.keys == [asks[0].request.key]
    assert progress.signal_exit_code == 128 + signal.SIGTERM
    assert "stopping; what was answered is kept" in capsys.readouterr().err


def test_tokens_are_shown_while_no_request_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """A line without rates says how many tokens went through the model."""
    progress = ShownProgress(quiet=False, label="slow")
    progress.watch(lambda: {"computed": 1200, "generated": 34})
    progress.begin(total=5, stored=0)
    progress._line()
    progress.close()

    assert "0/5 requests, 1,234 tokens through the model, no request ended yet" in (
        capsys.readouterr().err
    )


def test_bfloat16_without_units_is_refused_with_the_advice(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be emulated; the option has it anyway."""
    from evalkit.backends.hf.backend import HFBackend

    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: False, raising=False)
    with pytest.raises(BackendError, match=r"no units for it.*--dtype float32, a GPU, or set the"):
        HFBackend(spec_of(model_dir("llama"), dtype="bfloat16"))

    HFBackend(spec_of(model_dir("llama"), dtype="bfloat16", options={"emulate": True})).close()


@pytest.mark.parametrize(("seconds", "chosen"), [([4, 2, 1.9], 2), ([4, 4, 4], 1), ([4, 2, 1], 4)])
def test_threads_are_taken_while_they_pay(
    monkeypatch: pytest.MonkeyPatch, seconds: list[float], chosen: int
) -> None:
    """More threads must save a tenth of the time; the count and how it was found are said."""
    from evalkit.backends.hf import processor

    set_to: list[int] = []
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(processor.os, "sched_getaffinity", lambda pid: set(range(4)))
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    times = iter(seconds)
    monkeypatch.setattr(processor, "_seconds", lambda weight: next(times))
    monkeypatch.setattr(processor, "_largest", lambda model: torch.zeros(2, 2))

    assert processor.choose_threads(None) == (
        f"{chosen} thread{'' if chosen == 1 else 's'} of 4, measured"
    )
    assert set_to[-1] == chosen
