"""Exported runs, checked by lm-eval itself on the same small model."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.errors import StoreError, UsageError
from evalkit.report.lm_eval_export import export_run

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # lm-eval and what it imports warn on their own account

QUESTIONS = [
    ("Which planet is the largest?", ["Jupiter", "Saturn", "the Moon"], "Jupiter"),
    ("Who follows the fox home?", ["a boat", "two dogs", "water"], "two dogs"),
    ("What runs over the hill?", ["the red fox", "the red fox", "one letter"], "the red fox"),
    ("Is it true that água é água?", ["sí", "não", "no"], "sí"),
    ("What pushes a boat up?", ["water", "nothing", "ten"], "water"),
    ("Read the sentence: true?", ["yes", "no", "maybe"], "no"),
]
PHRASINGS = """
defaults: {source: evalkit, author: test, label_space: letters}
phrasings:
  - {id: one, text: "Pick the letter of the correct reply."}
  - {id: two, text: "Say the answer in its own words.", label_space: text, layout: bulleted}
  - {id: three, text: "Which one is right?", layout: parenthesized, position: after}
  - {id: four, text: "You read {{ question }} and choose among {{ choices }}", position: inline, layout: inline, label_space: text, cue: "So:"}
  - {id: five, text: "Answer as asked.", wrapper: chat, layout: parenthesized, label_space: numbers}
"""  # noqa: E501


def write_files(
    folder: Path, *, metric: str = "choice_accuracy", kind: str = "choice", shots: bool = False
) -> list[str]:
    """Write task, phrasings and data of our own; return the words of a run."""
    data = folder / "mine"
    data.mkdir(exist_ok=True)
    rows = [
        {"question": text, "choices": choices, "target": target}
        for text, choices, target in QUESTIONS
    ]
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (data / "train.jsonl").write_text(
        "".join(
            json.dumps({**row, "question": f"Once more: {row['question']}"}) + "\n"
            for row in rows[:3]
        )
    )
    text = (
        "name: planets\nbenchmark: mine\nreader: table\nsource: {local: 'mine/{split}.jsonl', "
        "options: {columns: {choices: choices}}}\n"
    )
    text += f"kind: {kind}\nmetric: {metric}\nmax_tokens: 4\n" + (
        "shot_split: train\n" if shots else ""
    )
    (folder / "planets.yaml").write_text(
        text
        if kind == "choice"
        else text.replace("columns: {choices: choices}", "columns: {target: target}")
    )
    (folder / "phrasings.yaml").write_text(PHRASINGS)
    words = [
        "run",
        "--tasks",
        str(folder / "planets.yaml"),
        "--phrasing-file",
        str(folder / "phrasings.yaml"),
        "--data-dir",
        str(folder),
    ]
    return [*words, "--resamples", "100", "--out", str(folder / "run"), "--quiet"]


def by_lm_eval(folder: Path, model: str, arguments: str) -> dict[str, dict[str, float]]:
    """Results of lm-eval on the exported folder, run from inside it as its README says."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=".", include_defaults=False)
    (group,) = manager.all_groups
    found = simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=[group],
        task_manager=manager,
        num_fewshot=0,
        bootstrap_iters=0,
        batch_size=1,
    )
    return {name: row for name, row in found["results"].items() if name != group}


