"""The public tables of Sun et al. (2023), arXiv 2306.11270, under our column names.

A row is a phrasing named Collection/Type/ID. Three facts are not in the rows and come from the
paper and its repository (jiudingsun01/InstructionEval, ``configs/``): which types were written for
the study, which of them are controls, and which data set belongs to which of the paper's four
groups.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMNS", "NOTE", "renamed", "settled"]

COLUMNS = (
    *("Model", "Dataset", "Collection", "Type", "ID", "Shots", "Performance", "Metric"),
    "Include?",
)
"""Header of these tables."""
NOTE = (
    "layout instructioneval: a phrasing is Collection/Type/ID; instructions of a tuning collection "
    "are seen, those written for the study (Unobserved), by the authors of the data set (Default) "
    "or for controls are not; Random, Negation and Incorrect are kinds of control"
)
"""What a reader of these tables is told."""
SIZES = {"MMLU_General": 14042}
"""Instances of the data sets: MMLU test split, Hendrycks et al. (2021), arXiv 2009.03300."""
OBSERVED = ("QA", "BC", "Classification")
"""Types of the instructions taken from tuning collections."""
KINDS = {"Random": "random", "Negation": "negated", "Incorrect": "wrong"}
"""Type -> kind of control."""
GROUPS = {
    **dict.fromkeys(("Play_Dialog", "Strange_Stories", "StrategyQA", "Winowhy"), "BBL-BC"),
    **dict.fromkeys(("Language_Identification", "Vitaminc_Fact_Verification"), "BBL-MC"),
    **dict.fromkeys(
        ("BBQ_Lite", "Code_Line_Description", "Conceptual_Combinations", "Hindu_Knowledge"),
        "BBL-QA",
    ),
    **dict.fromkeys(
        ("Known_Unknowns", "Logic_Grid_Puzzle", "Logical_Deduction", "Novel_Concepts"), "BBL-QA"
    ),
    **dict.fromkeys(("MMLU_General", "MMLU_Specific"), "MMLU"),
}
"""Data set -> the paper's group: question answering, binary and multi-class classification of
BIG-bench Lite, and MMLU."""


def renamed(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows that count, their scores as they were printed, and what to tell of them.

    Parameters
    ----------
    frame
        Columns `COLUMNS`.
    """
    import pandas as pd

    text = {name: frame[name].astype(str).str.strip() for name in COLUMNS}
    out = pd.DataFrame({"model": text["Model"]})
    shots = text["Shots"].where(text["Shots"] != "0", "")
    out["task"] = text["Dataset"] + shots.map(lambda k: f" ({k}-shot)" if k else "")
    out["benchmark"] = text["Dataset"].map(GROUPS).fillna("")
    out["phrasing_id"] = text["Collection"] + "/" + text["Type"] + "/" + text["ID"]
    out["phrasing_source"] = text["Collection"]
    out["seen"] = text["Type"].isin(OBSERVED).map({True: "seen", False: "unseen"})
    out["kind"] = text["Type"].map(KINDS).fillna("correct")
    out["score"] = frame["Performance"]
    out["score_text"] = text["Performance"]
    out["n_instances"] = text["Dataset"].map(SIZES).astype("float64")
    out["shots"], out["metric"] = text["Shots"], text["Metric"]
    kept = text["Include?"].str.lower() != "false"
    left = (f"{int((~kept).sum())} rows with Include? False were left out",)
    return out[kept].reset_index(drop=True), (NOTE, *(() if kept.all() else left))


def settled(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows without those that state two scores of one phrasing, and what to tell of it.

    A row that stands twice word for word counts once.

    Parameters
    ----------
    frame
        As `renamed` returns it, scores as numbers.
    """
    columns = [name for name in frame if name not in ("score", "score_text")]
    distinct = frame.drop_duplicates([*columns, "score"], ignore_index=True)
    twice = distinct.duplicated(columns, keep=False)
    notes: tuple[str, ...] = ()
    if len(distinct) < len(frame):
        notes = (f"{len(frame) - len(distinct)} rows stand twice word for word and count once",)
    if not twice.any():
        return distinct, notes
    first = distinct[twice].iloc[0]
    named = f"model {first['model']!r}, task {first['task']!r}, phrasing {first['phrasing_id']!r}"
    return distinct[~twice].reset_index(drop=True), (
        *notes,
        f"{int(twice.sum())} rows contradict another row and were left out, first {named}: "
        "one phrasing with two scores; see evalkit audit",
    )
