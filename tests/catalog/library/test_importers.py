"""Importers on small files of our own in each published form, and on hostile ones."""

from __future__ import annotations

import json

import pytest

from evalkit.catalog.library.importers.flan import import_flan
from evalkit.catalog.library.importers.imported import (
    ImportOptions,
    from_format_string,
    joined,
    rename_slots,
)
from evalkit.catalog.library.importers.promptbench import import_promptbench
from evalkit.catalog.library.importers.promptsource import import_promptsource
from evalkit.catalog.library.importers.superni import import_superni
from evalkit.catalog.library.importers.tables import import_prompteval, import_table
from evalkit.catalog.library.writing import write_phrasings
from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.errors import CatalogError
from evalkit.phrasings.templates import render

FLAN = '''
"""A module in the form of FLAN's templates; opening it must not run it."""
import os
os.system("touch ran")

PATTERNS = {
    "rte": [
        ("{premise}\\n\\nDoes it follow that {hypothesis}?\\n{options_}", "{answer}"),
        ("Set theory says {{x}}. " + "Is {hypothesis} true?", "{answer}"),
        ("Write a premise for {answer}.", "{premise}"),
        ("Why is {answer} right for {premise}?", "{answer}"),
        (f"{os.getcwd()} {{premise}}", "{answer}"),
        ("Read {premise.__class__}", "{answer}"),
    ],
    "sst2": ["Is this kind? {sentence}"],
}
PATTERNS_LIST: dict = {"cola": (("Fine grammar? {sentence}", "{answer}"),)}
'''

PROMPTSOURCE = """
dataset: glue
subset: rte
templates:
  11111111-aaaa: !Template
    answer_choices: yes ||| no
    id: 11111111-aaaa
    jinja: '{{premise}} Does it follow that "{{hypothesis}}"? {{ answer_choices[0] }} or {{answer_choices[1]}}?
      ||| {% if label != -1 %}{{ answer_choices[label] }}{% endif %}'
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages: [en]
      original_task: true
    name: follow
    reference: ''
  t2: !Template
    answer_choices: '{{choices.text | join("|||")}}'
    jinja: "{{question}}\\n- {{ answer_choices | join(\\"\\\\n- \\") }} ||| {{answerKey}}"
    name: listed
  t3: !Template
    answer_choices: yes ||| no
    jinja: 'The label is {{ answer_choices[label] }}: {{premise}} ||| {{hypothesis}}'
    name: leaking
  t4: !Template
    jinja: '{% for i in range(10) %}{{ premise }}{% endfor %} ||| x'
    name: looping
  t5: !Template
    jinja: 'no bars'
    name: broken
"""  # noqa: E501

ADVERSARIAL = """# t5_zeroshot

# cola

## 10 prompts

Acc: 78.00%, prompt: Is it 'acceptable' or 'unacceptable'?
Acc: 170.00%, prompt: Broken accuracy

## bertattack

Original prompt: Is it 'acceptable' or 'unacceptable'?
Attacked prompt: b"Was he 'acceptable' or 'unacceptable'?\\xc3\\xa9"
Original acc: 78.00%, attacked acc: 67.30%, dropped acc: 10.70%

## translation

Language: french, acc: 76.10%, prompt: Judge it for {} as 'acceptable' or 'unacceptable'.
stray line
"""


def options(collection: str = "c", **given: object) -> ImportOptions:
    """Return import options."""
    return ImportOptions(collection=collection, **given)  # type: ignore[arg-type]


def write(path, text):
    """Write a file and return its path."""
    path.write_text(text, encoding="utf-8")
    return path


def test_flan_modules_are_read_and_never_run(tmp_path, monkeypatch):
    """Literal patterns become phrasings; computed, leaking and inverted ones are named with
    their line; nothing is executed.
    """
    monkeypatch.chdir(tmp_path)
    found = import_flan(write(tmp_path / "templates.py", FLAN), options("flan", commit="abc123"))

    assert not (tmp_path / "ran").exists()
    assert [item.text for item in found.phrasings] == [
        "{{ premise }}\n\nDoes it follow that {{ hypothesis }}?\nOPTIONS:\n{{ choices }}",
        "Set theory says {x}. Is {{ hypothesis }} true?",
        "Is this kind? {{ sentence }}",
        "Fine grammar? {{ sentence }}",
    ]
    assert [line.split("templates.py:")[1].split(":")[0] for line in found.skipped] == [
        "10",
        "11",
        "12",
        "13",
    ]
    assert [line.rsplit(": ", 1)[1] for line in found.skipped] == [
        "the answer stands in the input (answer)",
        "the answer stands in the input (answer)",
        "a pattern is computed, not written out; texts are accepted",
        "slot {premise.__class__} is not a plain name; one such as {question} is accepted",
    ]


