"""What a collection says with means of its own is asked as its models met it: aliases, draws,
choices one by one, a line above the choices, answer words.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog.library.importers.imported import ImportOptions
from evalkit.catalog.library.importers.promptsource import import_promptsource
from evalkit.catalog.library.importers.unrolled import one_by_one, unaliased, variants
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.cli.main import invoke

SQUAD = """
dataset: squad_v2
templates:
  a: !Template
    id: a
    jinja: "{% set way = ['Please', \\"I'd like to\\"] %}{{ way | choice }} know: {{question}} of {{context}} or say unanswerable. ||| x"
    metadata: &id001 !TemplateMetadata
      languages:
      - en
      original_task: true
    name: a
  b: !Template
    id: b
    jinja: "{{question}} is asked of {{context}}. ||| x"
    metadata: *id001
    name: b
  c: !Template
    id: c
    jinja: "Make a title unanswerable {{question}} {{context}}. ||| x"
    metadata: !TemplateMetadata
      original_task: false
    name: c
"""  # noqa: E501
FLAN = """
PATTERNS = {
    "wnli": [("{sentence1} So {sentence2}?\\n{options_}", "{answer}")],
    "cb": [("{premise} So {hypothesis}?\\n{options_}", "{answer}")],
    "qqp": [("Question 1: {question1}\\n2: {question2}\\nAlike?\\n{options_}", "{answer}")],
}
"""


def borrowed(folder: Path, importer: str, kind: str, tasks: str, capsys):
    """Return what one type gives on tasks, and what was told."""
    out = folder / "out.yaml"
    line = ["phrasings", "import", importer, str(folder), "--as", kind, "--tasks", tasks]
    invoke([*line, "--out", str(out), "--overwrite"])
    return (read_phrasing_file(out) if out.exists() else []), capsys.readouterr().err


def test_a_file_with_aliases_and_draws_is_read(tmp_path, capsys):
    """The alias stands for the other's metadata, and each opening is a wording of its own; one that
    does not say when to answer "unanswerable" is left out.
    """
    path = tmp_path / "templates" / "squad_v2" / "templates.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(SQUAD, encoding="utf-8")
    found, told = borrowed(tmp_path, "promptsource", "unanswerable", "promptbench/squad_v2", capsys)

    assert [one.text for one in found] == [
        "Please know: {{query}} of {{context}} or say unanswerable.",
        "I'd like to know: {{query}} of {{context}} or say unanswerable.",
    ]
    assert "does not say when to answer 'unanswerable'" in told
    assert "original_task: false" in told


def test_lines_stay_what_they_are_in_the_file(tmp_path):
    """What is written out for an alias takes no line more: places named are those of the file."""
    whole = unaliased(SQUAD)
    path = tmp_path / "templates.yaml"
    path.write_text(SQUAD, encoding="utf-8")
    found = import_promptsource(path, ImportOptions(collection="p3"))

    assert whole.count("\n") == SQUAD.count("\n")
    assert "*id001" not in whole
    assert {one.origin.split(":")[1].split(" ")[0] for one in found.phrasings} == {"4", "12", "17"}


@pytest.mark.parametrize(
    ("jinja", "texts"),
    [
        ("{% set a = ['x', 'y'] %}{{ a | choice }} q", ["x q", "y q"]),
        ("{% set a = ['x', 'y'] | choice %}q {{ a }}", ["q x", "q y"]),
        ("{{ ['x', 'y'] | choice }} q", ["x q", "y q"]),
        (r"{{ ['a\\1b', 'y'] | choice }} q", [r"a\1b q", "y q"]),
        ("{% set a = [0, 1] | choice %}{{ a }}", ["{% set a = [0, 1] | choice %}{{ a }}"]),
        ("{% set a = ['x'] %}q", ["{% set a = ['x'] %}q"]),
        ("{% set a = [b] %}{{ a | choice }}", ["{% set a = [b] %}{{ a | choice }}"]),
    ],
)
def test_only_a_draw_of_texts_is_unrolled(jinja, texts):
    """A draw of numbers, of fields, or one that is never shown stays as it is."""
    assert variants(jinja) == texts


@pytest.mark.parametrize(
    ("text", "named", "expected"),
    [
        ("Q\n- {{c1}}\n- {{c2}}", "{{c1}} ||| {{c2}}", ("Q\n{{ choices }}", "bulleted")),
        ("Q\nA. {{e[0]}}\nB. {{e[1]}}", "{{e | join('|||')}}", ("Q\n{{ choices }}", "lettered")),
        (
            "{{answer_choices[0]}}, {{answer_choices[1]}} or {{answer_choices[2]}}?",
            "",
            ("{{ choices }}?", "inline"),
        ),
        ("{{answer_choices[1]}} or {{answer_choices[0]}}?", "", None),
        ("Q {{c1}}", "{{c1}}", None),
        ("Ending 1: {{e[0]}}\nEnding 2: {{e[1]}}", "{{e | join('|||')}}", None),
    ],
)
def test_choices_one_by_one_are_a_list(text, named, expected):
    """In their order and each by itself; anything else is left as it is."""
    assert one_by_one(text, named) == (expected or (text, None))


def test_flan_lists_its_own_words_under_its_own_line(tmp_path, capsys):
    """Yes and no stand for the labels they stood for in FLAN, in the order of the task's."""
    (tmp_path / "templates.py").write_text(FLAN, encoding="utf-8")
    found, _ = borrowed(
        tmp_path, "flan", "nli", "promptbench/rte,promptbench/wnli,superglue/cb", capsys
    )
    words = {one.tasks: one.answers for one in found if "{{ choices }}" in one.text}

    assert all("OPTIONS:\n{{ choices }}" in one.text for one in found)
    assert words["promptbench/rte",] == ("yes", "no")
    assert words["promptbench/wnli",] == ("no", "yes")
    assert ("Yes", "No", "It's impossible to say") in {one.answers for one in found}


def test_a_wording_that_speaks_of_questions_is_not_asked_of_statements(tmp_path, capsys):
    """QQP's templates stay on QQP where they call the two texts questions."""
    (tmp_path / "templates.py").write_text(FLAN, encoding="utf-8")
    found, told = borrowed(
        tmp_path, "flan", "paraphrase", "promptbench/qqp,promptbench/mrpc", capsys
    )

    assert [(one.tasks, one.answers) for one in found] == [(("promptbench/qqp",), ("no", "yes"))]
    assert "speaks of questions, where the tasks have sentence1, sentence2" in told
