"""Get benchmark files onto this machine.

From the hub, GitHub (by commit) or a URL, without running anything of theirs.

What was got is recorded in ``hub/fetched.json`` of the data directory: source, revision asked for,
commit, SHA-256 of every file. A task that pins a commit always gets that one; ``--revision`` is for
those that pin none.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evalkit.catalog.files import hub_folder
from evalkit.errors import DataMissingError, EnvironmentFault, ExtraMissingError, UsageError
from evalkit.records import Task

__all__ = ["Fetched", "Wanted", "fetch", "fetched", "needed"]

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One file to get."""

    origin: str
    """``hub``, ``github`` or ``url``."""
    repository: str
    """Repository id, ``owner/name``; for a URL all before the file name."""
    revision: str | None
    """Commit or branch; None for the default branch."""
    path: str
    """File in the repository."""
    place: Path
    """Where it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """One file that was got, as recorded."""

    origin: str
    """``hub``, ``github`` or ``url``."""
    repository: str
    """Repository id, ``owner/name``; for a URL all before the file name."""
    revision: str
    """What was asked for."""
    commit: str
    """Commit it comes from; empty for a URL."""
    path: str
    """File in the repository."""
    sha256: str
    """Digest of its bytes."""


def needed(
    tasks: Iterable[Task], root: Path, *, revision: str | None = None
) -> tuple[list[Wanted], list[Task]]:
    """Return the files of tasks that can be got, and the tasks that no download is known for.

    Parameters
    ----------
    tasks
        Tasks whose scored split and shot split are wanted.
    root
        Data directory.
    revision
        Commit or branch for sources that pin none.
    """
    wanted: dict[Path, Wanted] = {}
    unknown: list[Task] = []
    for task in tasks:
        source, found = task.source, False
        github = source.options.get("github")
        if github and source.local:
            folder, _, inside = source.local.partition("/")
            pinned = source.options.get("github_revision") or revision
            item = Wanted(
                origin="github",
                repository=str(github),
                revision=pinned,
                path=inside,
                place=root / folder / inside,
            )
            wanted.setdefault(item.place, item)
            found = True
        elif url := source.options.get("url"):
            base, _, name = str(url).rpartition("/")
            item = Wanted(
                origin="url", repository=base, revision=None, path=name, place=root / source.local
            )
            wanted.setdefault(item.place, item)
            found = True
        elif source.hub:
            for name in _hub_files(task):
                place = hub_folder(root, source.hub) / name
                item = Wanted(
                    origin="hub",
                    repository=source.hub,
                    revision=source.revision or revision,
                    path=name,
                    place=place,
                )
                wanted.setdefault(place, item)
                found = True
        if not found and task.reader != "procedural":
            unknown.append(task)
    return list(wanted.values()), unknown


def _hub_files(task: Task) -> list[str]:
    """Return the hub files of a task's scored split and shot split."""
    renamed = task.source.options.get("hub_splits", {})
    splits = [split for split in (task.split, task.shot_split) if split]
    return list(
        dict.fromkeys(
            name.replace("{split}", renamed.get(split, split))
            for name in task.source.files
            for split in splits
        )
    )


def fetch(
    wanted: Sequence[Wanted],
    root: Path,
    *,
    force: bool = False,
    said: Callable[[str], None] = lambda text: None,
) -> list[Fetched]:
    """Get files and record what was got; a file that is there is left alone unless `force`.

    Parameters
    ----------
    wanted
        Files, from `needed`.
    root
        Data directory; made when it is not there.
    force
        Get files again that are there.
    said
        Called with one line per file.

    Raises
    ------
    EnvironmentFault
        When the network, the disk or an optional package is missing. Files already got are kept and
        recorded.
    """
    got: list[Fetched] = []
    commits: dict[tuple[str, str, str | None], str] = {}
    try:
        for item in wanted:
            if item.place.is_file() and not force:
                continue
            key = (item.origin, item.repository, item.revision)
            if key not in commits:
                commits[key] = _commit(item)
            commit = commits[key]
            try:
                item.place.parent.mkdir(parents=True, exist_ok=True)
                _download(item, commit, root)
            except OSError as error:
                raise EnvironmentFault(
                    f"{item.place}: cannot be written: {error.strerror or error}. Free space or choose --data-dir."
                ) from error
            checksum = hashlib.sha256(item.place.read_bytes()).hexdigest()
            got.append(
                Fetched(
                    origin=item.origin,
                    repository=item.repository,
                    revision=item.revision or "default branch",
                    commit=commit,
                    path=item.path,
                    sha256=checksum,
                )
            )
            said(
                f"{item.repository}@{commit[:10]} {item.path}"
                if commit
                else f"{item.repository}/{item.path}"
            )
    finally:
        if got:
            _record(root, got)
    return got