def test_the_answer_slot_is_the_one_most_targets_show(tmp_path):
    """A summary is the answer of a summarising task;
    writing the text from it is an inverted pattern.
    """
    text = """P = {"xsum": [
        ("Sum up: {text}", "{summary}"),
        ("{text}\\nIn short?", "So: {summary}"),
        ("Write a text on {summary}", "{text}"),
        ("Make up a text and a title.", "{text} {title}"),
    ]}
    """
    found = import_flan(write(tmp_path / "t.py", text), options())

    assert [item.text for item in found.phrasings] == [
        "Sum up: {{ text }}",
        "{{ text }}\nIn short?",
    ]
    assert [line.partition("'xsum': ")[2] for line in found.skipped] == [
        "the answer stands in the input (summary)",
        "its target is '{text} {title}', so it asks for something else than 'summary'",
    ]


def test_few_shot_patterns_are_read_from_their_calls(tmp_path):
    """Prefixes of FLAN v2 become the start of the text and the cue."""
    text = """FEW = {"trivia": [
        Shots(inputs="Tell: {question}", targets="{answer}", inputs_prefix="Q: ", targets_prefix="A: ", x_y_delimiter="\\n"),
        Shots(inputs=make(), targets="{answer}"),
    ]}
    """  # noqa: E501
    found = import_flan(write(tmp_path / "t.py", text), options())

    assert [(item.text, item.cue) for item in found.phrasings] == [
        ("Q: Tell: {{ question }}", "A:")
    ]
    assert [line.rsplit(": ", 1)[1] for line in found.skipped] == [
        "a pattern is computed, not written out; texts are accepted"
    ]


def test_flan_phrasings_record_where_they_come_from(tmp_path):
    """Collection, licence, file, line, commit and digest are there,
    and the choices are listed as FLAN lists them.
    """
    found = import_flan(
        write(tmp_path / "templates.py", FLAN),
        options("flan", commit="abc123", tasks=("promptbench/rte",)),
    )
    first = found.phrasings[0]

    assert (first.source, first.licence, first.layout, first.label_space, first.position) == (
        "flan",
        "Apache-2.0",
        "bulleted",
        "text",
        "inline",
    )
    assert first.origin.startswith("templates.py:8@abc123 sha256:")
    assert first.tasks == ("promptbench/rte",)
    assert first.id.startswith("flan-rte-")


def test_only_named_tasks_are_imported_and_slots_renamed(tmp_path):
    """The user's mapping comes before ours."""
    found = import_flan(
        write(tmp_path / "t.py", FLAN), options(only=("sst2",), rename={"sentence": "question"})
    )

    assert [item.text for item in found.phrasings] == ["Is this kind? {{ question }}"]


@pytest.mark.parametrize("text", ["PATTERNS = {", "x = 1\n", "[" * 5000 + "]" * 5000, "a\0b"])
def test_files_that_are_no_flan_module_are_refused(tmp_path, text):
    """Broken, other and hostile Python is an error of the file, not of evalkit."""
    with pytest.raises(CatalogError, match=r"t\.py:\d+: "):
        import_flan(write(tmp_path / "t.py", text), options())


def test_promptsource_templates_become_phrasings(tmp_path):
    """Fixed answer words are written out, listed choices become a slot,
    and what leaks or computes is named.
    """
    found = import_promptsource(write(tmp_path / "templates.yaml", PROMPTSOURCE), options("p3"))

    assert [(item.text, item.layout) for item in found.phrasings] == [
        ('{{premise}} Does it follow that "{{hypothesis}}"? yes or no?', "none"),
        ("{{question}}\n{{ choices }}", "bulleted"),
    ]
    assert found.phrasings[0].meaning.note == "upstream's answers: yes | no"
    assert [line.split(": ", 1)[1] for line in found.skipped] == [
        "template 'leaking': the answer stands in the input (answer_choices[l)",
        "a loop may only run over choices or labels. Name one of them after 'in'",
        "template 'broken': has no '|||' between input and target",
    ]


