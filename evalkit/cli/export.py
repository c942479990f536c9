"""``evalkit export``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from evalkit.cli.options import GroupedCommand, debug_option, option, quiet_option

__all__ = ["command"]


@click.command(
    "export",
    cls=GroupedCommand,
    epilog="Example: evalkit export RUN --what responses --format jsonl --out responses.jsonl",
)
@click.argument("run", type=click.Path(path_type=Path))
@option(
    "--what",
    type=click.Choice(["responses", "scores", "lm-eval"]),
    default="scores",
    show_default=True,
    help="What is written.",
)
@option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    default=None,
    help="Format; default: by the name of --out, else jsonl.",
)
@option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    required=True,
    help="File to write, or directory for lm-eval.",
)
@quiet_option
@debug_option
def command(run: Path, what: str, form: str | None, out: Path, quiet: bool) -> int:
    """Write a run for other programs.

    ``responses``: one row per cell with the prompt's request key, raw log-probabilities and text.
    ``scores``: the score table. ``lm-eval``: the suite as lm-eval task files, so that anyone can
    check the numbers with it.
    """
    from evalkit.errors import UsageError

    if what == "lm-eval":
        from evalkit.report.lm_eval_export import export_run

        count = export_run(run, out)
    else:
        from evalkit.runs.read import answers_of

        form = form or (
            out.suffix.lstrip(".")
            if out.suffix.lstrip(".") in {"jsonl", "csv", "parquet"}
            else "jsonl"
        )
        if out.is_dir():
            raise UsageError(f"--out: {out} is a directory; name a file.")
        rows = list(answers_of(run)) if what == "responses" else list(_scores(run))
        count = len(rows)
        _write(rows, out, form)
    if not quiet:
        click.echo(f"{count} rows written to {out}")
    return 0


def _scores(run: Path) -> Iterator[dict[str, Any]]:
    from dataclasses import asdict

    from evalkit.scoring.stored import score_run

    _, scores, _ = score_run(run, collect=list)
    for score in scores:
        yield asdict(score)


def _write(rows: list[dict[str, Any]], out: Path, form: str) -> None:
    from evalkit.store.atomic import write_atomic

    if form == "jsonl":
        write_atomic(
            out,
            "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows),
        )
        return
    import io

    import pandas as pd

    frame = pd.DataFrame(rows)
    if form == "parquet":
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        write_atomic(out, buffer.getvalue())
        return
    for name in frame.columns:
        frame[name] = frame[name].map(_guarded)
    write_atomic(out, frame.to_csv(index=False, lineterminator="\n"))


def _guarded(value: Any) -> Any:
    """Text cells that a spreadsheet would take for a formula get an apostrophe in front.

    Lists become JSON.
    """
    if isinstance(value, list):
        return json.dumps(value)
    if isinstance(value, str) and (
        value.lstrip(" \"'")[:1] in {"=", "+", "-", "@"} or value[:1] in {"\t", "\r"}
    ):
        return f"'{value}"
    return value
