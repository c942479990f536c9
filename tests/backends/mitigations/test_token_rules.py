"""Masked contrast, router and rule expert: worked by hand on logits,
and what turning them off gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.backends.mitigations.applying import opened
from evalkit.backends.mitigations.token_rules import (
    LENGTH,
    RAMP,
    REPEATED,
    SHIFTS,
    expert,
    masked,
    routed,
)
from evalkit.errors import UsageError
from evalkit.records import Ask, ModelSpec, Request, Response

REQUESTS = (
    Request(kind="choice", text="Say it.\nAnswer:", continuations=(" True", " False", " yes no")),
    Request(kind="generate", text="Which word?\nAnswer:", max_tokens=5),
)


def answers(directory: Path, *mitigations: str) -> dict[str, Response]:
    """Return all responses of a model under mitigations, by request key."""
    backend = opened(ModelSpec(backend="hf", name=str(directory), device="cpu"), mitigations)
    try:
        return {one.key: one for batch in backend.run(list(map(Ask, REQUESTS))) for one in batch}
    finally:
        backend.close()


def logits(*probabilities: float) -> object:
    """Return log-probabilities as one row."""
    import torch

    return torch.tensor([[math.log(p) for p in probabilities]])


def test_the_mask_keeps_what_the_model_itself_finds_likely() -> None:
    """Of .6 .3 .1 a mask of .4 keeps the first two: .6^2/.5 and .3^2/.1;
    the third is out, whatever the other model says.
    """
    import torch

    own, other = logits(0.6, 0.3, 0.1), logits(0.5, 0.1, 0.4)
    found = torch.exp(masked(1.0, 0.4)([own, other], [()])).tolist()[0]
    assert found[:2] == pytest.approx([0.6**2 / 0.5, 0.3**2 / 0.1])
    assert found[2] == 0.0
    low = masked(1.0, 0.4)([own, other], [()])
    assert torch.isfinite(low).all()


def test_the_router_takes_the_surer_model_token_by_token() -> None:
    """Row by row; a tie stays with the first."""
    import torch

    one = torch.cat([logits(0.6, 0.4), logits(0.9, 0.1), logits(0.3, 0.7)])
    two = torch.cat([logits(0.3, 0.7), logits(0.2, 0.8), logits(0.7, 0.3)])
    found = torch.exp(routed([one, two], [(), (), ()]))
    assert found.tolist()[0] == pytest.approx([0.3, 0.7])
    assert found.tolist()[1] == pytest.approx([0.9, 0.1])
    assert found.tolist()[2] == pytest.approx([0.3, 0.7])


class Tokenizer:
    """Knows three words."""

    eos_token_id = 0

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        """Return one id of a known word, two of another."""
        known = {"I": 1, "!": 2}
        return {"input_ids": [known[text]] if text in known else [3, 3]}


class Engine:
    """Holds the tokenizer."""

    class loaded:
        """As a backend holds it."""

        tokenizer = Tokenizer()


def test_the_rules_are_a_product_with_ramp_penalty_and_shifts() -> None:
    """After 50 tokens of which token 3 was said; what is no single token is left alone."""
    import torch

    plain = torch.zeros(1, 4)
    rule = expert(Engine(), 0.5)  # type: ignore[arg-type]
    found = rule([plain], [(3,) * 50]) - torch.log_softmax(plain, -1)
    assert len(SHIFTS) == 15
    wanted = [RAMP * 50 / LENGTH, SHIFTS["I"], SHIFTS["!"], REPEATED]
    assert found[0].tolist() == pytest.approx([0.5 * value for value in wanted])


@pytest.mark.parametrize("kind", ["causal", "encoder-decoder"])
def test_turned_off_or_routed_to_itself_they_give_the_plain_answers(
    small_model: Callable[..., Path], kind: str
) -> None:
    """A scale of 0 bit for bit; a router between equal models,
    and a contrast with itself, to float precision.
    """
    base = small_model(kind)
    plain = answers(base)
    assert answers(base, "rules:scale=0") == plain
    for mitigation in (f"router:with={base}", f"contrast:with={base},weight=0.7,mask=0.000001"):
        for key, found in answers(base, mitigation).items():
            assert found.text == plain[key].text
            assert found.logprobs == pytest.approx(plain[key].logprobs, abs=1e-3)


def test_they_change_answers_and_the_fingerprint(small_model: Callable[..., Path]) -> None:
    """Choices behind a mask keep finite log-probabilities."""
    base, other = small_model("causal"), small_model("causal", 2)
    plain = answers(base)
    for mitigation in ("rules", f"router:with={other}", f"contrast:with={other},mask=0.5"):
        found = answers(base, mitigation)
        assert any(found[key].logprobs != plain[key].logprobs for key in plain)
        assert all(math.isfinite(value) for one in found.values() for value in one.logprobs)
        assert not any(one.error for one in found.values())


@pytest.mark.parametrize(
    ("mitigation", "match"),
    [
        ("contrast:with=x,mask=1", "mask=1.0; a share from 0"),
        ("rules:scale=-1", "scale=-1.0; a number from 0"),
        ("router", "router: with names no model"),
    ],
)
def test_what_means_nothing_is_refused(
    small_model: Callable[..., Path], mitigation: str, match: str
) -> None:
    """Before a second model is loaded."""
    with pytest.raises(UsageError, match=match):
        opened(ModelSpec(backend="hf", name=str(small_model("causal")), device="cpu"), [mitigation])
