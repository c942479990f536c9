"""ls, check and data, as typed."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evalkit.catalog.tasks import list_suites
from evalkit.cli.main import invoke


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command."""
    code = invoke(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    "kind",
    [
        *"tasks phrasings suites models backends metrics perturbations mitigations".split(),
        "readers",
    ],
)
def test_every_kind_can_be_listed(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As a table and as JSON with the same number of rows."""
    narrow = ("--task", "bbh/navigate") if kind == "phrasings" else ()

    code, out, _ = run(capsys, "ls", kind, "--json", *narrow)
    rows = json.loads(out)

    assert (code, isinstance(rows, list)) == (0, True)
    assert run(capsys, "ls", kind, *narrow)[0] == 0


def test_tasks_are_one_a_line_and_searchable(capsys: pytest.CaptureFixture[str]) -> None:
    """Ids come first on the line, whatever the width of the terminal."""
    _, out, _ = run(capsys, "ls", "tasks", "--task", "bbh/*")

    assert [line.split()[0] for line in out.splitlines()][:3] == [
        "task",
        "bbh/boolean_expressions",
        "bbh/causal_judgement",
    ]
    assert len(out.splitlines()) == 28


@pytest.mark.parametrize("kind", ["tasks", "phrasings"])
def test_long_lists_are_csv_too_when_it_is_asked_for(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row of --json, whole texts, and no line of comments among them."""
    rows = json.loads(run(capsys, "ls", kind, "--task", "bbh/navigate", "--json")[1])

    _, out, _ = run(capsys, "ls", kind, "--task", "bbh/navigate", "--csv")
    read = list(csv.DictReader(io.StringIO(out)))

    assert [row.get("text") for row in read] == [row.get("text") for row in rows]
    assert list(read[0]) == list(rows[0])


def test_a_typo_of_a_task_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """One message on standard error."""
    code, out, err = run(capsys, "ls", "tasks", "--task", "mmul")

    assert (code, out) == (2, "")
    assert err.startswith("Error: task 'mmul' is not known; did you mean 'mmlu'?")


def test_task_is_for_what_depends_on_a_task(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is refused and not ignored."""
    assert run(capsys, "ls", "suites", "--task", "mmlu")[0] == 2


def test_check_names_every_mistake_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mistakes go to standard error, the count to standard output."""
    (tmp_path / "t.yaml").write_text(
        "name: x\nbenchmark: b\nreader: table\nmetric: exactmatch\nchance: 3\n"
    )

    code, out, err = run(capsys, "check", str(tmp_path))

    assert (code, out) == (2, "1 file (1 task): 2 mistakes\n")
    assert [line.partition("t.yaml:")[2][:2] for line in err.splitlines()] == ["4:", "5:"]


def test_check_of_good_files_exits_with_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON gives kind and mistakes of every file."""
    (tmp_path / "t.yaml").write_text("name: x\nbenchmark: b\nreader: table\n")

    code, out, _ = run(capsys, "check", "--json", str(tmp_path / "t.yaml"))

    assert (code, json.loads(out)) == (
        0,
        {"files": {str(tmp_path / "t.yaml"): "task"}, "problems": [], "runs": {}},
    )


def test_data_status_counts_what_is_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Per benchmark, with what gets the rest."""
    (tmp_path / "bbh/bbh").mkdir(parents=True)
    (tmp_path / "bbh/bbh/navigate.json").write_text("{}")

    _, out, _ = run(capsys, "data", "status", "--data-dir", str(tmp_path), "--json")
    benchmarks = json.loads(out)["benchmarks"]

    assert (benchmarks["bbh"]["present"], benchmarks["bbh"]["absent"]) == (1, 26)
    assert (benchmarks["procedural"]["absent"], benchmarks["mmlu"]["present"]) == (0, 0)


def test_data_where_prints_files_or_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 4 when the data of a named task is not here."""
    (tmp_path / "bbh/bbh").mkdir(parents=True)
    (tmp_path / "bbh/bbh/navigate.json").write_text("{}")

    assert run(capsys, "data", "where", "--data-dir", str(tmp_path))[:2] == (0, f"{tmp_path}\n")
    assert run(capsys, "data", "where", "--data-dir", str(tmp_path), "bbh/navigate")[:2] == (
        0,
        f"{tmp_path}/bbh/bbh/navigate.json\n",
    )
    assert run(capsys, "data", "where", "--data-dir", str(tmp_path), "bbh/snarks")[0] == 4


def test_data_fetch_can_say_what_it_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run writes nothing; a task without download is an exit code of its own."""
    code, out, _ = run(
        capsys, "data", "fetch", "bbh/navigate", "--dry-run", "--data-dir", str(tmp_path)
    )

    assert (code, list(tmp_path.glob("bbh*"))) == (0, [])
    assert out.startswith(
        "suzgunmirac/BIG-Bench-Hard@9ee07bd481feebf959a6b59d61ea57bdcf30964d bbh/navigate.json -> "
    )
    assert (
        run(capsys, "data", "fetch", "promptbench/math", "--dry-run", "--data-dir", str(tmp_path))[
            0
        ]
        == 4
    )


def test_listing_tasks_imports_nothing_heavy() -> None:
    """Neither torch, transformers, pandas, matplotlib, datasets, huggingface_hub nor jinja2."""
    program = (
        "import sys; from evalkit.cli.main import invoke; invoke(['ls', 'tasks']); "
        "print([n for n in ('torch', 'transformers', 'pandas', 'matplotlib', 'datasets', "
        "'huggingface_hub', 'jinja2', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_check_lints_phrasing_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A text that is valid but holds an invisible character is named with its line."""
    (tmp_path / "p.yaml").write_text(
        '- {id: z-1, source: me, text: "Say which\\u200b one it is."}\n', encoding="utf-8"
    )

    code, _, err = run(capsys, "check", str(tmp_path / "p.yaml"))

    assert (code, "p.yaml:1" in err, "invisible" in err) == (2, True, True)


def test_every_suite_says_what_it_measures_and_in_whose_sense(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    """Without --json too, in lines that fit a terminal of eighty letters."""
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "ls", "suites")
    blocks = re.split(r"(?m)^(?=\S)", out)[1:]

    assert [block.split()[0] for block in blocks] == [suite.name for suite in list_suites()]
    assert all(re.search(r"(?m)^ +measures \S", block) for block in blocks)
    assert sum(re.search(r"(?m)^ +after \S", block) is not None for block in blocks) == len(blocks)
    assert max(map(len, out.splitlines())) <= 80
