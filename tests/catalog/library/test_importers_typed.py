"""Borrowed templates on another benchmark's slots:
what fits becomes a phrasing with its source, what does not is named.
"""

import json
from pathlib import Path

import pytest

from evalkit.catalog import load_task, relation
from evalkit.catalog.phrasings import load_phrasings, read_phrasing_file
from evalkit.cli.main import invoke
from evalkit.records import ModelSpec

FLAN = """
PATTERNS = {
    "arc": [
        ("Here is one: {question}\\n{options_}\\nWhich is it?", "{answer}"),
        ("{question}\\nHint: {fact}\\n{options_}", "{answer}"),
        ("Name it: {question}", "{answer}"),
        ("Think of a question.", "{question}"),
    ],
    "rte": [
        ("{premise} So {hypothesis}? {options_}", "{answer}"),
        ("{premise} And {premise}? {options_}", "{answer}"),
    ],
    "imdb_reviews": [("{text}\\nHow was it?\\n{options_}", "{answer}"), ("Good or bad? {text}", "{answer}")],
    "paws_wiki": [("{sentence1}\\n{sentence2}\\nAlike?\\n{options_}", "{answer}")],
    "squad_v2": [("{context}\\n{question} Else say unanswerable.", "{answer}")],
    "xsum": [("In short, please: {text}", "{summary}")],
    "nq": [("{question}", "{answer}")],
}
"""  # noqa: E501
QUIZ = """
dataset: ai2_arc
templates:
  a: !Template
    answer_choices: '{{choices.text | join("|||")}}'
    id: a
    jinja: "Tick one for {{question}}\\n- {{choices['text'] | join('\\n- ')}} ||| {{answerKey}}"
    metadata: !TemplateMetadata
      original_task: true
    name: tick
  b: !Template
    answer_choices: '{{choices.label | join("|||")}}'
    id: b
    jinja: "{% if answerKey != '' %}\\nTell the letter. {{question}}\\n{% for l, t in zip(answer_choices, choices.text) %}\\n- {{l}}: {{t}}\\n{% endfor %} ||| {{answerKey}}{% endif %}"
    metadata: !TemplateMetadata
      original_task: true
    name: letter
  c: !Template
    answer_choices: '{{choices.text | join("|||")}}'
    id: c
    jinja: "Which are wrong? {{question}} {{answer_choices | join(', ')}} ||| x"
    metadata: !TemplateMetadata
      original_task: false
    name: wrong ones
  d: !Template
    answer_choices: A ||| B ||| C ||| D
    id: d
    jinja: "Of 4 options take one: {{question}}\\n{% for k in range(choices['text'] | length) %}\\n{{' = '.join([['A', 'B', 'C', 'D'][k], choices['text'][k]])}}\\n{% endfor %} ||| {{answerKey}}"
    metadata: !TemplateMetadata
      original_task: true
    name: four
  e: !Template
    answer_choices: '{{one}} ||| {{two}}'
    id: e
    jinja: "{% set order = [[0, 1], [1, 0]] | choice %}\\nMixed up: {{question}}\\n- {{ answer_choices[order[0]] }}\\n- {{ answer_choices[order[1]] }} ||| {{one}}"
    metadata: !TemplateMetadata
      original_task: true
    name: mixed
"""  # noqa: E501
DEFINITION = (
    "Here is a question on anatomy with four answer options. "
    "Reply with the letter of the right one."
)


def imported(tmp_path: Path, *words: str) -> tuple[list, int]:
    """Return the phrasings that the command writes, and its exit code."""
    out = tmp_path / "out.yaml"
    code = invoke(["phrasings", "import", *words, "--out", str(out), "--overwrite"])
    return read_phrasing_file(out) if out.exists() else [], code


@pytest.fixture
def quiz(tmp_path: Path) -> Path:
    """A folder in promptsource's layout, with a data set of another type and a broken file
    beside the quiz.
    """
    for name, text in (
        ("ai2_arc/Easy", QUIZ),
        ("imdb", QUIZ.replace("ai2_arc", "imdb")),
        ("sciq", "not: [yaml"),
    ):
        path = tmp_path / "templates" / name / "templates.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "templates"


