"""Several trainings in one call, and the command that one training suggests."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest

from evalkit.cli.main import invoke
from evalkit.cli.training_options import RATES
from evalkit.tuning.parametrisations import METHODS

SMALL = [
    *("--model", "demo", "--tasks", "procedural/boolean", "--instances", "10", "--steps", "2"),
    *("--validate-every", "1", "--probe", "4", "--batch-size", "2"),
]
HELD = ["--sources", "evalkit-tuning,evalkit-paraphrase"]
ALL = ["--sources", "evalkit-tuning,evalkit-heldout"]


def test_every_method_has_a_learning_rate() -> None:
    """What can be trained and what the command offers agree."""
    assert set(RATES) == set(METHODS)


def test_a_lab_trains_asks_and_compares_every_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held-out phrasings only, seeds beside phrasings, an arm that cannot be trained told;
    the second call trains nothing.
    """
    words = ["align", "--arms", "last-quarter,bias", "--seeds", "2", *SMALL, *HELD]
    given = [*words, "--test-instances", "4", "--out", str(tmp_path / "lab")]

    assert invoke(given) == 0
    told = capsys.readouterr()
    assert "sd over seeds" in told.out
    assert "2 failed" in told.out
    assert "training last-quarter-seed1" in told.err
    with (tmp_path / "lab" / "lab.csv").open() as file:
        rows = list(csv.DictReader(file))
    means = [row for row in rows if row["metric"] == "mean"]
    assert [row["seed"] for row in means] == ["0", "1"]
    assert all(
        float(row["value"]) - float(row["plain"]) == pytest.approx(float(row["difference"]))
        for row in means
    )
    assert [row["arm"] for row in rows if row["failed"]] == ["bias", "bias"]
    assert invoke(given) == 0
    assert "training last-quarter" not in capsys.readouterr().err
    assert invoke([*given, "--steps", "3"]) == 3
    assert "belongs to a training with other steps" in capsys.readouterr().err
    assert invoke([*given, "--seeds", "1", "--steps", "3", "--fresh"]) == 0
    assert "training last-quarter-seed0" in capsys.readouterr().err


def test_the_suggested_command_runs_as_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A suite of held-out phrasings is written beside the result;
    a training that changed nothing says so.
    """
    out = tmp_path / "my lora"
    given = ["align", "--method", "lora", *SMALL, *HELD, "--learning-rate", "1e-30"]

    assert invoke([*given, "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "Training changed nothing" in told.err
    line = next(line for line in told.out.splitlines() if line.startswith("To use it"))
    words = shlex.split(line.partition("evalkit ")[2])
    assert (
        invoke([*words, "--limit", "2", "--no-report", "--out", str(tmp_path / "run"), "-q"]) == 0
    )


def test_without_sources_some_phrasings_are_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three in ten of each task, which the suggested suite asks by leaving out the others."""
    from evalkit.catalog import load_suite
    from evalkit.tuning.adapters import read_record

    assert invoke(["align", "--method", "ia3", *SMALL, "--out", str(tmp_path / "ia3")]) == 0
    assert "--suite" in capsys.readouterr().out
    suite = load_suite(str(tmp_path / "ia3-held-out.yaml"))
    told = read_record(tmp_path / "ia3")
    assert set(suite.without) == {*told["training"], *told["validation"]}


def test_where_nothing_is_held_out_the_trained_phrasings_are_shown_as_seen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command then says that an overlap is wanted."""
    words = ["align", "--method", "ia3", *SMALL, *ALL, "--out", str(tmp_path / "ia3")]
    assert invoke(words) == 0
    assert "overlap=allow --tasks 'procedural/boolean'" in capsys.readouterr().out


def test_a_training_keeps_its_number_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--dtype`` is the model's, stands in the record and in the command that is suggested;
    a lab in another one does not take the training for its own.
    """
    monkeypatch.setattr("evalkit.backends.hf.loading.refuse_slow", lambda *_: None)
    place = tmp_path / "lab" / "lora-seed0"
    half = ["--dtype", "bfloat16"]
    assert invoke(["align", "--method", "lora", *SMALL, *HELD, *half, "--out", str(place)]) == 0
    assert capsys.readouterr().out.rstrip().endswith("--dtype bfloat16")
    assert json.loads((place / "evalkit.json").read_text())["dtype"] == "bfloat16"

    asked = ["--test-instances", "2", "--test-phrasings", "2", "--dtype", "float32"]
    words = ["align", "--arms", "lora", "--seeds", "1", *SMALL, *HELD, *asked]
    assert invoke([*words, "--out", str(tmp_path / "lab")]) == 3
    assert "belongs to a training with other dtype" in capsys.readouterr().err


