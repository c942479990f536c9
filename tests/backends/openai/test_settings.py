"""What stands after ``openai:``."""

from __future__ import annotations

import pytest

from evalkit.backends.openai.settings import PUBLIC_URL, read_settings
from evalkit.errors import BackendError
from evalkit.records import ModelSpec


def settings(name: str, **options: object):
    """Settings of a specification."""
    return read_settings(ModelSpec(backend="openai", name=name, options=options))


def test_name_address_and_options_are_told_apart():
    """A model name may hold slashes, colons and an at sign;
    options stand behind commas or in the model file.
    """
    found = settings("org/m:7b@v1@https://host:8000/v1/,rpm=60,any_model=true", tries="3")

    assert (found.model, found.url, found.rpm, found.any_model, found.tries) == (
        "org/m:7b@v1",
        "https://host:8000/v1",
        60.0,
        True,
        3,
    )


def test_without_an_address_the_public_server_is_meant():
    """``openai:gpt-x`` is a model of the company's own server."""
    assert (settings("gpt-x").model, settings("gpt-x").url) == ("gpt-x", PUBLIC_URL)


@pytest.mark.parametrize("name", ["m@20240620", "m@1.0", "@cf/meta/m-3.1-8b", "m@x:7b", "a/m@001"])
def test_a_version_behind_an_at_sign_is_part_of_the_name(name):
    """Names of some providers hold one."""
    assert (settings(name).model, settings(name).url) == (name, PUBLIC_URL)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("@http://h/v1", {}, "names no model"),
        ("m@127.0.0.1:80", {}, r"without http:// .* Write openai:m@http://127.0.0.1:80\."),
        ("m@localhost/v1", {}, "Write openai:m@http://localhost/v1"),
        ("m@ai.example.org/v1", {}, "Write openai:m@http://ai.example.org/v1"),
        ("m@http://", {}, "is no address"),
        ("m@http://h:port/v1", {}, "is no address"),
        ("m@http://h/v1,rpm", {}, "'rpm' is no option"),
        ("m@http://h/v1,rpms=1", {}, "option 'rpms' is not known; did you mean 'rpm'"),
        ("m", {"api_key": "sk-1"}, "option 'api_key' is not known"),
        ("m", {"tries": "many"}, "option tries is 'many'; a whole number is accepted"),
        ("m", {"tries": 0}, "option tries is 0; a whole number from 1 is accepted"),
        ("m", {"timeout": 0}, "option timeout is 0.0; a number above 0 is accepted"),
        ("m", {"timeout": "nan"}, "option timeout is nan"),
        ("m", {"any_model": "perhaps"}, "true or false is accepted"),
        ("m", {"api": "chats"}, "accepted: auto, chat, completions"),
        ("m", {"api": "chat", "scoring": "echo"}, "scoring=echo needs the completions API"),
        ("m", {"max_cost": 5}, "option max_cost needs prices"),
    ],
)
def test_what_cannot_be_meant_is_refused(name, options, message):
    """Every mistake is named with its value and what is accepted."""
    with pytest.raises(BackendError, match=message):
        settings(name, **options)


@pytest.mark.parametrize(
    "address",
    ["http://user:pass-word-1@h/v1", "http://h/v1?key=pass-word-1", "http://h/v1#pass-word-1"],
)
def test_a_secret_in_the_address_is_refused_and_not_shown(address):
    """Addresses are written into the manifest, so that nothing secret may stand in them."""
    with pytest.raises(BackendError) as caught:
        settings(f"m@{address}")

    assert "pass-word-1" not in str(caught.value)


def test_a_template_file_is_refused():
    """The server applies its own template; a file would be ignored without a word."""
    with pytest.raises(BackendError, match="the server applies its own"):
        read_settings(ModelSpec(backend="openai", name="m", chat_template="mine.jinja"))
