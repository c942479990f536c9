"""Everything a run was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from evalkit.backends.base import Backend
from evalkit.records import ModelSpec, Phrasing, Suite, Task

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run was asked for."""

    model: ModelSpec
    """The model and how to reach it."""
    backend: Backend | None = None
    """Its backend, when it was given as an object; None: opened from `model`."""
    suite: Suite
    """Tasks, phrasings and settings; options of the command line are already in it."""
    tasks: tuple[Task, ...] = ()
    """Tasks given as records; the suite names their ids."""
    phrasings: tuple[Phrasing, ...] = ()
    """Phrasings given as records, asked in place of all others; empty: those of the files."""
    data_dir: Path | None = None
    """Where benchmark data lie; None for procedural tasks and the hub's cache."""
    out: Path | None = None
    """Run directory; None for one under ``reports/runs`` named after model and suite."""
    phrasing_files: tuple[Path, ...] = ()
    """Phrasing files of the user, used besides the shipped ones."""
    mitigations: tuple[str, ...] = ()
    """Mitigations wrapped around the backend, innermost first."""
    limited: bool = False
    """Whether an option limits the run to fewer instances than the suite itself asks for."""
    available: bool = False
    """Run with the tasks whose data is there and say what was left out."""
    fresh: bool = False
    """Forget what the run directory holds and do not read the cache."""
    cache: bool | None = None
    """Use the cache that runs share; None: where versions of the model can be told apart."""
    score_by: str = "own"
    """How choices are asked, one of `evalkit.runs.scored_by.ASKED`."""
    judge: ModelSpec | None = None
    """Model that judges the written answers; None for none."""
    seed: int = 0
    """Seed of everything random."""
    level: float = 0.95
    """Nominal level of intervals."""
    resamples: int = 1000
    """Draws per interval that needs draws."""
    code_execution: bool = False
    """Run the programs that the model writes."""
    report: bool = True
    """Write the page at the end."""
    representations: int = 0
    """Instances per phrasing whose hidden states are kept, for the distance of a phrasing to the
    seen ones; 0 for none."""
    uncertainty: int = 0
    """Instances per phrasing whose generated answers are scored again under perturbed copies; 0 for
    none."""
    executor: str = "local"
    """``local`` or ``ray``."""
    workers: int = 1
    """Workers of the executor."""
    address: str | None = None
    """Address of a running Ray cluster; None starts one on this machine."""
    command: str = ""
    """Command line, for the manifest."""

    @property
    def label(self) -> str:
        """Return what the model is called in tables:
        with the mitigations around it, paths by their last part.

        Examples
        --------
        >>> model = ModelSpec(backend="hf", name="m")
        >>> made = dict(model=model, suite=Suite(name="s", tasks=()))
        >>> (
        ...     Settings(**made).label,
        ...     Settings(mitigations=("ensemble:m=3", "align:runs/a"), **made).label,
        ... )
        ('m', 'm + ensemble:m=3 + align:a')
        """
        return " + ".join([self.model.display, *map(_without_folders, self.mitigations)])


def _without_folders(spec: str) -> str:
    """A mitigation with every path in it cut to its last part."""
    return re.sub(r"[^,:=]*[/\\]([^,:=/\\]+)", r"\1", spec)
