"""A template on the data set it was written for asks with its own words, or says that nobody knows
what they stand for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.cli.main import invoke

ENTRY = """
  {key}: !Template
    answer_choices: '{answers}'
    id: {key}
    jinja: "{text} ||| {target}"
    metadata: !TemplateMetadata
      original_task: true
    name: {key}
"""


def imported(folder: Path, data_set: str, tasks: str, *entries: tuple[str, str]):
    """Return the phrasings of a data set's templates (answer words, text) on tasks, with no type
    named.
    """
    path = folder.joinpath("templates", *data_set.split("/"), "templates.yaml")
    path.parent.mkdir(parents=True)
    target = "{{ answer_choices[label] }}"
    body = "".join(
        ENTRY.format(key=f"t{n}", answers=words, text=text, target=target)
        for n, (words, text) in enumerate(entries)
    )
    path.write_text(f"dataset: x\ntemplates:\n{body}", encoding="utf-8")
    out = folder / "out.yaml"
    line = ["phrasings", "import", "promptsource", str(path), "--tasks", tasks, "--out", str(out)]
    assert invoke(line) == 0
    return read_phrasing_file(out)


@pytest.mark.parametrize(
    ("data_set", "task", "words", "answers"),
    [
        ("super_glue/cb", "superglue/cb", "Yes ||| No ||| Maybe", ("Yes", "No", "Maybe")),
        ("super_glue/wic", "superglue/wic", "No ||| Yes", ("Yes", "No")),
        ("super_glue/boolq", "boolq/boolq", "False ||| True", ("True", "False")),
        ("glue/qnli", "promptbench/qnli", "yes ||| no", ("yes", "no")),
        ("glue/sst2", "promptbench/sst2", "negative ||| positive", ()),
    ],
)
def test_words_stand_in_the_order_of_the_tasks_labels(
    tmp_path: Path, data_set: str, task: str, words: str, answers: tuple[str, ...]
) -> None:
    """Shown in the text or not; nothing is said where they are the labels."""
    found = imported(
        tmp_path, data_set, task, (words, "Is it so?"), (words, words.replace(" |||", ", or"))
    )

    assert [one.answers for one in found] == [answers, answers]
    assert {one.meaning.status for one in found} == {"unchecked"}


def test_words_that_stand_for_no_label_make_the_wording_doubtful(tmp_path: Path) -> None:
    """It is asked, named, and in no headline."""
    (one,) = imported(
        tmp_path, "somewhere", "superglue/cb", ("Hot ||| Cold", "Is this hot or cold?")
    )

    assert (one.answers, one.meaning.status) == ((), "doubtful")
    assert "names cold, hot, where superglue/cb has entailment" in one.meaning.note


def test_tasks_with_labels_in_other_orders_get_a_wording_each(tmp_path: Path) -> None:
    """Yes stands for entailment on both, which is the first label of one and the second of the
    other.
    """
    found = imported(
        tmp_path, "glue/rte", "promptbench/rte,promptbench/wnli", ("yes ||| no", "Yes or no?")
    )

    assert {one.tasks: one.answers for one in found} == {
        ("promptbench/rte",): ("yes", "no"),
        ("promptbench/wnli",): ("no", "yes"),
    }
    assert len({one.id for one in found}) == 2


def test_flan_is_answered_with_its_own_words_too(tmp_path: Path) -> None:
    """RTE's patterns on RTE list yes and no."""
    path = tmp_path / "templates.py"
    path.write_text('P = {"rte": [("{premise} So {hypothesis}?\\n{options_}", "{answer}")]}')
    out = tmp_path / "out.yaml"
    line = ["phrasings", "import", "flan", str(path), "--tasks", "superglue/rte"]
    assert invoke([*line, "--out", str(out)]) == 0
    (one,) = read_phrasing_file(out)

    assert (one.answers, one.tasks) == (("yes", "no"), ("superglue/rte",))
