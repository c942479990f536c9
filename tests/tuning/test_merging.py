"""Every method of merging against its formula, numbers worked by hand and numbers of mergekit."""

from __future__ import annotations

import json
import math
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli import merge as merge_command
from evalkit.cli.main import invoke
from evalkit.errors import BackendError, EnvironmentFault, UsageError
from evalkit.records import ModelSpec
from evalkit.tuning import merging
from evalkit.tuning.weights import Merging, merge

WHOLE = {"rank": float("inf")}


def tensor(*rows: Any) -> Any:
    """Return a tensor in double precision."""
    import torch

    return torch.tensor(rows, dtype=torch.float64)


def example(k: int) -> Any:
    """Return one of four 3 x 4 matrices of sixteenths; sums and halves of them are exact."""
    return tensor(
        *(
            [((7 * i * i + 13 * k * i + 5 * k * k + 3 * i) % 41 - 20) / 16 for i in range(r, r + 4)]
            for r in (0, 4, 8)
        )
    )


MERGEKIT = {
    "slerp": [
        [-1.5023813234, -0.3261434058, 0.8734213029, 0.9839885486],
        [-1.1187602166, 0.1627791591, 0.3553210719, 0.5711897757],
        [-0.3019389834, -0.0274224036, 0.2704209673, -0.5207331248],
    ],
    "breadcrumbs": [
        [-1.25, 0.21875, -0.0625, 0.6875],
        [-0.4375, -1.125, 0.4375, 0.53125],
        [-2.0, -0.28125, 0.0625, 0.078125],
    ],
    "ties": [
        [-0.3125, 0.21875, 0.875, -0.484375],
        [0.0546875, -0.28125, 0.8125, 0.1328125],
        [-0.625, -0.65625, -0.2421875, -0.859375],
    ],
    "task-vector": [
        [-0.34375, 0.15625, 0.25, -0.0625],
        [0.5, -0.625, 0.40625, -0.25],
        [-1.3125, -0.21875, -0.8125, -0.53125],
    ],
    "model-stock": [
        [-0.8907414905, -0.3152943884, 0.6272355107, 0.3901826128],
        [-0.5185358788, -0.0214231829, 0.3119411223, 0.5044710214],
        [-0.4825818765, -0.0867175713, 0.1683123278, -0.2483233670],
    ],
}
"""What mergekit 0.1.5 makes of `example`: base 0, others 1, 2, 3 with weight 1 each.

slerp: base and 1 alone, t 0.3; breadcrumbs: density 0.5, gamma 0.2, lambda 0.75; ties: density 0.5,
lambda 0.75, normalised, majority by sum; task-vector: task arithmetic, lambda 0.5, not normalised;
model-stock: per tensor.
"""
SETTINGS = {
    "slerp": {"alpha": 0.3},
    "breadcrumbs": {"density": 0.5, "gamma": 0.2, "scale": 0.75},
    "ties": {"density": 0.5, "scale": 0.75},
    "task-vector": {"scale": 0.5, **WHOLE},
    "model-stock": {},
}


@pytest.mark.parametrize("method", sorted(MERGEKIT))
def test_methods_that_mergekit_has_agree_with_it(method: str) -> None:
    """Slerp, breadcrumbs, task arithmetic, TIES and model stock give mergekit's numbers."""
    base, *others = (example(k) for k in range(2 if method == "slerp" else 4))
    start = [base, base] if merging.METHODS[method].onto else [base]
    made = merging.METHODS[method].make("", [*start, *others], SETTINGS[method])

    assert made.tolist() == [pytest.approx(row, abs=1e-9) for row in MERGEKIT[method]]


def test_an_arc_without_an_angle_is_a_line() -> None:
    """Parallel tensors, and one that is 0, are mixed as by interpolation; of equal sizes at right
    angles the middle of the arc has their size.
    """
    base, zero = tensor([3.0, 0.0]), tensor([0.0, 0.0])
    half = {"alpha": 0.5}

    assert merging.slerp("", [base, 2 * base], half).tolist() == [[4.5, 0.0]]
    assert merging.slerp("", [zero, base], half).tolist() == [[1.5, 0.0]]
    middle = merging.slerp("", [base, tensor([0.0, 3.0])], half)
    assert float(middle.norm()) == pytest.approx(3.0)
    assert merging.slerp("", [base, zero], {"alpha": 1.0}).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.mlp.up_proj.weight",
        "model.decoder.layers.3.fc1.weight",
        "transformer.h.0.attn.c_attn.weight",
        "model.layers.0.block_sparse_moe.experts.2.w1.weight",
        "decoder.block.1.layer.2.DenseReluDense.wo.weight",
    ],
)
def test_bitdelta_keeps_signs_and_one_size(name: str) -> None:
    """Of maps within layers, whatever an architecture calls them, the changes 1 and -3 become 2 and
    -2; 0 counts as above 0.
    """
    base, tuned = tensor([0.0, 0.0]), tensor([1.0, -3.0])

    assert merging.bitdelta(name, [base, tuned], {}).tolist() == [[2, -2]]
    assert merging.bitdelta(name, [base, tensor([0.0, 4.0])], {}).tolist() == [[2, 2]]


