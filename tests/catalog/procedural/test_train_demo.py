"""The training script: what it trains on, both architectures, going on after an interruption."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from programs import program

from evalkit.catalog.phrasings import load_phrasings
from evalkit.catalog.procedural.generate import FAMILIES, generate
from evalkit.catalog.tasks import load_task

SMALL = [
    "--steps", "6", "--log-every", "3", "--batch-size", "4", "--instances", "30", "--width", "32", "--heads", "2", "--layers", "1",  # noqa: E501
    "--vocabulary", "400", "--no-bf16",
]  # fmt: skip


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """Return the script as a module."""
    module = program("tools/train_demo.py")
    module.TOKENIZER_PROMPTS = 500  # type: ignore[attr-defined]
    return module


def train(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, folder: Path, *options: str
) -> dict[str, Any]:
    """Run the script with small settings and return its report."""
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "train_demo.py",
            "--out",
            str(folder / "out"),
            "--work",
            str(folder / "work"),
            *SMALL,
            *options,
        ],
    )
    tool.main()
    report: dict[str, Any] = json.loads((folder / "work" / "training.json").read_text())
    return report


def test_only_training_data_in_tuning_words_is_trained_on(tool: ModuleType) -> None:
    """No phrasing of another source, no control,
    and no question of a test split is in the training pools.
    """
    for pool in tool.build_pools(200, 5):
        family = pool.task.name
        allowed = {
            item.id
            for item in load_phrasings(load_task(pool.task.id))
            if item.source == "evalkit-tuning"
        }
        trained = {instance.fields["question"] for instance in [*pool.instances, *pool.easy]}
        splits = (
            ("test_instance", "test_rule") if FAMILIES[family].has_rules else ("test_instance",)
        )
        tested = {
            instance.fields["question"]
            for split in splits
            for instance in generate(family, split, 250, seed=20261121)
        }

        assert {item.id for item in pool.phrasings} == allowed
        assert {item.kind for item in pool.phrasings} == {"correct"}
        assert trained.isdisjoint(tested)


def test_digits_and_lone_capitals_are_tokens_of_their_own(tool: ModuleType) -> None:
    """A string, a list and a letter label are cut symbol by symbol, before an answer as inside a
    question.
    """
    tokenizer = tool.build_tokenizer(tool.build_pools(30, 5), 400)
    text = "String: PQQ 407\nAnswer: PQ"
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])

    assert [token for token in tokens if token in set("PQ407")] == list("PQQ407PQ")
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_an_interrupted_training_ends_with_the_same_weights(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopping right after the first checkpoint and starting again gives the file an undisturbed
    run gives.
    """
    undisturbed = train(tool, monkeypatch, tmp_path / "whole")
    save = tool.save_checkpoint

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(tool, "save_checkpoint", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            train(tool, context, tmp_path / "parts")
    assert not (tmp_path / "parts" / "out").exists()
    resumed = train(tool, monkeypatch, tmp_path / "parts")

    assert resumed["steps"] == undisturbed["steps"] == 6
    assert resumed["sha256"] == undisturbed["sha256"]


def test_another_recipe_does_not_take_over_a_checkpoint(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A work folder of another learning rate is refused by name."""
    train(tool, monkeypatch, tmp_path)

    with pytest.raises(SystemExit, match="was made by another recipe"):
        train(tool, monkeypatch, tmp_path, "--learning-rate", "0.5")


@pytest.mark.slow
def test_seeds_give_different_weights(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two seeds do not end in one file."""
    reports = [train(tool, monkeypatch, tmp_path / seed, "--seed", seed) for seed in ("1", "2")]

    assert reports[0]["sha256"] != reports[1]["sha256"]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["bart", "t5"])
def test_an_encoder_decoder_is_trained_and_loads(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, architecture: str
) -> None:
    """The other architectures end in a folder that Transformers opens as a sequence-to-sequence
    model.
    """
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    train(tool, monkeypatch, tmp_path, "--architecture", architecture)
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")

    assert model.config.decoder_start_token_id == tokenizer.pad_token_id
    assert model.config.eos_token_id == tokenizer.eos_token_id


@pytest.mark.slow
def test_training_lowers_the_loss(
    tool: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of ninety steps the last thirty have at most two thirds of the mean loss of the first
    thirty.
    """
    train(
        tool,
        monkeypatch,
        tmp_path,
        "--steps",
        "90",
        "--log-every",
        "30",
        "--batch-size",
        "16",
        "--learning-rate",
        "0.01",
    )
    losses = [
        float(line.split()[3])
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("step ")
    ]

    assert len(losses) == 3
    assert losses[-1] <= 2 / 3 * losses[0]


def test_a_second_stage_starts_from_the_first(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With no steps to take, ``--start`` gives back the weights and the tokenizer it started
    from.
    """
    first = train(tool, monkeypatch, tmp_path / "first")
    second = train(
        tool,
        monkeypatch,
        tmp_path / "second",
        "--start",
        str(tmp_path / "first" / "out"),
        "--steps",
        "0",
        "--focus",
        "sorting",
    )
    tokenizers = [
        (tmp_path / stage / "out" / "tokenizer.json").read_bytes() for stage in ("first", "second")
    ]

    assert second["sha256"] == first["sha256"]
    assert tokenizers[0] == tokenizers[1]
