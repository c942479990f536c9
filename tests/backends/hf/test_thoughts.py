"""Thoughts of local models: kept in the text, never read as the answer, never ended by its stop
texts.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from evalkit.backends.hf.backend import HFBackend
from evalkit.backends.hf.chat import Chat
from evalkit.backends.hf.encoded import Encoded, Thinking
from evalkit.backends.hf.options import check_options, thoughts_of
from evalkit.backends.hf.stops import Stops
from evalkit.errors import BackendError
from evalkit.records import ModelSpec, Request, Response
from evalkit.records.reasoning import cut_at, has_marks, marks_in, opened_by, split_reasoning

HYBRID = (
    "{% for m in messages %}[{{ m['role'] }}]"
    "{% if m['role'] == 'assistant' and enable_thinking is not false %}<think>-</think>{% endif %}"
    "{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
"""A template in the manner of models that think if they are let:
an answer stands behind empty thoughts.
"""
IN_PARTS = (
    "{% for m in messages %}[{{ m['role'] }}]{% for part in m['content'] %}"
    "{% if part['type'] == 'text' %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
"""A template in the manner of models that see pictures too."""
WORDS = ["<think>", "</think>", "<|im_end|>", "one", ".", "\n\n", "B", "C", " "]
"""Vocabulary, by id."""


class Words:
    """A tokenizer of whole words; `special` ids are left out of texts unless asked for."""

    def __init__(self, *special: int) -> None:
        self.added_tokens_decoder = {i: Added(WORDS[i], special=i in special) for i in range(3)}
        self.all_special_ids = list(special)

    def decode(self, ids: list[int], skip_special_tokens: bool = False) -> str:
        """Return the text."""
        kept = [i for i in ids if not (skip_special_tokens and i in self.all_special_ids)]
        return "".join(WORDS[i] for i in kept)

    def convert_ids_to_tokens(self, i: int) -> str:
        """Return one token."""
        return WORDS[i]


class Added(str):
    """An added token."""

    special: bool

    def __new__(cls, text: str, *, special: bool) -> Added:
        """Make one."""
        made = super().__new__(cls, text)
        made.special = special
        return made


def written(stops: Stops, ids: list[int], request: Request) -> tuple[str, str]:
    """What comes of ids that a model gives one after the other."""
    for n in range(1, len(ids) + 1):
        if stops.done(ids[:n], request):
            return stops.finish(ids[:n], request)
    raise AssertionError("the row did not end")


def request(*stop: str, most: int = 20) -> Request:
    """A request for text."""
    return Request(kind="generate", text="Which?", max_tokens=most, stop=stop)


@pytest.mark.parametrize("special", [(2,), (0, 1, 2)], ids=["plain marks", "special marks"])
def test_a_stop_text_in_thoughts_ends_nothing_and_the_marks_stay(special: tuple[int, ...]) -> None:
    """The blank line in the thoughts is passed, the one in the answer ends it;
    special marks are not dropped.
    """
    stops = Stops(Words(*special), frozenset({2}))
    found, why = written(stops, [0, 3, 5, 3, 1, 6, 5, 7, 2], request("\n\n"))

    assert (split_reasoning(found), why) == (("one\n\none", "B"), "stop")


def test_thoughts_that_the_template_opened_are_told_from_an_answer() -> None:
    """Without the opening mark in the text, thoughts that were cut would be taken for the
    answer.
    """
    opened = Stops(Words(0, 1, 2), frozenset({2}), opening="<think>")
    cut, why = written(opened, [3, 4, 3], request(most=3))
    whole, _ = written(opened, [3, 1, 6, 2], request(most=9))

    assert (split_reasoning(cut), why) == (("one.one", ""), "length")
    assert split_reasoning(whole) == ("one", "B")


def granted(answer: int, thoughts: int) -> Request:
    """A request whose thoughts do not count."""
    return Thinking(kind="generate", text="Which?", max_tokens=answer + thoughts, thoughts=thoughts)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ([0, 3, 4, 3, 1, 6, 7, 6], ("one.one", "BC")),
        ([0, 1, 6, 7, 6], ("", "BC")),
        ([6, 7, 6], ("", "BC")),
        ([0, 3, 4, 3, 4, 3, 4, 3], ("one.one.", "")),
        ([0, 3, 4, 3, 4, 1, 6, 7, 6], ("one.one.", "")),
    ],
    ids=["thoughts", "empty thoughts", "no thoughts", "endless", "one token too late"],
)
def test_a_limit_counts_the_answer_and_thoughts_have_their_own(
    ids: list[int], told: tuple[str, str]
) -> None:
    """Two tokens of answer behind up to five of thoughts; who does not think has two."""
    stops = Stops(Words(0, 1, 2), frozenset({2}))
    found, why = written(stops, ids, granted(2, 5))

    assert (split_reasoning(found), why) == (told, "length")


@pytest.mark.parametrize("answer", [1, 2, 3])
@pytest.mark.parametrize("thoughts", [0, 1, 4])
@pytest.mark.parametrize(
    "ids",
    [
        [0, 3, 4, 3, 1, 6, 7, 6, 7, 6],
        [0, 1, 6, 7, 6, 7, 6, 7],
        [6, 7, 6, 7, 6, 7, 6, 7],
        [0, 3, 4, 3, 4, 3, 4, 3, 4, 3],
        [0, 3, 4, 3, 4, 1, 6, 7, 6, 7],
    ],
    ids=["thoughts", "empty thoughts", "no thoughts", "endless", "one token too late"],
)
def test_a_whole_answer_is_cut_where_a_growing_one_ends(
    ids: list[int], thoughts: int, answer: int
) -> None:
    """What an engine wrote under one limit over both is read as the loop that stops by itself
    has it.
    """
    stops = Stops(Words(0, 1, 2), frozenset({2}))
    asked = granted(answer, thoughts)
    whole = stops.granted(ids[: asked.max_tokens], asked)

    assert stops.finish(whole, asked) == written(stops, ids, asked)


def test_thoughts_that_have_little_room_end_at_the_last_position() -> None:
    """One position is left beside an answer of three: four tokens in all, whatever they are."""
    stops = Stops(Words(0, 1, 2), frozenset({2}))

    assert written(stops, [0, 3, 1, 6, 7], granted(3, 1)) == ("<think>one</think>B", "length")


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "²", "9" * 30])
def test_an_allowance_that_is_none_is_refused(value: str) -> None:
    """One message that names the option."""
    spec = ModelSpec(backend="hf", name="x", options={"reasoning_tokens": value})

    with pytest.raises(BackendError, match="option reasoning_tokens"):
        thoughts_of(spec)


def test_texts_without_thoughts_are_as_they_were() -> None:
    """Stop texts, end tokens and special tokens: nothing changes for models that do not think."""
    stops = Stops(Words(2), frozenset({2}))

    assert written(stops, [6, 5, 7], request("\n\n")) == ("B", "stop")
    assert written(stops, [6, 8, 7, 2], request()) == ("B C", "stop")
    assert written(stops, [6, 2], request("<|im_end|>")) == ("B", "stop")
    assert written(stops, [6, 7], request(most=2)) == ("BC", "length")


def test_marks_are_found_in_templates_prompts_and_vocabularies() -> None:
    """A template that closes its own thoughts opens none."""
    assert opened_by("<|im_start|>assistant\n<think>\n") == "<think>"
    assert opened_by("<|im_start|>assistant\n<think>\n\n</think>\n\n") == ""
    assert has_marks("{% if enable_thinking %}<think>{% endif %}")
    assert not has_marks("{{ messages[0]['content'] }}")
    assert marks_in(["<think>", "</think>", "<s>", "<thinker>"]) == {"<think>", "</think>"}
    assert cut_at("B\n\nC", ("\n\n",)) == ("B", True)
    assert cut_at("<think>B\n\nC", ("\n\n",)) == ("<think>B\n\nC", False)


def test_vllm_keeps_thoughts_and_looks_for_stop_texts_behind_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the template speaks of thoughts the engine is given no stop texts,
    and the answer is cut here.
    """
    found, given = served_by_vllm(
        monkeypatch, [3, 5, 3, 1, 6, 5, 7, 2], Encoded(request("\n\n"), (1,))
    )

    assert split_reasoning(found.text or "") == ("one\n\none", "B")
    assert found.finish_reason == "stop"
    assert (given["stop"], given["skip_special_tokens"]) == (None, False)