@pytest.mark.parametrize(
    ("test", "read"),
    [
        ('metadata.split != "test"', True),
        ("answers.text", True),
        ("answers.text != []", True),
        ("answer.aliases", True),
        ("label != -1", True),
        ("output", True),
        ("label == 1", False),
        ('question == "cause"', False),
    ],
)
def test_a_test_for_an_answer_around_a_template_is_no_part_of_it(tmp_path, test, read):
    """Opened in the input and closed behind the target; one that picks instances stays, and the
    template is left out.
    """
    body = f"{{% if {test} %}} Say what {{{{ context }}}} says ||| x {{% endif %}}"
    text = f"templates:\n  t: !Template\n    jinja: '{body}'\n    name: guarded\n"
    found = import_promptsource(write(tmp_path / "templates.yaml", text), options())

    assert [item.text.strip() for item in found.phrasings] == ["Say what {{ context }} says"] * read
    assert len(found.skipped) == 1 - read


@pytest.mark.parametrize(
    "text",
    [
        "templates: !!python/object/apply:os.system ['touch ran']\n",
        "a: &a [x, x]\nb: &b [*a, *a]\ntemplates: {t: *b}\n",
        "templates:\n  t: !Other {jinja: 'a ||| b'}\n",
        "templates: " + "[" * 300 + "]" * 300 + "\n",
        "just: text\n",
        "",
    ],
)
def test_hostile_yaml_is_refused(tmp_path, monkeypatch, text):
    """Python tags, alias bombs, other tags and deep nesting never get past the reader."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CatalogError):
        import_promptsource(write(tmp_path / "templates.yaml", text), options())

    assert not (tmp_path / "ran").exists()


def test_hostile_jinja_is_left_out_without_being_rendered(tmp_path):
    """Attribute chains, products and huge loops are named, and never rendered."""
    attacks = [
        "{{ ''.__class__.__mro__ }}",
        "{{ 'a' * 999999999 }}",
        "{% for a in range(999999999) %}x{% endfor %}",
        "{{ cycler.__init__ }}",
        "{{ 'a' | attr('x') }}",
    ]
    text = "templates:\n" + "".join(
        f"  t{n}: !Template\n    jinja: {json.dumps(attack + ' ||| x')}\n    name: t{n}\n"
        for n, attack in enumerate(attacks)
    )
    found = import_promptsource(write(tmp_path / "t.yaml", text), options())

    assert (len(found.phrasings), len(found.skipped)) == (0, len(attacks))


def test_superni_definitions_are_read_from_lists_and_texts(tmp_path):
    """Current files hold a list, old ones a text; braces in them are text, not slots."""
    new = write(
        tmp_path / "task1_a.json",
        json.dumps({"Definition": ["Say {{x}} back.", "Another."], "Instances": []}),
    )
    old = write(tmp_path / "task2_b.json", json.dumps({"Definition": "Sort it."}))
    found = joined(import_superni(path, options("niv2")) for path in (new, old))

    assert [render(item.text, {}) for item in found.phrasings] == [
        "Say {{x}} back.",
        "Another.",
        "Sort it.",
    ]
    assert {(item.position, item.layout, item.cue) for item in found.phrasings} == {
        ("before", "original", "Output:")
    }


def test_superni_rewrites_are_read_from_csv(tmp_path):
    """The column of rewrites comes before the original instruction."""
    path = write(
        tmp_path / "new.csv",
        'Write your instruction,Original Instruction,name\n"Do, '
        'please.",Do.,task1_a\n,Do.,task2_b\n',
    )
    found = import_superni(path, options("para"))

    assert [item.text for item in found.phrasings] == ["Do, please."]
    assert found.skipped == [f"{path}:3: text is empty"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.json", "{}"),
        ("t.json", "[" * 100_000),
        ("t.csv", "a,b\n1,2\n"),
        ("t.json", '{"Definition": 3}'),
    ],
)
def test_files_that_are_no_superni_are_refused(tmp_path, name, text):
    """The message names what is missing."""
    with pytest.raises(CatalogError, match=r"t\.(json|csv):\d+: "):
        import_superni(write(tmp_path / name, text), options())


def test_promptbench_adversarial_prompts_keep_their_accuracies(tmp_path):
    """Clean, attacked and translated prompts carry the published accuracy, the attack,
    and what they were made from.
    """
    found = import_promptbench(write(tmp_path / "t5_zeroshot.md", ADVERSARIAL), options())
    clean, attacked, translated = found.phrasings

    assert [(item.published, item.perturbation) for item in found.phrasings] == [
        (0.78, ""),
        (0.673, "bertattack:model=t5_zeroshot"),
        (0.761, "translation:french"),
    ]
    assert attacked.of == clean.id
    assert attacked.text == "Was he 'acceptable' or 'unacceptable'?é"
    assert (translated.text, translated.position) == (
        "Judge it for {{ subject }} as 'acceptable' or 'unacceptable'.",
        "before",
    )
    assert [line.split(".md:")[1] for line in found.skipped] == [
        "8: accuracy 170.00% is not a number from 0 to 100",
        "19: is no prompt, score or heading: 'stray line'",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.json", '{"SET": {"cola": ["Fine? {content}", "Fine for {}?"]}}'),
        ("p.py", 'SET = {"cola": ["Fine? {content}", "Fine " + "for {}?"]}\nraise SystemExit\n'),
        ("p.yaml", 'cola:\n  - "Fine? {content}"\n  - "Fine for {}?"\n'),
        (
            "q.yaml",
            (
                '# upstream keeps Python under this name\nprompts = {"cola": ["Fine? '
                '{content}", "Fine for {}?"]}\n'
            ),
        ),
    ],
)
def test_promptbench_sets_are_read_in_every_form(tmp_path, name, text):
    """JSON, YAML and Python literals, under either name, give the same phrasings."""
    found = import_promptbench(write(tmp_path / name, text), options())

    assert [(item.text, item.position) for item in found.phrasings] == [
        ("Fine? {{ question }}", "inline"),
        ("Fine for {{ subject }}?", "before"),
    ]


def test_promptbench_shots_are_refused(tmp_path):
    """A file of shots holds texts, not lists of prompts."""
    with pytest.raises(CatalogError, match="Files of shots cannot be imported"):
        import_promptbench(
            write(tmp_path / "few.yaml", 'examples = {"cola": "Here are three." + "x"}\n'),
            options(),
        )


def test_prompteval_templates_marked_wrong_are_doubtful(tmp_path):
    """Upstream's own judgement is kept, and its slots become ours."""
    path = write(
        tmp_path / "anatomy.csv",
        'prompt idx,prompt template,correct\n1,"On '
        '{topic}:\n{question}\n{choices}\nAnswer:",1\n2,Just {x y},1\n3,Say {question},0\n',
    )
    found = import_prompteval(path, options())

    assert found.phrasings[0].text == "On {{ subject }}:\n{{ question }}\n{{ choices }}\nAnswer:"
    assert [(item.layout, item.label_space, item.meaning.status) for item in found.phrasings] == [
        ("lettered", "letters", "unchecked"),
        ("none", "text", "doubtful"),
    ]
    assert len(found.skipped) == 1


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_tables_are_read_with_a_mapping(tmp_path, name):
    """Columns are named by the user; values that are not accepted are left out and named."""
    rows = [
        {"prompt": "Is {premise} so?", "k": "correct", "acc": "0.5"},
        {"prompt": "Never mind {{ premise }}", "k": "negated", "acc": ""},
        {"prompt": "Bad", "k": "evil", "acc": ""},
        {"prompt": "Worse", "k": "", "acc": "50"},
    ]
    text = (
        "\n".join(map(json.dumps, rows))
        if name.endswith("jsonl")
        else "prompt,k,acc\n" + "\n".join(",".join(row.values()) for row in rows)
    )
    found = import_table(
        write(tmp_path / name, text),
        options(rename={"text": "prompt", "kind": "k", "published": "acc", "premise": "question"}),
    )

    assert [(item.text, item.kind, item.published) for item in found.phrasings] == [
        ("Is {{ question }} so?", "correct", 0.5),
        ("Never mind {{ question }}", "negated", None),
    ]
    assert [line.rsplit(": ", 1)[1] for line in found.skipped] == [
        (
            "kind 'evil' is not accepted; correct, negated, null, opposite, random, shuffled, "
            "wrong are"
        ),
        "published '50' is not accepted; a fraction from 0 to 1 is",
    ]


