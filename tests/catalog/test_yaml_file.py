"""YAML 1.2 core, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.catalog.yaml_file import MAX_BYTES, load_yaml, parse_yaml
from evalkit.errors import CatalogError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: [yes, no, on, off, y, n]", {"a": ["yes", "no", "on", "off", "y", "n"]}),
        ("a: [True, false, null, ~, ]", {"a": [True, False, None, None]}),
        ("a: [012, 0o14, 0xC, +12, -3]", {"a": [12, 12, 12, 12, -3]}),
        ("a: [1_000, '12', 1:30, 2026-11-21]", {"a": ["1_000", "12", "1:30", "2026-11-21"]}),
        ("a: [1e3, .5, -.inf]", {"a": [1000.0, 0.5, float("-inf")]}),
        ("a:\nb: ''\n", {"a": None, "b": ""}),
        ("- x\n- {k: v}\n", ["x", {"k": "v"}]),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_plain_values_mean_what_yaml_1_2_core_says(
    text: str, value: object, tmp_path: Path
) -> None:
    """Words stay words and 012 is twelve."""
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")

    assert load_yaml(path).value == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1: file is empty"),
        ("# only a comment\n", "f:1: file is empty"),
        ("a: 1\nb: 2\na: 3\n", "f:3: key 'a' stands here again, first on line 1"),
        ("a: &x 1\n", "f:1: anchor '&x' is not accepted"),
        ("a: 1\nb: *x\n", "f:2: alias '*x' is not accepted"),
        (
            "a: !!python/object/apply:os.system [echo]\n",
            "f:1: tag '!!python/object/apply:os.system' is not accepted",
        ),
        ("a: !Template {}\n", "f:1: tag '!Template' is not accepted"),
        ("a:\n\t- b\n", "f:2: a character (tab"),
        ("a: 1\n---\nb: 2\n", "f:2: a second document starts here"),
        ("a: [1\nb: 2\n", "f:2: is not YAML"),
        ("1: a\n", "f:1: key 1 is not accepted; keys are texts"),
        ("<<: {a: 1}\n", "f:1: key '<<' is not accepted"),
        ("a: \x01\n", "f:1: is not YAML"),
        ("a: b: c\n", "f:1: is not YAML"),
        ("x: 1\ny: {{ question }}\n", "f:2: key {'question': None} is not accepted"),
        (
            "a: 1234567890123456789012345678901234567890\n",
            "f:1: number 123456789012... is too long",
        ),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, message: str) -> None:
    """Every refusal starts with file and line."""
    with pytest.raises(CatalogError) as caught:
        parse_yaml(text, "f")

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "- " * 100_000, "a: " + "{a: " * 5_000, "? " * 50_000]
)
def test_deep_nesting_is_an_error_and_no_crash(text: str) -> None:
    """Nesting that ends PyYAML's C stack is refused."""
    with pytest.raises(CatalogError):
        parse_yaml(text, "f")


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    """Nine levels of nine references cost nothing."""
    levels = ["a0: &a0 [x, x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)
    ]

    with pytest.raises(CatalogError, match="alias"):
        parse_yaml("\n".join(levels), "f")


def test_all_mistakes_of_a_file_are_raised_together() -> None:
    """Two mistakes make two messages."""
    with pytest.raises(CatalogError) as caught:
        parse_yaml("a: 1\na: 2\nb: !x 3\n", "f")

    assert [problem.partition(" ")[0] for problem in caught.value.problems] == ["f:2:", "f:3:"]


def test_lines_are_known_for_keys_and_items() -> None:
    """Line numbers count from 1 and follow keys and indices."""
    file = parse_yaml("a: 1\nb:\n  - x\n  - k: v\n", "f")

    assert [file.line(where) for where in [("a",), ("b", 0), ("b", 1, "k"), ("b", 7)]] == [
        1,
        3,
        4,
        2,
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("a: 1".encode("utf-16"), "is UTF-16"),
        (b"a: 1\nb: \xff\xfe\n", "x.yaml:2: byte 0xff is not UTF-8"),
        (b"a: " + b"x" * (MAX_BYTES + 1), "at most"),
    ],
    ids=["utf-16", "latin-1", "too big"],
)
def test_other_encodings_and_big_files_are_refused(
    data: bytes, message: str, tmp_path: Path
) -> None:
    """Only UTF-8 up to a limit is read."""
    path = tmp_path / "x.yaml"
    path.write_bytes(data)

    with pytest.raises(CatalogError, match=message):
        load_yaml(path)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    """No text makes anything but a value or a CatalogError."""
    problems: tuple[str, ...] = ()
    try:
        parse_yaml(text, "f")
    except CatalogError as error:
        problems = error.problems

    assert [problem for problem in problems if not problem.startswith("f:")] == []