def expected(folder: Path) -> list[dict[str, str]]:
    """Rows of ``expected.csv``."""
    with (folder / "expected.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def quiet_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the data set library's cache inside the test's folder."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    datasets.disable_progress_bars()


@pytest.mark.usefixtures("quiet_datasets")
@pytest.mark.parametrize(
    ("metric", "theirs", "shots"),
    [("choice_accuracy", "acc,none", 0), ("choice_accuracy_norm", "acc_bytes,none", 2)],
)
def test_lm_eval_measures_what_we_measured(
    model_dir: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    metric: str,
    theirs: str,
    shots: int,
) -> None:
    """On a random small model every accuracy of every phrasing is the same number,
    with and without shots, and not all are equal.
    """
    directory = model_dir("llama", "bytes")
    words = [
        *write_files(tmp_path, metric=metric, shots=bool(shots)),
        "--shots",
        str(shots),
        "--model",
        f"hf:{directory}",
    ]
    assert invoke([*words, "--device", "cpu", "--dtype", "float32"]) == 0
    out = tmp_path / "out"
    written = export_run(tmp_path / "run", out)
    monkeypatch.chdir(out)
    found = by_lm_eval(out, "hf", f"pretrained={directory},dtype=float32,device=cpu")
    rows = expected(out)

    assert written == 5 * len(QUESTIONS)
    assert [row["truncated"] for row in rows] == ["0"] * 5
    assert {row["lm_eval_task"]: float(row["score"]) for row in rows} == {
        name: row[theirs] for name, row in found.items()
    }
    assert len({row["score"] for row in rows}) > 1


@pytest.mark.usefixtures("quiet_datasets")
def test_generation_tasks_are_exported_with_limit_and_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lm-eval's dummy says "lol" to everything: right where that is the reference,
    in both programs.
    """
    from lm_eval.models.dummy import DummyLM

    monkeypatch.setattr(
        DummyLM, "tokenizer", None
    )  # it would be fetched from the hub, for a log line
    monkeypatch.setitem(
        globals(),
        "QUESTIONS",
        [("Say it.", [], "LOL"), ("And now?", [], "lol"), ("Else?", [], "no")],
    )
    words = write_files(tmp_path, metric="exact_match", kind="generate")
    (tmp_path / "phrasings.yaml").write_text(
        "[{id: one, source: evalkit, text: 'Answer in a word.', layout: none, label_space: text}]"
    )
    assert invoke([*words, "--model", "lm-eval:dummy"]) == 0
    out = tmp_path / "out"
    export_run(tmp_path / "run", out)
    monkeypatch.chdir(out)
    found = by_lm_eval(out, "dummy", "")

    assert [float(row["score"]) for row in expected(out)] == [2 / 3]
    assert [row["exact_match,first_line"] for row in found.values()] == [2 / 3]


def exported(
    tmp_path: Path, *, metric: str = "choice_accuracy", kind: str = "choice"
) -> Callable[[], int]:
    """Run the scripted model and give the export as a function."""
    assert (
        invoke([*write_files(tmp_path, metric=metric, kind=kind), "--model", "scripted:perfect"])
        == 0
    )
    return lambda: export_run(tmp_path / "run", tmp_path / "out")


def test_a_choice_with_the_text_of_the_right_one_is_right(tmp_path: Path) -> None:
    """The third question has the right text twice; both positions are targets."""
    exported(tmp_path)()
    (path,) = (tmp_path / "out" / "data").glob("*_one.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]

    assert [row["target"] for row in rows] == [[0], [1], [0, 1], [0], [0], [1]]
    assert rows[0]["choices"] == ["A", "B", "C"]
    assert rows[0]["text"].startswith(
        "Pick the letter of the correct reply.\n\nWhich planet is the largest?\nA. Jupiter\n"
    )


def test_a_metric_lm_eval_does_not_have_is_not_faked(tmp_path: Path) -> None:
    """A run with nothing to export is an error that names the metric."""
    words = write_files(tmp_path, metric="rouge_l", kind="generate")
    (tmp_path / "phrasings.yaml").write_text(
        "[{id: one, source: evalkit, text: 'Answer in a word.', layout: none, label_space: text}]"
    )
    assert invoke([*words, "--model", "scripted:perfect"]) == 0
    with pytest.raises(UsageError, match="lm-eval has no metric like rouge_l"):
        export_run(tmp_path / "run", tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_prompts_that_cannot_be_made_again_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the way prompts are put together changed, an export of other prompts than were asked
    would prove nothing.
    """
    from dataclasses import replace

    import evalkit.report.lm_eval_export as module

    export = exported(tmp_path)
    render = module.render_prompt
    monkeypatch.setattr(
        module,
        "render_prompt",
        lambda *args, **kwargs: replace(render(*args, **kwargs), text="other"),
    )
    with pytest.raises(StoreError, match="is not the one that was asked"):
        export()


def test_the_command_writes_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``evalkit export RUN --what lm-eval`` says how many prompts it wrote."""
    exported(tmp_path)
    code = invoke(
        ["export", str(tmp_path / "run"), "--what", "lm-eval", "--out", str(tmp_path / "folder")]
    )
    names: Any = sorted(
        path.name
        for path in (tmp_path / "folder").iterdir()
        if not path.name.startswith("evalkit_")
    )

    assert (code, "30 rows written" in capsys.readouterr().out) == (0, True)
    assert names == ["README.md", "data", "expected.csv", "group.yaml"]
