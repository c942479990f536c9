"""Docstrings are wrapped where prose goes on, and nothing they say or show changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import program

tool = program("tools/wrap_prose.py")

LONG = "one two three four five six seven eight nine ten " * 3
"""A line of 147 columns."""
INDENT = "    "


def in_function(*lines: str) -> str:
    """Return a function with a docstring of some lines."""
    body = "\n".join(f"{INDENT}{line}" if line else "" for line in lines)
    return f'def f():\n    """{body.lstrip()}\n    """\n'


def longest(text: str) -> int:
    """Return the length of the longest line."""
    return max(map(len, text.splitlines()))


@pytest.mark.parametrize(
    "source",
    [
        f'def f():\n    """{LONG.strip()}."""\n',
        f'"""{LONG.strip()}."""\n',
        f'x = 1\n"""{LONG.strip()}."""\n',
        f'x = 1\n"""Short.\n\n{LONG.strip()}."""\n',
        f'def f():\n    r"""{LONG.strip()} \\d."""\n',
        in_function(f"{LONG.strip()}.", "", f"{LONG}{LONG}", "and goes on here."),
        in_function("Short.", "", "Parameters", "----------", "x", f"    {LONG}{LONG}"),
        in_function("Short.", "", f"- {LONG}", "  goes on", f"- {LONG}", f"1. {LONG}"),
        f'def f():\n    """{"word " * 18}.."""\n',
    ],
)
def test_prose_is_wrapped_and_says_the_same(source: str) -> None:
    """Summaries, paragraphs, parameters, points of a list; what is wrapped once stays as it is."""
    found = tool.wrapped(source)

    assert tool.said(found) == tool.said(source)
    assert longest(found) <= 100
    assert tool.wrapped(found) == found


def test_a_summary_breaks_behind_a_clause_and_closes_on_its_own_line() -> None:
    """A line that is full is no reason to cut a sentence in its middle."""
    words = (
        "Return what is left of the words that nobody has read so far; none of them is ever lost "
        "here"
    )
    found = tool.wrapped(f'def f():\n    """{words}."""\n')

    assert found.splitlines() == [
        "def f():",
        f'    """{words.partition(";")[0]};',
        f"    {words.partition('; ')[2]}.",
        '    """',
    ]


def test_a_point_hangs_and_the_next_one_is_its_own() -> None:
    """What goes on is indented like the words of the point, not like its sign."""
    found = tool.wrapped(in_function("Short.", "", f"- {LONG}", "- next"))

    assert [line[:6] for line in found.splitlines()[3:]] == ["    - ", "      ", "    - ", '    ""']


def test_an_entry_that_ends_is_joined_to_nothing() -> None:
    """Lines that end with a sentence may be entries of a list without signs."""
    found = tool.wrapped(in_function("Short.", "", f"*a*: {LONG.strip()}.", "*b*: more."))

    assert "    *b*: more." in found.splitlines()


@pytest.mark.parametrize(
    "lines",
    [
        [f">>> f('{LONG}')", f"'{LONG}'"],
        ["=====  ====", f"a      {LONG}", "=====  ===="],
        [f"a[i]   {LONG}"],
        [f"| {LONG} | b |"],
        ["So::", "", f"    {LONG}", "", f"    {LONG}"],
        [LONG.strip().replace(" ", "_")],
        [f".. note:: {LONG}"],
        [LONG.strip(), "-" * len(LONG.strip())],
    ],
)
def test_what_is_laid_out_stays(lines: list[str]) -> None:
    """Doctests, tables, columns, literal blocks, one long word, directives, headings."""
    source = in_function("Short.", "", *lines)

    assert tool.wrapped(source) == source


def test_texts_that_are_no_docstrings_stay() -> None:
    """A value means what it holds, white space too; so does a docstring that a backslash joins."""
    source = f'x = """\n{LONG}\n"""\ndef f():\n    """Short.\n\n    {LONG} \\\n{LONG}\n    """\n'

    assert tool.wrapped(source) == source


def test_another_word_would_be_noticed() -> None:
    """The comparison that guards every file tells white space from words,
    and code from docstrings.
    """
    assert tool.said('"""a  b\n c"""') == tool.said('"""a b c"""')
    assert tool.said('"""a b c"""') != tool.said('"""a b d"""')
    assert tool.said('x = "a  b"') != tool.said('x = "a b"')


def test_checking_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And wrapping mends what it names."""
    file = tmp_path / "a.py"
    file.write_text(f'"""{LONG.strip()}."""\n')

    assert tool.main(["--check", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}: docstrings that can be wrapped\n"
    assert longest(file.read_text()) > 100
    assert tool.main([str(file)]) == 0
    assert tool.main(["--check", str(file)]) == 0
