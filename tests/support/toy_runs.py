"""Small runs on scripted models, shared by tests of the corridor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evalkit import catalog
from evalkit.records import Response, Suite
from evalkit.runs.settings import Settings

__all__ = ["SUITE", "TASKS", "Silent", "settings"]

TASKS = ("procedural/boolean", "procedural/comparison", "procedural/rewrite")
SUITE = Suite(name="toy", tasks=TASKS, limit=10, phrasings=8)


class Silent:
    """Progress that only counts; may ask to stop after some batches."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.asked = 0
        self.batches = 0
        self.stop_after = stop_after

    def begin(self, *, total: int, stored: int) -> None:
        """Take note of nothing."""

    def advance(self, responses: Sequence[Response]) -> None:
        """Count."""
        self.asked += len(responses)
        self.batches += 1

    def note(self, message: str) -> None:
        """Show nothing."""

    @property
    def stop_requested(self) -> bool:
        """Return whether enough batches were seen."""
        return self.stop_after is not None and self.batches >= self.stop_after


def settings(
    script: str,
    out: Path,
    *,
    suite: Suite = SUITE,
    tuned_on: tuple[str, ...] | None = ("evalkit-tuning",),
) -> Settings:
    """Return settings of a small run."""
    return Settings(
        model=replace(catalog.load_model(f"scripted:{script}", tuned_on=tuned_on), label="toy"),
        suite=suite,
        out=out,
        cache=False,
        report=False,
        resamples=100,
    )
