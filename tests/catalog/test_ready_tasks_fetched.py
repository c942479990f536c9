"""Ready tasks whose files live on a hub, fetched from a small hub on this machine;
the rows are ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from evalkit.catalog import load_instances
from evalkit.cli.main import invoke
from evalkit.errors import CatalogError
from tests.catalog.test_ready_tasks import HUB, UPSTREAM, content, loose, placed

ELSEWHERE = "b" * 40
"""A commit that no task pins."""


@pytest.fixture
def served(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], list[str]]:
    """Return what serves the files of a ready task at one commit, and lists what was asked."""
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def serve(name: str, commit: str) -> list[str]:
        task, asked = loose(name), []
        written, rows = HUB[name]
        pattern = re.escape(task.source.files[0]).replace(re.escape("{split}"), "[a-z]+")
        there = re.compile(f"/datasets/{task.source.hub}/resolve/{commit}/{pattern}")

        def answer(request: Request) -> Response:
            asked.append(request.path)
            if there.fullmatch(request.path):
                return Response(written(rows), content_type="application/octet-stream")
            missing = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"}
            return Response("Entry not found", 404, headers=missing)

        httpserver.expect_request(re.compile("/.*")).respond_with_handler(answer)
        return asked

    return serve


@pytest.mark.parametrize("name", sorted(HUB))
def test_a_ready_task_gets_its_files_by_the_pinned_commit(
    name: str, served: Callable[[str, str], list[str]], tmp_path: Path
) -> None:
    """Nothing else is asked of the hub, and the instances are those of upstream's own file."""
    task = loose(name)
    asked = served(name, str(task.source.revision))

    assert invoke(["data", "fetch", name, "--data-dir", str(tmp_path / "hub")]) == 0

    start = f"/datasets/{task.source.hub}/resolve/{task.source.revision}/"
    assert asked
    assert all(path.startswith(start) for path in asked)
    written, rows, _ = UPSTREAM[name]
    placed(task, tmp_path / "own", hub=False, content=written(rows))
    assert content(load_instances(task, tmp_path / "hub")) == content(
        load_instances(task, tmp_path / "own")
    )


@pytest.mark.parametrize("name", ["mmlu_pro/math", "superglue/cb", "medqa/us4"])
def test_a_hub_without_the_pinned_commit_gives_nothing(
    name: str,
    served: Callable[[str, str], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Another commit is not taken in its place, and nothing is kept."""
    served(name, ELSEWHERE)

    assert invoke(["data", "fetch", name, "--data-dir", str(tmp_path)]) == 4
    assert str(loose(name).source.revision) in capsys.readouterr().err
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".parquet", ".jsonl")]


@pytest.mark.parametrize("name", ["mmlu_pro/math", "superglue/cb", "medqa/us4"])
def test_files_said_to_be_of_another_commit_are_refused(
    name: str, served: Callable[[str, str], list[str]], tmp_path: Path
) -> None:
    """What the record of downloads says of a file is held against the task's pin."""
    task = loose(name)
    served(name, str(task.source.revision))
    assert invoke(["data", "fetch", name, "--data-dir", str(tmp_path)]) == 0
    record = tmp_path / "hub/fetched.json"
    record.write_text(record.read_text().replace(str(task.source.revision), ELSEWHERE))

    with pytest.raises(CatalogError, match=f"is of commit {ELSEWHERE}, the task pins"):
        load_instances(task, tmp_path)
