"""What is sent is what was meant: every way in which a model can read or say something else is
put right, or named before a number comes of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

torch = pytest.importorskip("torch")

SYSTEM, TEXT = "Answer in one letter.", "Is a whale a fish?\nA. no\nB. yes\nAnswer:"
CHOICES = (" A", " B")
TAGS = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)


@pytest.fixture
def changed(model_dir: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies a small model and lets its tokenizer be changed."""

    def get(
        change: Callable[[Any], None] | None = None, kind: str = "llama", pieces: str = "bytes"
    ) -> Path:
        from transformers import AutoTokenizer

        folder = shutil.copytree(model_dir(kind, pieces), tmp_path / f"{kind}-model")
        if change is not None:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            change(tokenizer)
            tokenizer.save_pretrained(folder)
        return Path(folder)

    return get


def backend_of(folder: Path, **fields: Any) -> Any:
    """Return the backend of a model in float32 on the CPU."""
    from evalkit.backends.hf.backend import HFBackend

    return HFBackend(
        ModelSpec(backend="hf", name=str(folder), **{"device": "cpu", "dtype": "float32", **fields})
    )


def ask(folder: Path, *requests: Request, **fields: Any) -> list[Response]:
    """Return the responses of a model, in the order of the requests."""
    backend = backend_of(folder, **fields)
    found = {one.key: one for batch in backend.run(list(map(Ask, requests))) for one in batch}
    backend.close()
    return [found[request.key] for request in requests]


def template(folder: Path, text: str) -> str:
    """Write a chat template beside a model and return its path."""
    path = folder.parent / "template.jinja"
    path.write_text(text, encoding="utf-8")
    return str(path)


def choice(**fields: Any) -> Request:
    """Return a choice request."""
    return Request(kind="choice", **{"text": TEXT, "continuations": CHOICES, **fields})


USERS_ONLY = (
    "{% for m in messages %}{% if m['role'] == 'user' %}Q: {{ m['content'] }} {% endif %}{% "
    "endfor %}A:"
)
SECOND_ONLY = (
    "{% for m in messages[1:] %}[{{ m['content'] | trim }}]{% endfor %}{% if messages | length == "
    "1 %}[{{ messages[0]['content'] }}]{% endif %}"
)


@pytest.mark.parametrize("jinja", [USERS_ONLY, SECOND_ONLY])
def test_a_template_that_drops_the_system_message_gets_it_in_the_users_turn(
    changed: Callable[..., Path], jinja: str
) -> None:
    """Two opposite instructions give two answers, and both stand in what was sent."""
    folder = changed()
    path = template(folder, jinja)
    asked = [choice(system=text) for text in (SYSTEM, "Answer wrongly in one letter.")]
    found = ask(folder, *asked, chat_template=path)

    assert [f"{one.system}\n\n{TEXT}" in two.sent for one, two in zip(asked, found, strict=True)]
    assert found[0].logprobs != found[1].logprobs


def test_a_template_that_drops_the_whole_prompt_is_refused_at_once(
    changed: Callable[..., Path],
) -> None:
    """Nothing is asked."""
    folder = changed()
    with pytest.raises(BackendError, match="leaves out what the user says, so no prompt"):
        backend_of(folder, chat_template=template(folder, "Hello! {{ messages | length }} A:"))


def test_a_prompt_that_a_template_cuts_is_missing_and_named(changed: Callable[..., Path]) -> None:
    """A template that keeps the first thirty letters answers short prompts,
    and no number comes of the others.
    """
    folder = changed()
    path = template(folder, "{% for m in messages %}U: {{ m['content'][:30] }}{% endfor %} A:")
    long, short = ask(folder, choice(), choice(text="Is it so?"), chat_template=path)

    assert (long.error, long.logprobs) == ("the chat template leaves out a part of the prompt", ())
    assert (short.error, len(short.logprobs)) == ("", 2)


def test_ids_behind_a_template_are_the_tokenizers_own(changed: Callable[..., Path]) -> None:
    """Tokens that a tokenizer puts before and behind a text are not put around a conversation."""
    from tokenizers.processors import TemplateProcessing

    def change(tokenizer: Any) -> None:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<s> <unk> $A </s>", special_tokens=[("<s>", 3), ("<unk>", 2), ("</s>", 1)]
        )
        tokenizer.chat_template = "<s><unk>" + TAGS

    folder = changed(change)
    backend = backend_of(folder, chat_template="auto")
    (item,) = backend.encode([choice()])
    messages = [{"role": "user", "content": TEXT}]
    own = backend.loaded.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )

    assert list(item.context) == own
    assert (item.context[:2], item.context.count(2)) == ((3, 2), 1)


