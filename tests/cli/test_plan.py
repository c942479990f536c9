"""`evalkit plan`: what a run would do, and how much is enough."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.cli.main import invoke
from evalkit.records.manifest import Attempt
from evalkit.runs.forecast import _seconds_per_token
from evalkit.store.directory import RunDir, read_manifest

WORDS = [
    *"--tasks procedural/boolean,procedural/rewrite --tuned-on evalkit-tuning --phrasings".split(),
    "4",
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return every file with its size and time."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """Return what the command prints with --json."""
    capsys.readouterr()
    assert invoke(["plan", *words, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def run(*words: str) -> None:
    """Run the scripted model quietly."""
    assert (
        invoke(
            ["run", "--model", "scripted:noise", *WORDS, "--resamples", "100", "--quiet", *words]
        )
        == 0
    )


def test_it_counts_what_a_run_then_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tasks, relations, cells and unique requests are those of the manifest of the run itself."""
    found = plan(capsys, "--model", "scripted:noise", *WORDS, "--limit", "6", "--out", "a")["plan"]
    run("--limit", "6", "--out", "a")
    counts = read_manifest(tmp_path / "a").totals

    assert (found["total"]["cells"], found["total"]["requests"]) == (
        counts.cells,
        counts.requests,
    )
    assert [(row["task"], row["phrasings"], row["instances"]) for row in found["tasks"]] == [
        ("procedural/boolean", 4, 6),
        ("procedural/rewrite", 4, 6),
    ]
    assert all(row["seen"] + row["unseen"] == 4 and row["unknown"] == 0 for row in found["tasks"])
    assert (found["pending"], found["tokens_by"], found["seconds"]) == (
        counts.requests,
        "characters",
        None,
    )


def test_it_says_what_is_stored_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """A finished run has nothing to ask; a larger one elsewhere asks only for what the cache
    lacks where it is wanted; --fresh asks for all.
    """
    run("--limit", "4", "--out", "a", "--cache")
    same = plan(capsys, "--model", "scripted:noise", *WORDS, "--limit", "4", "--out", "a")["plan"]
    larger = plan(
        capsys, "--model", "scripted:noise", *WORDS, "--limit", "6", "--out", "b", "--cache"
    )["plan"]
    without = plan(capsys, "--model", "scripted:noise", *WORDS, "--limit", "6", "--out", "b")[
        "plan"
    ]
    other = plan(
        capsys, "--model", "scripted:noise,seed=1", *WORDS, "--limit", "6", "--out", "b", "--cache"
    )["plan"]
    fresh = plan(
        capsys, "--model", "scripted:noise", *WORDS, "--limit", "4", "--out", "a", "--fresh"
    )["plan"]

    assert (same["stored_in_run"], same["stored_in_cache"], same["pending"]) == (32, 0, 0)
    assert (larger["stored_in_run"], larger["stored_in_cache"], larger["pending"]) == (0, 32, 16)
    assert [item["pending"] for item in (without, other, fresh)] == [48, 48, 32]


