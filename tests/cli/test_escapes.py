"""What a terminal would obey never reaches one, looked at on a pseudo-terminal."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import select
import sys
from pathlib import Path

import pytest

from evalkit.report.terminal import json_shown, say, shown

ROOT = Path(__file__).parent.parent.parent / "evalkit"
BAD = "\x1b]2;mine\x07\x1b[H\x1b[J\x9b2J\x1b]52;c;eA==\x1b\\\x1bc\x08\x7f\u202e\x0e"
OBEYED = re.compile(rb"\x1b\]|\x1b\[[HJ]|\xc2\x9b|\x1bc|\x07|\x08|\x7f|\x0e|\xe2\x80\xae")


def on_terminal(folder: Path, *words: str) -> tuple[int, bytes]:
    """Run a command on a pseudo-terminal and return its exit code and all it wrote there."""
    pty = pytest.importorskip("pty")
    pid, handle = pty.fork()
    if pid == 0:
        os.chdir(folder)
        settings = {"EVALKIT_HOME": str(folder / "home"), "TERM": "xterm", "COLUMNS": "120"}
        command = [sys.executable, "-m", "evalkit", *words]
        os.execve(sys.executable, command, {**os.environ, **settings})
    written = b""
    while select.select([handle], [], [], 120)[0]:
        try:
            piece = os.read(handle, 65536)
        except OSError:
            break
        if not piece:
            break
        written += piece
    os.close(handle)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), written


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model, a task, phrasings and data that hold control sequences,
    and a run of them.
    """
    root = tmp_path_factory.mktemp("escapes")
    (root / "m.yaml").write_text(
        f"backend: scripted\nname: noise\nlabel: {json.dumps('l' + BAD)}\n"
    )
    rows = [
        {"id": f"i{n}{BAD}", "question": f"q{n}{BAD}", "target": f"t{n}{BAD}"} for n in range(3)
    ]
    (root / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "t.yaml").write_text(
        "name: odd\nbenchmark: own\nreader: table\nkind: generate\nmetric: exact_match\n"
        f"max_tokens: 4\nsource: {{local: d.jsonl}}\nnotes: {json.dumps(BAD)}\n"
    )
    phrasings = [
        {"id": f"p{n}", "text": f"Say {n} {BAD}", "source": f"s{BAD}", "author": BAD, "tasks": ["own/odd"]}  # noqa: E501
        for n in range(2)
    ]  # fmt: skip
    (root / "p.yaml").write_text(json.dumps(phrasings))
    return root


RUN = [
    "run",
    "--model",
    "m.yaml",
    "--tasks",
    "t.yaml",
    "--phrasing-file",
    "p.yaml",
    "--resamples",
    "100",
    "--no-report",
    "--out",
    "run",
]


def test_no_command_lets_a_terminal_obey_what_files_hold(folder: Path) -> None:
    """Label, ids, texts, notes and errors, in tables, lines, progress and JSON."""
    commands = [
        RUN,
        ["watch", "run", "--once"],
        ["watch", "run", "--once", "--json"],
        ["plan", *RUN[1:]],
        ["compare", "run", "run", "--json"],
        ["ls", "phrasings", "--task", f"x{BAD}"],
        ["check", "t.yaml", "p.yaml", "m.yaml"],
        ["data", "status", "t.yaml"],
        ["gate", "run", "--baseline", "run"],
        ["run", "--model", f"no{BAD}", "--tasks", "t.yaml", "--debug"],
    ]
    raw = {
        " ".join(words[:3]): [found.hex() for found in OBEYED.findall(written)]
        for words in commands
        for _, written in [on_terminal(folder, *words)]
        if OBEYED.search(written)
    }

    assert raw == {}


def test_the_label_is_still_there_to_be_read(folder: Path) -> None:
    """Spelt out, not left out."""
    code, written = on_terminal(folder, *RUN)

    assert code == 0
    assert rb"l\x1b]2;mine\x07\x1b[H" in written


def test_everything_is_printed_through_one_function() -> None:
    """Only report/terminal.py writes with click, so no new line of code can forget to escape."""
    writers = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in {"echo", "secho"})
        or (isinstance(node, ast.Name) and node.id == "print" and isinstance(node.ctx, ast.Load))
    }  # fmt: skip

    assert writers == {"report/terminal.py"}


@pytest.mark.parametrize(
    "letter",
    [
        *map(chr, range(32)),
        "\x7f",
        *map(chr, range(0x80, 0xA0)),
        "\u2028",
        "\u202e",
        "\ufeff",
        "\ud800",
        "\U000e0001",
    ],
)
def test_every_control_letter_is_spelt_out(letter: str) -> None:
    """In text and in JSON, whose value stays the same."""
    text = json.dumps([f"a{letter}b"], ensure_ascii=False)

    assert letter in "\n\t" or letter not in shown(f"a{letter}b")
    assert letter not in shown(f"a{letter}b", lines=False)
    assert json.loads(json_shown(text)) == [f"a{letter}b"]
    assert all(char.isprintable() for char in json_shown(text))


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "−1 ± “é”…\n"), ("cp1252", '-1 +- "é"...\n'), ("ascii", '-1 +- "\\xe9"...\n')],
)
def test_signs_that_an_encoding_lacks_are_spelt_plainly(
    encoding: str, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minus stays a minus on an older terminal; only letters of others become escapes."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding=encoding, newline=""))
    say("−1 ± “é”…")
    sys.stdout.flush()

    assert buffer.getvalue().decode(encoding) == written
