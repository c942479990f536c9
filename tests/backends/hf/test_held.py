"""A Transformers model given as an object: asked as its files are, and left as it is."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_models import small_model

import evalkit
from evalkit.backends.base import Ask
from evalkit.backends.hf.backend import HFBackend
from evalkit.backends.hf.held import HeldModel
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, Request

__all__ = ["small_model"]
tf = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

ASKED = [
    Request(kind="choice", text="Is it so? Answer:", continuations=(" True", " False and no")),
    Request(kind="choice", text="Is it so? Say: ", continuations=("A", "B or C")),
    Request(kind="generate", text="Which word stands first?", max_tokens=5),
]


def pair(directory: Path) -> tuple[Any, Any]:
    """Return a model in training mode and its tokenizer."""
    seq2seq = "T5" in (directory / "config.json").read_text()
    kind = tf.AutoModelForSeq2SeqLM if seq2seq else tf.AutoModelForCausalLM
    return kind.from_pretrained(directory).train(), tf.AutoTokenizer.from_pretrained(directory)


def answers(backend: HFBackend) -> dict[str, tuple[Any, ...]]:
    """Return key -> (log-probabilities, text)."""
    found = [one for batch in backend.run([Ask(request) for request in ASKED]) for one in batch]
    return {one.key: (one.logprobs, one.text) for one in found}


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_it_answers_as_its_files_do(kind: str, small_model: Callable[..., Path]) -> None:
    """The same log-probabilities and texts, to the last digit."""
    directory = small_model(kind)
    held, loaded = (
        HeldModel(*pair(directory)),
        HFBackend(ModelSpec(backend="hf", name=str(directory))),
    )

    assert answers(held) == answers(loaded)
    assert len(answers(held)) == len(ASKED)


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_the_callers_model_stays_as_it_is(kind: str, small_model: Callable[..., Path]) -> None:
    """Mode, hooks, forwards and gradients; and a training step changes what the next one hears."""
    model, tokenizer = pair(small_model(kind))
    held = HeldModel(model, tokenizer)
    before = answers(held)
    ids = torch.tensor([tokenizer("Answer: True")["input_ids"]])
    model(input_ids=ids, labels=ids).loss.backward()

    assert all(module.training for module in model.modules())
    assert not any(
        module._forward_pre_hooks or module._forward_hooks or "forward" in vars(module)
        for module in model.modules()
    )
    assert not any("compute_bias" in vars(module) for module in model.modules())
    torch.optim.SGD(model.parameters(), lr=1.0).step()
    after = HeldModel(model, tokenizer)
    assert answers(after) != before
    assert after.spec.name != held.spec.name
    assert after.fingerprint()["weights"] != held.fingerprint()["weights"]


def test_a_training_loop_evaluates_as_it_goes(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Two runs of one object, trained in between, compare; both hold every cell."""
    model, tokenizer = pair(small_model())
    asked: dict[str, Any] = {"limit": 3, "phrasings": 2, "quiet": True, "no_report": True}
    runs = []
    for step in range(2):
        runs.append(
            evalkit.run(
                (model, tokenizer), tasks="procedural/boolean", out=tmp_path / str(step), **asked
            )
        )
        with torch.no_grad():
            next(iter(model.parameters())).add_(0.5)
    old, new = runs

    assert (len(old.scores), old.manifest.counts.missing) == (6, 0)
    assert old.manifest.model.name != new.manifest.model.name
    assert list(old.responses.logprobs) != list(new.responses.logprobs)
    assert len(old.compare(new, resamples=200).headline)


def test_an_adapter_that_is_turned_off_is_another_model(small_model: Callable[..., Path]) -> None:
    """Though no tensor changes."""
    peft = pytest.importorskip("peft")
    model, tokenizer = pair(small_model())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(
            model, peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
        )
        on = HeldModel(model, tokenizer)
        heard = answers(on)
        with model.disable_adapter():
            off = HeldModel(model, tokenizer)
            assert answers(off) != heard

    assert on.fingerprint()["weights"] == off.fingerprint()["weights"]
    assert on.fingerprint() != off.fingerprint()


def test_settings_of_the_pair_enter(small_model: Callable[..., Path], tmp_path: Path) -> None:
    """Generation settings, the tokenizer and the chat template change the fingerprint, batch
    size does not.
    """
    model, tokenizer = pair(small_model())
    plain = HeldModel(model, tokenizer).fingerprint()
    (tmp_path / "t.jinja").write_text("{{ messages[0]['content'] }}!")

    assert HeldModel(model, tokenizer, batch_size=1).fingerprint() == plain
    assert (
        HeldModel(model, tokenizer, chat_template=str(tmp_path / "t.jinja")).fingerprint() != plain
    )
    model.generation_config.repetition_penalty = 1.5
    other = HeldModel(model, tokenizer).fingerprint()
    assert {key for key in plain if plain[key] != other[key]} == {"settings"}
    tokenizer.add_tokens(["evalkit"])
    last = HeldModel(model, tokenizer).fingerprint()
    assert {key for key in plain if last[key] != other[key]} == {"tokenizer"}


def test_what_would_change_the_callers_weights_is_refused(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """An adapter put on the shared weights, and contrasts that read them."""
    with pytest.raises(BackendError, match="needs the logits of the model"):
        evalkit.run(
            pair(small_model()),
            "quickstart",
            mitigation="adapter:path=x",
            limit=1,
            out=tmp_path / "run",
            quiet=True,
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((object(), None), r"^model: object is no language model of Transformers; a pair"),
        ((dataclasses.make_dataclass("Net", ["config", "generate", "state_dict"])(0, 0, 0), 3),
         r"^model: int is no tokenizer of Transformers; a pair \(model, tokenizer\)"),
    ],
)  # fmt: skip
def test_no_such_pair_is_refused(given: Any, message: str) -> None:
    """With what is wrong and what is accepted."""
    with pytest.raises(UsageError, match=message):
        evalkit.run(given, "quickstart")


def test_weights_that_are_not_in_memory_are_refused(small_model: Callable[..., Path]) -> None:
    """As they are where a model is offloaded."""
    model, tokenizer = pair(small_model())

    with pytest.raises(BackendError, match=r"weight .* is not in memory\. Load the model whole"):
        HeldModel(model.to("meta"), tokenizer)


def test_options_of_loading_are_refused(small_model: Callable[..., Path]) -> None:
    """It is loaded already; batch size and chat template are accepted."""
    with pytest.raises(UsageError, match=r"^dtype: is for a model that evalkit loads"):
        evalkit.run(pair(small_model()), "quickstart", dtype="float16")