def test_it_leaves_no_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a byte changes beside a run, its store and the cache, nor where nothing was yet."""
    run("--limit", "4", "--out", "a")
    before = tree(tmp_path)
    for words in (["--out", "a"], ["--out", "new"], ["--out", "a", "--limit", "9"], ["--fresh"]):
        plan(capsys, "--model", "scripted:noise", *WORDS, "--limit", "4", *words)

    assert tree(tmp_path) == before


def test_another_run_in_the_folder_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """What stands there counts for nothing, and the run would be refused."""
    run("--limit", "4", "--out", "a", "--no-cache")
    found = plan(capsys, "--model", "scripted:noise", *WORDS, "--limit", "5", "--out", "a")["plan"]

    assert (found["stored_in_run"], found["notes"]) == (
        0,
        ["a holds another run: 'evalkit run' will refuse it unless --out or --fresh is given"],
    )


def test_tokens_are_counted_without_reading_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The weights here are no weights; the tokenizer counts one token per word."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from evalkit.records import ModelSpec, Suite
    from evalkit.runs.ask import prompt_of
    from evalkit.runs.choose import choose
    from evalkit.runs.forecast import Settings

    raw = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>").save_pretrained(
        tmp_path / "model"
    )
    (tmp_path / "model" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "model" / "model.safetensors").write_bytes(b"no weights at all")
    found = plan(
        capsys,
        "--model",
        "model",
        "--tasks",
        "procedural/boolean",
        "--limit",
        "3",
        "--phrasings",
        "2",
    )["plan"]
    suite = Suite(name="tasks", tasks=("procedural/boolean",), limit=3, phrasings=2)
    ((job,), _) = choose(Settings(model=ModelSpec(backend="hf", name="model"), suite=suite))
    words = sum(
        len(prompt_of(job, phrasing, at).text.split())
        for phrasing in job.phrasings
        for at in range(3)
    )

    assert found["tokens_by"] == "tokenizer"
    assert found["total"]["prompt_tokens"] == pytest.approx(words)


def test_time_follows_from_the_speed_of_an_earlier_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """50 of 100 requests with 2,000 prompt tokens were asked in 10 s: 0.01 s a token;
    attempts that asked nothing do not count.
    """
    run("--limit", "2", "--out", "runs/a")
    manifest = read_manifest(tmp_path / "runs" / "a")
    changed = replace(
        manifest,
        attempts=(
            Attempt(started="x", seconds=10.0, engine={"requests": 50}),
            Attempt(started="y", seconds=99.0, engine={"requests": 0}),
        ),
        counts=replace(manifest.totals, requests=100, prompt_tokens=2000),
    )
    RunDir(tmp_path / "runs" / "a").write_manifest(changed)
    found = plan(
        capsys, "--model", "scripted:noise", *WORDS, "--limit", "7", "--out", "runs/b", "--no-cache"
    )["plan"]

    assert _seconds_per_token(changed) == pytest.approx(0.01)
    assert found["seconds"] == pytest.approx(
        0.01 * (found["total"]["prompt_tokens"] + found["total"]["answer_tokens"])
    )
    assert found["seconds_from"] == "runs/a"


def test_a_served_model_with_prices_has_a_cost_and_is_not_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No connection is made (there is no server),
    and the cost is an upper bound from tokens and prices.
    """
    name = "openai:m@http://127.0.0.1:9/v1,price_in=2,price_out=8"
    found = plan(capsys, "--model", name, *WORDS, "--limit", "2")["plan"]
    answers = found["total"]["answer_tokens"] + 16 * found["pending"]

    assert found["cost"] == pytest.approx((2 * found["total"]["naive_tokens"] + 8 * answers) / 1e6)


def test_stated_components_give_the_designs_of_the_formula(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Variances 0.0004, 0.15, 0.05 and a gap of 5 points:
    7 phrasings per arm at 100 instances, 5 at 1,000 (doctest of `stats.designs`).
    """
    (scope,) = plan(capsys, "--components", "0.0004,0.15,0.05", "--difference", "5")["sizing"][
        "scopes"
    ]
    per_arm = {design["n_instances"]: design["n_per_arm"] for design in scope["designs"]}

    assert (per_arm[100], per_arm[1000]) == (7, 5)
    assert all(design["power"] >= 0.8 for design in scope["designs"])


def test_a_pilot_is_sized_for_one_task_and_for_their_mean(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The mean over two tasks needs no more phrasings than one task;
    the table names the cheapest.
    """
    run("--limit", "20", "--out", "pilot")
    one, mean = plan(capsys, "--pilot", "pilot", "--difference", "10")["sizing"]["scopes"]
    code = invoke(["plan", "--pilot", "pilot", "--difference", "10"])

    assert (one["scope"], mean["scope"]) == ("one task", "mean of 2 tasks")
    assert mean["components"]["interaction"] == pytest.approx(one["components"]["interaction"] / 2)
    assert all(
        m["n_per_arm"] <= o["n_per_arm"]
        for o, m in zip(one["designs"], mean["designs"], strict=False)
    )
    assert (code, "fewest cells" in capsys.readouterr().out) == (0, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--model: says nothing of what is run"),
        (["--pilot", "x"], "--difference: is missing"),
        (["--difference", "2"], "--pilot or --components: exactly one"),
        (
            ["--difference", "2", "--pilot", "x", "--components", "0,0,0"],
            "--pilot or --components: exactly one",
        ),
        (
            ["--difference", "0", "--components", "0.1,0.1,0.1"],
            "--difference: 0 points cannot be looked for",
        ),
        (
            ["--difference", "2", "--components", "0.1,0.1"],
            "--components: '0.1,0.1' is not understood",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and what is accepted."""
    code = invoke(["plan", *words])

    assert (code, message in capsys.readouterr().err) == (2, True)
