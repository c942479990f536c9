"""Choices are scored where the chat template has an answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from evalkit.backends.hf.chat import Chat
from evalkit.backends.hf.encoded import Limits
from evalkit.backends.hf.encoding import Encoder
from evalkit.backends.hf.rendering import refuse_growth
from evalkit.errors import BackendError
from evalkit.records import Request


class Rendering:
    """A tokenizer that renders templates as the library does."""

    def apply_chat_template(self, messages: Any, *, chat_template: str, **given: Any) -> str:
        """Return the text of messages."""
        return jinja2.Environment().from_string(chat_template).render(messages=messages, **given)


ANSWERED = (
    "{% for m in messages %}[{{ m['role'] }}]{% if m['role'] == 'assistant' %}BETWEEN{% endif %}"
    "{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}[assistant]OPENS{% endif %}"
)


@pytest.mark.parametrize(
    ("opens", "between", "expected"),
    [
        ("", "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("<think>\n", "<think>\n\n</think>\n\n", "<think>\n\n</think>\n\n"),
        ("<think>\n", "<think></think>", "<think></think>"),
        ("<think>", "</think>", "</think>"),
        ("<|START_THINKING|>", "<|START_TEXT|>", "<|START_TEXT|>"),
        ("", "<|START_RESPONSE|>", "<|START_RESPONSE|>"),
        ("<think>\n</think>", "", "<think>\n</think>"),
        ("<think>\n", "", "<think>\n"),
        ("", " ", " "),
        ("", "", ""),
    ],
)
def test_choices_stand_where_the_template_has_an_answer(
    opens: str, between: str, expected: str
) -> None:
    """Behind the marks, or the blank, of the template's own answered conversation, whatever the
    prompt opens; where it shows nothing, behind the prompt.
    """
    template = ANSWERED.replace("OPENS", opens).replace("BETWEEN", between)
    chat = Chat(Rendering(), template)
    sent = chat.render("", "Is it?")

    assert sent == f"[user]Is it?[assistant]{opens}"
    assert chat.before_choice(sent) == f"[user]Is it?[assistant]{expected}"


def test_a_template_that_begins_no_answer_shows_no_place_for_a_choice() -> None:
    """The whole head of its turn stands there, which nothing that is written would have before it,
    but for a blank or marks of an answer.
    """
    headed = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}{% endfor %}"
    response = "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}[assistant]"
    response += "{% else %}<|START_RESPONSE|>{{ m['content'] }}{% endif %}{% endfor %}"
    blank = "{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]"
    blank += "{% else %} {{ m['content'] }}{% endif %}{% endfor %}"

    hybrid = ANSWERED.replace("OPENS", "").replace(
        "BETWEEN", "{% if enable_thinking is not false %}<think></think>{% endif %}"
    )
    thinks_not = Chat(Rendering(), hybrid, {"enable_thinking": False})

    assert thinks_not.before_choice("[assistant]") == "[assistant]"
    assert Chat(Rendering(), headed).before_choice("[user] Is it?") == "[user] Is it?"
    assert Chat(Rendering(), response).before_choice("Is it?[assistant]") == (
        "Is it?[assistant]<|START_RESPONSE|>"
    )
    assert Chat(Rendering(), blank).before_choice("[INST] Is it? [/INST]") == (
        "[INST] Is it? [/INST] "
    )


def test_the_blank_before_an_answer_is_the_choices(model_dir: Callable[..., Path]) -> None:
    """A tokenizer has it in the answer's first token, so the prompt ends before it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_dir("llama", "bytes"))
    template = ANSWERED.replace("OPENS", "").replace("BETWEEN", " ")
    encoder = Encoder(
        tokenizer, encoder_decoder=False, limits=Limits(prompt=512), template=template
    )
    request = Request(kind="choice", text="Is it?", continuations=(" yes", " no"))
    (item,) = encoder.encode([request])

    assert tokenizer.decode(item.context) == "[user]Is it?[assistant]"
    assert [tokenizer.decode(tail) for tail in item.tails] == [" yes", " no"]
    assert "a blank before an answer is the choice's" in encoder.rules


def test_unpacking_in_a_template_is_no_product() -> None:
    """Jamba's template calls a macro with a list of arguments."""
    unpacks = "{% macro f(a) %}{% endmacro %}{{ f(*messages) }}{{ messages[0]['content'] }}"
    refuse_growth(unpacks)
    with pytest.raises(BackendError, match="computes with '\\*'"):
        refuse_growth("{{ messages|length * messages|length }}")
