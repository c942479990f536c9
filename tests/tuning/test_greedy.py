"""Greedy soup: the rule by hand, and three real checkpoints of which one is spoilt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.tuning.greedy import taken


def test_members_are_taken_best_first_while_the_loss_does_not_rise() -> None:
    """An equal loss is taken too; a rejected member does not come back."""
    seen: list[tuple[int, ...]] = []

    def mean(members: tuple[int, ...]) -> float:
        seen.append(members)
        return {(2, 0): 1.0, (2, 0, 1): 1.5, (2, 0, 3): 0.9}[members]

    members, tried = taken([2.0, 3.0, 1.0, 4.0], mean)
    assert members == (2, 0, 3)
    assert [which for which, _ in tried] == seen == [(2, 0), (2, 0, 1), (2, 0, 3)]
    assert taken([1.0, 2.0], lambda _: 1.1)[0] == (0,)


def spoilt(path: Path, out: Path, size: float, seed: int) -> Path:
    """Save a copy of a model with noise in its weights."""
    import torch
    import transformers as tf

    model: Any = tf.AutoModelForCausalLM.from_pretrained(path)
    drawn = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=drawn))
    model.save_pretrained(out)
    tf.AutoTokenizer.from_pretrained(path).save_pretrained(out)
    return out


def test_a_spoilt_checkpoint_stays_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two copies of the demo model with opposite noise are the model again together;
    a third would ruin the mean.
    """
    from evalkit import catalog
    from evalkit.backends.hf.files import locate

    base = locate(catalog.load_model("demo", device="cpu")).root
    near = [spoilt(base, tmp_path / f"near{k}", 0.04 * (-1) ** k, 0) for k in range(2)]
    far = spoilt(base, tmp_path / "far", 0.5, 9)
    words = ["merge", "soup", "--greedy", "--tasks", "procedural/boolean", "--json"]
    named = [part for path in (*near, far) for part in ("--tuned", str(path))]
    assert invoke([*words, *named, "--out", str(tmp_path / "soup")]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert sorted(told["greedy"]["taken"]) == ["near0", "near1"] or sorted(
        told["greedy"]["taken"]
    ) == [str(path) for path in near]
    assert (tmp_path / "soup" / "model.safetensors").is_file()
    assert not (tmp_path / "soup.part").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["soup", "--greedy"],
        ["ties", "--greedy", "--tasks", "procedural/boolean"],
        ["soup", "--tasks", "x"],
    ],
)
def test_what_says_too_little_is_refused(
    small_model: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    """Before anything is measured."""
    named = ["--tuned", str(small_model("causal")), "--tuned", str(small_model("causal", 2))]
    assert invoke(["merge", *words, *named, "--out", str(tmp_path / "x")]) == 2
    assert "--greedy: is of soup" in capsys.readouterr().err
