"""A second campaign: servers, chat templates, tokenizers and data files that go wrong in further
ways.

A fault may leave a cell missing, be refused by name, or be put right; it never becomes an answer
that nobody gave. ``pytest -v tests/hostile/test_more_faults.py`` lists them.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from misbehaving_server import (  # noqa: F401 - fixtures
    ASKED,
    CHOICE,
    Handler,
    answers,
    body,
    chat_body,
    open_backend,
    raw,
    server,
)

from evalkit.errors import BackendError, EvalkitError
from evalkit.records import Request, Response


def message(**fields: Any) -> dict[str, Any]:
    """Body whose message has these fields."""
    return chat_body("", message={"role": "assistant", **fields})


WHOLE = json.dumps(chat_body("Paris")).encode()
DEEP = b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
STREAM = b'data: {"choices":[{"delta":{"content":"Paris"}}]}\n\ndata: [DONE]\n\n'
LOST: dict[str, Any] = {
    "choices with nothing in it": body({"model": "m", "choices": [None]}),
    "choices as a table": body({"model": "m", "choices": {"0": {"message": {"content": "x"}}}}),
    "filtered with a text": body(chat_body("Pa", finish_reason="content_filter")),
    "tool calls in place of a text": body(message(content=None, tool_calls=[{"id": "1"}])),
    "an old function call": body(message(content=None, function_call={"name": "f"})),
    "a number for a text": body(message(content=5)),
    "a table for a text": body(message(content={"text": "Paris"})),
    "parts without any text": body(message(content=[{"type": "image_url", "image_url": {}}])),
    "parts that are no parts": body(message(content=[1, 2])),
    "an empty list of parts": body(message(content=[])),
    "sound without words": body(message(content=None, audio={"id": "a", "data": "AAAA"})),
    "a stream where none was asked": raw(STREAM, content_type="text/event-stream"),
    "an error in a stream": raw(b'data: {"error": {"message": "overloaded"}}\n\n'),
    "a log-in page": raw(b"<!doctype html><title>Sign in</title>", content_type="text/html"),
    "nothing at all": raw(b""),
    "null": raw(b"null"),
    "a number": raw(b"42"),
    "lists in lists without end": raw(DEEP),
    "packed and cut short": raw(gzip.compress(WHOLE)[:40], content_encoding="gzip"),
    "said to be packed and is not": raw(WHOLE, content_encoding="gzip"),
    "unpacks to 200 MB": raw(gzip.compress(b" " * 200_000_000, 1), content_encoding="gzip"),
    "UTF-16": raw(json.dumps(chat_body("Paris")).encode("utf-16")),
    "two objects": raw(WHOLE + WHOLE),
    "an error beside an answer": body(chat_body("Paris") | {"error": {"message": "partial"}}),
}
"""What leaves the cell missing, with a reason."""
RIGHT: dict[str, Any] = {
    "a byte-order mark": raw(b"\xef\xbb\xbf" + WHOLE),
    "packed": raw(gzip.compress(WHOLE), content_encoding="gzip"),
    "blanks around": raw(b"\n\n  " + WHOLE + b"  \n"),
    "no usage": body({k: v for k, v in chat_body("Paris").items() if k != "usage"}),
    "usage of words": body(chat_body("Paris") | {"usage": {"prompt_tokens": "7"}}),
    "usage below nothing": body(chat_body("Paris") | {"usage": {"prompt_tokens": -7}}),
    "usage beyond measure": body(chat_body("Paris") | {"usage": {"prompt_tokens": 10**30}}),
    "an empty error": body(chat_body("Paris") | {"error": None}),
    "no reason for the end": body(chat_body("Paris", finish_reason=None)),
    "an unknown reason": body(chat_body("Paris", finish_reason="because")),
    "two choices": body(chat_body("Paris") | {"choices": chat_body("Paris")["choices"] * 2}),
    "parts as plain texts": body(message(content=["Pa", "ris"])),
    "parts": body(message(content=[{"type": "text", "text": "Paris"}])),
    "another kind of part beside the text": body(
        message(content=[{"type": "text", "text": "Paris"}, {"type": "image_url"}])
    ),
}
"""What is an answer all the same."""


@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_server_that_says_nothing_leaves_the_cell_missing(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    fault: str,
) -> None:
    """No text, no log-probability, a reason."""
    backend = open_backend(tries=1)
    server.standing = LOST[fault]
    (found,) = answers(backend, ASKED)

    assert found.text is None
    assert found.logprobs == ()
    assert found.error


@pytest.mark.parametrize("fault", RIGHT, ids=str)
def test_an_answer_in_an_odd_form_is_read(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    fault: str,
) -> None:
    """What the model said is what counts."""
    backend = open_backend(tries=1)
    server.standing = RIGHT[fault]
    (found,) = answers(backend, ASKED)

    assert (found.text, found.error) == ("Paris", "")
    assert 0 <= found.prompt_tokens < 10**18


def tops(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    """Body with alternatives of its first token."""
    listed = [{"token": token, "logprob": value} for token, value in pairs]
    content = [{"token": "B", "logprob": -0.1, "top_logprobs": listed}]
    return chat_body("B", logprobs={"content": content})


ODD_NUMBERS = {
    "texts": (("A", "-2.0"), ("B", "-0.1")),
    "not numbers": (("A", None), ("B", float("nan"))),
    "certainty beyond 1": (("A", 3.0), ("B", 5.0)),
    "truth values": (("A", True), ("B", False)),
    "no alternatives": (),
    "tokens without names": ((None, -0.1), (None, -2.0)),
    "other letters": (("C", -0.1), ("D", -2.0)),
}


@pytest.mark.parametrize("fault", ODD_NUMBERS, ids=str)
def test_odd_log_probabilities_fall_back_to_the_text(
    server: Any,  # noqa: F811
    open_backend: Any,  # noqa: F811
    fault: str,
) -> None:
    """Nothing is computed from what is no log-probability; the text says B."""
    server.standing = body(tops(("A", -2.0), ("B", -0.1)))
    backend = open_backend(tries=1, scoring="auto")
    server.standing = body(tops(*ODD_NUMBERS[fault]))
    (found,) = answers(backend, CHOICE)

    assert backend.mode.scoring == "top"
    assert (found.logprobs, found.text, found.error) == ((), "B", "")


TEMPLATES = {
    "cuts the text": ("{{ messages[-1].content[:5] }}", None),
    "capital letters": ("{{ messages[-1].content | upper }}", None),
    "lines joined": ("{{ messages[-1].content | replace('\n', ' ') }}", None),
    "escapes for the web": ("{{ messages[-1].content | e }}", None),
    "quotes as JSON": ("{{ messages[-1].content | tojson }}", None),
    "words in order": ("{{ messages[-1].content.split() | sort | join(' ') }}", None),
    "only the first word": ("{{ messages[-1].content.split()[0] }}", None),
    "says nothing": ("<assistant>", None),
    "role without content": ("{{ messages[-1].role }}", None),
    "raises always": ("{{ raise_exception('not for you') }}", None),
    "asks for a message that is not there": ("{{ messages[3].content }}", None),
    "unknown function": ("{{ messages[-1].content }}{{ today() }}", None),
    "draws lots": ("{{ messages[-1].content }}{{ [1, 2, 3] | random }}", None),
    "no template": ("{% if %}", None),
    "loops without end": (
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        None,
    ),
    "trims": ("<u>{{ messages[-1].content | trim }}<a>", "<u>{text}<a>"),
    "says it twice": ("{% for m in messages %}{{ m.content }}|{% endfor %}", "{system}|{text}|"),
    "clock": ("{{ strftime_now('%Y') }} {{ messages[-1].content }}", "2024 {joined}"),
    "refuses a system message": (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}"
        "<u>{{ messages[0].content }}",
        "<u>{joined}",
    ),
    "drops the system message": (
        "{% for m in messages if m.role == 'user' %}<u>{{ m.content }}{% endfor %}",
        "<u>{joined}",
    ),
    "drops the user's where there is a system message": (
        "{% if messages[0].role == 'system' %}{{ messages[0].content }}"
        "{% else %}<u>{{ messages[0].content }}{% endif %}",
        "<u>{joined}",
    ),
    "ignores that it is to be answered": ("<u>{{ messages[-1].content }}</u>", "<u>{joined}</u>"),
}
SYSTEM, ASKING = "Be brief & <kind>", "Which is\nit, A or B?"


@pytest.fixture(scope="module")
def words() -> Any:
    """A tokenizer of bytes, without a template of its own."""
    pytest.importorskip("transformers")
    return tokenizer_with()


def tokenizer_with(*normalizers: Any, around: Any = None) -> Any:
    """A tokenizer of bytes with something before it."""
    import tokenizers
    from tokenizers import models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: place for place, letter in enumerate([*letters, "<s>", "</s>"])}
    made = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    if normalizers:
        made.normalizer = tokenizers.normalizers.Sequence(list(normalizers))
    if around:
        special = [("<s>", vocabulary["<s>"]), ("</s>", vocabulary["</s>"])]
        made.post_processor = tokenizers.processors.TemplateProcessing(
            single=around, special_tokens=special
        )
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


@pytest.mark.parametrize("fault", TEMPLATES, ids=str)
def test_a_template_sends_the_whole_prompt_or_none(
    words: Any, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """What comes out holds system text and question to the letter, or nothing is sent."""
    from evalkit.backends.hf import chat, rendering

    if fault == "loops without end":
        monkeypatch.setattr(rendering, "SECONDS", 0.5)
    template, expected = TEMPLATES[fault]
    try:
        sent = chat.Chat(words, template).render(SYSTEM, ASKING)
    except BackendError:
        sent = None
    wanted = expected and expected.format(
        system=SYSTEM, text=ASKING, joined=f"{SYSTEM}\n\n{ASKING}"
    )
    if fault == "trims":
        wanted = f"<u>{SYSTEM}\n\n{ASKING}<a>"
    if fault == "clock":
        wanted = f"2024 {SYSTEM}\n\n{ASKING}"

    assert sent == wanted


def encoded(tokenizer: Any, *choices: str) -> Any:
    """A choice request through the encoder."""
    from evalkit.backends.hf.encoded import Limits
    from evalkit.backends.hf.encoding import Encoder

    encoder = Encoder(tokenizer, encoder_decoder=False, limits=Limits(prompt=500))
    request = Request(kind="choice", text="Which letter?", continuations=choices)
    return encoder.encode([request])[0]


@pytest.mark.parametrize(
    ("normalizer", "choices"),
    [
        ("Lowercase", (" A", " a")),
        ("NFKC", (" 1", " ①")),
        ("NFKC", (" fi", " ﬁ")),
        ("StripAccents", (" e", " e\u0301")),
        ("Strip", (" A", " A ")),
        ("NFC", (" \u00e9", " e\u0301")),
    ],
)
def test_choices_that_a_tokenizer_makes_equal_are_refused(
    words: Any, normalizer: str, choices: tuple[str, str]
) -> None:
    """Two choices of the same tokens cannot be told apart; others go through the same tokenizer."""
    from tokenizers import normalizers

    tokenizer = tokenizer_with(getattr(normalizers, normalizer)())
    same, other = encoded(tokenizer, *choices), encoded(tokenizer, " x", " y")

    assert "are the same tokens" in same.error
    assert other.error == ""


@pytest.mark.parametrize("around", ["$A", "<s> $A", "$A </s>", "<s> $A </s>"])
def test_what_a_tokenizer_adds_stands_before_the_prompt_alone(words: Any, around: str) -> None:
    """An end token behind the prompt would be read before every answer; a start token stays."""
    tokenizer = tokenizer_with(around=around)
    found = encoded(tokenizer, " A", " B")
    start = (tokenizer.bos_token_id,) if around.startswith("<s>") else ()

    assert found.error == ""
    assert found.context[: len(start)] == start
    assert tokenizer.eos_token_id not in found.context
    assert [tokenizer.decode(list(tail)) for tail in found.tails] == [" A", " B"]


ROW = '{"id": "1", "question": "Which?", "target": "A"}'
FILES: dict[str, tuple[Any, int | None]] = {
    "a byte-order mark": (b"\xef\xbb\xbf" + ROW.encode(), 1),
    "line ends of Windows": (f"{ROW}\r\n{ROW.replace('1', '2', 1)}\r\n", 2),
    "lone carriage returns": (f"{ROW}\r{ROW.replace('1', '2', 1)}", None),
    "empty lines": (f"\n\n{ROW}\n\n", 1),
    "a NUL between rows": (f"{ROW}\n\0\n", None),
    "the same row twice": (f"{ROW}\n{ROW}", 2),
    "a comma behind a row": (f"{ROW},\n", None),
    "a list in place of rows": (f"[{ROW}]", None),
    "comments": (f"// rows\n{ROW}", None),
    "half a row": (ROW[:20], None),
    "single quotes": (ROW.replace('"', "'"), None),
    "a number beyond measure": (ROW.replace('"A"', "1e999"), None),
    "NaN": (ROW.replace('"A"', "NaN"), None),
    "lists in lists": (ROW.replace('"A"', "[" * 5000 + "]" * 5000), None),
    "UTF-16": (ROW.encode("utf-16"), None),
    "Latin-1": (ROW.replace("Which", "Où").encode("latin-1"), None),
    "nothing": (b"", None),
    "blanks": (b"   \n  ", None),
    "packed without saying so": (gzip.compress(ROW.encode()), None),
    "Parquet without saying so": (b"PAR1" + b"\0" * 40 + b"PAR1", None),
}


@pytest.mark.parametrize("fault", FILES, ids=str)
def test_a_data_file_gives_its_rows_or_one_message(tmp_path: Path, fault: str) -> None:
    """Rows as they stand in it, or its name and what is wrong; nothing is skipped in silence."""
    content, rows = FILES[fault]
    found = read(tmp_path, content if isinstance(content, bytes) else content.encode())

    if rows is None:
        assert isinstance(found, str)
        assert "d.jsonl" in found or "no instances were read" in found
    else:
        assert not isinstance(found, str), found
        assert len(found) == rows


def read(folder: Path, content: bytes | None) -> list[Any] | str:
    """Instances of a task over a file, or the message."""
    from evalkit.catalog.instances import read_instances
    from evalkit.catalog.tasks import read_task_file

    data = folder / "data"
    data.mkdir(exist_ok=True)
    if content is not None:
        (data / "d.jsonl").write_bytes(content)
    task = {
        "name": "t",
        "benchmark": "own",
        "reader": "table",
        "kind": "generate",
        "metric": "exact_match",
        "source": {"local": "d.jsonl"},
    }
    (folder / "t.yaml").write_text(json.dumps(task))
    try:
        return list(read_instances(read_task_file(folder / "t.yaml"), data)[0])
    except EvalkitError as error:
        return str(error)


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link out", "link to itself"])
def test_what_is_no_data_file_is_named_and_not_waited_for(tmp_path: Path, kind: str) -> None:
    """A pipe without a writer, a device without an end, a link out of the data directory."""
    place = tmp_path / "data" / "d.jsonl"
    place.parent.mkdir()
    (tmp_path / "secret").write_text(ROW)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to({"device": "/dev/zero", "link out": "../secret"}.get(kind, "d.jsonl"))

    assert isinstance(read(tmp_path, None), str)


def test_a_response_without_anything_has_no_default_answer() -> None:
    """What a backend leaves out of a response is missing, never an empty text."""
    assert Response(key="k").text is None
