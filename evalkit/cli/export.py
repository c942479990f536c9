"""``evalkit export``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import PATH, GroupedCommand, debug_option, option, quiet_option
from evalkit.errors import UsageError
from evalkit.report.terminal import say

__all__ = ["command"]


@click.command(
    "export",
    cls=GroupedCommand,
    epilog="Example: evalkit export RUN --what responses --format jsonl --out responses.jsonl",
)
@click.argument("run", type=PATH)
@option(
    "--what",
    type=click.Choice(["responses", "scores", "lm-eval", "every-eval-ever"]),
    default="scores",
    help="What is written.",
)
@option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    help="Format; default: by the name of --out, else jsonl.",
)
@option(
    "--to",
    type=click.Choice(["hub-folder", "mlflow", "wandb"]),
    help="Hand the run to a tracker's client, or lay it out for the hub; in place of --what.",
)
@option(
    "--project",
    default="evalkit",
    metavar="NAME",
    help="W&B project or MLflow experiment, with --to.",
)
@option(
    "--out",
    "-o",
    type=PATH,
    help="File to write, or directory for lm-eval, every-eval-ever and hub-folder.",
)
@quiet_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    what: str,
    form: str | None,
    to: str | None,
    project: str,
    out: Path | None,
    quiet: bool,
) -> int:
    """Write a run for other programs.

    ``responses``: one row per cell with the prompt's request key, raw log-probabilities and text.
    ``scores``: the score table. ``lm-eval``: the suite as lm-eval task files, so that anyone can
    check the numbers with it. ``every-eval-ever``: records of its schema 0.3, an aggregate with our
    intervals and a line per cell with its phrasing.

    ``--to wandb`` and ``--to mlflow`` hand settings, headline statistics with intervals and the
    run's files to the client of these, which decides by its own settings where they go; the same
    run again replaces what it left there. ``--to hub-folder`` lays out a data set with its card,
    without texts of the benchmark, and the model's ``model-index``; pushing it is yours.
    """
    from evalkit.store.atomic import is_stream

    if to is not None:
        _refuse(context, to, out)
        done = _folder(run, out) if out is not None else _tracked(run, to, project)
        if not quiet:
            say(done)
        return 0
    if out is None:
        raise UsageError("--out: is needed with --what. Name a file, or a directory for lm-eval.")
    count = _written(run, what, form, out)
    if not quiet:
        say(f"{count} rows written to {out}", err=is_stream(out))
    return 0


def _refuse(context: click.Context, to: str, out: Path | None) -> None:
    """Refuse what does not go with ``--to``."""
    given = {
        name
        for name in ("what", "form", "project")
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    }
    if given & {"what", "form"}:
        raise UsageError(
            f"--to {to}: says what is written by itself. Leave out --what and --format."
        )
    if to == "hub-folder" and (out is None or "project" in given):
        raise UsageError("--to hub-folder: is laid out in --out DIR, without --project.")
    if to != "hub-folder" and out is not None:
        names = {"mlflow": "MLFLOW_TRACKING_URI", "wandb": "WANDB_DIR and WANDB_MODE"}[to]
        raise UsageError(
            f"--to {to}: writes where its client is set to ({names}). Leave out --out."
        )


def _tracked(path: Path, to: str, project: str) -> str:
    """Hand a run to the client of a tracker; return what is told of it."""
    from evalkit.report.tracked import TRACKERS, tracked
    from evalkit.runs.read import finished, read_own_estimates

    manifest = finished(path)
    run = tracked(path, manifest, read_own_estimates(path, manifest))
    place = TRACKERS[to](run, project)
    return f"{len(run.values)} values and {len(run.files)} files handed to {to}: {place}"


def _folder(path: Path, out: Path) -> str:
    """Lay out the hub's folder of a run; return what is told of it."""
    from evalkit.report.hub_folder import write_hub_folder
    from evalkit.runs.read import read_run
    from evalkit.scoring.table import read_table
    from evalkit.store.directory import refuse_own

    refuse_own(out)
    table = read_table(path)
    files = write_hub_folder(read_run(path, flips=0, table=table), path, out, table.frame)
    return (
        f"{len(files)} files written to {out}\n"
        f"To publish: hf upload NAME/DATASET {out} --repo-type dataset"
    )


def _written(run: Path, what: str, form: str | None, out: Path) -> int:
    """Write files of ``--what``; return the number of rows."""
    from evalkit.store.directory import refuse_own

    if what == "lm-eval":
        from evalkit.report.lm_eval_export import export_run

        count = export_run(run, out)
    elif what == "every-eval-ever":
        count = _records(run, out)
    else:
        from evalkit.runs.read import answers_of

        form = form or (
            out.suffix.lstrip(".")
            if out.suffix.lstrip(".") in {"jsonl", "csv", "parquet"}
            else "jsonl"
        )
        if out.is_dir():
            raise UsageError(f"--out: {out} is a directory; name a file.")
        refuse_own(out)
        rows = list(answers_of(run)) if what == "responses" else list(_scores(run))
        count = len(rows)
        _write(rows, out, form)
    return count


def _records(run: Path, out: Path) -> int:
    """Write the records of Every Eval Ever; return the number of cells."""
    from evalkit.report.every_eval_ever_export import aggregate, record_name, samples
    from evalkit.runs.read import answers_of, finished, read_run
    from evalkit.store.atomic import write_atomic
    from evalkit.store.directory import refuse_own

    refuse_own(out, of=run)
    manifest, view = finished(run), read_run(run, flips=0)
    prompts = {
        (row["task"], row["phrasing_id"], row["instance_id"]): row for row in answers_of(run)
    }
    lines = [
        json.dumps(row, ensure_ascii=False, allow_nan=False)
        for row in samples(manifest, _scores(run), prompts)
    ]
    name = record_name(manifest)
    record = aggregate(manifest, view.evidence, view.estimates)
    write_atomic(
        out / f"{name}.json",
        json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    )
    write_atomic(out / f"{name}_samples.jsonl", "".join(f"{line}\n" for line in lines))
    return len(lines)


def _scores(run: Path) -> Iterator[dict[str, Any]]:
    from dataclasses import asdict

    from evalkit.scoring.stored import score_run

    _, cells, _ = score_run(run)
    for part in cells:
        yield from map(asdict, part.rows())


def _write(rows: list[dict[str, Any]], out: Path, form: str) -> None:
    from evalkit.store.csv_file import csv_of
    from evalkit.store.directory import write_out

    if form == "jsonl":
        write_out(
            out,
            "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows),
        )
    elif form == "csv":
        names = list(rows[0]) if rows else []
        write_out(out, csv_of(names, ([row[name] for name in names] for row in rows)))
    else:
        import io

        import pandas as pd

        buffer = io.BytesIO()
        plain = [{name: _utf8(cell) for name, cell in row.items()} for row in rows]
        pd.DataFrame(plain).to_parquet(buffer, index=False)
        write_out(out, buffer.getvalue())


def _utf8(cell: Any) -> Any:
    """Return a cell that UTF-8 can hold: a lone surrogate is spelt out, as in every other table."""
    return cell.encode("utf-8", "backslashreplace").decode() if isinstance(cell, str) else cell
