"""What each objective makes small, held against numbers computed here,
and what each parametrisation trains.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.mitigations.applying import opened
from evalkit.cli.training_options import OBJECTIVES as OFFERED
from evalkit.errors import UsageError
from evalkit.records import Ask, Instance, ModelSpec, Phrasing, Request, Task
from evalkit.runs.own_answers import relabelled
from evalkit.tuning.adapters import adapter
from evalkit.tuning.alignment import align
from evalkit.tuning.losses import OBJECTIVES
from evalkit.tuning.objectives import info_nce
from evalkit.tuning.pairs import Material, Pair, Sampler, divided
from evalkit.tuning.recipe import Recipe

PEFT_OLD = "ignore:.*(past_key_values|is_gradient_checkpointing). is deprecated:FutureWarning"
WORDS = ("Say whether it is so.", "Is it True or False?", "Evaluate it.", "Give one reply.")
PAIRS = (
    Pair((5, 6, 7, 8), (9, 10, 11), (12, 13, 14), "a"),
    Pair((5, 6), (7, 8, 9, 10, 11), (15,), "a"),
    Pair((20, 21, 22), (23, 24), (25, 26), "b"),
)


class Fixed(Sampler):
    """Hands out the same pairs."""

    def __init__(self) -> None:
        """Need no materials."""

    def batch(self, number: int, size: int) -> list[Pair]:
        """Return `PAIRS`."""
        return list(PAIRS)

    alternating = batch


def plan(objective: str, **more: Any) -> Recipe:
    """Return a short recipe with an objective."""
    base = {"steps": 2, "batch_size": 4, "validate_every": 1, "probe": 4, "rank": 2}
    return Recipe(**{"method": "lora", "objective": objective, **base, **more})


def model(directory: Path, kind: str = "causal") -> Any:
    """Return a model as Transformers loads it."""
    import transformers as tf

    loader: Any = tf.AutoModelForCausalLM if kind == "causal" else tf.AutoModelForSeq2SeqLM
    return loader.from_pretrained(directory).eval().requires_grad_(False)


def material(n: int = 12, kind: str = "choice") -> Material:
    """Return a task in four wordings."""
    generates = {"kind": "generate", "metric": "exact_match", "max_tokens": 4}
    task = Task(
        name="truth",
        benchmark="tiny",
        reader="table",
        labels=() if kind == "generate" else ("True", "False"),
        choices_shown=False,
        **(generates if kind == "generate" else {}),
    )
    phrasings = [
        Phrasing(id=f"t-{k}", text=text, source="evalkit", layout="none", label_space="text")
        for k, text in enumerate(WORDS)
    ]
    train, held = divided(task, phrasings, share=0.3, seed=0)
    items = tuple(
        Instance(
            id=str(k),
            fields={"question": f"True and False {k}"},
            **(
                {"references": ("True",)}
                if kind == "generate"
                else {"choices": ("True", "False"), "target": k % 2}
            ),
        )
        for k in range(n)
    )
    return Material(task=task, training=train, validation=held, instances=items[4:], held=items[:4])


def tokens_nll(loaded: Any, rows: list[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[float]:
    """Return -log p of every answer token, one row at a time, without anything of evalkit."""
    import torch

    found = []
    for prompt, answer in rows:
        ids = torch.tensor([[*prompt, *answer]])
        logs = torch.log_softmax(loaded(input_ids=ids).logits[0].double(), -1)
        found += [-float(logs[len(prompt) - 1 + k, token]) for k, token in enumerate(answer)]
    return found


def mean(values: list[float]) -> float:
    """Return the mean."""
    return sum(values) / len(values)


def test_what_is_offered_is_what_there_is() -> None:
    """The command line names every objective without importing torch."""
    assert set(OFFERED) == set(OBJECTIVES)


def test_objectives_are_the_numbers_they_say(small_model: Callable[..., Path]) -> None:
    """Cross-entropy over the right tokens of the right prompts, by another way of computing."""
    loaded = model(small_model("causal"))
    told = [(pair.paraphrase, pair.answer) for pair in PAIRS]
    both = [*((pair.reference, pair.answer) for pair in PAIRS), *told]
    whole = [((row[0][0],), (*row[0][1:], *row[1])) for row in told]
    wanted = {"response": told, "augmentation": both, "all-tokens": whole}
    for name, rows in wanted.items():
        got = float(OBJECTIVES[name](loaded, Fixed(), plan(name), 0).detach())
        assert got == pytest.approx(mean(tokens_nll(loaded, rows)), abs=1e-5), name


def test_coin_adds_both_losses_and_caps_the_contrast(small_model: Callable[..., Path]) -> None:
    """States are those of the last token of prompt and answer;
    the weighted term stops at the generation loss.
    """
    import torch

    loaded = model(small_model("causal"))
    sides = [
        [(pair.reference, pair.answer) for pair in PAIRS],
        [(pair.paraphrase, pair.answer) for pair in PAIRS],
    ]
    generation = sum(mean(tokens_nll(loaded, rows)) for rows in sides)
    states = [
        torch.stack(
            [
                loaded(
                    input_ids=torch.tensor([[*prompt, *answer]]), output_hidden_states=True
                ).hidden_states[-1][0, -1]
                for prompt, answer in rows
            ]
        )
        for rows in sides
    ]
    contrast = float(info_nce(states[0], states[1], 0.05).detach())
    small = 0.5 * generation / contrast
    for weight, term in ((small, small * contrast), (1000.0, generation)):
        got = OBJECTIVES["coin"](loaded, Fixed(), plan("coin", contrast_weight=weight), 0)
        assert float(got.detach()) == pytest.approx(generation + term, rel=1e-4)


def test_masking_hides_what_is_fed_back_and_keeps_the_targets(
    small_model: Callable[..., Path],
) -> None:
    """Next to nothing hidden is the plain loss;
    nearly all hidden changes the tokens after the first only.
    """
    loaded = model(small_model("causal"))
    told = [(pair.paraphrase, pair.answer) for pair in PAIRS]
    plain = mean(tokens_nll(loaded, told))
    few, many = (
        float(OBJECTIVES["masking"](loaded, Fixed(), plan("masking", mask_share=x), 0).detach())
        for x in (1e-9, 1 - 1e-9)
    )
    assert few == pytest.approx(plain, abs=1e-5)
    assert abs(many - plain) > 1e-3


def test_mixup_blends_logits_as_states_before_the_head(small_model: Callable[..., Path]) -> None:
    """The head is linear, so the loss of blended states is that of blended logits."""
    import random

    import torch

    loaded = model(small_model("causal"))
    rows = [(pair.paraphrase, pair.answer) for pair in PAIRS]
    nll = [mean(tokens_nll(loaded, [row])) for row in rows]
    unsure, sure = max(range(3), key=nll.__getitem__), min(range(3), key=nll.__getitem__)
    share = random.Random("0/mix/0").betavariate(0.5, 0.5)
    size = min(len(rows[unsure][1]), len(rows[sure][1]))
    states = []
    for prompt, answer in (rows[sure], rows[unsure]):
        ids = torch.tensor([[*prompt, *answer]])
        hidden = loaded(input_ids=ids, output_hidden_states=True).hidden_states[-1][0]
        states.append(hidden[len(prompt) - 1 : len(prompt) - 1 + size])
    logs = torch.log_softmax(loaded.lm_head(share * states[0] + (1 - share) * states[1]), -1)
    blended = sum(
        weight * mean([-float(logs[k, token]) for k, token in enumerate(rows[at][1][:size])])
        for weight, at in ((share, sure), (1 - share, unsure))
    )
    got = float(OBJECTIVES["mixup"](loaded, Fixed(), plan("mixup"), 0).detach())
    assert got == pytest.approx(mean(tokens_nll(loaded, rows)) + 0.2 * blended, abs=1e-4)


@pytest.mark.parametrize("objective", ["all-tokens", "coin"])
def test_what_an_encoder_cannot_do_is_refused(
    small_model: Callable[..., Path], objective: str
) -> None:
    """An encoder-decoder model predicts no prompt."""
    with pytest.raises(UsageError, match=f"--objective {objective}"):
        OBJECTIVES[objective](model(small_model("encoder-decoder"), "t5"), Fixed(), plan("x"), 0)


def test_every_odd_row_is_the_same_wording_about_another_instance() -> None:
    """The hard negatives of the contrastive preset."""
    drawn = Sampler(
        [material()], lambda requests: [encoded(r) for r in requests], end=1, longest=99, seed=0
    )
    rows = drawn.alternating(0, 6)
    assert len(rows) == 6
    for first, second in zip(rows[::2], rows[1::2], strict=True):
        assert first.group == second.group
        assert first.reference != second.reference


def encoded(request: Request) -> Any:
    """Return characters as ids."""
    from evalkit.backends.hf.encoded import Encoded

    tails = tuple(tuple(map(ord, text)) for text in request.continuations)
    return Encoded(request=request, context=tuple(map(ord, request.text[-40:])), tails=tails)


@pytest.mark.filterwarnings(PEFT_OLD)
@pytest.mark.parametrize("method", ["dora", "loha", "lokr", "oft", "norms", "adapter"])
def test_a_parametrisation_is_trained_saved_and_applied(
    small_model: Callable[..., Path], tmp_path: Path, method: str
) -> None:
    """The model with the saved adapter answers as the model that was trained;
    a base without it does not.
    """
    base = small_model("causal")
    spec = ModelSpec(backend="hf", name=str(base), device="cpu")
    ask = Ask(
        Request(kind="choice", text="Say it.\nTrue 7\nAnswer:", continuations=(" True", " no"))
    )
    how = plan("response", method=method, learning_rate=0.02, steps=6, batch_size=8, patience=9)
    backend = opened(spec, ())
    report = align(backend, [material()], how, out=tmp_path / "a", said=lambda line: None)
    backend.close()
    assert report["kept_step"] > 0
    plain, tuned = opened(spec, ()), adapter(opened(spec, ()), f"path={tmp_path / 'a'}")
    got, was = (next(iter(one.run([ask])))[0].logprobs for one in (tuned, plain))
    assert got != pytest.approx(was, abs=1e-4)
    assert tuned.fingerprint()["adapter"]


def test_a_bottleneck_begins_as_nothing_and_is_refused_elsewhere(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Its upper map is 0 at first; one saved for other maps does not fit."""
    import torch

    from evalkit.errors import BackendError
    from evalkit.tuning.bottleneck import apply_bottleneck, insert, save

    loaded, ids = model(small_model("causal")), torch.tensor([[5, 6, 7]])
    before = loaded(input_ids=ids).logits
    made = insert(loaded, 3)
    assert len(made) == 2 * 2 * 2  # two layers, two maps into the stream, two parts
    assert torch.equal(before, loaded(input_ids=ids).logits)
    with torch.no_grad():
        for parameter in made.values():
            parameter.fill_(0.1)
    save(loaded, tmp_path, width=3)
    again = model(small_model("causal"))
    apply_bottleneck(again, tmp_path)
    assert torch.equal(loaded(input_ids=ids).logits, again(input_ids=ids).logits)
    with pytest.raises(BackendError, match="does not fit the model"):
        apply_bottleneck(model(small_model("encoder-decoder"), "t5"), tmp_path)


