"""Hub ids with a pinned revision, against a small hub on loopback."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest_httpserver = pytest.importorskip("pytest_httpserver")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SCRIPT = """
import json, sys
from evalkit.backends.hf.backend import HFBackend
from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request
try:
    backend = HFBackend(ModelSpec(backend="hf", name=sys.argv[1], revision=sys.argv[2], device="cpu"))
except BackendError as error:
    print(json.dumps({"error": str(error)}))
else:
    ask = Request(kind="choice", text="Two dogs", continuations=(" follow", " A"))
    (response,) = [r for batch in backend.run([Ask(ask)]) for r in batch]
    print(json.dumps({"logprobs": response.logprobs, **backend.fingerprint()}))
"""  # noqa: E501


@pytest.fixture
def hub(model_dir: Callable[..., Path], httpserver: Any) -> Any:
    """Serve one model as ``evalkit/tiny`` at one commit, the branch ``main`` pointing to it."""
    from werkzeug.wrappers import Response as Answer

    directory = model_dir("llama")
    names = sorted(p.name for p in directory.iterdir())
    info = {
        "id": "evalkit/tiny",
        "modelId": "evalkit/tiny",
        "sha": COMMIT,
        "siblings": [{"rfilename": n} for n in names],
        "tags": [],
    }
    tree = [
        {"type": "file", "path": n, "size": (directory / n).stat().st_size, "oid": "0" * 40}
        for n in names
    ]
    for revision in ("main", COMMIT):
        httpserver.expect_request(
            f"/api/models/evalkit/tiny/revision/{revision}"
        ).respond_with_json(info)
        httpserver.expect_request(f"/api/models/evalkit/tiny/tree/{revision}").respond_with_json(
            tree
        )
    for name in names:
        content = (directory / name).read_bytes()
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        httpserver.expect_request(f"/evalkit/tiny/resolve/{COMMIT}/{name}").respond_with_handler(
            lambda request, content=content, headers=headers: Answer(content, headers=headers)
        )
    missing = {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
    httpserver.expect_request("/api/models/evalkit/absent/revision/main").respond_with_data(
        "", status=404, headers=missing
    )
    wrong = {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id: v9"}
    httpserver.expect_request("/api/models/evalkit/tiny/revision/v9").respond_with_data(
        "", status=404, headers=wrong
    )
    return httpserver


def ask(endpoint: str, home: Path, name: str, revision: str, **settings: str) -> dict[str, Any]:
    """What a fresh process with its own cache prints."""
    import os

    env = {
        **os.environ,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    env.pop("HF_HUB_OFFLINE", None) if "HF_HUB_OFFLINE" not in settings else None
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, revision],
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.slow
def test_a_hub_model_is_fetched_at_its_revision_and_scored(
    hub: Any, model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    """A branch is resolved to its commit, weights equal those of the directory,
    and offline the cache is enough.
    """
    endpoint = hub.url_for("").rstrip("/")
    fetched = ask(endpoint, tmp_path, "evalkit/tiny", "main")
    cached = ask("http://127.0.0.1:9", tmp_path, "evalkit/tiny", COMMIT, HF_HUB_OFFLINE="1")
    local = ask(endpoint, tmp_path, str(model_dir("llama")), "main")

    assert fetched["revision"] == COMMIT
    assert fetched == cached
    assert (fetched["weights"], fetched["tokenizer"]) == (local["weights"], local["tokenizer"])
    assert fetched["logprobs"] == pytest.approx(local["logprobs"], abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "revision", "message"),
    [
        (
            "evalkit/absent",
            "main",
            "evalkit/absent@main: no such directory here and no such model on the hub",
        ),
        ("evalkit/tiny", "v9", "evalkit/tiny@v9: cannot be fetched from the hub"),
    ],
)
def test_a_model_or_revision_the_hub_lacks_is_one_clear_line(
    hub: Any, tmp_path: Path, name: str, revision: str, message: str
) -> None:
    """The message names model and revision."""
    found = ask(hub.url_for("").rstrip("/"), tmp_path, name, revision)

    assert found["error"].startswith(message)
    assert "\n" not in found["error"]


@pytest.mark.slow
def test_an_unreachable_hub_is_one_clear_line(tmp_path: Path) -> None:
    """Without network and cache the message says so."""
    found = ask("http://127.0.0.1:9", tmp_path, "evalkit/tiny", "main", HF_HUB_OFFLINE="1")

    assert found["error"].startswith(
        "evalkit/tiny@main: not in the local cache and the hub cannot be reached."
    )


@pytest.mark.slow
def test_a_plan_counts_what_the_cache_holds_for_a_hub_model_without_a_network(
    hub: Any, tmp_path: Path
) -> None:
    """Nothing before the model was fetched; everything after a run, with the hub gone."""
    import os

    chosen = [
        *"--model evalkit/tiny --tasks procedural/comparison --phrasings 2 --limit 3".split(),
    ]
    gone = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    base = {
        **os.environ,
        "HF_HOME": str(tmp_path / "hub"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "HF_HUB_DISABLE_XET": "1",
    }
    base.pop("HF_HUB_OFFLINE", None)

    def evalkit(*arguments: str, **settings: str) -> Any:
        command = [sys.executable, "-m", "evalkit", *arguments]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**base, **settings},
            cwd=tmp_path,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = json.loads(evalkit("plan", *chosen, "--out", "other", "--json", **gone))["plan"]
    evalkit("run", *chosen, "--out", "run", HF_ENDPOINT=hub.url_for("").rstrip("/"))
    after = json.loads(evalkit("plan", *chosen, "--out", "other", "--json", **gone))["plan"]

    assert (before["stored_in_cache"], before["pending"]) == (0, 6)
    assert (after["stored_in_cache"], after["pending"]) == (6, 0)
