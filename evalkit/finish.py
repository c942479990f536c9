"""Where a run ends: scores, estimates, report and the manifest that says ``complete``, from what is stored."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from typing import Any

from evalkit.rescore import score_run
from evalkit.rundir import RunDir

__all__ = ["finish", "library_versions"]

_LIBRARIES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "jinja2",
    "nltk",
    "sacrebleu",
    "torch",
    "transformers",
    "tokenizers",
    "lm_eval",
    "vllm",
    "ray",
    "peft",
)


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that can move a number, where installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def finish(directory: RunDir, manifest: Mapping[str, Any], *, level: float, resamples: int) -> dict[str, Any]:
    """Write scores, estimates, report and final manifest of a run directory this process owns; return the manifest.

    Parameters
    ----------
    directory
        Holds the responses.
    manifest
        What is known so far.
    level, resamples
        Of the intervals.
    """
    from evalkit.analysis import estimate, write_estimates
    from evalkit.report.writing import write_report
    from evalkit.scores import ScoreTable

    body = {key: value for key, value in manifest.items() if key != "schema"}
    directory.write_manifest({**body, "state": "partial", "counts": {}})
    _, scores, counts = score_run(directory.path, read_only=False)
    table = ScoreTable.from_scores(scores)
    table.write_parquet(directory.scores_path)
    estimates = estimate(table, level=level, n_resamples=resamples, seed=int(body["seed"]))
    write_estimates(estimates, directory.estimates_path)
    final = {
        **body,
        "state": "partial" if counts.missing else "complete",
        "versions": library_versions(),
        "intervals": {"level": level, "resamples": resamples},
        "counts": asdict(counts),
    }
    write_report(directory.path, final, table=table, estimates=estimates)
    directory.write_manifest(final)
    return final
