"""A choice that wins only because another one begins with it is counted and said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.cli.main import invoke
from evalkit.records import Response
from evalkit.report.limits import limits
from evalkit.store.directory import read_manifest

TASK = """name: steps
benchmark: mine
reader: table
kind: choice
choices_shown: true
metric: METRIC
source: {local: rows.csv, options: {columns: {id: id, question: q, choices: all, target: a}, target_is: text, separator: "|"}}
"""  # noqa: E501
WORDS = """tasks: ["mine/*"]
defaults: {source: mine, layout: bulleted, label_space: text}
phrasings:
  - {id: w-1, text: "Say what to do."}
  - {id: w-2, text: "What comes now?"}
"""


def asked(folder: Path, logprobs: tuple[float, ...], metric: str = "choice_accuracy") -> Any:
    """Ask two rows whose choices step, step aside and wait have the same log-probabilities
    always.
    """
    (folder / "rows.csv").write_text(
        "id,q,all,a\n1,Which?,step|step aside|wait,step aside\n2,What?,step|step aside|wait,step\n"
    )
    (folder / "steps.yaml").write_text(TASK.replace("METRIC", metric))
    (folder / "words.yaml").write_text(WORDS)

    def answer(request: Any) -> Response:
        return Response(key=request.key, logprobs=logprobs, token_counts=(1, 2, 1))

    return evalkit.run(
        answer,
        tasks=[str(folder / "steps.yaml")],
        phrasing_file=[folder / "words.yaml"],
        tuned_on=[],
        no_report=True,
        out=folder / "run",
    )


@pytest.mark.parametrize(
    ("logprobs", "metric", "count"),
    [
        ((-0.1, -0.2, -3.0), "choice_accuracy", 4),
        ((-0.1, -2.5, -3.0), "choice_accuracy", 0),
        ((-0.2, -0.1, -3.0), "choice_accuracy", 0),
        ((-3.0, -3.1, -0.1), "choice_accuracy", 0),
        ((-0.1, -0.2, -3.0), "choice_accuracy_apart", 0),
    ],
    ids=["goes on", "mostly ends", "is a token of its own", "neither", "counted apart"],
)
def test_decisions_that_only_a_beginning_made_are_counted(
    logprobs: tuple[float, ...], metric: str, count: int, tmp_path: Path
) -> None:
    """Counted where the other rule would decide otherwise, on the same stored answers."""
    asked(tmp_path, logprobs, metric)

    assert read_manifest(tmp_path / "run").totals.begins_another == count


def test_the_summary_and_the_report_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each, which names the rule that tells them apart."""
    asked(tmp_path, (-0.1, -0.2, -3.0))
    capsys.readouterr()
    assert invoke(["score", str(tmp_path / "run")]) == 0

    assert "4 decisions fell on a choice that begins another one" in capsys.readouterr().out
    heads = [limit.head for limit in limits(read_manifest(tmp_path / "run"))]
    assert "4 decisions for a choice that begins another" in heads
