"""The numbers of lm-eval's `hf` backend, on the same prompts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.records import Ask, ModelSpec, Request

torch = pytest.importorskip("torch")
pytest.importorskip("lm_eval")

PROMPTS = [
    ("one token", "Which planet is the largest?\nAnswer:", (" A", " B", " C", " D")),
    (
        "several tokens",
        "Which planet is the largest of all?\nAnswer:",
        (" Jupiter", " Saturn and the Moon", " none of them", " Yes"),
    ),
    ("shared first tokens", "Say which one.\nAnswer:", (" (A)", " (B)", " (C)", " (D) none")),
    ("trailing space", "Is water red? ", ("Yes", "no")),
    ("trailing line end", "Is water red?\n", ("A", "B")),
    ("no delimiter", "Answer: (", ("A)", "B)")),
    ("one continuation begins another", "Two dogs", (" follow", " follow it", " follow it home")),
    ("empty prompt", "", ("Yes", " no")),
    ("letters of other scripts", "¿Qué planeta es? 木星\nAnswer:", (" sí", " 木", " no")),
]


def lm_eval_scores(directory: Path) -> list[list[float]]:
    """Log-likelihoods by lm-eval."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(directory), device="cpu", dtype="float32", batch_size=1)
    pairs = [(text, choice) for _, text, choices in PROMPTS for choice in choices]
    asked = [
        Instance(request_type="loglikelihood", doc={}, arguments=pair, idx=i, metadata=("t", i, 1))
        for i, pair in enumerate(pairs)
    ]
    found = iter(score for score, _ in model.loglikelihood(asked, disable_tqdm=True))
    return [[next(found) for _ in choices] for _, _, choices in PROMPTS]


@pytest.mark.filterwarnings("ignore")  # lm-eval and what it imports warn on their own account
@pytest.mark.parametrize(
    ("kind", "pieces"), [("llama", "bytes"), ("llama", "start"), ("t5", "end"), ("bart", "end")]
)
@pytest.mark.parametrize("path", ["auto", "plain"])
def test_log_likelihoods_equal_those_of_lm_eval(
    model_dir: Callable[..., Path], kind: str, pieces: str, path: str
) -> None:
    """Every continuation gets lm-eval's log-likelihood to 1e-4 nat, on the fast and on the plain
    path.
    """
    from evalkit.backends.hf.backend import HFBackend

    directory = model_dir(kind, pieces)
    backend = HFBackend(
        ModelSpec(
            backend="hf",
            name=str(directory),
            device="cpu",
            dtype="float32",
            options={"path": path, "allow_unknown": True},
        )
    )
    requests = [
        Request(kind="choice", text=text, continuations=choices) for _, text, choices in PROMPTS
    ]
    responses = {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
    found = [responses[request.key] for request in requests]
    expected = lm_eval_scores(directory)

    assert [r.error for r in found] == [""] * len(found)
    for response, scores in zip(found, expected, strict=True):
        assert list(response.logprobs) == pytest.approx(scores, abs=1e-4)
    assert backend.stats["path"] == (
        "rows" if path == "plain" else {"llama": "tree"}.get(kind, "packed")
    )
