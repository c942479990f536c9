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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from evalkit.catalog.download import Answer, answered, endpoint, short_text, wrong_content
from evalkit.catalog.files import hub_folder, place_of
from evalkit.catalog.instances import MADE
from evalkit.catalog.opening import parse_json, read_bytes
from evalkit.catalog.paths import inside
from evalkit.catalog.tasks import bases_of
from evalkit.errors import (
    CatalogError,
    DataMissingError,
    EnvironmentFault,
    StoreError,
    UsageError,
)
from evalkit.records import Task
from evalkit.store.atomic import whole_file, write_atomic

__all__ = ["Fetched", "Wanted", "fetch", "fetched", "needed"]

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_HUB = "https://huggingface.co"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z", re.ASCII)
_LOOKED_AT = 1 << 16
T = TypeVar("T")


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
    for task in (base for one in tasks for base in bases_of(one) or [one]):
        items = _wanted(task, root, revision)
        wanted.update((item.place, item) for item in items if item.place not in wanted)
        if not items and task.reader not in MADE:
            unknown.append(task)
    return list(wanted.values()), unknown


def _wanted(task: Task, root: Path, revision: str | None) -> list[Wanted]:
    """Return the files of one task; every place is inside the data directory."""
    source, options = task.source, task.source.options
    if options.get("github") and source.local:
        return [
            Wanted(
                origin="github",
                repository=str(options["github"]),
                revision=options.get("github_revision") or revision,
                path=source.local.partition("/")[2],
                place=place_of(task, root, source.local),
            )
        ]
    if options.get("url") and source.local:
        base, _, name = str(options["url"]).rpartition("/")
        place = place_of(task, root, source.local)
        return [Wanted(origin="url", repository=base, revision=None, path=name, place=place)]
    if not source.hub:
        return []
    return [
        Wanted(
            origin="hub",
            repository=source.hub,
            revision=source.revision or revision,
            path=name,
            place=inside(hub_folder(root, source.hub), name, where=task.id),
        )
        for name in _hub_files(task)
    ]


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
    allowed: Collection[str] = (),
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
    allowed
        Hosts of the inner network that may be asked, see `download.answered`.
    said
        Called with one line per file.

    Raises
    ------
    EnvironmentFault
        When the network, the disk or an optional package is missing. Files already got are kept and
        recorded.
    UsageError
        When an address is none, or lies in the inner network and its host is not `allowed`.
    """
    got: list[Fetched] = []
    commits: dict[tuple[str, str, str | None], str] = {}
    known = {(item.origin, item.repository, item.path): item.sha256 for item in fetched(root)}
    for item in wanted:
        recorded = known.get((item.origin, item.repository, item.path))
        if item.place.is_file() and not force and _is_whole(item.place, recorded):
            continue
        key = (item.origin, item.repository, item.revision)
        if key not in commits:
            commits[key] = _commit(item)
        if item.place.is_dir():
            raise EnvironmentFault(
                f"{item.place}: is a folder where a file is expected. "
                "Move it away, or choose another --data-dir."
            )
        try:
            entry = _download(item, commits[key], root, allowed)
        except StoreError as error:
            raise EnvironmentFault(str(error).replace("--out", "--data-dir")) from error
        got.append(entry)
        at = f"@{entry.commit[:10]} " if entry.commit else "/"
        said(f"{item.repository}{at}{item.path}")
    return got


def _is_whole(place: Path, recorded: str | None) -> bool:
    """Whether a file that is there is the one that was recorded;
    one placed by hand has no record.
    """
    return recorded is None or _sha256(place) == recorded


def _sha256(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetched(root: Path) -> list[Fetched]:
    """Return what was got into a data directory, as recorded; empty when nothing was."""
    path = root / "hub" / "fetched.json"
    if not path.is_file():
        return []
    try:
        return [Fetched(**item) for item in parse_json(read_bytes(path))]
    except (ValueError, TypeError, RecursionError, CatalogError) as error:
        raise EnvironmentFault(
            f"{path}: cannot be read: {error}. Delete it and fetch again with --force."
        ) from error


def _record(root: Path, got: Fetched) -> None:
    """Add one file to the record, whatever other processes add meanwhile."""
    path = root / "hub" / "fetched.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path.parent):
        known = {(item.origin, item.repository, item.path): item for item in [*fetched(root), got]}
        rows = [asdict(known[key]) for key in sorted(known)]
        write_atomic(path, json.dumps(rows, indent=1) + "\n")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a folder against other processes that do the same, where the system can."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a network disk without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _commit(item: Wanted) -> str:
    """Return the commit a revision stands for; a URL has none."""
    if item.origin == "url":
        return ""
    if item.revision and _COMMIT.match(item.revision):
        return item.revision
    if item.origin == "hub":
        at = f"/revision/{quote(item.revision, safe='')}" if item.revision else ""
        service = endpoint("HF_ENDPOINT", _HUB)
        url = f"{service}/api/datasets/{item.repository}{at}"
        text = _from_hub(item, lambda: short_text(url, headers=_token(), service=service))
        try:
            commit = str(parse_json(text)["sha"])
        except (ValueError, TypeError, KeyError, RecursionError):
            commit = text.strip()
    else:
        service = endpoint("EVALKIT_GITHUB_API", "https://api.github.com")
        branch = quote(item.revision or "HEAD", safe="")
        url = f"{service}/repos/{item.repository}/commits/{branch}"
        kind = {"Accept": "application/vnd.github.sha"}
        commit = short_text(url, headers=kind, service=service).strip()
    if not _COMMIT.match(commit):
        raise EnvironmentFault(
            f"{url}: answered {commit[:60]!r} where a commit is expected. Pass --revision COMMIT."
        )
    return commit


def _download(item: Wanted, commit: str, root: Path, allowed: Collection[str]) -> Fetched:
    """Get one file, record it, and put it in its place, in this order."""
    service, headers = "", {}
    if item.origin == "url":
        url = f"{item.repository}/{item.path}"
    elif item.origin == "github":
        service = endpoint("EVALKIT_GITHUB_RAW", "https://raw.githubusercontent.com")
        url = f"{service}/{item.repository}/{commit}/{quote(item.path)}"
    else:
        service, headers = endpoint("HF_ENDPOINT", _HUB), _token()
        url = f"{service}/datasets/{item.repository}/resolve/{commit}/{quote(item.path)}"

    def get() -> Fetched:
        with answered(url, headers=headers, service=service, allowed=allowed) as answer:
            return _store(item, commit, root, answer)

    return _from_hub(item, get) if item.origin == "hub" else get()


def _store(item: Wanted, commit: str, root: Path, answer: Answer) -> Fetched:
    """Write an answer's body beside its place, record it, and move it there."""
    digest, head, tail = hashlib.sha256(), b"", b""
    with whole_file(item.place) as file:
        for piece in answer.pieces():
            file.write(piece)
            digest.update(piece)
            head = head or piece[:_LOOKED_AT]
            tail = (tail + piece)[-_LOOKED_AT:]
        if wrong := wrong_content(item.place.name, answer.kind, head, tail):
            raise EnvironmentFault(
                f"{answer.url}: what came {wrong}; nothing of it was kept. "
                "Check the address and the network."
            )
        entry = Fetched(
            origin=item.origin,
            repository=item.repository,
            revision=item.revision or "default branch",
            commit=commit,
            path=item.path,
            sha256=digest.hexdigest(),
        )
        _record(root, entry)
    return entry


def _token() -> dict[str, str]:
    """Return the header that says who asks the hub, for data sets that want to know."""
    try:
        from huggingface_hub import get_token
    except ImportError:
        token = os.environ.get("HF_TOKEN")
    else:
        token = get_token()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _from_hub(item: Wanted, call: Callable[[], T]) -> T:
    """Ask the hub and say in one line what failed."""
    where = f"{endpoint('HF_ENDPOINT', _HUB)}/datasets/{item.repository}"
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        raise DataMissingError(
            f"{where}: cannot be reached, HF_HUB_OFFLINE is set. "
            "Unset it, or place the files by hand."
        )
    if not _HUB_ID.match(item.repository) or ".." in item.repository:
        raise UsageError(f"{item.repository[:200]}: is no hub id; owner/name is expected.")
    try:
        return call()
    except StoreError:
        raise
    except EnvironmentFault as error:
        raise EnvironmentFault(
            f"{where}: {item.path} at {item.revision or 'the default branch'} could not be got: "
            f"{error}"
        ) from error
