"""Templates that came with somebody's model are bounded in time and memory, for every prompt."""

from __future__ import annotations

import resource
import threading
from typing import Any

import pytest

from evalkit.backends.hf import chat, rendering
from evalkit.errors import BackendError

FINE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
BEYOND = {
    "a text times ten milliards": "{{ 'x' * 10000000000 }}" + FINE,
    "a text doubled forty times": (
        "{% set n = namespace(s='xxxxxxxx') %}{% for i in range(40) %}"
        "{% set n.s = n.s ~ n.s %}{% endfor %}{{ n.s }}" + FINE
    ),
    "padding": "{{ '%9999999999d' % 1 }}" + FINE,
    "twenty million letters": "{{ 'x' * 20000000 }}" + FINE,
}


class Renderer:
    """What a tokenizer does with a template, by the library's own sandbox."""

    chat_template = None

    def apply_chat_template(self, messages: Any, *, chat_template: str, **_: Any) -> str:
        """Render."""
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered, _ = render_jinja_template([messages], chat_template=chat_template)
        return str(rendered[0])


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small bounds, so that the tests are quick and harmless."""
    pytest.importorskip("transformers")
    monkeypatch.setattr(rendering, "SECONDS", 3.0)
    monkeypatch.setattr(rendering, "MEMORY", 300 * 2**20)


@pytest.mark.parametrize("fault", BEYOND, ids=str)
def test_a_template_that_makes_texts_beyond_measure_is_refused(fault: str) -> None:
    """It neither fills the memory nor takes the process with it,
    and the limit is gone afterwards.
    """
    before = resource.getrlimit(resource.RLIMIT_AS)

    with pytest.raises(BackendError, match=r"beyond measure|is not done"):
        chat.Chat(Renderer(), BEYOND[fault])
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.parametrize(
    "sum_",
    [
        "10 ** 10000000000",
        "2**2**2",
        "(1 | round(10000000000, 'ceil'))",
        "messages|length * messages|length",
    ],
)
def test_a_number_that_nothing_could_break_into_is_not_begun(sum_: str) -> None:
    """Python lets no other thread run, and no Ctrl-C in, while it multiplies."""
    with pytest.raises(BackendError, match="computes with"):
        chat.Chat(Renderer(), f"{{{{ {sum_} }}}}{FINE}")


def test_arithmetic_of_ordinary_templates_is_fine() -> None:
    """Counting, halving, and a line of signs."""
    template = "{% if loop is undefined %}{{ '-' * 3 }}{{ (7 // 2) * 2 }}{{ 2.5|round }}{% endif %}"

    assert chat.Chat(Renderer(), template + FINE).render("", "Which?") == "---62.0<user>Which?"


@pytest.mark.parametrize(
    ("condition", "asked"),
    [
        ("messages[0].content|length > 30", lambda made: made.render("", "A longer question " * 3)),
        ("messages[0].role == 'system'", lambda made: made.render("Be kind.", "Which?")),
        ("messages[-1].role == 'assistant'", lambda made: made.turn_end),
    ],
    ids=["long prompts", "system messages", "answers"],
)
def test_a_template_that_waits_for_its_moment_is_refused_then(
    monkeypatch: pytest.MonkeyPatch, condition: str, asked: Any
) -> None:
    """The first rendering is fine; the bound holds for all, and nothing goes on behind it."""
    monkeypatch.setattr(rendering, "SECONDS", 0.3)
    made = chat.Chat(Renderer(), f"{{% if {condition} %}}{LOOP}{{% endif %}}{FINE}")

    with pytest.raises(BackendError, match=r"is not done with a prompt after 0\.3 s"):
        asked(made)

    assert not [one for one in threading.enumerate() if one.name == "evalkit-template"]


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% include '/etc/passwd' %}" + FINE, "cannot be rendered"),
        ("{% import 'os' as os %}" + FINE, "cannot be rendered"),
        ("{{ messages.nothing.at.all }}" + FINE, "has no attribute"),
        ("{# " + "x" * 10**6 + " #}" + FINE, "has 1,0"),
    ],
    ids=["include", "import", "absent", "long"],
)
def test_whatever_a_template_breaks_is_one_message(template: str, said: str) -> None:
    """It came with the model, so it is no fault of evalkit."""
    with pytest.raises(BackendError, match=said):
        chat.Chat(Renderer(), template)


@pytest.mark.parametrize("named", [-1, "x", [2, "x"], [[2]]])
def test_an_end_token_that_is_none_is_one_message(named: Any) -> None:
    """Settings of a model's files, like its template."""
    from types import SimpleNamespace

    from evalkit.backends.hf.stops import end_tokens

    model = SimpleNamespace(generation_config=SimpleNamespace(eos_token_id=named))

    with pytest.raises(BackendError, match="numbers of tokens from 0"):
        end_tokens(model, SimpleNamespace(eos_token_id=2))


@pytest.mark.parametrize("length", ["long", -1, None, 10**30, float("inf")])
def test_a_length_that_is_none_is_not_taken(length: Any) -> None:
    """The default stands in for it."""
    from types import SimpleNamespace

    from evalkit.backends.hf.loading import max_length
    from evalkit.records import ModelSpec

    tokenizer = SimpleNamespace(model_max_length=length)

    assert max_length(ModelSpec(backend="hf", name="x"), SimpleNamespace(), tokenizer) == 2048
