"""Hostile text goes through the whole corridor: asked, stored, scored, exported, printed;
never obeyed, never changed.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from evalkit.cli.main import invoke
from evalkit.cli.options import print_table
from evalkit.store.atomic import slug

TEXTS = {
    "rtl": "a\u202eb",
    "zero-width": "a\u200bb\u2060c",
    "combining": "e\u0301",
    "blank": "a\u00a0b",
    "separators": "a\u2028b\x85c\x0bd",
    "nul": "a\x00b",
    "emoji": "👩\u200d👩\u200d👧",
    "digits": "１２ ٣",
    "escape": "\x1b]0;owned\x07\x1b[2J",
    "formula": "=HYPERLINK(0)",
    "formula-behind-blank": " +1",
    "html": "</script><script>alert(1)</script>",
    "workflow": "::set-output name=x::y%0A",
}
"""Name -> text, as it stands in questions, choices and instance ids."""


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of a task of one's own whose every text is hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {
            "id": f"{name}:{text}",
            "q": f"{text} {name}?",
            "options": [text, f"{text}{text}"],
            "answer": 0,
        }
        for name, text in TEXTS.items()
    ]
    (folder / "data").mkdir()
    (folder / "data" / "rows.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    columns = {"id": "id", "question": "q", "choices": "options", "target": "answer"}
    task = {
        "name": "odd",
        "benchmark": "mine",
        "reader": "table",
        "source": {"local": "rows.jsonl", "options": {"columns": columns, "target_is": "index"}},
    }
    phrasings = [
        {
            "id": f"p-{name}",
            "source": f"src {text}",
            "text": f"Answer {text.replace('{', '')}.",
            "layout": "bulleted",
            "label_space": "text",
        }
        for name, text in TEXTS.items()
        if name != "nul"
    ]
    (folder / "odd.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    (folder / "wordings.yaml").write_text(yaml.safe_dump(phrasings), encoding="utf-8")
    words = [
        "--tasks",
        str(folder / "odd.yaml"),
        "--phrasing-file",
        str(folder / "wordings.yaml"),
        "--data-dir",
        str(folder / "data"),
    ]
    assert (
        invoke(
            [
                "run",
                "--model",
                "scripted:noise",
                *words,
                *"--no-cache --quiet --resamples 100 --out".split(),
                str(folder / "run"),
            ]
        )
        == 0
    )
    return folder / "run"


def test_every_text_comes_back_as_it_went_in(hostile_run: Path, tmp_path: Path) -> None:
    """Ids, choices and prompts are stored byte for byte and exported so."""
    assert (
        invoke(
            [
                "export",
                str(hostile_run),
                "--what",
                "responses",
                "--out",
                str(tmp_path / "r.jsonl"),
                "--quiet",
            ]
        )
        == 0
    )
    rows = [
        json.loads(line)
        for line in (tmp_path / "r.jsonl").read_text(encoding="utf-8").split("\n")
        if line
    ]
    table = pq.read_table(hostile_run / "scores.parquet").to_pylist()

    assert len(rows) == len(table) == len(TEXTS) * (len(TEXTS) - 1)
    assert (
        {row["instance_id"] for row in rows}
        == {row["instance_id"] for row in table}
        == {f"{name}:{text}" for name, text in TEXTS.items()}
    )
    assert {row["target"] for row in table} == set(TEXTS.values())
    assert {row["phrasing_source"] for row in table} == {
        f"src {text}" for name, text in TEXTS.items() if name != "nul"
    }


def test_the_run_is_sound_and_can_be_scored_and_reported_again(
    hostile_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it trips a command that reads it."""
    codes = [
        invoke([*words, str(hostile_run)])
        for words in (
            ["score"],
            ["check"],
            ["report"],
            ["leaderboard", "--out", str(hostile_run / "l.csv")],
        )
    ]

    assert codes == [0, 0, 0, 0], capsys.readouterr().err


def _cells(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in list(csv.reader(file))[1:] for cell in row]


