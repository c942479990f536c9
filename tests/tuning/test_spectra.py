"""What a tuning changed in the weights, on matrices whose answer is known."""

from __future__ import annotations

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.tuning.barrier import barrier
from evalkit.tuning.spectra import Limits, change_of, place_of


def rotated(sizes: list[float], seed: int, *, rows: int = 12, columns: int = 9) -> Any:
    """Return a matrix with given singular values in random directions."""
    import torch

    source = torch.Generator().manual_seed(seed)
    left = torch.linalg.qr(torch.randn(rows, rows, generator=source, dtype=torch.float64))[0]
    right = torch.linalg.qr(torch.randn(columns, columns, generator=source, dtype=torch.float64))[0]
    values = torch.tensor(sizes, dtype=torch.float64)
    return (left[:, : len(sizes)] * values) @ right[:, : len(sizes)].T


def test_equal_matrices_have_no_change_and_no_intruder() -> None:
    """0 and 0, and no rank; the spectrum is all zeros."""
    base = rotated([5, 3, 2], 1)
    found = change_of("w", base, base.clone(), Limits())

    assert (found.relative, found.intruders) == (0, 0)
    assert math.isnan(found.rank)
    assert set(found.spectrum) == {0.0}


def test_a_large_fresh_direction_is_one_intruder() -> None:
    """A direction that the base does not hold, larger than all of its own, is new;
    a small one and an old one are not.
    """
    import torch

    base = torch.zeros(12, 9, dtype=torch.float64)
    base[:9] = torch.diag(torch.arange(9.0, 0.0, -1.0, dtype=torch.float64))
    fresh, old = torch.zeros(12, 9), torch.zeros(12, 9)
    fresh[11, 8], old[0, 0] = 1.0, 1.0

    assert change_of("w", base, base + 30 * fresh, Limits()).intruders == 1
    assert change_of("w", base, base + 30 * old, Limits()).intruders == 0
    assert change_of("w", base, base + 0.001 * fresh, Limits()).intruders == 0


@pytest.mark.parametrize(("energy", "rank"), [(0.9, 1), (0.91, 2), (1.0, 3)])
def test_rank_holds_the_energy(energy: float, rank: int) -> None:
    """Squares of 6, 1.9 and 0.6 are 36, 3.61 and 0.36: the first holds 90.07 %, two 99.1 %."""
    base = rotated([50, 40, 30, 20], 2)
    found = change_of("w", base, base + rotated([6, 1.9, 0.6], 3), Limits(energy=energy))

    assert found.rank == rank
    assert found.spectrum[:3] == pytest.approx((6, 1.9, 0.6), rel=1e-4)
    expected = math.sqrt((36 + 3.61 + 0.36) / (2500 + 1600 + 900 + 400))
    assert found.relative == pytest.approx(expected, rel=1e-5)


def test_vectors_have_a_change_only() -> None:
    """A bias has no singular values, and one that starts at 0 no relative change."""
    import torch

    found = change_of("b", torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0]), Limits())
    empty = change_of("b", torch.zeros(2), torch.ones(2), Limits())

    assert found.relative == pytest.approx(0.2)
    assert math.isnan(found.rank)
    assert math.isnan(empty.relative)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("transformer.h.3.attn.c_attn.weight", (3, "attn.c_attn")),
        ("gpt_neox.layers.0.mlp.dense.bias", (0, "mlp.dense.bias")),
        ("encoder.layers.5.fc1.weight", (5, "encoder.fc1")),
        ("shared.weight", (None, "shared")),
    ],
)
def test_layers_are_told_by_the_names_of_many_architectures(
    name: str, expected: tuple[int | None, str]
) -> None:
    """GPT-2, GPT-NeoX, BART and what stands outside of layers."""
    assert place_of(name) == expected


def test_the_barrier_lies_above_the_line_between_the_ends() -> None:
    """Of losses 2, 5, 1: the line passes 1.5 in the middle; below the line there is none."""
    assert barrier([0, 0.5, 1], [2, 5, 1]) == (3.5, 0.5)
    assert barrier([0, 0.5, 1], [2, 1, 1])[0] == 0


def test_the_command_names_the_layer_that_was_changed(
    small_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One direction planted in layer 1's value projection: that matrix and no other, rank 1;
    table, file and figures say so.
    """
    import torch
    from safetensors.torch import load_file, save_file

    base, tuned = small_model(seed=1), tmp_path / "tuned"
    shutil.copytree(base, tuned)
    held = load_file(tuned / "model.safetensors")
    name = "model.layers.1.self_attn.v_proj.weight"
    held[name] += torch.outer(torch.linspace(-1, 1, 32), torch.linspace(1, 2, 32))
    save_file(held, tuned / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"

    assert invoke(["weights", str(base), str(tuned), "--out", str(out)]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "v_proj" in line)
    assert row.split()[-3:-1] == ["1", "1"]  # most in layer 1, at rank 1
    with (out / "weights.csv").open() as file:
        rows = {row["tensor"]: row for row in csv.DictReader(file)}
    changed = {name for name, row in rows.items() if row["relative"] not in ("", "0.0")}
    assert changed == {name}
    assert (rows[name]["layer"], rows[name]["rank"]) == ("1", "1.0")
    assert json.loads(rows[name]["spectrum"])[1] < 1e-4
    assert {"relative.svg", "rank.svg", "intruders.svg", "spectra.png"} <= {
        path.name for path in out.iterdir()
    }


def test_the_path_is_measured_on_prompts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The ends are the losses of the two models,
    and the folder of the points is gone afterwards.
    """
    from safetensors.torch import load_file, save_file

    from evalkit import catalog

    demo = Path(catalog.load_model("demo").name)
    tuned = tmp_path / "tuned"
    shutil.copytree(demo, tuned)
    held = {name: one * 1.01 for name, one in load_file(tuned / "model.safetensors").items()}
    save_file(held, tuned / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"
    words = ["--tasks", "procedural/boolean", "--barrier", "3", "--json", "--out", str(out)]

    assert invoke(["weights", "demo", str(tuned), *words]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["alphas"] == [0, 0.5, 1]
    assert 0 < told["losses"][0] != told["losses"][2]
    assert not list(out.glob("path.part*"))
    assert (out / "path.svg").is_file()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--barrier", "5"], "--barrier and --tasks: belong together"),
        (["--barrier", "5", "--tasks", "procedural/boolean"], "--barrier: needs --out"),
        (["--energy", "1.5"], "--energy 1.5: is not accepted; a number above 0 to 1 is"),
        (["--top", "0"], "--top 0: is not accepted"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    small_model: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    match: str,
) -> None:
    """Each with what is accepted."""
    given = ["weights", str(small_model(seed=1)), str(small_model(seed=2)), *words]

    assert invoke(given) == 2
    assert match in capsys.readouterr().err
