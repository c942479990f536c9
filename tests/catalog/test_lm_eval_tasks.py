"""Tasks of lm-eval crossed with our phrasings; the task files here are ours and read a local
file.
"""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from evalkit import catalog
from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import render_prompt
from evalkit.scoring.extract import extracted

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # lm-eval and what it imports warn on their own account

ROWS = [
    {
        "passage": "The cup is on the shelf.",
        "query": "Is the cup on the shelf",
        "label": 1,
        "said": "yes",
    },
    {"passage": "The door is shut.", "query": "Is the door open", "label": 0, "said": "no"},
    {
        "passage": "Ann is older than Bo.",
        "query": "Is Bo younger than Ann",
        "label": 1,
        "said": "yes",
    },
]
CHOICE = """
    output_type: multiple_choice
    doc_to_text: "{{passage}}\\nQuestion: {{query}}?\\nAnswer:"
    doc_to_target: label
    doc_to_choice: ["no", "yes"]
    description: "This text of theirs must not appear."
    metric_list:
      - metric: acc
        aggregation: mean
        higher_is_better: true
    metadata:
      version: 2.0
"""


def write_task(
    folder: Path, name: str, rest: str, rows: list[dict[str, object]] | None = None
) -> str:
    """Write a task file over a local JSON file and return what stands after ``--tasks``."""
    data = folder / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows or ROWS))
    head = f"""
        task: {name}
        dataset_path: json
        dataset_kwargs:
          data_files: {{validation: {data}}}
          cache_dir: {folder / "cache"}
        validation_split: validation
    """
    file = folder / f"{name}.yaml"
    file.write_text(dedent(head) + dedent(rest))
    return f"lm_eval:{file}"


def test_documents_choices_and_metric_are_lm_evals(tmp_path: Path) -> None:
    """The question is its text without the closing cue;
    choices, target, version, chance and metric follow from its file.
    """
    (task,) = catalog.list_tasks([write_task(tmp_path, "shelf", CHOICE)])
    instances = catalog.load_instances(task)

    assert (task.id, task.version, task.kind, task.metric, task.chance, task.labels) == (
        "lm_eval/shelf", 2, "choice", "choice_accuracy", 0.5, ("no", "yes"),
    )  # fmt: skip
    assert [instance.fields["question"] for instance in instances] == [
        f"{r['passage']}\nQuestion: {r['query']}?" for r in ROWS
    ]
    assert [(i.choices, i.target, i.references) for i in instances] == [
        (("no", "yes"), r["label"], (r["said"],)) for r in ROWS
    ]
    assert instances[1].fields["passage"] == "The door is shut."
    assert len({instance.id for instance in instances}) == 3


def test_it_is_asked_in_every_generic_phrasing(tmp_path: Path) -> None:
    """Every phrasing renders on every document, shows the question once,
    and none shows lm-eval's own instruction.
    """
    (task,) = catalog.list_tasks([write_task(tmp_path, "shelf", CHOICE)])
    phrasings = catalog.load_phrasings(task)
    instance = catalog.load_instances(task)[0]
    prompts = [render_prompt(task, phrasing, instance) for phrasing in phrasings]

    assert len(phrasings) >= 12
    assert {prompt.text.count("Question: Is the cup on the shelf?") for prompt in prompts} == {1}
    assert {prompt.continuations for prompt in prompts} == {(" no", " yes")}
    assert all(
        "no" in prompt.text.split("shelf?")[1] or "or yes" in prompt.text for prompt in prompts
    )
    assert len({prompt.text for prompt in prompts}) == len(prompts)
    assert not any("theirs" in prompt.text for prompt in prompts)