def test_held_tasks_and_untrained_arms_stand_beside_the_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An objective is part of an arm's name; tasks that no arm saw have their own column and
    rows.
    """
    words = ["align", "--arms", "lora/response", "--mitigation", "ensemble:m=2", "--seeds", "1"]
    more = ["--held-tasks", "procedural/regex", "--test-instances", "3", "--test-phrasings", "2"]
    assert invoke([*words, *more, *SMALL, *HELD, "--out", str(tmp_path / "lab")]) == 0
    told = capsys.readouterr().out
    assert "mean, other tasks" in told
    with (tmp_path / "lab" / "lab.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["arm"], row["tasks"]) for row in rows} == {
        (arm, tasks)
        for arm in ("lora/response", "ensemble:m=2")
        for tasks in ("trained", "held out")
    }
    assert {row["trained_parameters"] for row in rows if row["arm"] == "ensemble:m=2"} == {""}


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "--method or --arms: exactly one"),
        (["--method", "lora", "--arms", "lora"], "--method or --arms: exactly one"),
        (["--arms", "lora,nonsense"], "--arms nonsense: is not trained"),
        (["--arms", "lora", *ALL], "Name --sources or a --hold-out, so that others"),
        (
            ["--arms", "lora", *HELD, "--held-tasks", "procedural/boolean"],
            "--held-tasks procedural/boolean: is trained on",
        ),
        (["--arms", "lora/nonsense"], "--arms lora/nonsense: is not trained"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], match: str
) -> None:
    """Before anything is trained."""
    assert invoke(["align", *words, *SMALL, "--out", str(tmp_path / "x")]) == 2
    assert match in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_how_far_weights_moved_is_a_norm_and_correlated_over_trainings(
    tmp_path: Path,
) -> None:
    """All tensors together: a change of 3 and 4 beside weights of norm 10 is a half;
    ranks agree where both rise.
    """
    import math
    from dataclasses import replace

    import torch
    from safetensors.torch import save_file

    from evalkit import catalog
    from evalkit.backends.hf.files import locate
    from evalkit.cli.lab_table import Trial, _by_weights
    from evalkit.records import ModelSpec
    from evalkit.tuning.spectra import moved

    root = locate(catalog.load_model("demo", device="cpu")).root
    for name, (one, two) in {"a": (6.0, 8.0), "b": (9.0, 12.0)}.items():
        (tmp_path / name).mkdir()
        for path in root.iterdir():
            if path.suffix == ".json":
                (tmp_path / name / path.name).write_bytes(path.read_bytes())
        tensors = {"x": torch.tensor([one]), "y": torch.tensor([[two]])}
        save_file(tensors, tmp_path / name / "model.safetensors")
    specs = [ModelSpec(backend="hf", name=str(tmp_path / name), device="cpu") for name in "ab"]
    assert moved(*specs) == pytest.approx(0.5)
    assert moved(specs[0], specs[0]) == 0

    class Change:
        """A difference."""

        def __init__(self, value: float) -> None:
            self.value = value

    empty = Trial("full", 0, {}, {}, {}, {}, {})
    trials = [
        replace(
            empty,
            moved=0.01 * k,
            changes=dict.fromkeys(("mean", "min", "std", "consistency"), Change(k * k)),  # type: ignore[arg-type]  # only its value is read
        )
        for k in range(1, 5)
    ]
    assert "mean +1.00" in _by_weights(trials)
    assert not _by_weights([*trials[:3], replace(empty, moved=math.nan)])
