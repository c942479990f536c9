"""Interpolation between checkpoints and model stock."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.mitigations.applying import opened
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec
from evalkit.tuning.merging import model_stock, stock_ratio
from evalkit.tuning.weights import interpolate, write_interpolated, write_stock


def spec(directory: Path) -> ModelSpec:
    """Return the specification of a model directory."""
    return ModelSpec(backend="hf", name=str(directory), device="cpu")


def tensors(directory: Path) -> dict[str, Any]:
    """Return all tensors of a model directory."""
    from safetensors.torch import load_file

    return dict(load_file(directory / "model.safetensors"))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_ends_are_the_inputs_bit_for_bit(
    small_model: Callable[..., Path], tmp_path: Path, alpha: float
) -> None:
    """Interpolation at 0 is the first model and at 1 the second."""
    import torch

    pair = (small_model(seed=1), small_model(seed=2))
    write_interpolated((spec(pair[0]), spec(pair[1])), alpha, tmp_path / "out")
    made, expected = tensors(tmp_path / "out"), tensors(pair[int(alpha)])

    assert made.keys() == expected.keys()
    assert all(torch.equal(made[name], expected[name]) for name in expected)


def test_the_middle_is_the_mean(small_model: Callable[..., Path], tmp_path: Path) -> None:
    """Interpolation at 0.25 holds a quarter of the second model."""
    import torch

    first, second = small_model(seed=1), small_model(seed=2)
    write_interpolated((spec(first), spec(second)), 0.25, tmp_path / "out")
    made, a, b = tensors(tmp_path / "out"), tensors(first), tensors(second)

    assert all(
        torch.allclose(made[name], 0.75 * a[name] + 0.25 * b[name], atol=1e-7) for name in made
    )


@pytest.mark.parametrize(
    ("cosine", "expected"), [(1.0, 1.0), (0.5, 2 / 3), (0.0, 0.0), (-0.5, 0.0)]
)
def test_the_ratio_of_two_models_is_that_of_the_paper(cosine: float, expected: float) -> None:
    """The ratio 2 cos / (1 + cos) is 1, 2/3 and 0 at cosines 1, 0.5 and 0."""
    assert stock_ratio(cosine, 2) == pytest.approx(expected)


@pytest.mark.parametrize("angle", [0.0, 60.0, 90.0])
def test_stock_goes_the_ratio_of_the_way_to_the_mean(angle: float) -> None:
    """Two moves of length 1 at angles 0, 60 and 90 degrees: cosines 1, 0.5, 0,
    so t = 1, 2/3, 0 of the way from the base to their mean.
    """
    import torch

    base = torch.tensor([3.0, -2.0])
    moves = [
        torch.tensor([1.0, 0.0]),
        torch.tensor([math.cos(math.radians(angle)), math.sin(math.radians(angle))]),
    ]
    made, ratio = model_stock(base, [base + move for move in moves])
    expected = {0.0: 1.0, 60.0: 2 / 3, 90.0: 0.0}[angle]

    assert ratio == pytest.approx(expected, abs=1e-6)
    assert torch.allclose(made, base + expected * (moves[0] + moves[1]) / 2, atol=1e-6)


def test_stock_of_a_model_with_itself_is_that_model(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Equal moves have cosine 1, so the stock is the tuned model."""
    import torch

    base, tuned = small_model(seed=1), small_model(seed=2)
    report = write_stock(spec(base), [spec(tuned), spec(tuned)], tmp_path / "out")
    made, expected = tensors(tmp_path / "out"), tensors(tuned)

    assert all(torch.allclose(made[name], expected[name], atol=1e-6) for name in expected)
    assert {round(ratio, 6) for ratio in report["ratios"].values() if ratio is not None} == {1.0}


def test_a_written_checkpoint_is_a_model_with_a_fingerprint_of_its_own(
    small_model: Callable[..., Path],
) -> None:
    """``--mitigation interpolate`` loads like any model, and its weights are told apart."""
    first, second = small_model(seed=1), small_model(seed=2)
    marks = set()
    for mitigations in (
        (),
        (f"interpolate:with={second}",),
        (f"interpolate:with={second},alpha=0.25",),
    ):
        backend = opened(spec(first), mitigations)
        marks.add(backend.fingerprint()["weights"])
        backend.close()

    assert len(marks) == 3
    assert interpolate(spec(first), f"with={second}") == interpolate(spec(first), f"with={second}")


def test_checkpoints_of_different_kinds_are_refused(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Tensors that differ in name or shape cannot be combined, and both models are named."""
    with pytest.raises(BackendError, match="is only in one of them"):
        write_interpolated(
            (spec(small_model("causal")), spec(small_model("encoder-decoder"))),
            0.5,
            tmp_path / "out",
        )
    assert not list(tmp_path.iterdir())


def test_what_means_nothing_is_refused(small_model: Callable[..., Path], tmp_path: Path) -> None:
    """Alpha outside [0, 1], one tuned model, a folder in use,
    and a model made behind a loaded one.
    """
    model = spec(small_model())
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("x")

    with pytest.raises(UsageError, match="a number from 0 to 1 is"):
        write_interpolated((model, model), 1.5, tmp_path / "out")
    with pytest.raises(UsageError, match="needs 2 or more"):
        write_stock(model, [model], tmp_path / "out")
    with pytest.raises(UsageError, match="is not empty"):
        write_interpolated((model, spec(small_model(seed=2))), 0.5, tmp_path / "used")
    with pytest.raises(UsageError, match="no change to work with"):
        write_interpolated((model, model), 0.5, tmp_path / "out")
    with pytest.raises(UsageError, match="must stand before calibrate"):
        opened(model, ["calibrate", f"interpolate:with={small_model(seed=2)}"])
