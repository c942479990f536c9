"""Soft-prompt alignment, full tuning and contrastive tuning on tiny models."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.mitigations import prefixes
from evalkit.backends.mitigations.applying import opened
from evalkit.cli.main import invoke
from evalkit.errors import BackendError, StoreError, UsageError
from evalkit.records import Ask, Instance, ModelSpec, Phrasing, Request, Task
from evalkit.tuning import training
from evalkit.tuning.adapters import refuse_overlap, trained_phrasings
from evalkit.tuning.alignment import align, frozen_digest
from evalkit.tuning.losses import OBJECTIVES
from evalkit.tuning.objectives import capped, contrastive_terms, info_nce
from evalkit.tuning.pairs import Material, Sampler, couples, divided
from evalkit.tuning.parametrisations import VIRTUAL, trainable_model
from evalkit.tuning.recipe import Recipe

PEFT_OLD = "ignore:.*(past_key_values|is_gradient_checkpointing). is deprecated:FutureWarning"
"""What PEFT 0.21 makes Transformers 5.24 say."""
KINDS = ("causal", "encoder-decoder")
KILLED = 77
"""Exit code of a process that was ended in the middle of its work."""
MARGIN = 0.02
"""Most nats per token that cross-entropy on training pairs may rise:
none is expected, float noise is allowed.
"""


def task() -> Task:
    """Return a choice task over two labels."""
    return Task(
        name="truth",
        benchmark="tiny",
        reader="table",
        labels=("True", "False"),
        choices_shown=False,
    )


def phrasings(n: int = 6) -> list[Phrasing]:
    """Return phrasings of that task."""
    words = [
        "Say whether it is so.",
        "Is it True or False?",
        "Evaluate the expression.",
        "Give the one reply.",
        "Which word is it?",
        "Is it true?",
    ]
    return [
        Phrasing(
            id=f"tiny-truth-{number}",
            text=text,
            source="evalkit",
            layout="none",
            label_space="text",
        )
        for number, text in enumerate(words[:n])
    ]


def material() -> Material:
    """Return the task with its phrasings divided and twelve instances."""
    train, validation = divided(task(), phrasings(), share=0.3, seed=0)
    instances = tuple(
        Instance(
            id=str(number),
            fields={"question": f"not True and False {number}"},
            choices=("True", "False"),
            target=number % 2,
        )
        for number in range(12)
    )
    return Material(
        task=task(),
        training=train,
        validation=validation,
        instances=instances[3:],
        held=instances[:3],
    )


def recipe(method: str = "soft-prompt", **changes: Any) -> Recipe:
    """Return a short recipe."""
    base = Recipe(
        method=method,
        n_tokens=3,
        steps=20,
        batch_size=4,
        validate_every=5,
        learning_rate=0.02,
        probe=8,
        patience=9,
        rank=2,
    )
    return replace(base, **changes)


def trained(
    directory: Path, out: Path, how: Recipe, said: Callable[[str], None] = lambda line: None
) -> dict[str, Any]:
    """Train on the tiny task."""
    backend = opened(ModelSpec(backend="hf", name=str(directory), device="cpu"), ())
    try:
        return align(backend, [material()], how, out=out, said=said)
    finally:
        backend.close()


def probe() -> Request:
    """Return a request the tiny models have not been trained on."""
    return Request(
        kind="choice",
        text="Say it.\n\nTrue or False 77\nAnswer:",
        continuations=(" True", " False", " yes no"),
    )


def with_peft(base: Path, adapter: Path, request: Request) -> list[float]:
    """Return choice log-probabilities by plain PEFT: nothing of evalkit is used."""
    import peft
    import torch
    import transformers as tf

    encoder_decoder = json.loads((base / "config.json").read_text())["model_type"] == "t5"
    kind: Any = tf.AutoModelForSeq2SeqLM if encoder_decoder else tf.AutoModelForCausalLM
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(base)
    model: Any = peft.PeftModel.from_pretrained(kind.from_pretrained(base), str(adapter)).eval()
    found = []
    for continuation in request.continuations:
        context = tokenizer(request.text)["input_ids"]
        with torch.no_grad():
            if encoder_decoder:
                answer = tokenizer(continuation, add_special_tokens=False)["input_ids"]
                ids, fed = torch.tensor([context]), torch.tensor([[0, *answer[:-1]]])
                logits = model(
                    input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=fed
                ).logits[0]
            else:
                whole = tokenizer(request.text + continuation)["input_ids"]
                answer, ids = whole[len(context) :], torch.tensor([whole])
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[
                    0, -len(answer) - 1 : -1
                ]
        found.append(
            float(
                torch.log_softmax(logits.float(), -1)[
                    torch.arange(len(answer)), torch.tensor(answer)
                ].sum()
            )
        )
    return found


@pytest.mark.filterwarnings(PEFT_OLD)
@pytest.mark.parametrize(
    ("kind", "method"),
    [
        *((kind, method) for kind in KINDS for method in ("soft-prompt", "contrastive")),
        *(("causal", method) for method in ("prefix", "p-tuning", "lora", "ia3")),
    ],
)
def test_a_saved_adapter_is_loaded_by_plain_peft_and_gives_the_same_numbers(
    small_model: Callable[..., Path], tmp_path: Path, kind: str, method: str
) -> None:
    """What evalkit trains, PEFT loads; what evalkit computes on its fast path, PEFT computes
    too.
    """
    base, out = small_model(kind), tmp_path / "out"
    trained(base, out, recipe(method))
    spec = ModelSpec(backend="hf", name=str(base), device="cpu")
    backend, plain = opened(spec, [f"adapter:path={out}"]), opened(spec, ())
    (found,), (before,) = (
        next(iter(backend.run([Ask(probe())]))),
        next(iter(plain.run([Ask(probe())]))),
    )

    assert found.logprobs == pytest.approx(with_peft(base, out, probe()), abs=1e-4)
    assert found.logprobs != pytest.approx(before.logprobs, abs=1e-3)
    assert found.prompt_tokens - before.prompt_tokens == (3 if method in VIRTUAL else 0)
    assert backend.fingerprint()["adapter"]
    assert backend.fingerprint() != plain.fingerprint()


@pytest.mark.filterwarnings(PEFT_OLD)
@pytest.mark.parametrize("method", ["soft-prompt", "prefix"])
def test_generation_behind_virtual_tokens_is_that_of_plain_peft(
    small_model: Callable[..., Path], tmp_path: Path, method: str
) -> None:
    """Token by token the likeliest continuation under PEFT alone,
    with several requests of different lengths in one batch.
    """
    import peft
    import torch
    import transformers as tf

    base, out = small_model(), tmp_path / "out"
    trained(base, out, recipe(method))
    requests = [
        Request(kind="generate", text=text, max_tokens=6)
        for text in ("Say it.\n\nTrue or False 77\nAnswer:", "One", "not True and")
    ]
    backend = opened(ModelSpec(backend="hf", name=str(base), device="cpu"), [f"adapter:path={out}"])
    found = {
        response.key: response.text
        for batch in backend.run(list(map(Ask, requests)))
        for response in batch
    }
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(base)
    model: Any = peft.PeftModel.from_pretrained(
        tf.AutoModelForCausalLM.from_pretrained(base), str(out)
    ).eval()

    for request in requests:
        ids = tokenizer(request.text)["input_ids"]
        start = len(ids)
        with torch.no_grad():
            while len(ids) < start + 6 and ids[-1] != tokenizer.eos_token_id:
                fed = torch.tensor([ids])
                ids.append(
                    int(
                        model(input_ids=fed, attention_mask=torch.ones_like(fed))
                        .logits[0, -1]
                        .argmax()
                    )
                )
        assert found[request.key] == tokenizer.decode(ids[start:], skip_special_tokens=True)


def test_a_prefix_that_would_not_be_what_peft_computes_is_refused(
    small_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys put in without the rotation undone are noticed before the model answers;
    so are prefixes of decoders.
    """
    out = tmp_path / "out"
    trained(small_model(), out, recipe("prefix", steps=5))
    spec = ModelSpec(backend="hf", name=str(small_model()), device="cpu")
    monkeypatch.setattr(prefixes, "_unrotated", lambda model, layer, keys: keys)

    with pytest.raises(
        BackendError, match="nats from PEFT's own, so this kind of attention is not supported"
    ):
        opened(spec, [f"adapter:path={out}"])
    trained(small_model("encoder-decoder"), tmp_path / "decoder", recipe("prefix", steps=5))
    with pytest.raises(
        BackendError, match="feeds the decoder of an encoder-decoder model no states"
    ):
        opened(
            replace(spec, name=str(small_model("encoder-decoder"))),
            [f"adapter:path={tmp_path / 'decoder'}"],
        )