@pytest.mark.parametrize("content", ['["Answer: {question}"]', '[{"text": "Answer: {question}"}]'])
def test_a_json_list_of_templates_is_read(tmp_path, content):
    """Of texts or of objects, as PromptEval publishes its own of MMLU; anything else is refused."""
    path = tmp_path / "templates.json"
    path.write_text(content)

    assert [one.text for one in import_table(path, ImportOptions(collection="x")).phrasings] == [
        "Answer: {{ question }}"
    ]
    path.write_text("[1]")
    with pytest.raises(CatalogError, match="item 1 is a int; objects or texts are accepted"):
        import_table(path, ImportOptions(collection="x"))


def test_a_table_without_the_text_column_says_how_to_name_it(tmp_path):
    """The fields there are listed with the option to give."""
    with pytest.raises(
        CatalogError,
        match=r"has no field 'text'; it has a\. Say which holds the text: --map text=FIELD",
    ):
        import_table(write(tmp_path / "t.jsonl", '{"a": 1}\n'), options())


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_a_huge_text_is_left_out(tmp_path, name):
    """A text of a megabyte is never a phrasing."""
    huge = "x" * 1_000_000
    path = write(
        tmp_path / name, json.dumps({"text": huge}) if name.endswith("jsonl") else f"text\n{huge}\n"
    )
    found = import_table(path, options())

    assert (found.phrasings, len(found.skipped)) == ([], 1)


