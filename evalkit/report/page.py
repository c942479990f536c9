"""``report.html``: one file that needs nothing else, under a Content-Security-Policy that allows
nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import TYPE_CHECKING, Any

from evalkit.analysis.from_states import SHARES
from evalkit.catalog.paths import data_root
from evalkit.records.questions import WORDS
from evalkit.report.answer_tables import answer_tables
from evalkit.report.asked import about, most_asked
from evalkit.report.compared import reasons
from evalkit.report.dimensions import dimension_tables, largest_change
from evalkit.report.drawing import Drawing, by_task
from evalkit.report.drawings import drawings
from evalkit.report.judges import judge_views
from evalkit.report.limits import limits, limits_of_wordings
from evalkit.report.page_data import packed_cells, page_data
from evalkit.report.page_tables import (
    benchmark_rows,
    flip_view,
    phrasing_rows,
    task_rows,
    unused_rows,
)
from evalkit.report.run_view import Comparison, RunView
from evalkit.report.scorers import scorer_tables
from evalkit.report.sections import answers, controls, looks_text, metric_name, provenance
from evalkit.report.strips import strips
from evalkit.report.summary import cost_sentence
from evalkit.report.task_classes import task_classes
from evalkit.report.text import (
    asked_of,
    bracket,
    carried,
    estimate_text,
    grouped,
    markdown_cell,
    p_shown,
    points,
    proven,
    script_json,
    share,
    signed,
    visible,
)
from evalkit.scoring.sandbox.limits import CLASSES

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["drawn", "environment", "policy", "render_markdown", "render_page", "template_text"]

STATIC_ROWS = 150
"""Phrasings in the table before the script takes over."""
STATIC_FLIPS = 2
"""Instances side by side before the script takes over."""


def template_text(name: str) -> str:
    """Return the text of a template file."""
    return (data_root("reports") / "templates" / name).read_text(encoding="utf-8")


def environment() -> Environment:
    """Return the template environment.

    Everything escaped, hidden characters shown, undefined names refused.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined

    names = ("report.html.j2", "report.md.j2", "comparison.html.j2", "macros.html.j2")
    env = Environment(
        loader=DictLoader({name: template_text(name) for name in names}),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        finalize=lambda value: (
            visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
        ),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "points": points,
        "signed": signed,
        "share": share,
        "estimate": estimate_text,
        "cell": markdown_cell,
        "metric": metric_name,
        "p": p_shown,
        "reasons": reasons,
    }
    env.globals |= {"bracket": bracket, "intervals_for": about, "most_asked": most_asked}
    return env


def policy(style: str, script: str | None = None) -> str:
    """Return the Content-Security-Policy of a page.

    Its own style, its own script, images inside it, nothing else.
    """
    allowed = f"script-src {_hashed(script)}; " if script is not None else ""
    return (
        f"default-src 'none'; style-src {_hashed(style)}; {allowed}img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hashed(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def drawn(drawing: Drawing) -> str:
    """Return a drawing as an element of the page; empty when there is none."""
    if drawing.draw is None:
        return ""
    from evalkit.report.figures.canvas import figure_bytes
    from evalkit.report.svg import inline_svg

    return inline_svg(
        figure_bytes(drawing.draw(), form="text-svg"),
        name=drawing.name,
        label=escape(visible(drawing.title)),
    )


def context(run: RunView, *, comparison: Comparison | None = None) -> dict[str, Any]:
    """Return what the templates of page and Markdown share.

    Parameters
    ----------
    run
        The run.
    comparison
        With a baseline, when one is given.
    """
    values = by_task(run.estimates)
    question = asked_of(run.estimates)
    return {
        "question": question,
        "asked_of_tasks": asked_of(row for row in run.estimates if row.task != "all"),
        "these": WORDS["these"],
        "said": [*proven(run.estimates), *carried(run.estimates), *grouped(run.estimates)],
        "manifest": run.manifest,
        "tagline": cost_sentence(run.evidence.costs),
        "evidence": run.evidence,
        "answers": answers(values.get("all", {}), run.evidence),
        "limits": [
            *limits(run.manifest),
            *limits_of_wordings(
                run.evidence.wordings, run.estimates, values.get("all", {}).get("gap_matched")
            ),
        ],
        "looks": looks_text(run.evidence.looks),
        "controls": controls(values.get("all", {})),
        "dimensions": (tables := dimension_tables(run.estimates)),
        "largest_change": largest_change(tables),
        "of_answers": answer_tables(values, [view.task.id for view in run.evidence.tasks]),
        "scorers": scorer_tables(run.scorers),
        "judges": judge_views(run.judges),
        "classes": task_classes(run.estimates),
        "benchmarks": benchmark_rows(values),
        "tasks": task_rows(run.evidence, values),
        "provenance": provenance(run.manifest),
        "comparison": comparison,
        "states": tuple(SHARES.values()),
        "programs": [
            name for name in CLASSES if any(name in view.programs for view in run.evidence.tasks)
        ],
        "stated": any(
            value == value for view in run.evidence.tasks for value in view.states.values()
        ),
        "unused": unused_rows(run.evidence),
    }


def render_markdown(run: RunView, *, comparison: Comparison | None = None) -> str:
    """Return the short text form of the page."""
    return environment().get_template("report.md.j2").render(context(run, comparison=comparison))


def render_page(run: RunView, *, comparison: Comparison | None = None) -> str:
    """Return the page of one run.

    Parameters
    ----------
    run
        The run.
    comparison
        With a baseline, when one is given.
    """
    from markupsafe import Markup

    evidence = run.evidence
    shown = [
        (drawing, Markup(drawn(drawing)))
        for drawing in drawings(evidence, run.estimates, counts=run.manifest.totals)
        if drawing.name != "scores"  # the page has its own form of it
    ]
    rows_of_strips, n_strips = strips(evidence, by_task(run.estimates))
    style = template_text("report.css")
    script = template_text("sort.js") + template_text("report.js").removeprefix('"use strict";\n')
    rows = phrasing_rows(evidence)
    flips = [flip for view in evidence.tasks for flip in view.flips]
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            context(run, comparison=comparison),
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
            data=Markup(script_json(page_data(evidence))),
            figures=shown,
            cells=packed_cells(evidence),
            n_cells=sum(view.cells.values.size for view in evidence.tasks if view.cells),
            strips=rows_of_strips,
            n_strips=n_strips,
            phrasings=rows[:STATIC_ROWS],
            n_phrasings=len(rows),
            flips=[flip_view(flip) for flip in flips[:STATIC_FLIPS]],
            n_flips=len(flips),
            n_flipping=sum(view.n_flipping for view in evidence.tasks),
        )
    )
