"""The protocol of backends: what a plug-in of version 0.1.0 is told,
and what a finished run keeps of its engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_runs import Silent

from evalkit.errors import BackendError
from evalkit.records import Alternates, Ask, ModelSpec, Request, Response, Suite
from evalkit.registry import BACKENDS, Registry
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings

CHANGE = (
    "as in evalkit 0.1.0; now `run` takes Asks, whose `request` is what it took before, "
    "and `stats` and `device` are required. "
    "Update the package it comes from, or see 'From version 0.1.0' in docs/extending.md."
)


class Counting:
    """A backend that always prefers the first choice, counts,
    and forgets its counts when it is closed.
    """

    capabilities = frozenset({"choice"})
    device = "abacus:0"

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.seen: dict[str, Any] | None = {"asked": 0, "rate": float("nan"), "path": "beads"}

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return the counts; nothing once closed."""
        return dict(self.seen) if self.seen is not None else {}

    def fingerprint(self) -> Mapping[str, str]:
        """Return a fixed fingerprint."""
        return {"backend": "counting"}

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield everything in one batch."""
        assert self.seen is not None
        self.seen["asked"] += len(asks)
        yield [
            Response(
                key=ask.request.key,
                logprobs=tuple(-float(i) for i in range(len(ask.request.continuations))),
            )
            for ask in asks
        ]

    def close(self) -> None:
        """Forget."""
        self.seen = None


class WithoutStats:
    """A plug-in of version 0.1.0: it has no `stats`."""

    capabilities = frozenset({"choice"})

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec

    def fingerprint(self) -> Mapping[str, str]:
        """Return a fixed fingerprint."""
        return {"backend": "old"}

    def run(self, requests):  # type: ignore[no-untyped-def]  # plug-ins need no annotations
        """Yield one response per request."""
        for request in requests:
            yield [Response(key=request.key, logprobs=(0.0,) * len(request.continuations))]

    def close(self) -> None:
        """Do nothing."""


class Unannotated(WithoutStats):
    """A plug-in of version 0.1.0 with every attribute, which shows only when it is asked."""

    device = ""

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}


class Annotated(Unannotated):
    """A plug-in of version 0.1.0 that says that it takes requests."""

    def run(self, requests: Sequence[Request]) -> Iterator[Sequence[Response]]:
        """Yield one response per request."""
        yield from super().run(requests)


def settings(folder: Path, kind: type, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return a small run with a backend of this class."""
    load = Registry.load
    monkeypatch.setattr(
        Registry,
        "load",
        lambda self, name: kind if self is BACKENDS and name == "toy" else load(self, name),
    )
    return Settings(
        model=ModelSpec(backend="toy", name="x"),
        suite=Suite(name="s", tasks=("procedural/boolean",), phrasings=2, limit=3),
        out=folder / "run",
        cache=False,
        resamples=100,
    )


def test_the_manifest_of_a_finished_run_says_what_the_engine_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters are read before the backend is closed; what is undefined is null;
    the device stands beside them.
    """
    manifest = run(settings(tmp_path, Counting, monkeypatch), Silent()).manifest
    engine = manifest.attempts[-1].engine

    assert engine == {"asked": 6, "rate": None, "path": "beads"}
    assert manifest.device == "abacus:0"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (WithoutStats, f"backend 'toy': has no 'stats', {CHANGE}"),
        (Annotated, f"backend 'toy': its `run` takes Requests, {CHANGE}"),
        (Unannotated, f"backend 'Unannotated': its `run` reads 'key' of an Ask, {CHANGE}"),
    ],
)
def test_a_plug_in_of_version_0_1_0_is_told_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, message: str
) -> None:
    """One clear error, whichever way it shows its age."""
    with pytest.raises(BackendError) as caught:
        run(settings(tmp_path, kind, monkeypatch), Silent())

    assert str(caught.value) == message


def test_alternates_are_made_when_they_are_read_and_no_earlier() -> None:
    """A run of a thousand phrasings does not render a thousand prompts per request."""
    made: list[str] = []

    def make(text: str) -> Ask:
        made.append(text)
        return Ask(Request(kind="generate", text=text))

    alternates = Alternates(lambda: ["a", "b", "c"], make)

    assert (len(alternates), made) == (3, [])
    assert [one.request.text for one in alternates[:2]] == made == ["a", "b"]