def fetched(root: Path) -> list[Fetched]:
    """Return what was got into a data directory, as recorded; empty when nothing was."""
    path = root / "hub" / "fetched.json"
    if not path.is_file():
        return []
    try:
        return [Fetched(**item) for item in json.loads(path.read_text("utf-8"))]
    except (ValueError, TypeError) as error:
        raise EnvironmentFault(
            f"{path}: cannot be read: {error}. Delete it and fetch again with --force."
        ) from error


def _record(root: Path, got: Sequence[Fetched]) -> None:
    path = root / "hub" / "fetched.json"
    known = {(item.origin, item.repository, item.path): item for item in [*fetched(root), *got]}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(
        json.dumps([asdict(known[key]) for key in sorted(known)], indent=1) + "\n", encoding="utf-8"
    )
    os.replace(draft, path)


def _commit(item: Wanted) -> str:
    """Return the commit a revision stands for; a URL has none."""
    if item.origin == "url":
        return ""
    if item.revision and _COMMIT.match(item.revision):
        return item.revision
    if item.origin == "hub":
        info = _hub_call(
            item, lambda api: api.dataset_info(item.repository, revision=item.revision)
        )
        return str(info.sha)
    base = os.environ.get("EVALKIT_GITHUB_API", "https://api.github.com")
    url = f"{base}/repos/{item.repository}/commits/{item.revision or 'HEAD'}"
    commit = _get(url, {"Accept": "application/vnd.github.sha"}).decode("ascii", "replace").strip()
    if not _COMMIT.match(commit):
        raise EnvironmentFault(
            f"{url}: answered {commit[:60]!r} where a commit is expected. Pass --revision COMMIT."
        )
    return commit


def _download(item: Wanted, commit: str, root: Path) -> None:
    if item.origin == "hub":
        folder = hub_folder(root, item.repository)
        _hub_call(
            item,
            lambda api: api.hf_hub_download(
                item.repository, item.path, repo_type="dataset", revision=commit, local_dir=folder
            ),
        )
        return
    base = os.environ.get("EVALKIT_GITHUB_RAW", "https://raw.githubusercontent.com")
    data = _get(
        f"{item.repository}/{item.path}"
        if item.origin == "url"
        else f"{base}/{item.repository}/{commit}/{item.path}",
        {},
    )
    draft = item.place.with_name(item.place.name + ".part")
    draft.write_bytes(data)
    os.replace(draft, item.place)


def _hub_call(item: Wanted, call: Callable[[Any], Any]) -> Any:
    """Call the hub and say in one line what failed."""
    try:
        from huggingface_hub import HfApi
        from huggingface_hub.errors import (
            HfHubHTTPError,
            HFValidationError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
        )
    except ImportError as error:
        raise ExtraMissingError("fetching from the hub", "hf") from error
    endpoint = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    where = f"{endpoint}/datasets/{item.repository}"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise DataMissingError(
            f"{where}: cannot be reached, HF_HUB_OFFLINE is set. Unset it, or place the files by hand."
        )
    try:
        return call(HfApi(endpoint=endpoint))
    except HFValidationError as error:
        raise UsageError(
            f"{item.repository}: is no hub id: {str(error).splitlines()[0]}"
        ) from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise EnvironmentFault(
            f"{where}: {item.path} at {item.revision or 'the default branch'} could not be got: {_first(error)}"
        ) from error
    # the hub's HTTP library changes between versions (requests, httpx) and raises its own errors
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore", "requests", "urllib3")):
            raise
        raise EnvironmentFault(
            f"{where}: cannot be reached: {_first(error)}. Check the network, HF_ENDPOINT and proxies."
        ) from error


def _first(error: BaseException) -> str:
    return next(
        (line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__
    )


def _get(url: str, headers: dict[str, str]) -> bytes:
    """Return what stands at a URL."""
    if not url.startswith(("https://", "http://")):
        raise UsageError(f"{url}: only http and https are accepted.")
    request = urllib.request.Request(url, headers={"User-Agent": "evalkit", **headers})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            data: bytes = answer.read()
            return data
    except urllib.error.HTTPError as error:
        raise EnvironmentFault(
            f"{url}: answered {error.code} {error.reason}. Check the name and the revision, or try later."
        ) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise EnvironmentFault(
            f"{url}: cannot be reached: {getattr(error, 'reason', error)}. Check the network and proxies."
        ) from error
