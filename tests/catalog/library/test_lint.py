"""Lint: every code fires on a file that deserves it, with file and line,
and the shipped library is clean.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.catalog.library.likeness import rouge_l
from evalkit.catalog.library.lint import NEAR_DUPLICATE, lint_paths, phrasing_files
from evalkit.catalog.library.lint_text import CODES
from evalkit.catalog.paths import data_root
from evalkit.errors import CatalogError

HEAD = (
    "tasks: [mmlu/anatomy]\ndefaults: {source: evalkit, author: us, licence: "
    "CC-BY-4.0}\nphrasings:\n"
)
CLEAN = '  - id: fine\n    text: "Give the letter of the choice that is right."\n'


def findings(tmp_path, body, head=HEAD):
    """Return (line, code) of what lint finds in a file."""
    path = tmp_path / "set.yaml"
    path.write_bytes((head + body).encode() if isinstance(body, str) else head.encode() + body)
    return [(item.line, item.code) for item in lint_paths([path])]


def test_a_fine_file_has_no_findings(tmp_path):
    """Nothing is found where nothing is wrong."""
    assert findings(tmp_path, CLEAN) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '  - id: a\n    text: "Pick {{ qestion }}: {{ choices }}"\n    position: inline\n',
            [(5, "slot")],
        ),
        (
            '  - id: a\n    text: "Give the letter for {{ question }}"\n    position: inline\n',
            [(5, "choices")],
        ),
        ('  - id: a\n    text: "Give the letter."\n    layout: none\n', [(5, "choices")]),
        ('  - id: a\n    text: "Give the letter. Answer: B"\n    cue: ""\n', [(5, "leak")]),
        (
            (
                '  - id: a\n    text: "Pick {{ question }} {{ choices }} {{ answer }}"\n    '
                "position: inline\n"
            ),
            [(5, "leak")],
        ),
        ('  - id: a\n    text: "Pick {{ question"\n', [(5, "template"), (5, "template")]),
        ('  - id: a\n    text: "Pick {question} now"\n', [(5, "template")]),
        ("  - id: a\n    text: \"Pick {{ 'x' * 99999 }}\"\n", [(5, "template")]),
        (
            '  - id: a\n    text: "{{ question.__class__ }} {{ choices }}"\n    position: inline\n',
            [(5, "template")],
        ),
        ('  - id: a\n    text: "Pick\\u200b one."\n', [(5, "invisible")]),
        ('  - id: a\n    text: "Pi\\u200dck one."\n', [(5, "invisible")]),
        (
            '  - id: a\n    text: "\u06cc\u200c\u062e \U0001f937\u200d\u2642"\n',
            [],
        ),
        ('  - id: a\n    text: "Pick\\r\\none."\n', [(5, "newline")]),
        ('  - id: a\n    text: "' + "word " * 1000 + '"\n', [(5, "long")]),
        ("  - id: a\n    text: Pick one.\n    colour: red\n", [(6, "file")]),
        ("  - id: a\n   text: x\n", [(5, "file")]),
    ],
)
def test_every_mistake_is_found_at_its_line(tmp_path, body, expected):
    """One file, one mistake, its code and line."""
    assert findings(tmp_path, body) == expected


def test_all_mistakes_of_a_file_are_found_together(tmp_path):
    """Lint does not stop at the first finding."""
    body = CLEAN + (
        '  - id: a\n    text: "Give the letter of the choice that is right!"\n  - id: '
        'b\n    text: "Choose {{ oops }}"\n'
    )

    assert findings(tmp_path, body) == [(7, "near-duplicate"), (9, "slot")]


def test_mixed_line_ends_and_raw_invisible_characters_are_found(tmp_path):
    """What an editor hides is found in the bytes."""
    body = CLEAN.encode() + '  - id: b\r\n    text: "Name the best\u00a0one."\n'.encode()

    assert findings(tmp_path, body) == [(6, "newline"), (7, "invisible"), (7, "invisible")]


def test_a_paraphrase_that_changes_the_answers_is_found(tmp_path):
    """Quoted answers of the original must stand in the paraphrase."""
    body = (
        "  - id: a\n    text: \"Say 'yes' or 'no'.\"\n  - id: b\n    of: a\n    text: "
        "\"Reply with 'true' or 'false'.\"\n"
    )

    assert findings(tmp_path, body) == [(8, "labels")]


def test_quoted_answers_that_are_not_the_tasks_are_found(tmp_path):
    """A task answered with Yes and No is not asked for true and false."""
    head = HEAD.replace("mmlu/anatomy", "bbh/navigate")
    body = (
        '  - id: a\n    layout: original\n    label_space: text\n    text: "Are you back? '
        "'true' or 'false'\"\n"
    )

    assert findings(tmp_path, body, head) == [(7, "labels")]


def test_the_same_wording_in_another_layout_is_no_duplicate(tmp_path):
    """Wording crossed with layouts is on purpose."""
    body = CLEAN + CLEAN.replace("fine", "other") + "    layout: parenthesized\n"

    assert findings(tmp_path, body) == []


def test_duplicates_are_found_across_files(tmp_path):
    """The finding names the other file and line."""
    (tmp_path / "a.yaml").write_text(HEAD + CLEAN)
    (tmp_path / "b.yaml").write_text(HEAD + CLEAN.replace("fine", "again"))
    (found,) = lint_paths([tmp_path])

    assert (found.path, found.line, found.code) == (str(tmp_path / "b.yaml"), 5, "near-duplicate")
    assert f"is 1.00 like 'fine' ({tmp_path / 'a.yaml'}:5)" in found.message


def test_a_path_that_is_not_there_is_said(tmp_path):
    """A misspelt path is an error, not an empty result."""
    with pytest.raises(CatalogError, match="is not there"):
        phrasing_files([tmp_path / "gone"])


def test_all_codes_are_tested_here():
    """The list of codes is the documented one."""
    assert CODES == (
        "file",
        "template",
        "slot",
        "choices",
        "leak",
        "labels",
        "near-duplicate",
        "newline",
        "invisible",
        "long",
    )


@given(*[st.lists(st.sampled_from("abc"), max_size=9)] * 2)
def test_rouge_l_agrees_with_the_plain_recursion(first, second):
    """The bit-parallel count equals the textbook table."""
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, left in enumerate(first):
        for j, right in enumerate(second):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if left == right else max(table[i][j + 1], table[i + 1][j])
            )
    expected = (
        2 * table[-1][-1] / (len(first) + len(second))
        if first and second
        else float(not first and not second)
    )

    assert rouge_l(first, second) == expected


@given(st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12), max_size=8))
def test_no_near_duplicate_escapes_the_prefix_filter(texts):
    """Every pair at or above the threshold is among the candidates."""
    from evalkit.catalog.library.likeness import close_pairs

    candidates = {
        (number, other) for number, others in close_pairs(texts, NEAR_DUPLICATE) for other in others
    }
    close = {
        (i, j)
        for i in range(len(texts))
        for j in range(i)
        if rouge_l(texts[i], texts[j]) >= NEAR_DUPLICATE
    }

    assert close <= candidates


def test_the_shipped_library_is_clean():
    """No finding in any file that comes with evalkit."""
    assert [str(item) for item in lint_paths([data_root("paraphrases")])] == []