def test_what_a_tokenizer_puts_behind_a_text_does_not_stand_before_the_answer(
    changed: Callable[..., Path], model_dir: Callable[..., Path]
) -> None:
    """With two end tokens appended the values are those of the plain tokenizer,
    and the fingerprint says so.
    """
    from tokenizers.processors import TemplateProcessing

    def change(tokenizer: Any) -> None:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="$A </s> <pad>", special_tokens=[("</s>", 1), ("<pad>", 0)]
        )

    folder = changed(change)
    asked = [choice(), Request(kind="generate", text=TEXT, max_tokens=5)]
    found, plain = ask(folder, *asked), ask(model_dir("llama"), *asked)

    assert found[0].logprobs == pytest.approx(plain[0].logprobs, abs=1e-5)
    assert found[1].text == plain[1].text
    assert "without [1, 0] behind a prompt" in backend_of(folder).fingerprint()["reading"]


def test_a_tokenizer_that_does_not_keep_a_text_is_refused(changed: Callable[..., Path]) -> None:
    """One whose own tokens stand in place of the text."""
    from tokenizers.processors import TemplateProcessing

    def change(tokenizer: Any) -> None:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<s> </s>", special_tokens=[("<s>", 3), ("</s>", 1)]
        )

    with pytest.raises(BackendError, match="the tokenizer does not keep the text it is given"):
        backend_of(changed(change))


def test_two_choices_that_become_the_same_tokens_are_missing_and_named(
    changed: Callable[..., Path],
) -> None:
    """A tokenizer without case decides nothing between two choices that differ in case alone."""
    from tokenizers import normalizers

    def change(tokenizer: Any) -> None:
        tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()

    found = ask(changed(change), choice(continuations=(" may", " May")), choice())

    assert found[0].error == "choices ' may' and ' May' are the same tokens"
    assert found[0].logprobs == ()
    assert found[1].error == ""


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": "What is 7 + 5?"}, "prompt: the tokenizer has no token for '5'"),
        (
            {"continuations": (" A7", " B")},
            "continuation ' A7': the tokenizer has no token for '7'",
        ),
    ],
)
def test_letters_that_a_tokenizer_drops_are_named(
    changed: Callable[..., Path], fields: dict[str, Any], error: str
) -> None:
    """A sum whose digits do not reach the model gets no number, unless the option allow_unknown
    asks for it.
    """
    from tokenizers import Regex, normalizers

    def change(tokenizer: Any) -> None:
        tokenizer.backend_tokenizer.normalizer = normalizers.Replace(Regex("[0-9]"), "")

    folder = changed(change)
    (found,) = ask(folder, choice(**fields))
    (anyway,) = ask(folder, choice(**fields), options={"allow_unknown": True})

    assert found.error == f"{error} (--allow-unknown asks it anyway)"
    assert found.logprobs == ()
    assert len(anyway.logprobs) == 2


