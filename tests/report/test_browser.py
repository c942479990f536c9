"""The page in a real browser: what the script does, on a screen, on a phone, by keyboard,
without script, in print.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.report.page import render_page
from evalkit.report.run_view import RunView

pytestmark = pytest.mark.browser
HOSTILE = (
    "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = "
    "2'>\u202egnp.exe\x00"
)
FIRST = "document.querySelector('#phrasing-table tbody tr')"


@pytest.fixture(scope="module")
def page(run_view: RunView, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of the plain run as a file."""
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(run_view), encoding="utf-8")
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where screenshots go: EVALKIT_SCREENSHOTS when it is set."""
    folder = Path(os.environ.get("EVALKIT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_page_runs_without_a_word_from_the_console(browser: Any, page: Path) -> None:
    """The policy refuses nothing of the page's own, and the script comes to its end."""
    browser.messages()
    browser.open(page)

    assert browser.ask("return document.documentElement.dataset.ready") == "yes"
    assert browser.messages() == []


def test_hostile_text_runs_nothing(
    browser: Any, make_run: Callable[..., RunView], tmp_path: Path
) -> None:
    """No script of the attack ran, also not after its text was filtered, sorted and shown as a
    flip.
    """
    path = tmp_path / "report.html"
    path.write_text(render_page(make_run(HOSTILE, notes=[HOSTILE])), encoding="utf-8")
    browser.open(path)
    browser.ask(
        "document.querySelector('[data-key=text] button').click(); "
        "document.getElementById('flip-on').click()"
    )

    assert browser.ask(
        "return [window.hacked, document.images.length, document.scripts.length]"
    ) == [None, 0, 4]
    assert "⟨U+202E⟩gnp.exe⟨U+0000⟩" in browser.ask(f"return {FIRST}.textContent")
    assert "⟨U+202E⟩gnp.exe" in browser.ask("return document.querySelector('.flip').textContent")


def test_table_is_sorted_by_a_key_press_on_its_heading(browser: Any, page: Path) -> None:
    """Enter on the heading puts the lowest score first, again the highest;
    the order is told to screen readers.
    """
    browser.open(page)
    browser.ask("document.querySelector('[data-key=score] button').focus()")
    found = []
    for _ in range(2):
        browser.press("Enter")
        found.append(
            browser.ask(
                f"return [{FIRST}.cells[1].firstChild.data, "
                "document.querySelector('[data-key=score]').ariaSort]"
            )
        )

    assert found == [["16.7", "ascending"], ["83.3", "descending"]]


def test_filters_keep_what_was_asked_for(browser: Any, page: Path) -> None:
    """Four of the eight phrasings are seen; one wording of two tasks;
    four without doubtful ones among the unseen minus two.
    """
    browser.open(page)
    script = """
      const form = document.getElementById('filters');
      const count = (changes) => {
        form.reset();
        for (const [name, value] of Object.entries(changes)) {
          if (typeof value === 'boolean') form.elements[name].checked = value; else form.elements[name].value = value;
        }
        form.dispatchEvent(new Event('input'));
        return document.querySelectorAll('#phrasing-table tbody tr').length;
      };
      return [count({}), count({seen: 'seen'}), count({task: 'toy/first'}), count({text: 'WORDING P1'}), count({doubtful: true}), count({format: true})];
    """  # noqa: E501

    assert browser.ask(script) == [8, 4, 4, 2, 6, 2]


def test_flips_are_stepped_through(browser: Any, page: Path, pictures: Path) -> None:
    """Next goes to another instance and after the last to the first; both sides carry an answer."""
    browser.open(page)
    first = browser.ask("return document.querySelector('.flip h3').textContent")
    seen = [first]
    for _ in range(4):
        browser.ask("document.getElementById('flip-on').click()")
        seen.append(browser.ask("return document.querySelector('.flip h3').textContent"))
    browser.ask("document.getElementById('flips').scrollIntoView()")

    assert seen[0] == seen[4]
    assert len(set(seen)) == 4
    assert browser.ask(
        "return [...document.querySelectorAll('.side h4')].map(e => e.firstChild.data)"
    ) == [
        "Best wording: 100.0 ",
        "Worst wording: 0.0 ",
    ]
    assert len(browser.picture(pictures / "flips.png")) > 10_000


