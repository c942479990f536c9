"""Make ``reports/leaderboard/``: the models that need nothing but this repository, on the
procedural suite.

Run: ``python tools/make_leaderboard.py [--limit N] [--runs DIR]``. Writes CSV, Markdown, page and a
README with the commands.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from evalkit.cli.main import invoke
from evalkit.store.atomic import slug, write_atomic

OUT = Path(__file__).parent.parent / "reports" / "leaderboard"
MODELS = {
    "demo": "the model that ships: trained from scratch on seen wordings and rules of this very suite",  # noqa: E501
    "demo-bart": "the encoder-decoder that ships: trained likewise, and far more dependent on the wording",  # noqa: E501
    "scripted:perfect": "always right",
    "scripted:knows,accuracy=0.7": "right on 70% of the instances, whatever the wording",
    "scripted:noise,accuracy=0.7": "right in 70% of the cells, drawn anew for every wording",
    "scripted:sensitive,accuracy=0.7,sd=0.1": "like noise, with a probability that varies over wordings",  # noqa: E501
    "scripted:seen_only": "right under seen wording, wrong under any other",
    "scripted:first": "always the first choice",
}
"""Model -> what it is."""


def commands(runs: str, limit: int | None) -> list[list[str]]:
    """Return the commands: one run per model, then the leaderboard."""
    limited = ["--limit", str(limit)] if limit else []
    made = []
    for model in MODELS:
        tuned = ["--tuned-on", "evalkit-tuning"] if model.startswith("scripted:") else []
        made.append(
            [
                "run",
                "--model",
                model,
                "--suite",
                "procedural",
                *tuned,
                *limited,
                "--quiet",
                "--out",
                f"{runs}/{slug(model)}",
            ]
        )
    made.append(["leaderboard", *(f"{runs}/{slug(model)}" for model in MODELS)])
    return made


def main() -> int:
    """Run everything and write the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit", type=int, default=None, help="instances per task; default all")
    parser.add_argument(
        "--runs",
        type=Path,
        default=None,
        help="where run directories go and stay; default a temporary folder",
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = arguments.runs or Path(folder)
        *evaluations, ranking = commands(str(runs), arguments.limit)
        for words in evaluations:
            if code := invoke(words):
                print(f"evalkit {shlex.join(words)}: exit code {code}", file=sys.stderr)
                return code
        files = [
            "--out",
            str(OUT / "leaderboard.csv"),
            "--html",
            str(OUT / "leaderboard.html"),
            "--markdown",
            str(OUT / "leaderboard.md"),
        ]
        if code := invoke([*ranking, *files]):
            return code
    write_atomic(OUT / "README.md", readme(arguments.limit))
    return 0


def readme(limit: int | None) -> str:
    """Return the page beside the leaderboard: what it shows and the commands that made it."""
    lines = ["# Leaderboard of what runs from this repository alone", ""]
    lines += [
        (
            "The two models that ship and scripted reference models on the procedural suite; "
            "no download is needed."
        )
    ]
    lines += [
        (
            "Scripted models are told the answers and behave as described; "
            "they are the scale on which a real model is read."
        ),
        "",
    ]
    lines += [
        "| model | what it is |",
        "|---|---|",
        *(f"| `{model}` | {what} |" for model, what in MODELS.items()),
        "",
    ]
    lines += [
        (OUT / "leaderboard.md").read_text(encoding="utf-8"),
        "Made by `python tools/make_leaderboard.py"
        + (f" --limit {limit}" if limit else "")
        + "`, which runs:",
        "",
    ]
    *evaluations, ranking = commands("runs", limit)
    shown = [
        *evaluations,
        [
            *ranking,
            "--out",
            "leaderboard.csv",
            "--html",
            "leaderboard.html",
            "--markdown",
            "leaderboard.md",
        ],
    ]
    lines += ["```console", *(f"$ evalkit {shlex.join(words)}" for words in shown), "```"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