@pytest.mark.parametrize("kind", KINDS)
def test_kl_falls_on_training_pairs_and_cross_entropy_does_not_rise(
    small_model: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Alignment brings paraphrases nearer to their reference,
    and answers get no less likely (margin 0.02 nat per token).
    """
    record = trained(
        small_model(kind),
        tmp_path / "out",
        recipe(steps=100, validate_every=20, kl_weight=0.7, batch_size=8),
    )
    before, after = record["before"]["training"], record["after"]["training"]

    assert after["kl"] < before["kl"]
    assert after["cross_entropy"] < before["cross_entropy"] + MARGIN


@pytest.mark.parametrize("method", ["soft-prompt", "contrastive", "prefix"])
def test_frozen_weights_keep_their_hash(
    small_model: Callable[..., Path], tmp_path: Path, method: str
) -> None:
    """The model's own weights are bit for bit what they were,
    and only the adapter's are trained.
    """
    import transformers as tf

    record = trained(small_model(), tmp_path / "out", recipe(method, steps=5))
    fresh = trainable_model(
        tf.AutoModelForCausalLM.from_pretrained(small_model()), recipe(method), str(small_model())
    )

    assert record["frozen_digest"] == frozen_digest(fresh)
    assert 0 < record["trained_parameters"] < record["model_parameters"]
    assert record["trained_parameters"] == 3 * 32 or method != "soft-prompt"


def test_full_tuning_saves_a_model_of_its_own(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """The ablation without a soft prompt is an ordinary checkpoint, better on what it was
    trained on.
    """
    record = trained(small_model(), tmp_path / "out", recipe("full", learning_rate=0.003))
    backend = opened(ModelSpec(backend="hf", name=str(tmp_path / "out"), device="cpu"), ())
    (found,) = next(iter(backend.run([Ask(probe())])))

    assert all(map(math.isfinite, found.logprobs))
    assert record["after"]["training"]["loss"] < record["before"]["training"]["loss"]


def test_the_last_quarter_and_the_biases_are_what_they_say(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Of two layers the last one moves and nothing else; a model without a bias says so."""
    from safetensors.torch import load_file

    trained(small_model(), tmp_path / "out", recipe("last-quarter", learning_rate=0.01))
    before, after = (
        load_file(place / "model.safetensors") for place in (small_model(), tmp_path / "out")
    )
    moved = {name for name in before if not bool((before[name] == after[name]).all())}

    assert moved
    assert all(name.startswith("model.layers.1.") for name in moved)
    with pytest.raises(UsageError, match=r"the model has no such weights .*Take ia3"):
        trained(small_model(), tmp_path / "bias", recipe("bias"))


def test_every_validation_can_be_kept_as_a_checkpoint(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Four models of steps 5 to 20; the best of them is the result,
    and a method without whole models has none.
    """
    from safetensors.torch import load_file

    backend = opened(ModelSpec(backend="hf", name=str(small_model()), device="cpu"), ())
    how, out = recipe("full", learning_rate=0.003), tmp_path / "out"
    record = align(backend, [material()], how, out=out, said=lambda _: None, keep=True)
    with pytest.raises(UsageError, match="soft-prompt has no whole checkpoints"):
        align(backend, [material()], recipe(), out=out, said=lambda _: None, keep=True)
    backend.close()
    losses = {row["step"]: row["validation"]["loss"] for row in record["history"][1:]}
    best = load_file(
        out / f"checkpoint-{min(losses, key=lambda step: losses[step])}/model.safetensors"
    )
    final = load_file(out / "model.safetensors")

    assert sorted(path.name for path in out.glob("checkpoint-*")) == [
        f"checkpoint-{step}" for step in (10, 15, 20, 5)
    ]
    assert all(bool((best[name] == final[name]).all()) for name in final)


def test_a_gguf_model_is_tuned_into_a_model_directory(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Weights are unpacked, the tokenizer is written out, and the result loads as any model."""
    pytest.importorskip("gguf")
    from gguf_models import llama

    source = llama(small_model(), tmp_path / "small.gguf")
    trained(source, tmp_path / "out", recipe("full", steps=5))
    backend = opened(ModelSpec(backend="hf", name=str(tmp_path / "out"), device="cpu"), ())
    (found,) = next(iter(backend.run([Ask(probe())])))

    assert all(map(math.isfinite, found.logprobs))
    assert not list((tmp_path / "out").glob("*.gguf"))


def test_without_the_kl_term_only_cross_entropy_is_trained(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """With weight 0 the loss that is watched is the cross-entropy."""
    record = trained(small_model(), tmp_path / "out", recipe(kl_weight=0.0, steps=10))

    assert record["after"]["validation"]["loss"] == record["after"]["validation"]["cross_entropy"]


def test_an_interrupted_training_ends_with_the_same_weights(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Stopped after its second checkpoint and begun again, training gives bit for bit the
    adapter of a training that ran through.
    """
    lines: list[str] = []

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(small_model(), tmp_path / "stopped", recipe(), stop)
    whole, again = (
        trained(small_model(), tmp_path / "whole", recipe()),
        trained(small_model(), tmp_path / "stopped", recipe(), lines.append),
    )
    weights = [
        (tmp_path / name / "adapter_model.safetensors").read_bytes()
        for name in ("whole", "stopped")
    ]

    assert lines[2] == "goes on at step 10"
    assert weights[0] == weights[1]
    assert whole["history"] == again["history"]


def test_a_training_of_another_recipe_is_not_continued(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """A checkpoint belongs to its settings; the message names what differs."""

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(small_model(), tmp_path / "out", recipe(), stop)

    with pytest.raises(UsageError, match="other kl_weight"):
        trained(small_model(), tmp_path / "out", recipe(kl_weight=0.1))


ARGUMENTS = [
    *"--method soft-prompt --tasks procedural/boolean --sources evalkit-tuning".split(),
    *"--instances 20 --steps 12".split(),
]
ARGUMENTS += ["--validate-every", "2", "--batch-size", "4", "--patience", "99", "--n-tokens", "2"]


def killed_at_a_checkpoint(command: list[str]) -> None:
    """Run a command in a forked child that ends at once,
    as kill -9 ends it, when a checkpoint is in place.
    """
    pid = os.fork()
    if pid:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED
        return
    replace = os.replace

    def killing(source: str, target: str) -> None:
        replace(source, target)
        if Path(target).name == "training.pt":
            os._exit(KILLED)

    os.replace = killing  # type: ignore[assignment]
    try:
        os._exit(invoke(command))
    finally:
        os._exit(99)


@pytest.mark.slow
def test_a_killed_training_goes_on(
    small_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a kill the same command goes on from the last checkpoint and ends with the weights
    of a training that ran through.
    """
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more of them do not live through a fork
    model = ["align", "--model", str(small_model()), "--device", "cpu", *ARGUMENTS]
    try:
        killed_at_a_checkpoint([*model, "--out", str(tmp_path / "out")])
        left = sorted(path.name for path in (tmp_path / "out").iterdir())
        codes = [invoke([*model, "--out", str(tmp_path / name)]) for name in ("out", "whole")]
    finally:
        torch.set_num_threads(threads)
    weights = [
        (tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("out", "whole")
    ]

    assert codes == [0, 0]
    assert "training.pt" in left
    assert "evalkit.json" not in left
    assert weights[0] == weights[1]
    assert capsys.readouterr().err.count("goes on at step") == 1
    assert json.loads((tmp_path / "out" / "evalkit.json").read_text())["steps"] == 12


@pytest.mark.parametrize(
    ("rate", "match"),
    [(math.nan, "its loss is nan before anything is trained"), (5.0, "Use a smaller --learning")],
)
def test_a_training_that_breaks_down_says_so(
    small_model: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rate: float,
    match: str,
) -> None:
    """A loss that is no number from the start, and one that runs away, end with what to change;
    nothing is saved as a result.
    """
    if math.isnan(rate):
        original = OBJECTIVES["alignment"]
        broken = {"alignment": lambda *given: original(*given) * math.nan}
        monkeypatch.setattr(training, "OBJECTIVES", broken)
    how = recipe("full", learning_rate=0.01 if math.isnan(rate) else rate)

    with pytest.raises(UsageError, match=match):
        trained(small_model(), tmp_path / "out", how)
    assert not (tmp_path / "out" / "evalkit.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="a limit on the size of files is needed")
def test_a_disk_that_does_not_take_a_checkpoint_is_named(tmp_path: Path) -> None:
    """What the library says then of its own file is not shown, and nothing half-written is left."""
    import resource

    import torch

    weights = {"a": torch.zeros(20_000)}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    state = training._State()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, before[1]))
    try:
        with pytest.raises(StoreError, match="is larger than files may be here"):
            training._save(tmp_path / "training.pt", {}, weights, optimizer, state=state)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_adapters_of_another_model_or_tokenizer_are_refused(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Both models are named."""
    import transformers as tf

    out, renamed = tmp_path / "out", tmp_path / "renamed"
    trained(small_model(), out, recipe(steps=5))
    tokenizer: Any = tf.AutoTokenizer.from_pretrained(small_model())
    tf.AutoModelForCausalLM.from_pretrained(small_model()).save_pretrained(renamed)
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(renamed)

    for other, why in (
        (small_model(seed=2), "weights are not those of"),
        (renamed, "tokenizer is not that of"),
    ):
        with pytest.raises(BackendError, match=why) as caught:
            opened(ModelSpec(backend="hf", name=str(other), device="cpu"), [f"adapter:path={out}"])
        assert str(other) in str(caught.value)
        assert str(small_model()) in str(caught.value)


def test_phrasings_trained_on_are_refused_in_an_evaluation(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Training and validation phrasings are no held-out ones;
    with overlap=allow they may be asked and count as seen.
    """
    record = trained(small_model(), tmp_path / "out", recipe(steps=5))
    text = f"adapter:path={tmp_path / 'out'}"

    assert (
        trained_phrasings([text])
        == {*record["training"], *record["validation"]}
        == {phrasing.id for phrasing in phrasings()}
    )
    with pytest.raises(UsageError, match="was trained on 1 of the 2 phrasings"):
        refuse_overlap([text], ["tiny-truth-0", "other"])
    refuse_overlap([f"{text},overlap=allow"], ["tiny-truth-0"])
    refuse_overlap([text, "calibrate"], ["other"])


def test_what_has_no_meaning_together_is_refused(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Two adapters trained apart, an adapter behind new weights, an unfinished training."""
    prompt = tmp_path / "prompt"
    trained(small_model(), prompt, recipe(steps=5))
    spec = ModelSpec(backend="hf", name=str(small_model()), device="cpu")

    with pytest.raises(UsageError, match="bears an adapter already"):
        opened(spec, [f"adapter:path={prompt}", f"adapter:path={prompt}"])
    with pytest.raises(BackendError, match="weights are not those of"):
        opened(spec, [f"interpolate:with={small_model(seed=2)}", f"adapter:path={prompt}"])
    with pytest.raises(BackendError, match="holds no PEFT adapter"):
        opened(spec, [f"adapter:path={tmp_path}"])


def test_a_soft_prompt_can_be_decoded_instructively(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """Composition that has a meaning: both branches bear the soft prompt,
    and each prompt costs its tokens.
    """
    trained(small_model(), tmp_path / "out", recipe(steps=5))
    spec = ModelSpec(backend="hf", name=str(small_model()), device="cpu")
    request = replace(probe(), body=(9, 25))
    prompts = []
    for mitigations in (
        (),
        (f"adapter:path={tmp_path / 'out'}", "instructive:noise=opposite"),
        ("instructive:noise=opposite",),
    ):
        (found,) = next(iter(opened(spec, mitigations).run([Ask(request)])))
        prompts.append(found.prompt_tokens)

    assert prompts[1] == prompts[2] + 2 * 3
    assert prompts[2] > 2 * prompts[0]


def test_too_few_paraphrases_are_refused() -> None:
    """A reference, a paraphrase and one for validation are the least."""
    with pytest.raises(UsageError, match="too few paraphrases: at most 2 of its 2"):
        divided(task(), phrasings(2), share=0.2, seed=0)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_training_and_validation_phrasings_do_not_overlap(share: float) -> None:
    """Every phrasing is on one side, and both sides can be used."""
    train, validation = divided(task(), phrasings(), share=share, seed=3)

    assert {p.id for p in train} & {p.id for p in validation} == set()
    assert len(train) >= 2
    assert len(validation) >= 1


def test_paraphrases_are_paired_with_the_phrasing_they_were_made_from() -> None:
    """Only their own originals are references; paraphrases alone are divided;
    what no pair uses is left out.
    """
    originals = phrasings(3)
    made = [
        replace(p, id=f"{p.id}-{k}", of=p.id, text=f"{p.text} {k}")
        for p in originals[:2]
        for k in range(3)
    ]
    train, validation = divided(task(), [*originals, *made], share=0.3, seed=0)
    whole = replace(material(), training=train, validation=validation)
    pairs = [couples(whole, validation=side) for side in (False, True)]

    assert len(validation) == len(pairs[1]) == 2
    assert {p.id for p in train} == {
        "tiny-truth-0",
        "tiny-truth-1",
        *(p.id for p in made if p not in validation),
    }
    assert all(paraphrase.of == reference.id for side in pairs for reference, paraphrase in side)
    assert {paraphrase.id for _, paraphrase in pairs[1]} == {p.id for p in validation}


def test_a_paraphrase_that_wants_another_form_of_answer_is_no_pair() -> None:
    """Letters are not compared with label words:
    such a phrasing counts as an original of its own.
    """
    originals = phrasings(3)
    other = [
        replace(
            originals[0],
            id=f"letters-{k}",
            of=originals[0].id,
            layout="lettered",
            label_space="letters",
        )
        for k in range(2)
    ]
    train, validation = divided(task(), [*originals, *other], share=0.3, seed=0)

    assert {p.label_space for p in (*train, *validation)} == {"text"}


def test_info_nce_of_a_worked_example() -> None:
    """Two orthogonal pairs at temperature 1: scores 1 on the diagonal and 0 off it,
    so -log(e / (e + 1)) both ways; one pair alone gives 0.
    """
    import torch

    states = torch.eye(2)

    assert float(info_nce(states, states, 1.0)) == pytest.approx(
        -math.log(math.e / (math.e + 1)), abs=1e-6
    )
    assert float(info_nce(states[:1], states[:1], 0.05)) == 0.0


@pytest.mark.parametrize("weight", [0.1, 1.0, 1000.0])
def test_the_contrastive_term_never_exceeds_the_generation_loss(
    small_model: Callable[..., Path], weight: float
) -> None:
    """Whatever the weight, on real batches and on made-up losses."""
    import torch
    import transformers as tf

    backend = opened(ModelSpec(backend="hf", name=str(small_model()), device="cpu"), ())
    sampler = Sampler([material()], backend.encode, end=1, longest=200, seed=0)  # type: ignore[attr-defined]  # a Transformers backend
    model = trainable_model(
        tf.AutoModelForCausalLM.from_pretrained(small_model()),
        recipe("contrastive"),
        str(small_model()),
    )
    with torch.no_grad():
        real = [
            contrastive_terms(model, sampler.kin(number, 4), temperature=0.05)
            for number in range(4)
        ]
    made = [
        tuple(torch.rand(2, generator=torch.Generator().manual_seed(number)) * 5)
        for number in range(200)
    ]

    assert all(
        float(capped(cross, contrast, weight)) <= float(cross) for cross, contrast in [*real, *made]
    )
    assert any(float(capped(cross, contrast, weight)) > 0 for cross, contrast in real)


def test_the_command_trains_and_refuses_leakage(
    small_model: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``evalkit align`` writes what ``--mitigation adapter`` takes;
    the scored split and a finished --out are refused.
    """
    command = [
        "align",
        "--model",
        str(small_model()),
        "--out",
        str(tmp_path / "out"),
        "--device",
        "cpu",
        *ARGUMENTS,
        "--steps",
        "4",
    ]

    assert invoke([*command, "--sources", "evalkit-tuning,nosuch"]) == 2
    assert "--sources nosuch: procedural/boolean has no phrasing of it" in capsys.readouterr().err
    assert invoke([*command, "--split", "test_instance"]) == 2
    assert "training on it would be leakage" in capsys.readouterr().err
    assert invoke(command) == 0
    assert f"adapter:path={tmp_path / 'out'}" in capsys.readouterr().out
    assert invoke(command) == 2
    assert "holds a finished training" in capsys.readouterr().err


def test_costs_are_measured_behind_a_soft_prompt(
    small_model: Callable[..., Path], tmp_path: Path
) -> None:
    """What the engine times on a real prompt holds no answer that the vocabulary lacks."""
    from evalkit.backends.hf.layout import Work, mask_forms
    from evalkit.backends.hf.packed import TreeScorer
    from evalkit.backends.hf.proof import measured_costs

    trained(small_model(), tmp_path / "out", recipe(steps=5))
    backend: Any = opened(
        ModelSpec(backend="hf", name=str(small_model()), device="cpu"),
        [f"adapter:path={tmp_path / 'out'}"],
    )
    (item,) = backend.encode([probe()])
    scorer = TreeScorer(backend.loaded, mask_forms(backend.loaded.model.config)[0])

    assert max(item.context) >= len(backend.loaded.tokenizer)
    assert measured_costs(scorer, Work(item.context, item.tails)).launch >= 1.0