def test_nothing_sticks_out_on_a_phone(browser: Any, page: Path, pictures: Path) -> None:
    """At 375 pixels the page does not scroll sideways, and text keeps a readable size."""
    browser.open(page, width=375, height=812)

    assert browser.ask("return document.documentElement.scrollWidth") <= 375
    assert browser.ask("return parseFloat(getComputedStyle(document.body).fontSize)") >= 16
    assert len(browser.picture(pictures / "phone.png")) > 10_000


def test_first_screen_holds_the_three_answers(browser: Any, page: Path, pictures: Path) -> None:
    """All three stand in the first 900 pixels, and the figure begins there."""
    browser.open(page)
    bottoms = browser.ask(
        "return [...document.querySelectorAll('.answer'), "
        "document.querySelector('.strips')].map(e => e.getBoundingClientRect())"
    )

    assert [box["bottom"] < 900 for box in bottoms[:3]] == [True, True, True]
    assert bottoms[3]["top"] < 900
    assert len(browser.picture(pictures / "first.png")) > 10_000


def test_marks_say_what_they_are_under_the_pointer_and_by_keyboard(
    browser: Any, page: Path, pictures: Path
) -> None:
    """Focus shows score, instances and wording; an arrow goes to the next mark;
    a strip is one stop of the tab key.
    """
    browser.open(page)
    browser.ask("document.querySelector('a.mark').focus()")
    first = browser.ask("return document.getElementById('tip').textContent")
    browser.press("ArrowRight")
    second = browser.ask("return document.getElementById('tip').textContent")
    stops = browser.ask("return document.querySelectorAll('a.mark[tabindex=\"0\"]').length")
    browser.picture(pictures / "tip.png")

    assert first.startswith("16.7 [")
    assert "on 6 instances, unseen: Wording p4." in first
    assert second.startswith("33.3 [")
    assert stops == 2
    browser.ask("document.activeElement.blur()")
    assert browser.ask("return document.getElementById('tip').hidden") is True


def test_cells_are_unpacked_filtered_and_opened(browser: Any, page: Path, pictures: Path) -> None:
    """The address says task, state and flips; rows are those cells, a button shows the prompt
    that was sent.
    """
    browser.open(page)
    browser.ask("location.hash = '#cells?task=toy/second&state=wrong'")
    rows = "document.querySelectorAll('#cell-table tbody tr:not(.detail)')"
    assert browser.until(f"return {rows}.length")
    wrong = browser.ask(f"return [...{rows}].map(row => row.cells[3].textContent)")
    browser.ask("document.querySelector('#cell-table tbody button').click()")
    detail = browser.ask("return document.querySelector('tr.detail').textContent")
    browser.picture(pictures / "cells.png")
    browser.ask(
        "const form = document.getElementById('cell-filters'); form.elements.state.value = ''; "
        "form.elements.flip.checked = true; form.elements.flip.dispatchEvent(new Event('input', "
        "{bubbles: true}))"
    )
    assert browser.until(
        "return location.hash.includes('flip=1') && location.hash.includes('toy%2Fsecond')"
    )
    flips = browser.ask(f"return {rows}.length")

    assert set(wrong) == {"wrong"}
    assert "Prompt as it was sent" in detail
    assert "Wording p" in detail
    assert flips == 16  # four of six instances under four wordings
    assert browser.messages() == []


