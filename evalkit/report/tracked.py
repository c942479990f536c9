"""What a tracker of experiments keeps of a run: settings, values, files;
and the two clients that are handed them.

References
----------
W&B: `wandb.init`, `Run.log`, `Artifact.add_file`. MLflow: `set_experiment`, `start_run`,
`log_params`, `log_metrics`, `log_artifact`; a metric's name may hold letters, digits and ``_-./:
``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.errors import EnvironmentFault, ExtraMissingError
from evalkit.records import Estimate, digest
from evalkit.records.manifest import Manifest
from evalkit.records.statistics import shown_in

__all__ = ["TRACKERS", "Tracked", "tracked", "values_of"]

FILES = (
    *("report.html", "report.md", "estimates.csv", "phrasings.csv"),
    *("leaderboard.csv", "scores.parquet", "manifest.json"),
)
"""Files of a run that are handed on where they are there, beside those in ``figures/``."""
PER_TASK = ("mean", "spread", "min")
"""Statistics of single tasks that are handed on; the rest is in ``estimates.csv``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """A run as a tracker keeps it."""

    name: str
    """Model and suite."""
    key: str
    """The same for the same run, so that a second export replaces the first; 16 hex digits."""
    settings: Mapping[str, str]
    """What was run."""
    values: Mapping[str, float]
    """Statistic -> value as a fraction, ends of intervals as ``_low`` and ``_high``."""
    files: Sequence[Path]
    """Files of the run."""


def tracked(path: Path, manifest: Manifest, estimates: Sequence[Estimate]) -> Tracked:
    """Return what a tracker keeps of a run.

    Parameters
    ----------
    path
        Run directory.
    manifest, estimates
        Of the run.
    """
    model, suite = manifest.model, manifest.suite
    settings = {
        "model": model.label,
        "backend": model.backend,
        "fingerprint": model.fingerprint_digest,
        "suite": suite.name,
        "suite_digest": suite.digest,
        "limit": "all" if suite.limit is None else str(suite.limit),
        "shots": str(suite.shots),
        "tuned_on": "unknown" if model.tuned_on is None else ",".join(model.tuned_on) or "nothing",
        "mitigations": ",".join(manifest.mitigations) or "none",
        "seed": str(manifest.seed),
        "state": manifest.state,
        "evalkit": manifest.evalkit,
    }
    started = manifest.attempts[0].started if manifest.attempts else ""
    figures = sorted(one for one in (path / "figures").glob("*") if one.is_file())
    return Tracked(
        name=f"{model.label} on {suite.name}",
        key=digest([settings["suite_digest"], settings["fingerprint"], started], length=16),
        settings=settings,
        values=values_of(estimates),
        files=[*(path / name for name in FILES if (path / name).is_file()), *figures],
    )


def values_of(estimates: Sequence[Estimate]) -> dict[str, float]:
    """Return the headline statistics over all tasks,
    and mean, spread and worst phrasing of every task.

    What is undefined is left out, never 0.

    Parameters
    ----------
    estimates
        Of a run; fractions.
    """
    summary = {entry.name for entry in shown_in("summary")}
    found: dict[str, float] = {}
    for row in sorted(estimates, key=lambda row: row.benchmark == "all"):
        if row.group:
            continue
        if row.task == "all" and row.metric in summary:
            name = row.metric
        elif row.task != "all" and row.metric in PER_TASK:
            name = f"{row.task}/{row.metric}"
        else:
            continue
        ends = {"": row.value, "_low": row.low, "_high": row.high}
        for end in ends:
            found.pop(name + end, None)  # of the benchmark, where all tasks follow
        found |= {name + end: value for end, value in ends.items() if not math.isnan(value)}
    return found


def to_wandb(run: Tracked, project: str) -> str:
    """Log a run with W&B's client, which decides where it goes, and return where that is.

    Raises
    ------
    ExtraMissingError
        When the client is not installed.
    EnvironmentFault
        Whatever the client raises.
    """
    try:
        import wandb
    except ImportError as error:
        raise ExtraMissingError("--to wandb", "wandb") from error

    def log() -> str:
        logged = wandb.init(
            project=project, name=run.name, id=run.key, resume="allow", config=dict(run.settings)
        )
        logged.log(dict(run.values))
        files = wandb.Artifact(f"evalkit-{run.key}", type="evaluation")
        for file in run.files:
            files.add_file(str(file), name=_place(file))
        logged.log_artifact(files)
        place = str(logged.url or logged.dir)
        logged.finish()
        return place

    return _through(log, "W&B")


def to_mlflow(run: Tracked, project: str) -> str:
    """Log a run with MLflow's client, to wherever it tracks, and return where that is.

    Raises
    ------
    ExtraMissingError
        When the client is not installed.
    EnvironmentFault
        Whatever the client raises.
    """
    try:
        import mlflow
    except ImportError as error:
        raise ExtraMissingError("--to mlflow", "mlflow") from error

    def log() -> str:
        experiment = mlflow.set_experiment(project)
        known = mlflow.MlflowClient().search_runs(
            [experiment.experiment_id], f"tags.`evalkit.run` = '{run.key}'", max_results=1
        )
        old = known[0].info.run_id if known else None
        with mlflow.start_run(run_id=old, run_name=None if old else run.name) as logged:
            mlflow.set_tag("evalkit.run", run.key)
            mlflow.log_params(dict(run.settings))
            mlflow.log_metrics({_plain(name): value for name, value in run.values.items()})
            for file in run.files:
                mlflow.log_artifact(str(file), _place(file).rpartition("/")[0] or None)
        return f"{mlflow.get_tracking_uri()}, experiment {project}, run {logged.info.run_id}"

    return _through(log, "MLflow")


TRACKERS: Mapping[str, Callable[[Tracked, str], str]] = {"mlflow": to_mlflow, "wandb": to_wandb}
"""Name of a tracker -> what hands a run to its client."""


def _place(file: Path) -> str:
    """Where a file goes: figures into a folder of theirs."""
    return f"figures/{file.name}" if file.parent.name == "figures" else file.name


def _plain(name: str) -> str:
    """Return a name of a metric as MLflow takes it; one that had to change says so by a digest.

    >>> _plain("mmlu/anatomy/mean"), _plain("t@a/mean")
    ('mmlu/anatomy/mean', 't_a/mean-6cb9ae')
    """
    plain = re.sub(r"[^\w\-./: ]", "_", name, flags=re.ASCII)
    return plain if plain == name else f"{plain}-{digest(name, length=6)}"


def _through(log: Callable[[], str], client: str) -> str:
    try:
        return log()
    except Exception as error:  # a client raises what it likes: no login, no network, its own
        said: Any = str(error).strip().partition("\n")[0]
        raise EnvironmentFault(
            f"{client}'s client stopped: {said.rstrip('.') or type(error).__name__}. "
            "Its own settings decide where it writes and who may; check these."
        ) from error