def test_targets_may_be_texts_or_several(tmp_path: Path) -> None:
    """A target given as text is found among the choices; of several right ones each is accepted."""
    text = CHOICE.replace("doc_to_target: label", "doc_to_target: said")
    (named,) = catalog.list_tasks([write_task(tmp_path, "named", text)])
    several = CHOICE.replace("doc_to_target: label", "doc_to_target: right")
    rows = [{**row, "right": [0, 1]} for row in ROWS]
    (many,) = catalog.list_tasks([write_task(tmp_path, "several", several, rows)])

    assert [instance.target for instance in catalog.load_instances(named)] == [1, 0, 1]
    assert {
        (instance.target, instance.references) for instance in catalog.load_instances(many)
    } == {(None, ("no", "yes"))}


def test_letters_that_the_text_explains_are_not_listed_again(tmp_path: Path) -> None:
    """Where lm-eval's text lists the choices and the choices are their letters, the prompt lists
    nothing.
    """
    letters = CHOICE.replace('["no", "yes"]', '["A", "B"]').replace(
        "{{query}}?", "{{query}}?\\nA. no\\nB. yes"
    )
    (task,) = catalog.list_tasks([write_task(tmp_path, "letters", letters)])
    instance = catalog.load_instances(task)[0]
    prompt = render_prompt(task, catalog.load_phrasings(task)[0], instance)

    assert task.choices_shown is False
    assert prompt.text.endswith("Question: Is the cup on the shelf?\nA. no\nB. yes\nAnswer:")
    assert prompt.continuations == (" A", " B")


def test_generation_tasks_keep_limit_and_stops(tmp_path: Path) -> None:
    """Texts are matched exactly, as lm-eval's metric has it."""
    rest = """
        output_type: generate_until
        doc_to_text: "{{passage}} {{query}}?"
        doc_to_target: said
        generation_kwargs: {until: ["\\n"], max_gen_toks: 5, do_sample: false}
        metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
    """
    (task,) = catalog.list_tasks([write_task(tmp_path, "said", rest)])
    instances = catalog.load_instances(task)

    assert (task.kind, task.metric, task.max_tokens, task.stop, task.chance) == (
        "generate",
        "exact_match",
        5,
        ("\n",),
        None,
    )
    assert [instance.references for instance in instances] == [("yes",), ("no",), ("yes",)]


WORKED = """
    output_type: generate_until
    doc_to_text: "Question: {{query}}?\\nAnswer:"
    doc_to_target: "{{worked}}"
    generation_kwargs: {until: ["Question:", "</s>"], do_sample: false, temperature: 0.0}
    metric_list:
      - metric: exact_match
        aggregation: mean
        higher_is_better: true
        ignore_case: true
        ignore_punctuation: false
        regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]
    filter_list:
      - name: strict-match
        filter:
          - {function: regex, regex_pattern: "#### (\\\\-?[0-9\\\\.\\\\,]+)"}
          - {function: take_first}
      - name: flexible-extract
        filter:
          - {function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{2,})|(-?[0-9]+)"}
          - {function: take_first}
"""
"""A task with two filters and a metric that ignores marks,
in the form of lm-eval's grade-school maths.
"""


@pytest.mark.parametrize(
    ("said", "strict", "flexible"),
    [
        ("3 + 4 = 7\n#### 1,234", 1.0, 1.0),
        ("That makes $1,234.", 0.0, 1.0),
        ("#### 7, no: #### 1234", 0.0, 1.0),
        ("#### 1234, though 5 is near", 1.0, 0.0),
        ("I cannot say.", 0.0, 0.0),
    ],
)
def test_filters_and_settings_of_generation_are_taken_over(
    tmp_path: Path, said: str, strict: float, flexible: float
) -> None:
    """Each filter is a task; answer and reference lose what the metric ignores,
    as lm-eval scores them.
    """
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    rows = [{"query": "How much", "worked": "1200 + 34 = 1234\n#### 1,234"}]
    tasks = catalog.list_tasks([write_task(tmp_path, "sums", WORKED, rows)])
    ignored = {"regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"], "ignore_case": True}
    filters = [RegexFilter(), RegexFilter("(-?[$0-9.,]{2,})|(-?[0-9]+)", -1)]

    scores, theirs = [], []
    for task, filtered in zip(tasks, filters, strict=True):
        (instance,) = catalog.load_instances(task)
        taken = extracted(said, task.extract)
        scores.append(float(taken is not None and taken in instance.references))
        ((shown,),) = filtered.apply([[said]], [{}])
        reference = [rows[0]["worked"]]
        theirs.append(exact_match_hf_evaluate([shown], reference, **ignored)["exact_match"])

    assert [task.name for task in tasks] == ["sums_strict_match", "sums_flexible_extract"]
    assert {(task.stop, task.temperature) for task in tasks} == {(("Question:", "</s>"), 0.0)}
    assert scores == theirs == [strict, flexible]


