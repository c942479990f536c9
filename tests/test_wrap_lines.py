"""Long texts are broken into several, and nothing a file means changes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from programs import program

tool = program("tools/wrap_lines.py")

WORDS = "one two three four. five six; seven, eight nine ten " * 3


@pytest.mark.parametrize(
    "line",
    [
        f'raise ValueError("{WORDS}")',
        (
            f"raise ValueError(f\"{{name!r}}: {WORDS}{{count:>10,}} and {{'; "
            f"'.join(names)}} {WORDS}\")"
        ),
        f'text = "{WORDS}"',
        f'found = {{"a": "{WORDS}", "b": 1}}',
        f'found = ["{WORDS}", "x"]',
        f'f("x", "{WORDS}")',
        f'text = name + "{WORDS}" if name else "{WORDS}"',
        f'text = f"{{{{not a field}}}} {WORDS}"',
        f'text = "{WORDS}".strip().join(["{WORDS}"])',
        f'text = ("short " "{WORDS}" f"{{x}} {WORDS}")',
        f'text = ("a {{brace}} " f"{{x}} {WORDS}" "{WORDS}")',
        f'text = "a\\\\ b\\n {WORDS} \\x41 {WORDS}"',
        f"text = '{WORDS}'",
        f'print("{WORDS}", file=stream)  # why',
    ],
)
def test_texts_are_broken_and_stay_the_same(line: str) -> None:
    """Everywhere a text can stand; a remark behind a line keeps the line as it is."""
    source = f"def f():\n    if x:\n        {line}\n"

    found = tool.wrapped(source)

    assert ast.dump(ast.parse(found)) == ast.dump(ast.parse(source))
    if "#" in line:
        assert found == source
    else:
        assert tool.too_long(found) == []
        assert tool.wrapped(found) == found


def test_a_text_is_cut_behind_a_sentence() -> None:
    """Rather than where the line is full."""
    source = (
        'raise ValueError("There is no such file as the one that was named here. '
        'Give another one, or none at all, please.")\n'
    )

    assert 'named here. "\n    "Give another' in tool.wrapped(source)


@pytest.mark.parametrize(
    "source",
    [
        f'def f():\n    """{WORDS}"""\n',
        f'x = r"{WORDS}"\n',
        f'x = b"{WORDS}"\n',
        f'x = """{WORDS}"""\n',
        f'x = "{"x" * 200}"\n',
    ],
)
def test_what_cannot_be_broken_stays(source: str) -> None:
    """Docstrings, raw texts, bytes, texts of many lines, a word without a space."""
    assert tool.wrapped(source) == source


def test_only_code_counts_as_too_long() -> None:
    """A docstring is prose; a comment and a text are code."""
    prose = f'"""{WORDS}"""\n'

    assert tool.too_long(prose + f'x = "{WORDS}"\n# {WORDS}\n') == [2, 3]


def test_long_comments_are_wrapped_but_no_line_of_a_text() -> None:
    """Though it looks like one."""
    source = f'x = """\n# {WORDS}\n"""\n'

    assert tool.wrapped(f"# {WORDS}\n").count("\n# ") == 1
    assert tool.wrapped(source) == source


def test_checking_writes_nothing_and_names_the_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And wrapping mends them."""
    file = tmp_path / "a.py"
    file.write_text(f'x = "{WORDS}"\n')

    assert tool.main(["--check", str(file)]) == 1
    assert capsys.readouterr().out == f"{file}:1: longer than 100\n"
    assert file.read_text() == f'x = "{WORDS}"\n'
    assert tool.main([str(file)]) == 0
    assert tool.main(["--check", str(file)]) == 0
