"""Fetching from a small hub and a small GitHub on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from evalkit.catalog import load_instances, load_task
from evalkit.catalog.fetch import Wanted, fetch, fetched, needed
from evalkit.errors import CatalogError, EnvironmentFault
from evalkit.records import Source, Task

COMMIT = "c30699e8356da336a370243923dbaf21066bb9fe"
BRANCH_COMMIT = "a" * 40
PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def rows(number: int) -> bytes:
    """Return a Parquet file of MMLU questions."""
    table = {"question": [f"Q{n}" for n in range(number)], "subject": ["anatomy"] * number}
    table |= {"choices": [["a", "b", "c", "d"]] * number, "answer": [n % 4 for n in range(number)]}
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(table), buffer)
    return buffer.getvalue()


FILES = {
    "anatomy/test-00000-of-00001.parquet": rows(135),
    "anatomy/dev-00000-of-00001.parquet": rows(5),
}


@pytest.fixture
def hub(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """Return a hub with one data set."""

    def resolve(request: Request) -> Response:
        match = re.match(r"/datasets/cais/mmlu/resolve/([^/]+)/(.+)", request.path)
        if match is None or match[1] not in (COMMIT, BRANCH_COMMIT) or match[2] not in FILES:
            return Response(
                "Entry not found",
                404,
                headers={"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"},
            )
        body = FILES[match[2]]
        headers = {
            "ETag": f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"',
            "X-Repo-Commit": match[1],
        }
        return Response(body, headers=headers, content_type="application/octet-stream")

    def info(request: Request) -> Response:
        return Response(
            json.dumps({"id": "cais/mmlu", "sha": BRANCH_COMMIT, "siblings": []}),
            content_type="application/json",
        )

    httpserver.expect_request(re.compile(r"/datasets/.*")).respond_with_handler(resolve)
    httpserver.expect_request(re.compile(r"/api/datasets/.*")).respond_with_handler(info)
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return httpserver


def test_a_task_is_fetched_from_the_hub_by_its_pinned_commit_and_loads(
    hub: HTTPServer, tmp_path: Path
) -> None:
    """Scored split and shots come; what was got is recorded with commit and digest."""
    task = load_task("mmlu/anatomy")
    wanted, unknown = needed([task], tmp_path)

    got = fetch(wanted, tmp_path)

    assert unknown == []
    assert {(item.path, item.commit) for item in got} == {(name, COMMIT) for name in FILES}
    assert {item.sha256 for item in fetched(tmp_path)} == {
        hashlib.sha256(body).hexdigest() for body in FILES.values()
    }
    assert [len(load_instances(task, tmp_path, split)) for split in ("test", "dev")] == [135, 5]


def test_what_is_there_is_not_fetched_again(hub: HTTPServer, tmp_path: Path) -> None:
    """A second call asks the network for nothing, unless forced."""
    wanted, _ = needed([load_task("mmlu/anatomy")], tmp_path)
    fetch(wanted, tmp_path)
    asked = len(hub.log)

    assert fetch(wanted, tmp_path) == []
    assert len(hub.log) == asked
    assert len(fetch(wanted, tmp_path, force=True)) == 2


def test_a_source_without_pin_records_the_commit_it_got(hub: HTTPServer, tmp_path: Path) -> None:
    """The default branch is resolved once and then read by commit."""
    task = load_task("mmlu/anatomy")
    loose = replace(task, source=replace(task.source, revision=None))
    wanted, _ = needed([loose], tmp_path)

    assert {(item.revision, item.commit) for item in fetch(wanted, tmp_path)} == {
        ("default branch", BRANCH_COMMIT)
    }


def test_files_of_another_commit_than_pinned_are_refused(hub: HTTPServer, tmp_path: Path) -> None:
    """What an older version of the task file fetched does not pass for the pinned data."""
    task = load_task("mmlu/anatomy")
    loose = replace(task, source=replace(task.source, revision=None))
    fetch(needed([loose], tmp_path)[0], tmp_path)

    assert len(load_instances(loose, tmp_path)) == 135
    with pytest.raises(
        CatalogError,
        match=rf"is of commit {BRANCH_COMMIT}, the task pins {COMMIT}\. Type: evalkit data fetch --force",  # noqa: E501
    ):
        load_instances(task, tmp_path)


def test_a_file_the_hub_does_not_have_is_one_message(hub: HTTPServer, tmp_path: Path) -> None:
    """Repository, file and revision are named; nothing is recorded."""
    wanted, _ = needed([load_task("mmlu/virology")], tmp_path)

    with pytest.raises(
        EnvironmentFault,
        match=r"/datasets/cais/mmlu: virology/test-00000-of-00001\.parquet at c30699e.* could not be got",  # noqa: E501
    ):
        fetch(wanted, tmp_path)
    assert fetched(tmp_path) == []


def test_offline_says_so(hub: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HF_HUB_OFFLINE is honoured before any connection."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    wanted, _ = needed([load_task("mmlu/anatomy")], tmp_path)

    with pytest.raises(EnvironmentFault, match="HF_HUB_OFFLINE is set"):
        fetch(wanted, tmp_path)
    assert hub.log == []


def test_a_hub_that_cannot_be_reached_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback of an HTTP library."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    task = load_task("mmlu/anatomy")
    wanted, _ = needed([replace(task, source=replace(task.source, revision=None))], tmp_path)

    with pytest.raises(EnvironmentFault, match=r"http://127\.0\.0\.1:9/datasets/cais/mmlu"):
        fetch(wanted, tmp_path)


@pytest.fixture
def github(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """Return a GitHub with two repositories."""
    bbh = json.dumps({"examples": [{"input": f"x{n}", "target": "Yes"} for n in range(250)]})
    httpserver.expect_request(
        "/suzgunmirac/BIG-Bench-Hard/9ee07bd481feebf959a6b59d61ea57bdcf30964d/bbh/navigate.json"
    ).respond_with_data(bbh)
    httpserver.expect_request("/repos/allenai/natural-instructions/commits/HEAD").respond_with_data(
        BRANCH_COMMIT
    )
    file = json.dumps(
        {"Definition": ["d"], "Instances": [{"id": "a", "input": "x", "output": ["y"]}]}
    )
    httpserver.expect_request(
        f"/allenai/natural-instructions/{BRANCH_COMMIT}/tasks/task190_snli_classification.json"
    ).respond_with_data(file)
    for name in ("EVALKIT_GITHUB_RAW", "EVALKIT_GITHUB_API"):
        monkeypatch.setenv(name, httpserver.url_for("").rstrip("/"))
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    return httpserver


def test_files_of_github_repositories_keep_their_layout(github: HTTPServer, tmp_path: Path) -> None:
    """BBH by its pinned commit, SuperNI by the commit of the default branch."""
    tasks = [load_task("bbh/navigate"), load_task("superni/task190_snli_classification")]

    got = fetch(needed(tasks, tmp_path)[0], tmp_path)

    assert [item.commit for item in got] == [
        "9ee07bd481feebf959a6b59d61ea57bdcf30964d",
        BRANCH_COMMIT,
    ]
    assert [len(load_instances(task, tmp_path)) for task in tasks] == [250, 1]
    assert (tmp_path / "superni/tasks/task190_snli_classification.json").is_file()


def test_what_was_got_before_a_failure_is_kept_and_recorded(
    github: HTTPServer, tmp_path: Path
) -> None:
    """The next call goes on with the rest; no half file stays."""
    wanted, _ = needed([load_task("bbh/navigate"), load_task("bbh/snarks")], tmp_path)

    with pytest.raises(EnvironmentFault, match=r"answered (500|404)"):
        fetch(wanted, tmp_path)

    assert [item.path for item in fetched(tmp_path)] == ["bbh/navigate.json"]
    assert sorted(path.name for path in (tmp_path / "bbh/bbh").iterdir()) == ["navigate.json"]


def test_a_url_is_fetched_as_it_is(github: HTTPServer, tmp_path: Path) -> None:
    """PromptBench's own files stand at a URL without commit."""
    github.expect_request("/files/pairs.json").respond_with_data(
        '{"en-fr": [{"en": "a", "fr": "b"}]}'
    )
    source = Source(
        local="promptbench/data/pairs.json", options={"url": github.url_for("/files/pairs.json")}
    )
    task = Task(name="t", benchmark="b", reader="translation", kind="generate", source=source)

    (item,) = fetch(needed([task], tmp_path)[0], tmp_path, allowed=[github.host])

    assert (item.origin, item.commit, item.path) == ("url", "", "pairs.json")
    assert len(load_instances(task, tmp_path)) == 1


def test_a_url_that_is_not_http_is_refused(tmp_path: Path) -> None:
    """A task file cannot make evalkit read local files as downloads."""
    item = Wanted(
        origin="url", repository="file:///etc", revision=None, path="passwd", place=tmp_path / "x"
    )

    with pytest.raises(Exception, match="only http and https are accepted") as caught:
        fetch([item], tmp_path)
    assert type(caught.value).__name__ == "UsageError"


def test_tasks_without_a_known_download_are_named(tmp_path: Path) -> None:
    """They are returned, not skipped."""
    wanted, unknown = needed(
        [load_task("promptbench/math"), load_task("procedural/rewrite")], tmp_path
    )

    assert (wanted, [task.id for task in unknown]) == ([], ["promptbench/math"])


def test_a_branch_of_the_users_choice_is_for_unpinned_sources_only(tmp_path: Path) -> None:
    """A pin in a task file wins."""
    tasks = [load_task("bbh/navigate"), load_task("superni/task190_snli_classification")]

    revisions: list[Any] = [item.revision for item in needed(tasks, tmp_path, revision="v2.8")[0]]

    assert revisions == ["9ee07bd481feebf959a6b59d61ea57bdcf30964d", "v2.8"]