def test_the_same_text_is_imported_once(tmp_path):
    """A repeated text is left out and named."""
    found = import_table(write(tmp_path / "t.jsonl", '{"text": "Sort it."}\n' * 2), options())

    assert (len(found.phrasings), len(found.skipped)) == (1, 1)


def test_imported_phrasings_survive_writing_and_reading(tmp_path):
    """What is written is read back as the same phrasings, odd texts included."""
    texts = [
        "yes",
        "null",
        "- a: b # c",
        "line\nbreak\ttab",
        "012",
        "'quoted' \"twice\"",
        "é 语",
        "trailing ",
        "{{ question }}",
        "~",
        "1e3",
        "\\n",
    ]
    source = write(
        tmp_path / "t.jsonl",
        "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts),
    )
    found = import_table(source, options(tasks=("mmlu/*",)))
    out = tmp_path / "out.yaml"
    write_phrasings(out, found.phrasings)

    assert read_phrasing_file(out) == found.phrasings
    assert len(found.phrasings) == len(texts)


@pytest.mark.parametrize(
    "text", ["{x}{{{y}}}", "{{% if %}} {x}", "{{{{x}}}} {y}", "a {{# b", "{{ {x} }}"]
)
def test_format_strings_become_templates_that_render_to_them(text):
    """Whatever braces a format string holds, the template shows what str.format would."""
    assert render(from_format_string(text, {}), {"x": "1", "y": "2"}) == text.format(x="1", y="2")


@pytest.mark.parametrize("text", ["{}", "{0}", "{x.y}", "{x!r}", "{x:>9999999999}"])
def test_slots_that_are_no_plain_name_are_refused(text):
    """Positions, attributes, conversions and widths of format strings have no place in a
    phrasing.
    """
    with pytest.raises(CatalogError, match="is not a plain name"):
        from_format_string(text, {})


def test_renaming_leaves_attributes_strings_and_text_alone():
    """Only names of slots are exchanged."""
    assert rename_slots(
        "label {{ label | upper }} {% if label == 'label' %}x{% endif %}", {"label": "question"}
    ) == ("label {{ question | upper }} {% if question == 'label' %}x{% endif %}")
