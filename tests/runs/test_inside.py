"""Inside a model: attribution against finite differences, layers of both kinds of model, a
changed layer that patching finds.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.hf import inside
from evalkit.cli.main import invoke
from evalkit.errors import BackendError, UsageError
from evalkit.records import ModelSpec, Request
from evalkit.runs.inside import Item, costs, items_of, look, look_again

KINDS = {
    "causal": ("0", "1"),
    "encoder-decoder": ("encoder 0", "encoder 1", "decoder 0", "decoder 1"),
}
CHANGED = {"causal": "model.layers.1.mlp", "encoder-decoder": "decoder.block.0.layer.2"}


def spec(path: Path) -> ModelSpec:
    """Return a model on the CPU."""
    return ModelSpec(backend="hf", name=str(path), device="cpu", dtype="float32")


def item(instruction: str, body: str, answer: str = " True", name: str = "1") -> Item:
    """Return a prompt whose instruction stands before its body."""
    text = f"{instruction}\n\n{body}\nAnswer:"
    start = len(instruction) + 2
    request = Request(
        kind="choice", text=text, continuations=(answer,), body=(start, start + len(body))
    )
    return Item("tiny/truth", instruction[:5], name, request, ((0, len(instruction)),))


ITEMS = [
    item("Is it so?", "not True and False", name="1"),
    item("Say whether it is so.", "not True and False", name="1"),
    item("Is it so?", "True and True and 7", name="2"),
]


def changed(path: Path, part: str, out: Path) -> Path:
    """Save a copy of a model with one part of one layer drawn anew."""
    import torch
    import transformers as tf

    kind: Any = (
        tf.AutoModelForSeq2SeqLM
        if json.loads((path / "config.json").read_text())["model_type"] == "t5"
        else tf.AutoModelForCausalLM
    )
    model = kind.from_pretrained(path)
    with torch.no_grad():
        for number, parameter in enumerate(model.get_submodule(part).parameters()):
            drawn = torch.Generator().manual_seed(number)
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=drawn))
    model.save_pretrained(out)
    tf.AutoTokenizer.from_pretrained(path).save_pretrained(out)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_patching_finds_the_one_layer_that_was_changed(
    small_model: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Before it nothing is recovered, from it on everything, so it alone gains."""
    base = small_model(kind)
    other = changed(base, CHANGED[kind], tmp_path / "other")
    rows = {row["layer"]: row for row in look_again(spec(base), spec(other), ITEMS)}
    assert tuple(rows) == KINDS[kind]
    where = "1" if kind == "causal" else "decoder 0"
    side = [name for name in rows if name.rpartition(" ")[0] == where.rpartition(" ")[0]]
    for name in rows:
        known = name in side and side.index(name) >= side.index(where)
        assert rows[name]["recovered"] == pytest.approx(float(known), abs=1e-4)
        assert rows[name]["gained"] == pytest.approx(float(name == where), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_attribution_is_the_slope_along_every_embedding(
    small_model: Callable[..., Path], kind: str
) -> None:
    """By central differences, in double precision; shares add up to 1."""
    import numpy as np
    import torch

    from evalkit.backends.hf import inside
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec(small_model(kind)))
    loaded = backend.loaded
    loaded.model.double()
    context, answer = (5, 9, 17, 30), (12, 40)
    found = inside.attribution(loaded, context, answer)[0]
    embedded = loaded.model.get_input_embeddings()(torch.tensor([context])).detach()

    def value(token: int, factor: float) -> float:
        moved = embedded.clone()
        moved[0, token] *= factor
        with torch.no_grad():
            logs = inside.answer_logs(loaded, context, answer, moved)
        return float(sum(logs[k, one] for k, one in enumerate(answer)))

    step = 1e-2
    slopes = np.array(
        [abs(value(k, 1 + step) - value(k, 1 - step)) / (2 * step) for k in range(len(context))]
    )
    assert found.sum() == pytest.approx(1)
    assert found == pytest.approx(slopes / slopes.sum(), abs=2e-3)
    each = inside.attribution(loaded, context, answer, each=True)
    assert each.shape == (2, 4)
    assert each.sum(axis=1) == pytest.approx([1, 1])
    backend.close()


@pytest.mark.parametrize("kind", KINDS)
def test_shares_similarity_and_drift_are_told(small_model: Callable[..., Path], kind: str) -> None:
    """Shares lie in 0 to 1, one instance is held against itself and others, every generated
    token has a share.
    """
    seen = look(spec(small_model(kind)), ITEMS, generate=3)
    assert all(0 < row["share"] < 1 and 0 < row["tokens"] < 1 for row in seen.shares)
    assert [row["layer"] for row in seen.layers] == list(KINDS[kind])
    assert all(-1 <= row[k] <= 1 for row in seen.layers for k in ("same_instance", "same_wording"))
    assert {row["token"] for row in seen.drift} <= {1, 2, 3}
    same = look(spec(small_model(kind)), [ITEMS[0], ITEMS[0]])
    assert [row["same_instance"] for row in same.layers] == pytest.approx([1.0] * len(KINDS[kind]))