def test_a_folder_of_promptsource_becomes_quiz_phrasings(
    quiz: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Loops, guards and shuffles that list all choices are one slot;
    another type of task is passed over, a broken file named.
    """
    found, code = imported(
        tmp_path, "promptsource", str(quiz), "--as", "qa", "--tasks", "mmlu/*,bbh/*"
    )
    told = capsys.readouterr().err

    assert code == 0
    assert [(one.text, one.layout, one.label_space) for one in found] == [
        ("Tick one for {{question}}\n{{ choices }}", "bulleted", "text"),
        ("Tell the letter. {{question}}\n{{ choices }}", "lettered", "letters"),
        ("Of 4 options take one: {{question}}\n{{ choices }}", "lettered", "letters"),
        ("Mixed up: {{question}}\n{{ choices }}", "none", "text"),
    ]
    assert {one.source for one in found} == {"p3"}
    assert "original_task: false" in told
    assert "sciq/templates.yaml" in told
    assert "imdb" not in told


def test_wordings_that_count_four_choices_stay_with_tasks_that_have_four(
    quiz: Path, tmp_path: Path
):
    """MMLU has four choices everywhere, BBH has not."""
    found, _ = imported(
        tmp_path, "promptsource", str(quiz), "--as", "qa", "--tasks", "mmlu/*,bbh/*"
    )

    assert [one.tasks for one in found if "Of 4" in one.text] == [("mmlu/*",)]
    others = {one.tasks for one in found if "Of 4" not in one.text}
    assert len(others) == 1
    (named,) = others
    assert "mmlu/*" in named
    assert "bbh/snarks" in named
    assert "bbh/word_sorting" not in named, "it has no choices to list"


def test_flan_keys_of_the_type_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture):
    """What needs a slot more, shows no choices or asks for a question is left out;
    other keys are passed over.
    """
    (tmp_path / "templates.py").write_text(FLAN, encoding="utf-8")
    found, _ = imported(tmp_path, "flan", str(tmp_path), "--as", "qa", "--tasks", "mmlu/*")
    told = capsys.readouterr().err

    assert [one.text for one in found] == [
        "Here is one: {{ question }}\nOPTIONS:\n{{ choices }}\nWhich is it?"
    ]
    assert "needs fact" in told
    assert "does not show choices" in told
    assert "rte" not in told


@pytest.mark.parametrize(
    ("kind", "task", "text"),
    [
        ("nli", "promptbench/rte", "{{ sentence1 }} So {{ sentence2 }}? OPTIONS:\n{{ choices }}"),
        ("nli", "promptbench/mnli", "{{ premise }} So {{ hypothesis }}? OPTIONS:\n{{ choices }}"),
        ("sentiment", "promptbench/sst2", "{{ sentence }}\nHow was it?\nOPTIONS:\n{{ choices }}"),
        (
            "paraphrase",
            "promptbench/qqp",
            "{{ question1 }}\n{{ question2 }}\nAlike?\nOPTIONS:\n{{ choices }}",
        ),
        (
            "unanswerable",
            "promptbench/squad_v2",
            "{{ context }}\n{{ query }} Else say unanswerable.",
        ),
        ("summary", "superni/task645_summarization", "In short, please: {{ question }}"),
    ],
)
def test_every_type_names_the_fields_of_the_task_it_is_asked_on(
    tmp_path: Path, kind: str, task: str, text: str
):
    """The two texts of RTE are called otherwise than those of MNLI;
    a wording without labels or choices is left out.
    """
    (tmp_path / "templates.py").write_text(FLAN, encoding="utf-8")
    found, code = imported(tmp_path, "flan", str(tmp_path), "--as", kind, "--tasks", task)

    assert code == 0
    assert [(one.text, one.tasks) for one in found] == [(text, (task,))]
    assert load_phrasings(load_task(task), extra=[tmp_path / "out.yaml"])


def test_several_types_go_each_to_its_tasks(tmp_path: Path):
    """One command for a family: no wording for pairs that entail is asked on pairs that are
    equivalent.
    """
    (tmp_path / "templates.py").write_text(FLAN, encoding="utf-8")
    found, _ = imported(
        tmp_path, "flan", str(tmp_path), "--as", "nli,paraphrase,qa", "--tasks", "promptbench/*"
    )
    tasks = {one.id.rpartition("-")[0].split("-")[1]: one.tasks for one in found}

    assert len({one.id for one in found}) == len(found)
    assert tasks["arc"] == ("promptbench/mmlu",)
    assert {task for one in found if "So" in one.text for task in one.tasks} == {
        "promptbench/rte",
        "promptbench/wnli",
        "promptbench/mnli",
        "promptbench/mnli_mismatched",
    }


def test_a_definition_on_one_subject_is_for_that_subject(tmp_path: Path):
    """SuperNI's anatomy task is asked on MMLU's anatomy alone,
    with letters in brackets as it says.
    """
    path = tmp_path / "tasks" / "task001_mmmlu_answer_generation_anatomy.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"Definition": DEFINITION, "Instances": []}), encoding="utf-8")
    found, _ = imported(tmp_path, "superni", str(path.parent), "--as", "qa", "--tasks", "mmlu/*")

    assert [(one.tasks, one.layout, one.label_space) for one in found] == [
        (("mmlu/anatomy",), "parenthesized", "letters")
    ]


def test_a_definition_that_wants_letters_is_asked_with_letters(tmp_path: Path):
    """The answers are those that the definition names, whatever subject it is of."""
    (tmp_path / "tasks").mkdir()
    asks = "Four options are marked 'A', 'B', 'C', 'D'. Write {}."
    for number, what in ((1, "the mark"), (2, "the text")):
        said = asks.format(what) if number == 1 else f"Choose one of four options and copy {what}."
        name = f"task00{number}_arc_answer_generation_hard.json"
        (tmp_path / "tasks" / name).write_text(json.dumps({"Definition": said}), encoding="utf-8")
    found, _ = imported(
        tmp_path, "superni", str(tmp_path / "tasks"), "--as", "qa", "--tasks", "mmlu/*"
    )

    assert [(one.label_space, one.layout) for one in found] == [
        ("letters", "parenthesized"),
        ("text", "original"),
    ]


@pytest.mark.parametrize(("tuned_on", "label"), [("p3", "seen"), ("flan", "unseen")])
def test_their_wording_is_seen_for_the_models_tuned_on_it(
    quiz: Path, tmp_path: Path, tuned_on: str, label: str
):
    """The source decides, on MMLU as on the data set they were written for."""
    imported(tmp_path, "promptsource", str(quiz), "--as", "qa", "--tasks", "mmlu/*")
    task = load_task("mmlu/anatomy")
    mine = [
        one for one in load_phrasings(task, extra=[tmp_path / "out.yaml"]) if one.source == "p3"
    ]
    model = ModelSpec(backend="scripted", name="perfect", tuned_on=(tuned_on,))

    assert len(mine) == 4
    assert {relation(one, model, task) for one in mine} == {label}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--as", "quiz", "--tasks", "mmlu/*"], "is no type of task; accepted: qa"),
        (["--as", "qa"], "name these with --tasks"),
        (["--as", "qa,nli", "--tasks", "promptbench/sst2"], "asks a question of that type"),
    ],
)
def test_what_is_missing_is_said(
    quiz: Path, tmp_path: Path, capsys: pytest.CaptureFixture, words: list[str], said: str
):
    """A type that is not known and tasks that are not named end with exit code 2."""
    _, code = imported(tmp_path, "promptsource", str(quiz), *words)

    assert code == 2
    assert said in capsys.readouterr().err


def test_a_folder_without_such_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture):
    """Nothing found is no empty result."""
    _, code = imported(tmp_path, "promptsource", str(tmp_path))

    assert code == 2
    assert "holds no templates.yaml" in capsys.readouterr().err