def test_a_mark_leads_to_its_cells(browser: Any, page: Path) -> None:
    """Whoever follows a mark sees the answers under that wording,
    and the address can be sent on.
    """
    browser.open(page)
    browser.ask(
        "document.querySelector('a.mark').dispatchEvent(new MouseEvent('click', {bubbles: true, "
        "cancelable: true}))"
    )
    assert browser.until("return document.querySelectorAll('#cell-table tbody tr').length === 6")
    assert browser.ask("return location.hash") == "#cells?task=toy/first&phrasing=p4"


def test_a_link_shows_the_wording_it_names(browser: Any, page: Path) -> None:
    """Whoever is sent the address sees that row of the table alone."""
    browser.open(page)
    browser.ask("location.hash = '#phrasings?task=toy/first&phrasing=p4'")
    assert browser.until(
        "return document.querySelectorAll('#phrasing-table tbody tr').length === 1"
    )
    assert "Wording p4" in browser.ask(f"return {FIRST}.textContent")


def test_keyboard_reaches_the_way_around_the_navigation_first(browser: Any, page: Path) -> None:
    """The first tab stop is the skip link, and it is visible when it has the focus."""
    browser.open(page)
    browser.press("Tab")

    assert (
        browser.until(
            "return document.activeElement !== document.body && document.activeElement.className"
        )
        == "skip"
    )
    assert browser.ask("return document.activeElement.getBoundingClientRect().left >= 0") is True


def test_page_is_readable_without_its_script(browser: Any, page: Path) -> None:
    """All rows and two flips are there; controls that would do nothing are not."""
    browser.tell("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        found = browser.tell("DOM.getDocument", depth=-1)
        rows = browser.tell(
            "DOM.querySelectorAll",
            nodeId=found["root"]["nodeId"],
            selector="#phrasing-table tbody tr",
        )["nodeIds"]
        hidden = browser.tell(
            "DOM.querySelectorAll", nodeId=found["root"]["nodeId"], selector="form[hidden]"
        )["nodeIds"]
        flips = browser.tell(
            "DOM.querySelectorAll", nodeId=found["root"]["nodeId"], selector=".flip"
        )["nodeIds"]
    finally:
        browser.tell("Emulation.setScriptExecutionDisabled", value=False)

    assert (len(rows), len(hidden), len(flips)) == (8, 3, 2)


@pytest.mark.parametrize(
    ("scheme", "background"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 23, 26)")]
)
def test_page_follows_the_readers_colours(
    browser: Any, page: Path, scheme: str, background: str
) -> None:
    """Page and figure are light or dark together."""
    browser.tell(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    browser.open(page)
    found = browser.ask(
        "const text = document.querySelector('.drawing text'); return "
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(text).fill === "
        "getComputedStyle(document.body).color]"
    )
    browser.tell("Emulation.setEmulatedMedia", features=[])

    assert found == [background, True]


def test_print_leaves_out_what_only_a_screen_needs(browser: Any, page: Path) -> None:
    """No navigation, no controls on paper."""
    browser.tell("Emulation.setEmulatedMedia", media="print")
    browser.open(page)
    found = browser.ask(
        "return ['nav', '#filters', '#flip-on'].map(name => "
        "document.querySelector(name).offsetParent)"
    )
    browser.tell("Emulation.setEmulatedMedia", media="")

    assert found == [None, None, None]


@pytest.mark.parametrize("width", [1200, 375])
def test_axe_finds_nothing(browser: Any, page: Path, width: int) -> None:
    """The accessibility rules of axe-core, on a screen and on a phone."""
    source = os.environ.get("EVALKIT_AXE")
    if not source:
        pytest.skip("EVALKIT_AXE names no axe.min.js; 'nox -s browser' gets it from npm")
    browser.open(page, width=width)
    browser.ask(Path(source).read_text(encoding="utf-8"))
    run = (
        "const done = arguments[0]; axe.run(document).then(found => done(found.violations.map(one "
        "=> [one.id, one.nodes[0].html])))"
    )

    assert browser.call("POST", "/execute/async", {"script": run, "args": []}) == []
