"""The page as text: what it says, what it lets nobody do,
and that it can be read without a mouse, a script or colours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from evalkit.report.drawing import by_task
from evalkit.report.limits import limits
from evalkit.report.page import render_markdown, render_page, template_text
from evalkit.report.run_view import RunView, side_by_side
from evalkit.report.sections import answers, looks_text, provenance

HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = "
    "2'>\u202egnp.exe\x00{{ 7 * 7 }}"
)
VOID = {"meta", "input", "br", "link", "img", "hr", "wbr"}


class Tree(HTMLParser):
    """Elements in document order, with attributes and the text inside."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and go inside, unless it has no inside."""
        element = {
            "tag": tag,
            "attributes": dict(attrs),
            "text": "",
            "inside": [one["tag"] for one in self.open],
        }
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.elements.append(
            {
                "tag": tag,
                "attributes": dict(attrs),
                "text": "",
                "inside": [one["tag"] for one in self.open],
            }
        )

    def handle_endtag(self, tag: str) -> None:
        """Go outside; what closes must be what was opened last."""
        assert self.open[-1]["tag"] == tag, f"</{tag}> closes <{self.open[-1]['tag']}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        """Add a text to all elements around it."""
        for element in self.open:
            element["text"] += data

    def all(self, tag: str) -> list[dict[str, Any]]:
        """Return the elements of one kind."""
        return [element for element in self.elements if element["tag"] == tag]


@pytest.fixture(scope="session")
def page(run_view: RunView) -> str:
    """Return the page of the plain run."""
    return render_page(run_view)


@pytest.fixture(scope="session")
def tree(page: str) -> Tree:
    """Return its elements."""
    return Tree(page)


@pytest.fixture(scope="session")
def hostile(make_run: Callable[..., RunView]) -> str:
    """Return the page of a run in which every text from outside is an attack."""
    return render_page(make_run(HOSTILE, notes=[HOSTILE], left_out={HOSTILE: "gone"}))


def test_page_is_whole_markup(tree: Tree) -> None:
    """Every element that is opened is closed, in order."""
    assert tree.open == []
    assert [element["tag"] for element in tree.elements[:2]] == ["html", "head"]


def test_hostile_text_makes_no_element(hostile: str, tree: Tree) -> None:
    """Attack and plain text give the same elements: nothing of the attack became markup."""
    kinds = {element["tag"] for element in Tree(hostile).elements}

    assert kinds == {element["tag"] for element in tree.elements}
    assert len(Tree(hostile).all("script")) == len(tree.all("script")) == 4
    assert [
        name
        for element in Tree(hostile).elements
        for name in element["attributes"]
        if name.startswith("on")
    ] == []


def test_hidden_characters_are_shown(hostile: str) -> None:
    """Neither the direction override nor the null is in the page; their numbers are."""
    assert not set(hostile) & {"\u202e", "\x00"}
    assert "⟨U+202E⟩gnp.exe⟨U+0000⟩" in hostile


def test_text_from_outside_is_no_template(hostile: str) -> None:
    """Braces stay braces."""
    assert "{{ 7 * 7 }}" in hostile


def test_policy_allows_the_pages_own_style_and_script_only(tree: Tree) -> None:
    """Hashes in the policy are those of the one style and the one script;
    nothing may be loaded or sent.
    """
    policy = next(
        one["attributes"]["content"]
        for one in tree.all("meta")
        if one["attributes"].get("http-equiv")
    )
    hashes = {
        "'sha256-"
        + base64.b64encode(hashlib.sha256(element["text"].encode()).digest()).decode()
        + "'"
        for element in [
            *tree.all("style"),
            *(one for one in tree.all("script") if "type" not in one["attributes"]),
        ]
    }
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))

    assert (
        directives["default-src"] == directives["base-uri"] == directives["form-action"] == "'none'"
    )
    assert {directives["style-src"], directives["script-src"]} == hashes
    assert directives["img-src"] == "data:"
    assert "unsafe" not in policy


def test_page_has_nothing_the_policy_would_refuse(tree: Tree) -> None:
    """No style attribute, no event attribute, no address but the name of the SVG language and
    places in the page.
    """
    names = {name for element in tree.elements for name in element["attributes"]}
    addresses = {
        element["attributes"][name]
        for element in tree.elements
        for name in ("href", "src")
        if name in element["attributes"]
    }

    assert "style" not in names
    assert [name for name in names if name.startswith("on")] == []
    assert [
        address for address in addresses if not address.startswith(("#", "data:image/png;base64,"))
    ] == []


def test_first_screen_answers_three_questions(tree: Tree) -> None:
    """Means 5/6, 4/6, 2/6, 1/6: 50.0; gap 75 - 25 = 50; both tasks are alike."""
    text = [element["text"] for element in tree.all("article")[:3]]

    assert [one.split("\n")[1] for one in text] == [
        "How good?",
        "How sensitive to wording?",
        "Worse on unseen wording?",
    ]
    assert "50.0" in text[0]
    assert "30.4" in text[1]
    assert "+50.0" in text[2]


def test_what_the_numbers_answer_and_prove_stands_beside_them(run_view: RunView) -> None:
    """The question of the intervals, what the worst of four phrasings proves,
    and that two carry each arm.
    """
    words = "for these tasks under new phrasings, whatever the effects of wording are"
    for text in (render_page(run_view), render_markdown(run_view)):
        assert words in text
        assert (
            "t least 47% of phrasings like these would score no lower than the worst of the 4 tried"
            in text
        )
        assert "2 unseen phrasings that of toy" in text


def test_every_relation_of_gap_and_interval_has_its_own_words(run_view: RunView) -> None:
    """Above 0, below 0, around 0, without interval, unknown."""
    from dataclasses import replace

    values = by_task(run_view.estimates)["all"]
    gap = values["gap"]
    cases = {
        (0.1, 0.05, 0.15): "Yes: 10.0 points lower on unseen wording.",
        (-0.1, -0.15, -0.05): "No: 10.0 points higher on unseen wording.",
        (0.1, -0.05, 0.25): "No clear difference: the interval includes 0.",
        (float("nan"), float("nan"), float("nan")): "Not known: no seen phrasings.",
    }
    found = {
        ends: answers(
            {
                **values,
                "gap": replace(
                    gap, value=ends[0], low=ends[1], high=ends[2], note="no seen phrasings"
                ),
            },
            run_view.evidence,
        )[2].verdict
        for ends in cases
    }

    assert list(found.values()) == list(cases.values())


def test_what_to_look_at_first_tells_format_from_knowledge(run_view: RunView) -> None:
    """Both phrasings that hold the loss fail by format; with that taken back, by knowledge."""
    found = run_view.evidence.looks

    assert looks_text(found)[1].startswith("Of these 2, 2 fail by format (")
    assert looks_text(replace(found, n_by_format=0))[1].startswith(
        "Of these 2, none fail by format ("
    )
    assert looks_text(replace(found, n_by_format=1))[1].endswith(
        "and 1 by knowledge (answers that can be read and are wrong)."
    )
    one = replace(found, lowest=found.lowest[:1], n_by_format=0)
    assert "1 of them scores below the mean" in looks_text(one)[0]
    assert looks_text(one)[1] == (
        "This one fails by knowledge (answers that can be read and are wrong)."
    )


def test_damaged_and_misleading_wording_has_its_own_table(run_view: RunView) -> None:
    """Drop rate and reliance stand on the page when the run has them,
    and no empty table stands there otherwise.
    """
    plain = next(
        row
        for row in run_view.estimates
        if row.task == row.benchmark == "all" and row.metric == "mean"
    )
    extra = [
        replace(plain, metric=name, value=0.25, low=0.2, high=0.3)
        for name in ("pdr", "reliance", "reliance_wrong")
    ]
    run = replace(run_view, estimates=[*run_view.estimates, *extra])

    assert "Damaged and misleading wording" not in render_page(run_view) + render_markdown(run_view)
    assert "| correct − wrong instruction | 25.0 [20.0, 30.0] |" in render_markdown(run)
    assert "lost under perturbation, % of the clean score" in render_page(run)


def test_everything_that_limits_the_numbers_is_said(run_view: RunView) -> None:
    """Missing cells first, then the rest; nothing when there is nothing."""
    plain = run_view.manifest
    manifest = replace(
        plain,
        counts=replace(plain.totals, missing=3, truncated=2),
        suite=replace(plain.suite, limit=6),
        left_out={"toy/third": "no data"},
        model=replace(plain.model, tuned_on=None),
    )

    assert [limit.head for limit in limits(manifest)] == [
        "3 of 48 cells missing (6.2%)",
        "1 task left out",
        "10 answers unparsed (21%)",
        "2 prompts truncated (4.2%)",
        "Limited to 6 instances per task",
        "Seen and unseen unknown",
    ]


def test_tuning_on_a_collection_that_holds_the_benchmark_is_said(run_view: RunView) -> None:
    """SuperNI holds MMLU: said for a model tuned on it, when MMLU is run."""
    plain = run_view.manifest
    manifest = replace(plain, model=replace(plain.model, tuned_on=("niv2",)))
    (task, *_) = plain.suite.tasks.values()
    suite = replace(plain.suite, tasks={"mmlu/anatomy": replace(task, benchmark="mmlu")})

    assert "Tuned on SuperNI, which contains MMLU" in [
        limit.head for limit in limits(replace(manifest, suite=suite))
    ]
    assert "Tuned on SuperNI, which contains MMLU" not in [limit.head for limit in limits(manifest)]


def test_tables_can_be_read_without_the_script(tree: Tree) -> None:
    """All eight phrasings are rows of the page itself, and two instances side by side."""
    body = [
        element
        for element in tree.all("tr")
        if "Wording p" in element["text"] and "evalkit" in element["text"]
    ]

    assert len(body) == 8
    assert len([one for one in tree.all("article") if one["attributes"]["class"] == "flip"]) == 2


def test_headings_go_down_one_step_at_a_time(tree: Tree) -> None:
    """One h1, and no level is left out on the way down."""
    levels = [
        int(element["tag"][1])
        for element in tree.elements
        if re.fullmatch(r"h[1-6]", element["tag"])
    ]

    assert levels.count(1) == 1
    assert levels[0] == 1
    assert [(a, b) for a, b in pairwise(levels) if b > a + 1] == []


def test_page_has_landmarks_language_and_title(tree: Tree) -> None:
    """One header, one nav with a name, one main; a way around the navigation."""
    assert [len(tree.all(tag)) for tag in ("header", "nav", "main")] == [1, 1, 1]
    assert len([one for one in tree.all("title") if "svg" not in one["inside"]]) == 1
    assert tree.all("html")[0]["attributes"]["lang"] == "en"
    assert tree.all("nav")[0]["attributes"]["aria-label"]
    assert tree.all("a")[0]["attributes"] == {"class": "skip", "href": "#main"}


def test_tables_controls_and_figures_have_names(tree: Tree) -> None:
    """A caption per table, a scope per heading, a label per control, a name per figure;
    what scrolls can be reached by key.
    """
    assert len(tree.all("caption")) == len(tree.all("table")) > 0
    assert [
        element
        for element in tree.all("th")
        if element["attributes"].get("scope") not in {"col", "row"}
    ] == []
    assert [
        element
        for tag in ("select", "input")
        for element in tree.all(tag)
        if "label" not in element["inside"]
    ] == []
    assert [
        element
        for element in tree.all("svg")
        if not (
            element["attributes"].get("aria-hidden") == "true"
            or (
                element["attributes"].get("role") in {"img", "group"}
                and element["attributes"].get("aria-label")
            )
        )
    ] == []
    scrolling = [
        element["attributes"]
        for element in tree.all("div")
        if element["attributes"].get("class") == "scroll"
    ]
    assert [
        one
        for one in scrolling
        if not (
            one.get("tabindex") == "0" and one.get("role") == "region" and one.get("aria-label")
        )
    ] == []


def test_ids_are_unique_and_links_lead_somewhere(tree: Tree) -> None:
    """Also over the figures put into the page."""
    ids = [
        element["attributes"]["id"] for element in tree.elements if "id" in element["attributes"]
    ]
    links = [
        element["attributes"]["href"][1:]
        for element in tree.elements
        if element["attributes"].get("href", "").startswith("#")
    ]

    assert len(ids) == len(set(ids))
    assert {link.partition("?")[0] for link in links} <= set(ids)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("place", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["ink", "soft", "seen", "unseen", "unknown", "bad", "good"])
def test_text_colours_have_the_contrast_of_wcag_aa(name: str, place: int) -> None:
    """At least 4.5 to 1 on both backgrounds, in light and in dark."""
    shades = [
        dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r":root \{([^}]*)\}", template_text("report.css"))
    ]
    shade = shades[place]

    assert min(_contrast(shade[name], shade[ground]) for ground in ("paper", "raised")) >= 4.5


def test_data_for_the_script_hold_every_phrasing_and_flip(tree: Tree) -> None:
    """Eight rows of as many columns as are named;
    four of six instances change in each of two tasks.
    """
    data = json.loads(
        next(
            one["text"]
            for one in tree.all("script")
            if one["attributes"].get("type") == "application/json"
        )
    )

    assert [len(row) for row in data["rows"]] == [len(data["fields"])] * 8
    assert len(data["flips"]) == 8
    assert data["flipping"] == {"toy/first": [4, 1, 1, 6], "toy/second": [4, 1, 1, 6]}


def test_figures_without_data_say_why(tree: Tree) -> None:
    """No perturbed phrasing, no log-probabilities, no representations:
    three sentences instead of three figures.
    """
    text = next(one["text"] for one in tree.all("ul") if one["attributes"].get("class") == "absent")

    assert "No phrasing of this run is perturbed" in text
    assert "log-probability of every choice under two phrasings" in text
    assert "add --representations N" in text


def test_a_baseline_is_set_beside_the_run(run_view: RunView) -> None:
    """Against itself every difference is 0; another suite is named as such."""
    comparison = side_by_side(run_view, run_view.manifest, run_view.estimates)
    plain = run_view.manifest
    other = replace(plain, suite=replace(plain.suite, digest="0" * 32))

    assert {row.difference for row in comparison.rows if row.difference == row.difference} == {0.0}
    assert "the same suite" in render_page(run_view, comparison=comparison)
    assert "The two suites differ" in render_page(
        run_view, comparison=side_by_side(run_view, other, run_view.estimates)
    )


def test_one_task_and_one_phrasing_make_a_page(make_run: Callable[..., RunView]) -> None:
    """The smallest run there is: no spread, no gap, no flip, and the page says so."""
    from dataclasses import replace

    run = make_run(flips=0)
    view = run.evidence.tasks[0]
    small = replace(run.evidence, tasks=(replace(view, phrasings=view.phrasings[:1]),))
    text = render_page(RunView(manifest=run.manifest, evidence=small, estimates=[]))

    assert "Not known: it takes two phrasings of a task." in text


def test_metrics_stand_in_the_provenance_with_their_versions(run_view: RunView) -> None:
    """What a score counts is said, also for a metric of one's own;
    a dash where a run of old did not note it.
    """
    manifest = run_view.manifest
    counts = replace(manifest.totals, metrics={"exact_match": 1, "vowels": 2})

    rows = dict(provenance(replace(manifest, counts=counts)))
    older = dict(provenance(replace(manifest, counts=replace(counts, metrics=None))))

    assert rows["Metrics"] == "exact_match version 1, vowels version 2"
    assert older["Metrics"] == "–"


def test_page_is_as_stored(golden: Callable[[str, str], str], page: str) -> None:
    """The golden page, without figures, script, style and their hashes;
    rewritten by --update-golden.
    """
    bare = re.sub(r"<svg xmlns.*?</svg>", "(figure)", page, flags=re.DOTALL)
    bare = re.sub(r"<style>.*?</style>", "(style)", bare, flags=re.DOTALL)
    bare = re.sub(r"<script>.*?</script>", "(script)", bare, flags=re.DOTALL)
    bare = re.sub(r"'sha256-[^']*'", "(hash)", bare)

    assert bare == golden("report.html", bare)


def test_markdown_is_as_stored(golden: Callable[[str, str], str], run_view: RunView) -> None:
    """The golden short form."""
    text = render_markdown(run_view)

    assert text == golden("report.md", text)


def test_markdown_of_hostile_text_holds_no_markup(make_run: Callable[..., RunView]) -> None:
    """No tag, no hidden character, and every table row has the columns of its head."""
    text = render_markdown(make_run(HOSTILE, notes=[HOSTILE]))
    rows = [line for line in text.splitlines() if line.startswith("|")]

    assert "<" not in text
    assert "\u202e" not in text
    assert {line.replace("\\|", "").count("|") for line in rows} <= {4, 6, 7, 9, 10, 12}
