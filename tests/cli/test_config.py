"""Defaults from evalkit.toml: which one wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from evalkit.cli import config
from evalkit.cli.main import cli, invoke
from evalkit.errors import UsageError


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Return the project's folder, which is the current one,
    and the user's configuration folder.
    """
    project, user = tmp_path / "project", tmp_path / "user"
    project.mkdir()
    user.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.delenv("EVALKIT_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_config_path", lambda *args, **kwargs: user)
    return project, user


def value(name: str, *words: str) -> object:
    """Return what an option of ``run`` is after the command line, environment and files were
    read.
    """
    command = cli.get_command(click.Context(cli), "run")
    assert command is not None
    context = command.make_context(
        "run", ["--model", "demo", *words], default_map=config.default_map().get("run", {})
    )
    return context.params[name]


def test_without_a_file_there_are_no_defaults(folders):
    """Nothing has to be configured."""
    assert config.default_map() == {}
    assert value("level") == 0.95


def test_option_beats_environment_beats_project_beats_user(folders, monkeypatch):
    """The nearer to the command, the stronger."""
    project, user = folders
    (user / "evalkit.toml").write_text('[run]\ndata_dir = "of-user"\nlevel = 0.8\n')
    seen = [value("data_dir")]
    (project / "evalkit.toml").write_text('[run]\ndata-dir = "of-project"\n')
    seen.append(value("data_dir"))
    monkeypatch.setenv("EVALKIT_DATA", "of-environment")
    seen.append(value("data_dir"))
    seen.append(value("data_dir", "--data-dir", "of-option"))

    assert seen == [Path("of-user"), Path("of-project"), Path("of-environment"), Path("of-option")]
    assert value("level") == 0.8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("level = 0.9\n", "'level' stands outside a table; write [run]"),
        ("[run\n", "cannot be read"),
    ],
    ids=["outside a table", "no TOML"],
)
def test_a_file_that_cannot_be_used_is_named(folders, text, message):
    """The message names the file and what is wrong."""
    (folders[0] / "evalkit.toml").write_text(text)

    with pytest.raises(UsageError) as caught:
        config.default_map()

    assert message in str(caught.value)
    assert str(caught.value).startswith("evalkit.toml: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rnu]\nlevel = 0.9\n", "evalkit.toml: [rnu] is no command; known: run, plan"),
        (
            "[run]\nlevle = 0.9\n",
            "evalkit.toml: [run] has no option 'levle'. Type 'evalkit run --help' for all.",
        ),
        ("[data.status]\ndata_dir = 'x'\n", "evalkit.toml: [data] has no option 'status'."),
    ],
    ids=["command", "option", "subcommand"],
)
def test_a_typo_in_the_file_is_refused(folders, capsys, text, message):
    """What is not known is an error of usage before anything is done."""
    (folders[0] / "evalkit.toml").write_text(text)
    code = invoke(["ls", "backends"])

    assert code == 2
    assert message in capsys.readouterr().err


