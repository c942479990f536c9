"""Linear layers by oneDNN: the same numbers as torch's own, few shapes, nothing in the way of
training.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.backends.hf.linears import arrange, rounded, use_onednn, worth_it

torch = pytest.importorskip("torch")
needs_onednn = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")),
    reason="torch was built without oneDNN",
)


def layers(*, bias: bool = True) -> torch.nn.Sequential:
    """A layer that is large enough and one that is too small."""
    torch.manual_seed(3)
    return torch.nn.Sequential(torch.nn.Linear(256, 300, bias=bias), torch.nn.Linear(300, 7))


@needs_onednn
@pytest.mark.parametrize("shape", [(1,), (2, 5), (3, 33), (1, 64), (200,), (0, 4)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_gives_what_it_gave(shape: tuple[int, ...], bias: bool) -> None:
    """Any number of rows and dimensions, padded rows left out, to the rounding of float32."""
    model = layers(bias=bias)
    hidden = torch.randn(*shape, 256)
    expected = model(hidden).detach()

    assert use_onednn(model) == 1
    with torch.inference_mode():
        found = model(hidden)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == expected.shape


@needs_onednn
def test_it_is_onednn_that_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gradients torch's own product is not called by the large layer."""
    model = layers()
    use_onednn(model)
    called: list[int] = []
    own = torch.nn.functional.linear

    def counted(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        called.append(weight.shape[0])
        return own(hidden, weight, bias)

    monkeypatch.setattr(torch.nn.functional, "linear", counted)
    with torch.inference_mode():
        model(torch.randn(70, 256))

    assert called == [7]


@needs_onednn
def test_gradients_and_other_precisions_are_left_to_torch() -> None:
    """A model that is trained, or run in float64 by the start-up proof, is as it was."""
    model = layers()
    use_onednn(model)

    model(torch.randn(70, 256)).sum().backward()

    assert model[0].weight.grad is not None
    model.double()
    with torch.inference_mode():
        assert model(torch.randn(70, 256).double()).dtype == torch.float64


@needs_onednn
def test_a_copy_computes_with_its_own_weights() -> None:
    """Copying a model copies what computes, too."""
    import copy

    model = layers()
    use_onednn(model)
    other = copy.deepcopy(model)
    with torch.inference_mode():
        other[0].weight.zero_()
        other[0].bias.zero_()
        found, own = other[0](torch.ones(70, 256)), model[0](torch.ones(70, 256))

    assert not found.any()
    assert own.any()


def test_few_numbers_of_rows_are_computed() -> None:
    """Never fewer than asked, at most 31 more, and 39 numbers for batches of up to 1,024 tokens."""
    found = [rounded(rows) for rows in range(1, 1025)]

    assert all(0 <= made - rows < 32 for rows, made in enumerate(found, 1))
    assert len(set(found)) == 39


@needs_onednn
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 33, 64, 70, 257])
def test_arranged_weights_give_what_the_layer_gave(rows: int) -> None:
    """From three rows on the arranged copy computes, to the rounding of float32."""
    model = layers()
    hidden = torch.randn(rows, 256)
    expected = model(hidden).detach()
    use_onednn(model)

    assert arrange(model) == 4 * 256 * 300
    with torch.inference_mode():
        found = model(hidden)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == expected.shape


@needs_onednn
@pytest.mark.parametrize("how", ["in place", "replaced", "float64 and back"])
def test_weights_that_change_are_not_answered_from_the_old_copy(how: str) -> None:
    """A weight that was changed, or is another one, computes as it is now."""
    model = layers()
    use_onednn(model)
    arrange(model)
    hidden = torch.randn(70, 256)
    with torch.no_grad():
        if how == "in place":
            model[0].weight.mul_(3.0)
        elif how == "replaced":
            model[0].weight = torch.nn.Parameter(3.0 * model[0].weight)
        else:
            kept = model[0].weight.data
            model[0].weight.data = kept.double()
            model[0].weight.data = kept
    expected = torch.nn.functional.linear(hidden, model[0].weight, model[0].bias).detach()
    with torch.inference_mode():
        found = model[0](hidden)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@needs_onednn
def test_copied_and_pickled_models_leave_arranged_weights_behind() -> None:
    """A copy computes with its own weights, and arranges them anew when asked."""
    import copy
    import pickle

    model = layers()
    use_onednn(model)
    arrange(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301
        assert other[0].arranged is None
        with torch.inference_mode():
            other[0].weight.zero_()
            other[0].bias.zero_()
            assert not other[0](torch.ones(70, 256)).any()
            assert model[0](torch.ones(70, 256)).any()
        assert arrange(other) > 0


@needs_onednn
def test_large_models_keep_one_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit nothing is arranged, and products are as before."""
    from evalkit.backends.hf import linears

    monkeypatch.setattr(linears, "_MOST_BYTES", 4 * 256 * 300 - 1)
    model = layers()
    use_onednn(model)

    assert arrange(model) == 0
    assert not hasattr(model[0], "arranged")


@pytest.mark.parametrize(
    ("text", "expected"), [("vendor_id\t: AuthenticAMD\n", True), ("GenuineIntel", False)]
)
def test_the_maker_of_the_processor_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, expected: bool
) -> None:
    """MKL is slow on processors of AMD only; where nothing says whose it is, torch's own stays."""
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    file = tmp_path / "cpuinfo"
    file.write_text(text)

    assert worth_it(file) is (expected and hasattr(torch.ops.mkldnn, "_linear_pointwise"))
    assert not worth_it(tmp_path / "missing")