def test_the_instruction_is_placed_behind_a_chat_template(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Tokens of the template belong to no instruction."""
    from evalkit.backends.hf import inside
    from evalkit.backends.hf.backend import HFBackend

    template = tmp_path / "chat.jinja"
    template.write_text(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>"
    )
    made = ModelSpec(
        backend="hf", name=str(small_model("causal")), device="cpu", chat_template=str(template)
    )
    backend = HFBackend(made)
    encoded = backend.encode([ITEMS[0].request])[0]
    marked = inside.token_spans(backend.loaded, encoded, ITEMS[0].spans)
    chosen = [token for token, here in zip(encoded.context, marked, strict=True) if here]
    text = backend.loaded.tokenizer.decode(chosen)
    assert "Is it so?" in text
    assert "user" not in text
    assert "not True" not in text
    backend.close()


def test_checkpoints_that_do_not_fit_are_refused(
    small_model: Callable[..., Path],
) -> None:
    """The first tensor that differs is named."""
    with pytest.raises(BackendError, match="is not of the shape of"):
        look_again(spec(small_model("causal")), spec(small_model("encoder-decoder")), ITEMS)


def test_costs_are_what_is_done(
    small_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward passes are counted one by one, against the formula."""
    from evalkit.backends.hf import inside

    real, forwards = inside.answer_logs, []

    def counted(*words: Any, **more: Any) -> Any:
        forwards.append(1)
        return real(*words, **more)

    monkeypatch.setattr(inside, "answer_logs", counted)
    look(spec(small_model("causal")), ITEMS)
    assert len(forwards) == costs(len(ITEMS), n_generated=0, n_layers=None).forward


def test_tasks_without_an_instruction_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the instance fills the prompt there is nothing to look at."""
    from evalkit.runs import inside

    monkeypatch.setattr(inside, "instruction_spans", lambda request: [])
    with pytest.raises(UsageError, match="no prompt has an instruction"):
        items_of(["procedural/boolean"], phrasings=1, limit=1)


def test_the_command_writes_tables_and_plans(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Shares, layers, drift and a figure; the plan does nothing."""
    words = ["inside", "demo", "--tasks", "procedural/boolean", "--limit", "2", "--phrasings", "2"]
    assert invoke([*words, "--plan", "--against", "demo", "--generate", "2"]) == 0
    assert "4 prompts: 76 forward and 24 backward passes" in capsys.readouterr().out
    assert invoke([*words, "--generate", "2", "--out", str(tmp_path)]) == 0
    assert "on the instruction, %" in capsys.readouterr().out
    with (tmp_path / "shares.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4
    assert (tmp_path / "layers.csv").is_file()
    assert (tmp_path / "layers.svg").is_file()


def _of_gemma_3() -> Any:
    import transformers as tf

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1}
    text = tf.Gemma3TextConfig(
        **sizes, num_hidden_layers=3, num_key_value_heads=1, head_dim=8, vocab_size=16
    )
    seeing = tf.SiglipVisionConfig(**sizes, num_hidden_layers=2, image_size=4, patch_size=2)
    return tf.Gemma3ForConditionalGeneration(
        tf.Gemma3Config(text_config=text, vision_config=seeing, image_token_index=5)
    )


def _of_mpt() -> Any:
    import transformers as tf

    return tf.MptForCausalLM(tf.MptConfig(d_model=8, n_heads=1, n_layers=3, vocab_size=16))


def _of_opt() -> Any:
    import transformers as tf

    sizes = {"hidden_size": 8, "ffn_dim": 8, "word_embed_proj_dim": 8, "vocab_size": 16}
    return tf.OPTForCausalLM(
        tf.OPTConfig(**sizes, num_hidden_layers=3, num_attention_heads=1, max_position_embeddings=8)
    )


@pytest.mark.parametrize(
    ("made", "where"),
    [
        (_of_gemma_3, "model.language_model.layers."),
        (_of_mpt, "transformer.blocks."),
        (_of_opt, "model.decoder.layers."),
    ],
)
def test_layers_are_those_of_the_language_model(made: Callable[[], Any], where: str) -> None:
    """A tower for pictures beside it has layers too, which no prompt passes; other names of a stack
    are known.
    """
    import torch

    with torch.device("meta"):
        model = made()
    names = {id(module): name for name, module in model.named_modules()}
    found = [names[id(layer)] for layer in inside.layers_of(model).values()]

    assert found == [f"{where}{number}" for number in range(3)]
