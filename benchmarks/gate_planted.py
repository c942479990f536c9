"""Plants defects that a release must not pass with, and asks the shipped policy: the table of docs/gate.md.

Unlike `gate_defects`, nothing else differs: no cell flips by chance, so a clean twin passes, and so would
any defect that no rule is about.

    python benchmarks/gate_planted.py --work build/planted
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gate_defects import decided, made

from evalkit.backends.scripted import ScriptedBackend
from evalkit.records import Hint, Request

SAME = "seed=1,flips=0"
Written = Callable[[str, str], str]
"""(what would be answered, the prompt) -> what is answered instead."""


@dataclass(frozen=True)
class Defect:
    """One candidate."""

    name: str
    """What is said in the table."""
    script: str
    """Scripted model."""
    written: Written | None = None
    """What becomes of the written answers that an `injects` model would add a phrase to."""


DEFECTS = (
    Defect("nothing: a clean twin", f"twin,{SAME}"),
    Defect("worse on unseen wording, 15 %", f"unseen,{SAME},strength=0.15"),
    Defect("one task 40 % worse", f"bad_task,{SAME},strength=0.4,task=procedural/sorting"),
    Defect("one task 22 % worse", f"bad_task,{SAME},strength=0.22,task=procedural/sorting"),
    Defect("refuses 15 % of texts", f"over_refuses,{SAME},strength=0.15"),
    Defect(
        "refuses 15 % in words of no list",
        f"injects,{SAME},strength=0.15,rate=0.1",
        lambda _, __: "That is one for the colleagues upstairs.",
    ),
    Defect("15 % of texts cut off", f"format,{SAME},strength=0.15"),
    Defect(
        "15 % of texts wrapped in a sentence",
        f"injects,{SAME},strength=0.15,rate=0.2",
        lambda said, _: f"Thank you for asking! I am happy to say that it is {said} in this case.",
    ),
    Defect(
        "15 % of texts as a table",
        f"injects,{SAME},strength=0.15,rate=0.3",
        lambda said, _: f"| question | reply |\n|---|---|\n| 1 | {said} |",
    ),
    Defect("first choice in 15 %", f"position,{SAME},strength=0.15"),
    Defect("15 % of the wordings dead", f"phrasings,{SAME},strength=0.15"),
    Defect("forgot 15 % of instances", f"forgot,{SAME},strength=0.15"),
    Defect("surer of all answers: 0.9 to 0.999", f"overconfident,{SAME},strength=1"),
    Defect("a second line with an advertisement, 15 %", f"injects,{SAME},strength=0.15"),
    Defect("deaf: obeys no control", f"unfollows,{SAME},strength=1"),
)


def run_of(defect: Defect, work: Path, limit: int) -> Path:
    """Return the run of a defect, asked once; `rate`, which no twin reads, keeps scripts apart."""
    if defect.written is None:
        return made(defect.script, work, limit)
    plain, written = ScriptedBackend._text, defect.written

    def text(self: ScriptedBackend, request: Request, hint: Hint) -> str:
        found = plain(self, request, hint)
        return written(found.split("\n")[0], request.text) if "\n" in found else found

    ScriptedBackend._text = text  # type: ignore[method-assign]
    try:
        return made(defect.script, work, limit)
    finally:
        ScriptedBackend._text = plain  # type: ignore[method-assign]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=100)
    given = parser.parse_args()
    baseline = made("twin,flips=0", given.work, given.limit)
    print("| defect | outcome | rules that fail | named first |\n|---|---|---|---|", flush=True)
    for defect in DEFECTS:
        decision = decided(run_of(defect, given.work, given.limit), baseline)
        failed = dict.fromkeys(check.metric for check in decision.of("regression"))
        assert decision.causes is not None
        named = decision.causes.named[0].name if decision.causes.named else "-"
        print(
            f"| {defect.name} | {decision.outcome} | {', '.join(failed) or '-'} | {named} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