def test_vllm_grants_thoughts_tokens_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine is asked for both together; behind three tokens of thoughts the answer still
    has two.
    """
    item = Encoded(request(most=2), (1,), thoughts=5)
    found, given = served_by_vllm(monkeypatch, [3, 4, 3, 1, 6, 7, 6], item)

    assert given["max_tokens"] == 7
    assert split_reasoning(found.text or "") == ("one.one", "BC")
    assert found.finish_reason == "length"


def served_by_vllm(
    monkeypatch: pytest.MonkeyPatch, ids: list[int], item: Encoded
) -> tuple[Response, dict[str, Any]]:
    """What the backend makes of ids that an engine wrote, and what it asked for;
    the template opens thoughts.
    """
    from evalkit.backends.vllm_engine import VLLMBackend

    given: list[dict[str, Any]] = []
    tokenizer = Words(0, 1, 2)
    backend = VLLMBackend.__new__(VLLMBackend)
    backend._vllm = SimpleNamespace(SamplingParams=lambda **options: given.append(options))
    backend._engine = SimpleNamespace(get_tokenizer=lambda: tokenizer)
    backend._encoder = SimpleNamespace(  # type: ignore[assignment]
        template="{{ '<think>' }}", opening="<think>", turn_end=2
    )
    backend._stops = Stops(tokenizer, frozenset({2}), opening="<think>")
    answer = SimpleNamespace(text="", token_ids=ids, finish_reason="length")
    output = SimpleNamespace(outputs=[answer])
    monkeypatch.setattr(backend, "_asked", lambda prompts, params: [output])
    (found,) = backend._generated([item])
    return found, given[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<|channel>thought\nA or B.<channel|>B", ("A or B.", "B")),
        (
            "<|START_THINKING|>A or B.<|END_THINKING|><|START_RESPONSE|>B<|END_RESPONSE|>",
            ("A or B.", "B"),
        ),
        ("<|open|>think<|sep|>A.<|close|>think<|sep|><|open|>response<|sep|>B", ("A.", "B")),
        ("A or B.\n[BEGIN FINAL RESPONSE]\nB\n[END FINAL RESPONSE]", ("A or B.", "B")),
        ("<|channel>thought\nnever ends", ("never ends", "")),
    ],
    ids=["Gemma 4", "Cohere", "Kimi K3", "Apriel", "cut"],
)
def test_marks_of_other_families_are_thoughts(text: str, expected: tuple[str, str]) -> None:
    """Each family has its own marks; the answer is what stands behind them."""
    assert split_reasoning(text) == expected


class Rendering(Words):
    """A tokenizer that renders templates as the library does."""

    name_or_path = "words"

    def apply_chat_template(self, messages: Any, *, chat_template: str, **given: Any) -> str:
        """Return the text of messages."""
        import jinja2

        given.pop("tokenize")
        return jinja2.Environment().from_string(chat_template).render(messages=messages, **given)


def test_a_template_that_takes_texts_as_parts_gets_them_so() -> None:
    """Handed plain text it would leave every prompt out."""
    assert (
        Chat(Rendering(), IN_PARTS).render("Be brief.", "Is it?") == "[system]Be brief.[user]Is it?"
    )


def test_a_variable_that_the_template_never_reads_is_refused() -> None:
    """It would change nothing, and its run would bear a name that it does not deserve."""
    with pytest.raises(
        BackendError, match=r"does not read 'enable_thinkin'\. Did you mean 'enable_"
    ):
        Chat(Rendering(), HYBRID, {"enable_thinkin": False})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[1]", "a JSON object"),
        ("{", "a JSON object"),
        ('{"messages": []}', "'messages' is set by evalkit"),
        ({"a b": 1}, "a JSON object"),
        ({"day": object()}, "Write it as JSON"),
    ],
)
def test_variables_that_are_none_are_refused(given: Any, said: str) -> None:
    """By name, before a model is loaded."""
    options = {"chat_template_kwargs": given}
    with pytest.raises(BackendError, match=said):
        check_options(ModelSpec(backend="hf", name="x", options=options))


def test_a_variable_that_a_template_file_never_reads_is_refused_before_weights_are_read(
    tmp_path: Path,
) -> None:
    """The file is at hand, and loading may take minutes."""
    (tmp_path / "own.jinja").write_text(HYBRID, encoding="utf-8")
    spec = ModelSpec(
        backend="hf",
        name=str(tmp_path / "absent"),
        chat_template=str(tmp_path / "own.jinja"),
        options={"chat_template_kwargs": {"thinking": True}},
    )
    with pytest.raises(BackendError, match="does not read 'thinking'"):
        HFBackend(spec)