def words_only(*, unknown: str) -> Any:
    """Return a tokenizer that knows whole words and no letters,
    with its start token before a text.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = [
        "<s>",
        "<unk>",
        *["Is", "a", "whale", "fish", "?", "A", "B", ".", ":", "no", "yes", "Answer"],
    ]
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(known)}, unk_token=unknown))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="<s>", unk_token=unknown
    )


@pytest.mark.parametrize("unknown", ["<unk>", "<s>"])
def test_words_that_a_tokenizer_does_not_know_are_named_and_known_ones_are_not(
    unknown: str,
) -> None:
    """Also where letters alone mean nothing to it,
    and where its start token stands for what it does not know.
    """
    from evalkit.backends.hf.encoded import Limits
    from evalkit.backends.hf.encoding import Encoder

    encoder = Encoder(words_only(unknown=unknown), encoder_decoder=False, limits=Limits(prompt=99))
    known, strange = encoder.encode([choice(), choice(text="Is a zebra a fish?")])

    assert known.error == ""
    assert strange.error.startswith("prompt: the tokenizer has no token for some of its words")


def test_the_clock_of_a_template_stands_still(
    changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time zone and day change nothing, format codes are those of strftime,
    and the fingerprint names the moment.
    """
    from datetime import UTC, datetime

    from evalkit.backends.hf.chat import _CODES

    folder = changed()
    jinja = "{{ strftime_now('%d %b %Y %H:%M %Z') }} " + USERS_ONLY
    path = template(folder, jinja)
    sent = set()
    for zone in ("UTC", "Asia/Tokyo"):
        monkeypatch.setenv("TZ", zone)
        sent.add(ask(folder, choice(), chat_template=path)[0].sent)
    moment = datetime(2024, 7, 26, 12, tzinfo=UTC)
    shown = {code: moment.strftime(f"%{code}") for code in _CODES if code not in "sP"}

    assert [text[:24] for text in sent] == ["26 Jul 2024 12:00 UTC Q:"]
    assert {code: _CODES[code] for code in shown} == shown
    assert int(_CODES["s"]) == moment.timestamp()
    reading = backend_of(folder, chat_template=path).fingerprint()["reading"]
    assert "clock at 2024-07-26T12:00:00Z" in reading


@pytest.mark.parametrize("chance", ["{{ ['Hi', 'Hello'] | random }}", "{{ lipsum(n=1) }}"])
def test_a_template_that_draws_at_random_is_refused(
    changed: Callable[..., Path], chance: str
) -> None:
    """No fingerprint could name what was sent."""
    folder = changed()
    with pytest.raises(BackendError, match="gives other text every time"):
        backend_of(folder, chat_template=template(folder, chance + USERS_ONLY))


def test_a_template_whose_tokens_have_no_embedding_is_refused(
    changed: Callable[..., Path],
) -> None:
    """It says how many ids and rows there are, before anything is asked."""

    def change(tokenizer: Any) -> None:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|assistant|>"]})
        tokenizer.chat_template = TAGS

    folder = changed(change)
    with pytest.raises(
        BackendError, match=r"the tokenizer has \d+ ids, the embedding \d+: token '<\|assistant\|>'"
    ):
        backend_of(folder, chat_template="auto")


def test_a_prompt_with_a_token_without_embedding_is_missing_and_named(
    changed: Callable[..., Path],
) -> None:
    """The others are answered."""
    folder = changed(lambda tokenizer: tokenizer.add_tokens(["whale"]))
    found = ask(folder, choice(), choice(text="Is it?"))

    assert found[0].error.startswith("the tokenizer has 421 ids, the embedding 420: token 'whale'")
    assert len(found[1].logprobs) == 2


def few_positions(folder: Path, number: int) -> Path:
    """Give an encoder-decoder model fewer positions."""
    from transformers import AutoModelForSeq2SeqLM

    model = AutoModelForSeq2SeqLM.from_pretrained(folder)
    config = model.config
    config.max_position_embeddings = number
    AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    return folder


def test_an_answer_ends_where_the_positions_of_a_decoder_end(
    changed: Callable[..., Path],
) -> None:
    """A limit beyond the decoder's positions becomes those, a choice beyond them is named."""
    folder = few_positions(changed(kind="bart"), 24)
    texts = Request(kind="generate", text="Is it?", max_tokens=200)
    long = choice(text="Is it?", continuations=(" A", " fox" * 40))
    generated, scored, fine = ask(folder, texts, long, choice(text="Is it?"))

    assert (generated.error, bool(generated.text)) == ("", True)
    assert scored.error.endswith("where the decoder has 24 positions")
    assert len(fine.logprobs) == 2


def test_max_length_is_no_more_than_there_are_positions(changed: Callable[..., Path]) -> None:
    """An option that promises more than a GPT-2 has learned does not end the run in the middle."""
    request = Request(kind="choice", text="fox " * 700, continuations=CHOICES, body=(0, 2800))
    (found,) = ask(changed(kind="gpt2"), request, options={"max_length": 4096})

    assert (found.truncated, len(found.logprobs)) == (True, 2)