def test_values_are_listed_with_their_file(folders):
    """``evalkit doctor`` can say where a setting comes from."""
    (folders[0] / "evalkit.toml").write_text("[run]\nlevel = 0.9\n")

    assert config.config_values() == [("run.level", "0.9", "evalkit.toml")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            'model_args = "dtype=float32, trust_remote_code = True"',
            "model_args: sets trust_remote_code",
        ),
        ('model-args = "allow_pickle=1"', "model_args: sets allow_pickle"),
        ('chat_template = "../letter.txt"', "chat_template: sets ../letter.txt"),
        ('model = "mine.yaml"', "model: sets options.trust_remote_code"),
    ],
)
def test_a_project_file_may_not_lift_a_guard(folders, text, what):
    """It may have come with the directory; the user's own file may,
    and a guard that is not lifted is no matter.
    """
    project, user = folders
    (project / "mine.yaml").write_text(
        "backend: hf\nname: someone/model\noptions: {trust_remote_code: true}\n"
    )
    (user / "evalkit.toml").write_text(f"[run]\n{text}\n")
    assert config.default_map()["run"]

    (project / "evalkit.toml").write_text('[run]\nmodel_args = "trust_remote_code=false"\n')
    assert config.default_map()["run"]

    (project / "evalkit.toml").write_text(f"[run]\n{text}\n")
    with pytest.raises(UsageError) as caught:
        config.default_map()
    assert str(caught.value) == (
        f"evalkit.toml: [run] {what}, which counts only on the command line. "
        "Take it out and type it there."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[run]\nseed = [1]\n", "[run] seed is [1]; one text or number accepted"),
        ("[run]\nlimit = {a = 1}\n", "[run] limit is {'a': 1}; one text or number accepted"),
        ("[run]\nlimit = 'abc'\n", "[run] limit is 'abc': 'abc' is not a valid integer"),
        ("[run]\nseed = 1979-05-27\n", "[run] seed is 1979-05-27; one text or number accepted"),
        ("a = " + "[" * 5000 + "]" * 5000, "cannot be read"),
        ("[run]\nseed = " + "9" * 5000, "cannot be read"),
        ("x = '" + "y" * 2**20 + "'", "at most 1048576 are accepted"),
        ("\x00", "cannot be read"),
    ],
)
def test_a_value_that_an_option_cannot_take_is_one_message(folders, capsys, text, message):
    """File, option and value are named; exit code 2, whatever the command is."""
    (folders[0] / "evalkit.toml").write_text(text)

    assert invoke(["ls", "backends"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Error: evalkit.toml: ")
    assert message in said


@pytest.mark.parametrize(
    "line",
    [
        "model_args = 'pretrained=./m,trust_remote_code=true'",
        "model_args = 'pretrained=./m,allow_pickle=true'",
        "model = 'lm-eval:hf,pretrained=./m,trust_remote_code=True'",
        "model = 'm.yaml'",
        "tasks = 'lm_eval:./evil.yaml'",
        "model = 'openai:m@http://127.0.0.1:9/v1'",
        "model = ['demo', 'openai:m@https://elsewhere.example/v1']",
        "model = 'openai:gpt-4o,key_env=AWS_SECRET_ACCESS_KEY'",
        "model = 'served.yaml'",
        "model_args = 'model=m,base_url=http://10.0.0.1/v1'",
    ],
)
def test_the_file_of_the_current_directory_lifts_no_guard(folders, capsys, line):
    """It may have come with somebody else's files;
    the user's own file and the command line count.
    """
    project, user = folders
    (project / "m.yaml").write_text("backend: hf\nname: ./m\noptions: {trust_remote_code: true}\n")
    (project / "served.yaml").write_text("backend: openai\nname: m@http://10.0.0.1/v1\n")
    (project / "evalkit.toml").write_text(f"[run]\n{line}\n")

    assert invoke(["ls", "backends"]) == 2
    assert "which counts only on the command line" in capsys.readouterr().err
    (project / "evalkit.toml").rename(user / "evalkit.toml")
    assert invoke(["ls", "backends"]) == 0


def test_a_gate_names_what_a_file_sets(folders, capsys):
    """exit_zero of a file cannot turn a failing gate green in silence."""
    run = [
        *"--tasks procedural/boolean --limit 3 --phrasings 3 --resamples 100".split(),
    ]
    for model in ("perfect", "wrong"):
        assert invoke(["run", "--model", f"scripted:{model}", *run, "--out", model, "-q"]) == 0
    Path("p.yaml").write_text(
        "name: p\nrules: [{metric: mean, margin: 0.02}]\nallow_limited: true\n"
    )
    Path("evalkit.toml").write_text("[gate]\nexit_zero = true\n")
    capsys.readouterr()

    code = invoke(["gate", "wrong", "--baseline", "perfect", "--policy", "p.yaml"])

    said = capsys.readouterr().err
    assert code == 0
    assert "evalkit.toml: sets gate.exit_zero = True" in said
    assert "exit code 0 in place of 3: --exit-zero is set" in said


@pytest.mark.parametrize(
    "words",
    [
        ["gate", "nowhere", "--baseline", "x"],
        ["run", "--model", "nowhere/x/y", "--tasks", "procedural/boolean"],
        ["run", "--model", "demo", "--tasks", "nothing"],
        ["ls", "nothing"],
        ["analyse", "nowhere.csv"],
    ],
)
def test_debug_keeps_the_exit_code(folders, capfd, words):
    """The traceback comes beside the message, not in place of the code: 1 means regression."""
    plain = invoke(words)
    capfd.readouterr()

    assert invoke([*words, "--debug"]) == plain
    assert "Error: " in capfd.readouterr().err
    assert plain in (2, 4)


@pytest.mark.parametrize("place", [0, 1], ids=["project", "user"])
def test_fresh_counts_in_no_file(folders, place):
    """The line to go on with reads the file too, and would wipe the run it goes on with."""
    (folders[place] / "evalkit.toml").write_text("[run]\nfresh = true\n")
    with pytest.raises(UsageError, match="fresh: would wipe a run each time it is gone on with"):
        config.default_map()
    (folders[place] / "evalkit.toml").write_text("[run]\nfresh = false\n")
    assert config.default_map() == {"run": {"fresh": False}}


@pytest.mark.parametrize("kind", ["folder", "pipe", "link to nothing"])
def test_what_is_no_file_is_not_taken_for_no_defaults(folders, kind):
    """A folder, a pipe or a broken link called evalkit.toml is named;
    nothing waits for the pipe.
    """
    place = folders[0] / "evalkit.toml"
    if kind == "folder":
        place.mkdir()
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("nowhere")

    assert invoke(["run", "--model", "demo", "--suite", "quickstart"]) == 2
    with pytest.raises(UsageError, match=r"evalkit\.toml: is no file"):
        config.config_files()