class Answering:
    """A backend that chooses the first choice and generates one text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, asks: Any) -> Any:
        """Yield one batch."""
        from evalkit.records import Response

        yield [
            Response(
                key=ask.request.key,
                logprobs=tuple(-float(k) for k, _ in enumerate(ask.request.continuations)),
                text=None if ask.request.continuations else self.text,
                finish_reason="stop",
            )
            for ask in asks
        ]


def test_pseudo_labels_look_at_no_right_answer() -> None:
    """Every instance gets the choice that the model prefers, those of validation too."""
    found, counts = relabelled(Answering(""), [material()], "pseudo-labels")
    assert {item.target for item in (*found[0].instances, *found[0].held)} == {0}
    assert counts == {"tiny/truth": 12}


def test_own_answers_are_taken_where_they_are_right() -> None:
    """A right answer in the model's own form replaces the reference; a wrong one leaves it."""
    made = material(kind="generate")
    right, counts = relabelled(Answering("true"), [made], "own-correct")
    assert {item.references for item in right[0].instances} == {("true",)}
    assert right[0].held == made.held
    assert counts == {"tiny/truth": 12}
    wrong, counts = relabelled(Answering("no"), [made], "own-correct")
    assert wrong[0].instances == made.instances
    assert counts == {"tiny/truth": 0}


