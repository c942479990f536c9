"""A fixed list of bad inputs: each gets at most three lines (what,
where, how to mend), the right exit code, no traceback.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.cli.main import invoke

RUN = [
    *"run --model scripted:perfect --tasks procedural/boolean --limit 2 --phrasings 2".split(),
    *"--no-cache --out OUT".split(),
]


def changed(**changes: str) -> list[str]:
    """Return a good command line with some options changed, added or (empty) taken away."""
    words = list(RUN)
    for name, value in changes.items():
        option = f"--{name.replace('_', '-')}"
        if option in words:
            place = words.index(option)
            words[place : place + 2] = [option, value] if value else []
        else:
            words += [option, value] if value else [option]
    return words


BAD: list[tuple[str, list[str], int, str]] = [
    ("no such command", ["rnu"], 2, "Did you mean 'run'"),
    ("option typo", [*RUN, "--limi", "3"], 2, "--limit"),
    ("option abbreviated", [*RUN, "--see", "3"], 2, "--seed"),
    ("option of the wrong type", changed(limit="abc"), 2, "'abc' is not a valid integer"),
    ("option without its value", [*RUN, "--seed"], 2, "requires an argument"),
    ("required option missing", ["run", "--suite", "quickstart"], 2, "--model"),
    (
        "neither suite nor tasks",
        ["run", "--model", "scripted:perfect"],
        2,
        "exactly one of the two",
    ),
    ("suite and tasks", changed(suite="quickstart"), 2, "exactly one of the two"),
    (
        "suite typo",
        ["run", "--model", "scripted:perfect", "--suite", "quickstrat"],
        2,
        "quickstart",
    ),
    ("task typo", changed(tasks="procedural/boolan"), 2, "procedural/boolean"),
    ("task pattern without a match", changed(tasks="mlu/*"), 2, "mlu/*"),
    ("backend typo", changed(model="scriptd:perfect"), 2, "scripted"),
    ("behaviour typo", changed(model="scripted:perfct"), 4, "did you mean 'perfect'"),
    ("model directory missing", changed(model="./no/such/model"), 4, "no/such/model"),
    ("limit of zero", changed(limit="0"), 2, "--limit"),
    ("negative limit", changed(limit="-5"), 2, "--limit"),
    ("level out of range", changed(level="95"), 2, "--level"),
    ("too few resamples", changed(resamples="3"), 2, "--resamples"),
    ("budget out of range", changed(budget="5"), 2, "--budget"),
    ("batch size that is no number", changed(batch_size="many"), 2, "'auto' or a whole number"),
    ("data directory missing", changed(data_dir="/no/such/place"), 2, "is not a directory"),
    (
        "benchmark data missing",
        changed(tasks="mmlu/anatomy", data_dir="EMPTY"),
        4,
        "evalkit data fetch",
    ),
    ("too many shots", changed(shots="100000"), 2, "--shots"),
    ("kind of phrasing that is none", changed(kinds="corect"), 2, "no phrasing is left"),
    ("perturbation typo", changed(perturb="wrod:rate=0.1"), 2, "word"),
    ("perturbation option typo", changed(perturb="drop:rat=0.1"), 2, "rate"),
    ("phrasing file missing", changed(phrasing_file="none.yaml"), 2, "none.yaml"),
    ("phrasing file broken", changed(phrasing_file="BROKEN"), 2, "broken.yaml:3"),
    ("mitigation unknown", changed(mitigation="magic"), 2, "magic"),
    ("output is a file", changed(out="FILE"), 4, "FILE"),
    ("score of no run", ["score", "EMPTY"], 2, "no run directory"),
    ("score of a missing directory", ["score", "nowhere"], 2, "no run directory"),
    ("list of a kind that is none", ["ls", "taks"], 2, "tasks"),
    ("check of a missing file", ["check", "none.yaml"], 2, "none.yaml"),
    ("check of a broken file", ["check", "BROKEN"], 2, "broken.yaml:3"),
    ("table missing", ["analyse", "none.csv"], 2, "none.csv"),
    ("table empty", ["analyse", "EMPTYCSV"], 2, "empty.csv"),
    ("compare with no run", ["compare", "EMPTY", "EMPTY"], 2, ""),
    ("list without a kind", ["ls"], 2, "schemas. Type 'evalkit ls --help'"),
    ("training without a method", ["align", "--model", "x", "--out", "o"], 2, "--method or --arms"),
    ("one argument too many", ["doctor", "x"], 2, "argument (x). Type"),
    (
        "model of an unknown backend",
        changed(model="ollama:llama"),
        2,
        "'ollama' is not known; did you mean 'vllm'? Known: hf,",
    ),
    (
        "address without a model",
        changed(model="http://host/v1"),
        2,
        "type openai:NAME@http://host/v1",
    ),
    ("empty model", ["run", "--model", "", "--tasks", "procedural/boolean"], 2, "BACKEND:REST"),
    ("executor typo", changed(executor="rya"), 2, "'local', 'ray'"),
    ("no workers", changed(workers="0"), 2, "--workers"),
    ("model arguments without a value", changed(model_args="float32"), 2, "key=value"),
    ("gate without a baseline", ["gate", "EMPTY"], 2, "--baseline"),
    (
        "gate of no run",
        ["gate", "EMPTY", "--baseline", "nowhere"],
        2,
        "Name a score table or a run directory",
    ),
    (
        "gate policy that is no YAML",
        ["gate", "EMPTY", "--baseline", "nowhere", "--policy", "BROKEN"],
        2,
        "broken.yaml:3",
    ),
    (
        "gate format typo",
        ["gate", "EMPTY", "--baseline", "nowhere", "--format", "xml"],
        2,
        "'junit'",
    ),
    ("leaderboard of nothing", ["leaderboard"], 2, "RUN..."),
    ("report of no run", ["report", "EMPTY"], 2, "or a run directory, or a log of lm-eval"),
    ("negative number of flips", ["report", "EMPTY", "--flips", "-1"], 2, "--flips"),
    ("what to export typo", ["export", "EMPTY", "--what", "score", "--out", "x"], 2, "'scores'"),
    ("watch of no run", ["watch", "nowhere"], 2, "no run directory"),
    ("data of no benchmark", ["data", "fetch", "mmluu"], 2, "did you mean 'mmlu'"),
    ("lint of a missing file", ["phrasings", "lint", "none.yaml"], 2, "none.yaml"),
    ("table of another kind", ["analyse", "BROKEN"], 2, "accepted: .csv"),
    ("table without the columns", ["audit", "OTHERCSV"], 2, "columns: a, b"),
    ("version typo", ["--verion"], 2, "Did you mean '--version'"),
    ("export of no run", ["export", "EMPTY", "--out", "x.jsonl"], 2, "no run directory"),
]


RUN_TAKERS = (
    "score RUN",
    "report RUN",
    "leaderboard RUN",
    "compare RUN RUN",
    "gate RUN --baseline RUN",
    "export RUN --out x.jsonl",
    "export RUN --what lm-eval --out x",
    "export RUN --what every-eval-ever --out x",
    "watch RUN",
    "phrasings suggest RUN",
)
"""Every command that takes a run which must be there already."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the stand-ins of the list as paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "broken.yaml").write_text("- id: a\n- text: [unclosed\n")
    names = {
        "OUT": "run",
        "EMPTY": "empty",
        "FILE": "file",
        "BROKEN": "broken.yaml",
        "EMPTYCSV": "empty.csv",
        "OTHERCSV": "other.csv",
    }
    return {name: str(tmp_path / value) for name, value in names.items()}


@pytest.mark.parametrize(
    ("words", "code", "part"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_a_bad_input_gets_one_clear_message(
    words: list[str],
    code: int,
    part: str,
    places: dict[str, str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What, where, how to mend; nothing is left half-written."""
    found = invoke([places.get(word, word) for word in words])
    shown = capsys.readouterr().err.strip()
    part = places.get(part, part)

    assert (
        found,
        part.lower() in shown.lower(),
        "Traceback" in shown,
        len(shown.splitlines()) <= 3,
    ) == (code, True, False, True), shown
    assert not Path(places["OUT"], "manifest.json").exists()


@pytest.mark.parametrize("line", RUN_TAKERS)
@pytest.mark.parametrize("place", ["EMPTY", "FILE", "nowhere"])
def test_a_path_that_is_no_run_is_a_slip_of_the_command_line(
    line: str, place: str, places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 whatever the command, and the path in the message;
    4 is for what the machine lacks.
    """
    path = places.get(place, place)

    assert invoke([path if word == "RUN" else word for word in line.split()]) == 2
    assert path in capsys.readouterr().err
    assert not Path("x").exists()


def test_there_are_at_least_thirty_bad_inputs() -> None:
    """The list does not shrink."""
    assert len(BAD) >= 30


def test_both_spellings_of_an_option_work(
    places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Hyphen and underscore mean the same, as in lm-eval."""
    words = [places.get(word, word) for word in RUN]

    assert invoke([*words, "--batch_size", "2", "--num_fewshot", "0"]) == 0


def test_an_error_of_a_secret_does_not_show_it(
    places: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token in the environment never reaches a manifest, not even through the command line."""
    monkeypatch.setenv("HF_TOKEN", "hf_canary_0123456789")
    monkeypatch.setattr("sys.argv", ["evalkit", "run", "--model", "x?token=hf_canary_0123456789"])
    words = [places.get(word, word) for word in RUN]
    code = invoke(words)
    text = Path(places["OUT"], "manifest.json").read_text(encoding="utf-8")

    assert (code, "hf_canary" in text) == (0, False)


def test_a_slip_in_the_name_of_a_tuning_collection_is_noticed(
    places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """'flann' would make every phrasing unseen without a word;
    names of the user's own and of known collections pass in silence.
    """
    words = [places.get(word, word) for word in RUN]
    found = [
        invoke([*words, "--fresh", "--tuned-on", name])
        for name in ("flann", "our-own-mixture", "flan,evalkit-tuning")
    ]
    said = [line for line in capsys.readouterr().err.splitlines() if "--tuned-on" in line]

    assert (found, said) == (
        [0, 0, 0],
        ["--tuned-on: no phrasing comes from 'flann'; did you mean 'flan'?"],
    )


def test_a_group_without_a_command_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, and the help without the word error."""
    found = invoke(["phrasings"])
    shown = capsys.readouterr().err

    assert (found, shown.startswith("Usage: evalkit phrasings"), "Error" in shown) == (
        2,
        True,
        False,
    )


def test_a_table_keeps_all_columns_on_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines grow longer than the terminal before a column vanishes; the title is one line."""
    from evalkit.cli.options import print_table

    monkeypatch.setenv("COLUMNS", "40")
    numbers = ["81.2 [41.7, 97.6]"] * 4
    print_table(
        ["task", *"abcd"],
        [["procedural/boolean", *numbers]],
        title="percentage points, 95% intervals, of everything there is",
    )
    lines = capsys.readouterr().out.splitlines()

    assert lines[0] == "percentage points, 95% intervals, of everything there is"
    assert lines[2].startswith("procedural/b")
    assert lines[2].count("81.2 [41.7, 97.6]") == 4