def test_no_cell_of_any_csv_is_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Model names, tasks and answers that begin like one:
    text gets an apostrophe, numbers stay numbers.
    """
    monkeypatch.chdir(tmp_path)
    lines = ["model,task,phrasing_id,instance_id,score"]
    for model in ("=1+1", "+x", "-x", "@x", "ok"):
        lines += [
            f"{model},=t,{phrasing},{instance},{(instance + len(phrasing)) % 2}"
            for phrasing in ("=p", "@pp")
            for instance in range(4)
        ]
    Path("table.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert invoke(["analyse", "table.csv", "--out", "out", "--quiet"]) == 0
    words = [
        *"run --tasks procedural/boolean --limit 3 --phrasings 2 --no-cache --quiet".split(),
        *"--resamples 100".split(),
    ]
    Path("model.yaml").write_text(
        '{backend: scripted, name: "noise", label: "=cmd()"}', encoding="utf-8"
    )
    assert invoke([*words, "--model", "model.yaml", "--out", "run"]) == 0
    assert invoke(["export", "run", "--out", "scores.csv", "--quiet"]) == 0
    assert (
        invoke(["export", "run", "--what", "responses", "--out", "responses.csv", "--quiet"]) == 0
    )
    assert invoke(["leaderboard", "run", "--out", "board.csv", "--quiet"]) == 0
    found = {
        path.name: _cells(path)
        for path in [
            *Path("out").glob("*.csv"),
            *Path("run").glob("*.csv"),
            *Path().glob("*s.csv"),
            Path("board.csv"),
        ]
    }

    assert {
        "estimates.csv",
        "leaderboard.csv",
        "scores.csv",
        "responses.csv",
        "board.csv",
    } <= found.keys()
    for name, cells in found.items():
        for cell in cells:
            assert not cell.lstrip(" \"'").startswith(("=", "+", "@")) or cell.startswith("'"), (
                name,
                cell,
            )
            assert not cell.startswith("-") or float(cell) <= 0, (name, cell)
        assert any(cell.startswith("'=") for cell in cells), name


def test_a_printed_table_obeys_no_escape(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters are shown."""
    print_table(["name"], [[text] for text in TEXTS.values()])
    shown = capsys.readouterr().out

    assert [char for char in shown if not char.isprintable() and char != "\n"] == []
    assert "\\x1b]0;owned\\x07" in shown


def test_messages_and_tables_of_a_hostile_run_obey_no_escape(
    hostile_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What commands print of it holds no control character."""
    for words in (
        ["score", str(hostile_run)],
        ["check", str(hostile_run)],
        ["compare", str(hostile_run), str(hostile_run)],
        ["run", "--model", "\x1b[2Jx", "--suite", "\x1b]0;x\x07"],
    ):
        invoke(words)
    shown = capsys.readouterr()

    assert [char for char in shown.out + shown.err if ord(char) < 32 and char not in "\n\t"] == []


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "CON",
        "nul.txt",
        "x" * 300,
        "x.",
        "-rf",
        "..",
        "",
        "A\x00b",
        "~",
        "\u202egnp.exe",
    ],
)
def test_a_name_stays_one_plain_file_name(name: str, tmp_path: Path) -> None:
    """Whatever a model or suite is called, the run lies where runs lie."""
    made = slug(name)

    assert (tmp_path / made).resolve().parent == tmp_path.resolve()
    assert (
        len(made) <= 80,
        made.startswith(("-", ".", "~")),
        made.endswith("."),
        made.split(".")[0].upper() in {"CON", "NUL"},
    ) == (
        True,
        False,
        False,
        False,
    )


def test_names_that_differ_only_in_what_was_replaced_stay_apart() -> None:
    """A digest tells them apart."""
    assert len({slug(name) for name in ("a/b", "a\\b", "a:b", "a-b", "a b")}) == 5


def test_a_model_with_a_path_for_a_name_writes_nothing_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --out, the run directory is named after the model."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    Path("model.yaml").write_text(
        '{backend: scripted, name: "noise", label: "../../../../x"}', encoding="utf-8"
    )
    words = [
        *"--tasks procedural/boolean --limit 2 --phrasings 2 --no-cache --quiet".split(),
        *"--resamples 100".split(),
    ]
    assert invoke(["run", "--model", "model.yaml", *words]) == 0

    assert {path.name for path in tmp_path.iterdir()} <= {"deep", "evalkit-home"}
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"er"}
    assert len(list(Path("reports/runs").iterdir())) == 1


def test_a_link_out_of_the_run_folder_is_replaced_and_not_followed(
    hostile_run: Path, tmp_path: Path
) -> None:
    """A file of the run that somebody made a link is written anew beside it;
    what it pointed to stays as it was.
    """
    victim = tmp_path / "victim.txt"
    victim.write_text("mine", encoding="utf-8")
    (hostile_run / "estimates.csv").unlink()
    (hostile_run / "estimates.csv").symlink_to(victim)
    assert invoke(["score", str(hostile_run), "--quiet"]) == 0

    assert (victim.read_text(encoding="utf-8"), (hostile_run / "estimates.csv").is_symlink()) == (
        "mine",
        False,
    )


def test_a_hundred_thousand_phrasings_and_a_line_of_a_megabyte_are_refused_by_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said within a line or two, not after minutes."""
    many = tmp_path / "many.yaml"
    many.write_text(
        "".join(
            f"- {{id: p{index}, source: me, text: 'Number {index}.'}}\n" for index in range(100_000)
        ),
        encoding="utf-8",
    )
    long = tmp_path / "long.yaml"
    long.write_text(f"- {{id: p, source: me, text: '{'x' * 1_000_000}'}}\n", encoding="utf-8")
    codes = [invoke(["check", str(long)]), invoke(["check", str(many)])]
    shown = capsys.readouterr().err

    assert (codes, len(shown.splitlines()) <= 4, "Traceback" in shown) == ([2, 2], True, False), (
        shown[:500]
    )