def chain(folder: Path, steps: dict[str, str]) -> None:
    """Make a model whose next token is given by its last one, token by token."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(folder)
    size = len(tokenizer)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        head_dim=8,
        num_key_value_heads=1,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        eos_token_id=1,
    )
    model = LlamaForCausalLM(config)
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    weights["model.embed_tokens.weight"] = torch.eye(size)
    weights["model.norm.weight"] = torch.ones(size)
    head = torch.zeros(size, size)
    for last, following in steps.items():
        head[tokenizer.convert_tokens_to_ids(following), tokenizer.convert_tokens_to_ids(last)] = 9
    weights["lm_head.weight"] = head
    model.load_state_dict(weights)
    model.save_pretrained(folder)


@pytest.fixture
def talker(changed: Callable[..., Path]) -> Path:
    """Return a model that answers ``C`` and ends its turn with a token that is not its end
    token, and then goes on.
    """

    def change(tokenizer: Any) -> None:
        tokenizer.add_special_tokens({"additional_special_tokens": ["<|turn|>", "<|bot|>"]})
        tokenizer.chat_template = (
            "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}<|turn|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|bot|>{% endif %}"
        )

    folder = changed(change)
    chain(folder, {"<|bot|>": "C", "C": "<|turn|>", "<|turn|>": "B", "B": "<|bot|>", ":": "C"})
    return folder


def test_the_token_that_ends_a_turn_ends_the_answer(talker: Path) -> None:
    """It is found in the template, though neither tokenizer nor settings name it,
    and stands in the fingerprint.
    """
    request = Request(kind="generate", text=TEXT, max_tokens=12)
    (found,) = ask(talker, request, chat_template="auto")

    assert (found.text, found.finish_reason) == ("C", "stop")
    assert "turn ends with" in backend_of(talker, chat_template="auto").fingerprint()["reading"]


@pytest.mark.parametrize("path", ["auto", "plain"])
def test_a_stop_text_that_is_a_special_token_stops(talker: Path, path: str) -> None:
    """It is no part of the text; without it the answer runs into the limit and says so."""
    asked = [
        Request(kind="generate", text=TEXT, max_tokens=7, stop=stop)
        for stop in (("<|turn|>",), ("B<|bot|>",), ())
    ]
    found = ask(talker, *asked, options={"path": path}, chat_template="none")

    assert [(one.text, one.finish_reason) for one in found] == [
        ("C", "stop"),
        ("C", "stop"),
        ("CBCB", "length"),
    ]


@pytest.mark.parametrize(
    "settings",
    [
        {"num_return_sequences": 2, "num_beams": 2, "repetition_penalty": 1.3},
        {"stop_strings": ["e"]},
        {"stop_strings": ["e"], "no_repeat_ngram_size": 2},
        {"exponential_decay_length_penalty": [2, 1.9]},
        {"watermarking_config": {"greenlist_ratio": 0.3, "bias": 5.0}},
        {"sequence_bias": [[[40], 4.0]]},
    ],
)
def test_generation_settings_do_what_they_do_in_the_library(
    changed: Callable[..., Path], settings: dict[str, Any]
) -> None:
    """One greedy answer, with whatever else the settings ask for."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = changed()
    file = folder / "generation_config.json"
    known = {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": 3}
    file.write_text(json.dumps({**known, **settings}))
    request = Request(kind="generate", text=TEXT, max_tokens=24)
    (found,) = ask(folder, request)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    single = {"do_sample": False, "num_beams": 1, "num_return_sequences": 1}
    out = model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, tokenizer=tokenizer, **single
    )

    assert found.error == ""
    assert found.text == tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
    assert "generation by" in backend_of(folder).fingerprint()["reading"]


def test_ordinary_models_are_read_as_their_tokenizer_says(model_dir: Callable[..., Path]) -> None:
    """Their fingerprint says nothing more than before, so that stored answers stay theirs."""
    for kind, pieces in (("llama", "bytes"), ("llama", "start"), ("t5", "end")):
        assert "reading" not in backend_of(model_dir(kind, pieces)).fingerprint()


def test_a_template_without_an_end_is_refused_in_time(
    changed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops in loops are each short enough for the sandbox and never end together."""
    monkeypatch.setattr("evalkit.backends.hf.rendering.SECONDS", 0.2)
    deep = "".join(f"{{% for v{n} in range(400) %}}" for n in range(3)) + "{% endfor %}" * 3
    folder = changed()

    with pytest.raises(BackendError, match="its loops may have no end"):
        backend_of(folder, chat_template=template(folder, deep + "{{ messages[0].content }}"))
