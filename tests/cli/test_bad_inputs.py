"""A fixed list of bad inputs: each gets at most three lines (what, where, how to mend), the right exit code, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.cli.main import invoke

RUN = [
    "run",
    "--model",
    "scripted:perfect",
    "--tasks",
    "procedural/boolean",
    "--limit",
    "2",
    "--phrasings",
    "2",
    "--no-cache",
    "--out",
    "OUT",
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
    ("neither suite nor tasks", ["run", "--model", "scripted:perfect"], 2, "exactly one of the two"),
    ("suite and tasks", changed(suite="quickstart"), 2, "exactly one of the two"),
    ("suite typo", ["run", "--model", "scripted:perfect", "--suite", "quickstrat"], 2, "quickstart"),
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
    ("benchmark data missing", changed(tasks="mmlu/anatomy", data_dir="EMPTY"), 4, "evalkit data fetch"),
    ("too many shots", changed(shots="100000"), 2, "--shots"),
    ("kind of phrasing that is none", changed(kinds="corect"), 2, "no phrasing is left"),
    ("perturbation typo", changed(perturb="wrod:rate=0.1"), 2, "word"),
    ("perturbation option typo", changed(perturb="drop:rat=0.1"), 2, "rate"),
    ("phrasing file missing", changed(phrasing_file="none.yaml"), 2, "none.yaml"),
    ("phrasing file broken", changed(phrasing_file="BROKEN"), 2, "broken.yaml:3"),
    ("mitigation unknown", changed(mitigation="magic"), 2, "magic"),
    ("output is a file", changed(out="FILE"), 4, "FILE"),
    ("score of no run", ["score", "EMPTY"], 4, "no run directory"),
    ("score of a missing directory", ["score", "nowhere"], 4, "no run directory"),
    ("list of a kind that is none", ["ls", "taks"], 2, "tasks"),
    ("check of a missing file", ["check", "none.yaml"], 2, "none.yaml"),
    ("check of a broken file", ["check", "BROKEN"], 2, "broken.yaml:3"),
    ("table missing", ["analyse", "none.csv"], 2, "none.csv"),
    ("table empty", ["analyse", "EMPTYCSV"], 2, "empty.csv"),
    ("compare with no run", ["compare", "EMPTY", "EMPTY"], 2, ""),
    ("export of no run", ["export", "EMPTY", "--out", "x.jsonl"], 4, "no run directory"),
]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the stand-ins of the list as paths."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.yaml").write_text("- id: a\n- text: [unclosed\n")
    names = {"OUT": "run", "EMPTY": "empty", "FILE": "file", "BROKEN": "broken.yaml", "EMPTYCSV": "empty.csv"}
    return {name: str(tmp_path / value) for name, value in names.items()}


@pytest.mark.parametrize(("words", "code", "part"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_bad_input_gets_one_clear_message(
    words: list[str], code: int, part: str, places: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What, where, how to mend; nothing is left half-written."""
    found = invoke([places.get(word, word) for word in words])
    shown = capsys.readouterr().err.strip()
    part = places.get(part, part)

    assert (found, part.lower() in shown.lower(), "Traceback" in shown, len(shown.splitlines()) <= 4) == (code, True, False, True), shown
    assert not Path(places["OUT"], "manifest.json").exists()


def test_there_are_at_least_thirty_bad_inputs() -> None:
    """The list does not shrink."""
    assert len(BAD) >= 30


def test_both_spellings_of_an_option_work(places: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
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