def test_pseudo_labels_without_answers_are_refused() -> None:
    """A model that says nothing cannot teach itself."""
    with pytest.raises(UsageError, match="of tiny/truth the model answers 0 of 12"):
        relabelled(Answering(""), [material(kind="generate")], "pseudo-labels")


def test_the_preset_has_the_published_numbers_and_gives_way_to_what_is_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Rank 16, alpha 16, dropout 0.05, rate 1e-4, one epoch of 64, q, k, v and o, T 0.05, weight
    1000.
    """
    from evalkit.cli import align as command
    from evalkit.cli.main import invoke
    from evalkit.cli.training import recipe_of

    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "trained", lambda m, s, given, quiet: seen.append(given) or {})
    monkeypatch.setattr(command, "print_json", lambda report: None)
    words = ["align", "--preset", "coin", "--model", "demo", "--tasks", "procedural/boolean"]
    assert invoke([*words, "--rank", "4", "--json", "--out", str(tmp_path / "c")]) == 0
    recipe = recipe_of("lora", seen[0])
    assert replace(recipe, rank=16) == Recipe(
        method="lora",
        objective="coin",
        rank=16,
        lora_alpha=16,
        lora_dropout=0.05,
        learning_rate=1e-4,
        steps=0,
        batch_size=64,
        target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
        temperature=0.05,
        contrast_weight=1000.0,
    )
    assert recipe.rank == 4
    assert seen[0]["method"] == "lora"
    assert json.dumps(list(recipe.target_modules))