@pytest.mark.parametrize(
    "name",
    [
        "model.embed_tokens.weight",
        "lm_head.weight",
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        "backbone.layers.0.mixer.A_log",
    ],
)
def test_bitdelta_leaves_what_is_no_map_as_tuned(name: str) -> None:
    """Embeddings, a table of distances, and numbers of a recurrence keep their change."""
    base, tuned = tensor([0.0, 0.0]), tensor([1.0, -3.0])

    assert merging.bitdelta(name, [base, tuned], {}).tolist() == [[1, -3]]


def test_an_instruction_change_on_the_base_itself_is_the_instruct_model() -> None:
    """Bit for bit, also where the sizes lie so far apart that the difference loses the small
    one.
    """
    import torch

    base, tuned = torch.tensor([1e10, 0.1, -3.0]), torch.tensor([1e-10, 0.3, 7.0])
    made = merging.task_vector("", [base, base, tuned], {"scale": 1.0, **WHOLE})
    moved = merging.task_vector("", [base + 1, base, tuned], {"scale": 1.0, **WHOLE})

    assert torch.equal(made, tuned)
    assert moved[1:].tolist() == pytest.approx([1.3, 8.0])


def test_a_change_taken_away_and_added_is_none() -> None:
    """Negation: base - (tuned - base); twice the scale is twice the way."""
    base, tuned = tensor([1.0, 2.0]), tensor([1.5, 0.0])

    less = merging.task_vector("", [base, base, tuned], {"scale": -1.0, **WHOLE})
    twice = merging.task_vector("", [base, base, tuned], {"scale": 2.0, **WHOLE})
    assert (less.tolist(), twice.tolist()) == ([[0.5, 4.0]], [[2.0, -2.0]])


def test_a_change_of_a_rank_survives_its_truncation() -> None:
    """A rank-one change is kept at rank 1, a rank-two one loses its smaller part;
    full rank is the tuned model bit for bit.
    """
    import torch

    base = torch.zeros(4, 3, dtype=torch.float64)
    large = torch.outer(tensor(2.0, 0.0, 0.0, 0.0), tensor(0.0, 3.0, 0.0))
    small = torch.outer(tensor(0.0, 1.0, 0.0, 0.0), tensor(1.0, 0.0, 0.0))
    cut = merging.svd("", [base, base + large + small], {"rank": 1.0})
    whole = merging.svd("", [base, base + large + small], {"rank": 3.0})

    assert torch.allclose(cut, large, atol=1e-6)
    assert torch.equal(whole, large + small)


def test_sparse_keeps_the_largest_changes() -> None:
    """Half of the entries stay; beside a low rank, those of what is left of it."""
    base, tuned = tensor([0.0, 0.0], [0.0, 0.0]), tensor([5.0, 1.0], [2.0, -4.0])

    made = merging.sparse("", [base, tuned], {"density": 0.5, "scale": 1.0, "rank": 0.0})
    assert made.tolist() == [[5, 0], [0, -4]]
    both = merging.sparse("", [base, tuned], {"density": 1.0, "scale": 1.0, "rank": 1.0})
    assert both.tolist() == [pytest.approx(row, abs=1e-6) for row in tuned.tolist()]


def test_dare_keeps_its_share_and_the_expected_change() -> None:
    """About a quarter of the changes stays, four times as large;
    the same seed keeps the same ones.
    """
    import torch

    base, tuned = torch.zeros(10_000), torch.ones(10_000)
    settings = {"density": 0.25, "scale": 1.0, "seed": 3.0}
    made = merging.dare("name", [base, tuned], settings)

    assert set(made.tolist()) == {0.0, 4.0}
    assert float(made.mean()) == pytest.approx(1.0, abs=0.08)  # 4.6 standard deviations
    assert torch.equal(made, merging.dare("name", [base, tuned], settings))
    assert not torch.equal(made, merging.dare("other", [base, tuned], settings))


def test_a_moving_average_weighs_the_past() -> None:
    """Of 0, 8 and 4 with decay 0.5: 4, then 4. A soup is the plain mean."""
    series = [tensor(0.0), tensor(8.0), tensor(4.0)]

    assert merging.ema("", series, {"decay": 0.5}).tolist() == [4.0]
    assert merging.soup("", series, {}).tolist() == [4.0]
    assert merging.ema("", series, {"decay": 0.0}).tolist() == [4.0]


