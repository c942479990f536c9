"""Phrasing texts: what they may hold, and what rendering them gives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import CatalogError
from evalkit.phrasings.templates import MAX_TEXT, check, literal, render, slots


@pytest.mark.parametrize(
    ("text", "fields", "rendered"),
    [
        ("Pick one.", {}, "Pick one."),
        (
            "On {{ subject }}: {{ question }}\n",
            {"subject": "law", "question": "{{ 7 * 7 }}?"},
            "On law: {{ 7 * 7 }}?\n",
        ),
        ("{{ subject | title }}", {"subject": "us history"}, "Us History"),
        ("{{ choices | join(' / ') }}", {"choices": ["a", "b"]}, "a / b"),
        (
            "{% for c in choices %}{{ loop.index }}={{ c }};{% endfor %}",
            {"choices": ["a", "b"]},
            "1=a;2=b;",
        ),
        ("{% if subject == 'law' %}L{% else %}N{% endif %}", {"subject": "law"}, "L"),
        ("{{ choices[1] }}", {"choices": ["a", "b"]}, "b"),
    ],
)
def test_a_text_renders_to_what_it_says(
    text: str, fields: dict[str, object], rendered: str
) -> None:
    """Slots are filled, and what fills them is never read as a template."""
    assert render(text, fields) == rendered


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ question.__class__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ '{0.__class__}'.format(question) }}",
        "{{ question | attr('__class__') }}",
        "{{ choices | map(attribute='__class__') | list }}",
        "{{ question['__class__'] }}",
        "{{ range(10) }}",
        "{{ 'a' * 2147483648 }}",
        "{{ 2 ** 100000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ question + question }}",
        "{{ question | replace('', 'aaaa') }}",
        "{{ question | center(100000000) }}",
        "{{ choices | join(question) }}",
        "{% for a in choices %}{% for b in choices %}{{ a }}{% endfor %}{% endfor %}",
        "{% for a in choices recursive %}{{ loop(choices) }}{% endfor %}",
        "{% for c in question %}{{ c }}{% endfor %}",
        "{% set x = 1 %}",
        "{% macro m() %}{% endmacro %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% block b %}{% endblock %}",
        "{{ caller() }}",
        "{{ question is mapping }}",
        "{{ choices[question] }}",
        "{{ question",
        "{% endfor %}",
        "{{" + "(" * 2000,
    ],
)
def test_what_could_run_or_grow_is_refused(text: str) -> None:
    """Calls, attributes, arithmetic, nested loops and statements never reach the renderer."""
    assert check(text) != []
    with pytest.raises(CatalogError):
        render(text, {"question": "q", "choices": ["a", "b"]})


def test_an_undefined_slot_is_named_with_those_that_exist() -> None:
    """A slot without a value is an error, never an empty text."""
    with pytest.raises(
        CatalogError,
        match=r"p1: cannot be rendered: 'subjct' is undefined; slots with a value here: subject\.",
    ):
        render("{{ subjct }}", {"subject": "law"}, where="p1")


def test_an_index_past_the_end_is_an_error() -> None:
    """A choice that is not there is not an empty text."""
    with pytest.raises(CatalogError, match="no element 5"):
        render("{{ choices[5] }}", {"choices": ["a"]})


def test_a_rendered_text_that_grows_too_long_stops() -> None:
    """Output past the cap is refused; up to four times the fields is accepted."""
    with pytest.raises(CatalogError, match="longer than"):
        render("{{ q }}" * 5, {"q": "x" * 100_000})

    assert len(render("{{ q }}{{ q }}", {"q": "x" * 100_000})) == 200_000


def test_a_text_longer_than_the_cap_is_refused() -> None:
    """The source text has the same cap."""
    assert "at most" in check("x" * (MAX_TEXT + 1))[0]


def test_slots_leave_out_loop_variables() -> None:
    """Only names that come from outside are slots."""
    assert slots("{% for c in choices %}{{ c }}{{ loop.index }}{% endfor %}{{ question }}") == {
        "choices",
        "question",
    }


@given(st.text(max_size=80))
def test_a_literal_renders_to_itself(text: str) -> None:
    """Whatever braces a definition holds, it comes out unchanged."""
    assert render(literal(text), {}) == text


@given(st.text(alphabet="{}%# abqx'|().[]*+-\"0", max_size=40))
def test_check_decides_every_text(text: str) -> None:
    """A text that passes the check can be rendered or lacks a value; nothing else happens."""
    problem = ""
    if not check(text):
        try:
            render(text, {"a": "1", "choices": ["a"]})
        except CatalogError as error:
            problem = str(error)

    assert problem == "" or "cannot be rendered" in problem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% if question %}" * 60 + "x" + "{% endif %}" * 60, "nested too deeply"),
        ("{{ question" + "|upper" * 900 + " }}", "nested too deeply"),
        ("{{ " + " and ".join(["question"] * 900) + " }}", "nested too deeply"),
        ("{{ " + "(" * 900 + "question" + ")" * 900 + " }}", "nested too deeply"),
        ("{{ " + "not " * 900 + "question }}", "nested too deeply"),
        ("{{ " + "1 if question else " * 900 + "2 }}", "nested too deeply"),
        ("{{ " + " ~ ".join(["question"] * 51) + " }}", "one pair of braces holds more than 50"),
        ("{{ (" + " ~ ".join(["question"] * 51) + ")|length }}", "holds more than 50 slots"),
        ("{% for c in choices %}{% endfor %}" * 21, "holds more than 20 loops"),
        ("{{ choices[" + "7" * 4400 + "] }}", "a number of too many digits"),
        ("{{ " + "7" * 4400 + " }}", "a number of too many digits"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "a loop may only run over"),  # noqa: E501
        ("{{ self }}", "'self' is no slot"),
    ],
)  # fmt: skip
def test_a_text_that_would_cost_time_or_memory_is_refused_before_it_is_rendered(text, message):
    """Nesting, long chains and many loops are seen in the syntax, with one message each."""
    fields = {"question": "q" * 100_000, "choices": ("a", "b"), "labels": ("A", "B")}

    assert any(message in problem for problem in check(text))
    with pytest.raises(CatalogError, match=r"^a phrasing: "):
        render(text, fields, where="a phrasing")