def test_tasks_with_a_strict_form_are_asked_for_it(tmp_path: Path) -> None:
    """By all its phrasings, ten or more; lm-eval's cue to think is left out: ours replace it."""
    rows = [{"query": "How much", "worked": "12\n#### 12"}]
    thinking = WORKED.replace("Answer:", "Answer: Let's think step by step.")
    assert thinking != WORKED
    tasks = catalog.list_tasks([write_task(tmp_path, "gsm8k_mine", thinking, rows)])
    (instance,) = catalog.load_instances(tasks[0])

    texts = [render_prompt(tasks[0], p, instance).text for p in catalog.load_phrasings(tasks[0])]

    assert instance.fields["question"] == "Question: How much?"
    assert len(texts) >= 10
    assert all("####" in text or "hash signs" in text for text in texts)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (CHOICE.replace("multiple_choice", "loglikelihood").replace('doc_to_choice: ["no", "yes"]', ""), "output type 'loglikelihood' is not taken"),  # noqa: E501
        (CHOICE.replace("metric: acc", "metric: mcc"), r"none of its metrics \(mcc\) is known here; accepted: acc"),  # noqa: E501
        (
            """
            output_type: generate_until
            doc_to_text: passage
            doc_to_target: said
            metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
            filter_list: [{name: strict, filter: [{function: majority_vote}, {function: take_first}]}]
            """,  # noqa: E501
            "its answers go through the filter 'majority_vote', which is not applied here",
        ),
    ],
    ids=["loglikelihood", "metric", "filters"],
)  # fmt: skip
def test_what_cannot_be_crossed_is_refused(tmp_path: Path, rest: str, message: str) -> None:
    """A task whose scoring cannot be kept is an error, not another number."""
    with pytest.raises(CatalogError, match=message):
        catalog.list_tasks([write_task(tmp_path, "refused", rest)])


def test_unknown_names_and_broken_files_are_errors_of_ours(tmp_path: Path) -> None:
    """A typo gets the closest names; a file that is absent or broken is named."""
    (tmp_path / "broken.yaml").write_text("task: broken\noutput_type: nonsense\n")
    with pytest.raises(CatalogError, match=r"lm-eval has no task 'boolqq'; did you mean .*'boolq'"):
        catalog.list_tasks(["lm_eval:boolqq"])
    with pytest.raises(CatalogError, match=r"absent\.yaml: task file is not there"):
        catalog.list_tasks([f"lm_eval:{tmp_path}/absent.yaml"])
    with pytest.raises(CatalogError, match="lm-eval cannot load the task"):
        catalog.list_tasks([f"lm_eval:{tmp_path}/broken.yaml"])


def test_a_run_of_an_lm_eval_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``evalkit run --tasks lm_eval:...`` scores every phrasing on every document."""
    from evalkit.cli.main import invoke

    monkeypatch.chdir(tmp_path)
    words = [
        "run",
        "--model",
        "scripted:perfect",
        "--tasks",
        write_task(tmp_path, "shelf", CHOICE),
        "--resamples",
        "100",
    ]
    code = invoke([*words, "--out", "run", "--quiet"])
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    n_phrasings = len(manifest["suite"]["tasks"]["lm_eval/shelf"]["phrasings"])

    assert (code, manifest["state"]) == (0, "complete")
    assert manifest["counts"]["cells"] == 3 * n_phrasings
