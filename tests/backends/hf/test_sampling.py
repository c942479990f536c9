"""Drawn answers: the right distribution, the same answer whatever else is in the batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.records import Ask, ModelSpec, Request, Response

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from evalkit.backends.hf.sampling import BROKEN, Picker, seed_of  # noqa: E402

ASKED = Request(kind="generate", text="Two dogs", max_tokens=12, temperature=1.0)


def drawn(request: Request, logits: list[float], n: int) -> Counter[int]:
    """Tokens drawn for `n` repeats of a request from one distribution."""
    requests = [replace(request, repeat=k) for k in range(n)]
    found = Picker(requests).pick(torch.tensor([logits] * n), range(n))
    return Counter(found)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_tokens_are_drawn_with_their_probabilities(temperature: float) -> None:
    """Frequencies of 4,000 draws lie within four standard errors of the softmax at this
    temperature.
    """
    logits, n = [1.0, 0.0, -1.0, 2.0], 4000
    found = drawn(replace(ASKED, temperature=temperature), logits, n)
    expected = (torch.tensor(logits) / temperature).softmax(-1).tolist()

    for token, share in enumerate(expected):
        assert abs(found[token] / n - share) <= 4 * (share * (1 - share) / n) ** 0.5


def test_top_p_leaves_the_unlikely_tokens_out() -> None:
    """Of shares 0.64, 0.24, 0.09, 0.03 the first two hold 0.7; the rest is never drawn."""
    found = drawn(replace(ASKED, top_p=0.7), [3.0, 2.0, 1.0, 0.0], 2000)

    assert set(found) == {0, 1}
    assert found[0] / 2000 == pytest.approx(0.644 / 0.881, abs=0.04)
    assert set(drawn(replace(ASKED, top_p=0.01), [3.0, 2.0, 1.0, 0.0], 50)) == {0}


def test_greedy_rows_beside_drawn_ones_stay_greedy_and_broken_ones_broken() -> None:
    """Each row goes by its own request; no token is drawn from logits that are no numbers."""
    greedy = replace(ASKED, temperature=0.0)
    logits = torch.tensor([[0.0, 5.0], [float("nan"), 1.0]])

    assert Picker([greedy, ASKED]).pick(logits, [0, 1]) == [1, BROKEN]
    assert seed_of(ASKED) != seed_of(replace(ASKED, repeat=1))


def texts(backend: object, requests: list[Request]) -> list[str | None]:
    """What is written for requests asked together."""
    found: dict[str, Response] = {
        response.key: response
        for batch in backend.run(list(map(Ask, requests)))  # type: ignore[attr-defined]
        for response in batch
    }
    return [found[request.key].text for request in requests]


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_a_drawn_answer_does_not_depend_on_its_batch(
    model_dir: Callable[..., Path], kind: str
) -> None:
    """Asked alone, together or in another order, a repeat has the same text; repeats differ."""
    from evalkit.backends.hf.backend import HFBackend

    directory = model_dir(kind, "end" if kind == "t5" else "bytes")
    spec = ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")
    backend = HFBackend(spec)
    several = [replace(ASKED, repeat=k, text=t) for k in range(4) for t in ("Two dogs", "Read")]
    together = texts(backend, several)
    apart = [texts(backend, [request])[0] for request in reversed(several)]

    assert together == apart[::-1]
    assert len(set(together)) >= 3