def spec(directory: Path) -> ModelSpec:
    """Return the specification of a model directory."""
    return ModelSpec(backend="hf", name=str(directory), device="cpu")


def tensors(directory: Path) -> dict[str, Any]:
    """Return all tensors of a model directory."""
    from safetensors.torch import load_file

    return dict(load_file(directory / "model.safetensors"))


def changed(source: Path, out: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Return a copy of a model whose tensors were changed."""
    from safetensors.torch import save_file

    shutil.copytree(source, out)
    held = tensors(out)
    change(held)
    save_file(held, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_a_graft_takes_an_exact_share_over_all_tensors(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Exactly the largest percent of all changes is taken, wherever it lies."""
    import torch

    base, tuned = small_model(seed=1), small_model(seed=2)
    graft = Merging("graft", (spec(tuned),), spec(base))
    report = merge(graft, [({"density": 0.01}, tmp_path / "out")])[0]
    a, b, made = tensors(base), tensors(tuned), tensors(tmp_path / "out")
    sizes = torch.cat([(b[name] - a[name]).abs().flatten() for name in sorted(a)])
    taken = torch.cat([(made[name] != a[name]).flatten() for name in sorted(a)])

    count = int(0.01 * sizes.numel())
    assert report["threshold"] == pytest.approx(float(sizes.sort().values[-count]))
    assert int(taken.sum()) == count
    assert float(sizes[taken].min()) >= float(sizes[~taken].max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_files_keep_their_layout(
    small_model: Callable[..., Path], tmp_path: Path, dtype: str
) -> None:
    """At alpha 0 the weight file is the base's own, byte for byte, in every floating-point type."""
    import torch

    def narrow(held: dict[str, Any]) -> None:
        held.update({name: one.to(getattr(torch, dtype)) for name, one in held.items()})

    base = changed(small_model(seed=1), tmp_path / "base", narrow)
    tuned = changed(small_model(seed=2), tmp_path / "tuned", narrow)
    places = [({"alpha": alpha}, tmp_path / f"{alpha:g}") for alpha in (0.0, 0.5, 1.0)]
    merge(Merging("interpolate", (spec(tuned),), spec(base)), places)

    files = [place / "model.safetensors" for _, place in places]
    assert files[0].read_bytes() == (base / "model.safetensors").read_bytes()
    assert files[2].read_bytes() == (tuned / "model.safetensors").read_bytes()
    assert all(one.dtype == getattr(torch, dtype) for one in tensors(places[1][1]).values())


def test_what_does_not_fit_is_refused_before_anything_is_written(
    small_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Precision, vocabulary, cut-off files, quantised models, a result too large, a small disk."""
    import torch

    base, out = small_model(seed=1), tmp_path / "made" / "one"

    def attempt(tuned: Path, match: str, error: type[Exception] = BackendError) -> None:
        with pytest.raises(error, match=match):
            merge(Merging("task-vector", (spec(tuned),), spec(base)), [({"scale": 1e30}, out)])
        assert not list(tmp_path.glob("made/*"))

    half = changed(
        small_model(seed=2),
        tmp_path / "half",
        lambda held: held.update({name: one.half() for name, one in held.items()}),
    )
    attempt(half, r"has dtype F16 and F32 .*Only checkpoints of one precision")
    words = Path(shutil.copytree(small_model(seed=2), tmp_path / "words"))
    told = json.loads((words / "tokenizer.json").read_text())
    told["model"]["vocab"] = dict(zip(told["model"]["vocab"], range(400, 800), strict=False))
    (words / "tokenizer.json").write_text(json.dumps(told))
    attempt(words, "have different tokenizers")
    cut = Path(shutil.copytree(small_model(seed=2), tmp_path / "cut"))
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:-9])
    attempt(cut, "is no whole safetensors file: .* are announced")
    packed = Path(shutil.copytree(small_model(seed=2), tmp_path / "packed"))
    config = json.loads((packed / "config.json").read_text())
    (packed / "config.json").write_text(json.dumps({**config, "quantization_config": {"bits": 8}}))
    attempt(packed, "is quantised")
    huge = changed(
        small_model(seed=2),
        tmp_path / "huge",
        lambda held: held.update({name: torch.full_like(one, 1e20) for name, one in held.items()}),
    )
    attempt(huge, "too large for torch.float32; nothing was written")
    for name, number in (("nan", math.nan), ("inf", -math.inf)):
        odd = changed(
            small_model(seed=2),
            tmp_path / name,
            lambda held, number=number: held["model.norm.weight"].fill_(number),
        )
        attempt(odd, r"norm\.weight holds NaN or an infinite number")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30, 1000))
    attempt(small_model(seed=2), "1 checkpoints need .* GiB are free", EnvironmentFault)


def test_vocabularies_are_compared_by_their_tokens(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """A tokenizer file that differs only in its spelling is the same tokenizer."""
    tuned = Path(shutil.copytree(small_model(seed=2), tmp_path / "tuned"))
    told = json.loads((tuned / "tokenizer.json").read_text())
    (tuned / "tokenizer.json").write_text(json.dumps({**told, "truncation": None}, indent=None))

    merge(Merging("svd", (spec(tuned),), spec(small_model())), [({}, tmp_path / "out")])
    assert (tmp_path / "out" / "config.json").is_file()


@pytest.mark.parametrize(
    ("method", "given", "match"),
    [
        ("interpolate", {"alpha": 1.5}, "a number from 0 to 1 is"),
        ("svd", {"rank": 2.5}, "a whole number from 1 is"),
        ("ties", {"density": 0.0}, "a number above 0 to 1 is"),
        ("dare", {"scale": float("nan")}, "is not accepted; a number is"),
        ("bitdelta", {"alpha": 0.5}, "bitdelta does not take it; it takes no numbers"),
        ("soup", {}, "needs 2 or more"),
        ("ema", {}, "needs 2 or more"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(
    tmp_path: Path, method: str, given: dict[str, float], match: str
) -> None:
    """Every method says what it takes."""
    one = ModelSpec(backend="hf", name="nowhere")
    with pytest.raises(UsageError, match=match):
        merge(Merging(method, (one,), one), [(given, tmp_path / "out")])


def test_a_base_stands_where_the_formula_has_one(tmp_path: Path) -> None:
    """Its absence, its needlessness and a third model without use are told."""
    one = ModelSpec(backend="hf", name="nowhere")
    for wrong, match in (
        (Merging("svd", (one,)), "--base: svd needs the model"),
        (Merging("soup", (one, one), one), "combines the tuned models alone"),
        (Merging("svd", (one,), one, one), "--onto: svd has no use for it; task-vector has"),
    ):
        with pytest.raises(UsageError, match=match):
            merge(wrong, [({}, tmp_path / "out")])


def test_a_sweep_makes_a_model_per_number_and_keeps_those_there(
    small_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One command writes all; the same again writes none;
    another model in their place is refused.
    """
    given = ["merge", "interpolate", "--base", str(small_model(seed=1)), "--alpha", "0:1:0.5"]
    out = ["--out", str(tmp_path / "sweep")]

    assert invoke([*given, "--tuned", str(small_model(seed=2)), *out]) == 0
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir()) == [
        "alpha-0",
        "alpha-0.5",
        "alpha-1",
    ]
    told = capsys.readouterr()
    assert told.err.count("written") == 3
    assert "evalkit run --model" in told.out
    assert invoke([*given, "--tuned", str(small_model(seed=2)), *out]) == 0
    assert capsys.readouterr().err.count("is there already") == 3
    assert invoke([*given, "--tuned", str(small_model(seed=3)), *out]) == 2
    assert "is not empty. Name another --out." in capsys.readouterr().err


@pytest.mark.parametrize("text", ["a", "0:1", "1:0:0.1", "0:1:0", "0,0", "", "0:1:1e-9", "1,,2"])
def test_lists_of_numbers_that_cannot_be_meant_are_refused(text: str) -> None:
    """Words, open or backward ranges, repetitions and thousands of steps."""
    with pytest.raises(UsageError, match="a number, a list"):
        merge_command.values("alpha", text)


def test_two_swept_numbers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One number may be a list."""
    given = ["merge", "ties", "--base", "demo", "--tuned", "demo", "--out", str(tmp_path / "x")]

    assert invoke([*given, "--density", "0.1,0.2", "--scale", "1,2"]) == 2
    assert "--scale and --density: both hold several numbers" in capsys.readouterr().err


def test_the_command_names_every_method() -> None:
    """The help's list and the methods there are agree."""
    assert set(merge_command.METHODS) == set(merging.METHODS)


def test_a_merged_model_was_tuned_on_what_its_parts_were(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """The union where all is known, nothing where one is not."""
    from dataclasses import replace

    from evalkit.catalog import load_model

    base, tuned = spec(small_model(seed=1)), spec(small_model(seed=2))
    known = replace(base, tuned_on=("flan",)), replace(tuned, tuned_on=("flan", "p3"))
    merge(Merging("svd", (known[1],), known[0]), [({}, tmp_path / "known")])
    merge(Merging("svd", (tuned,), known[0]), [({}, tmp_path / "unknown")])

    assert load_model(str(tmp_path / "known")).tuned_on == ("flan", "p3")
    assert load_model(str(tmp_path / "unknown")).tuned_on is None
