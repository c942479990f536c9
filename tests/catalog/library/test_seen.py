"""Seen, near, unseen or unknown: planted copies and decoys, and what counts as which."""

from __future__ import annotations

import pytest

from evalkit.catalog.library.seen import label_phrasings
from evalkit.errors import UsageError
from evalkit.records import Phrasing

LONG = (
    "Read the paragraph twice and then decide which of the four listed continuations fits its "
    "tone best."
)
INLINE = (
    "Given the premise {{ premise }}, is it certain that {{ hypothesis }} holds as well? "
    "Reply briefly."
)


def phrasing(name: str, text: str) -> Phrasing:
    """Return a phrasing."""
    return Phrasing(id=name, text=text, source="evalkit")


def labels(texts: dict[str, str], rows: list[str], **given: float) -> dict[str, str]:
    """Return label per phrasing name for rows of a tuning set."""
    found, _ = label_phrasings(
        [phrasing(*item) for item in texts.items()],
        [(f"f:{n}", row) for n, row in enumerate(rows, 1)],
        **given,
    )
    return {finding.phrasing_id: finding.label for finding in found}


@pytest.mark.parametrize(
    ("row", "label", "match"),
    [
        (LONG, "seen", "exact"),
        (f"Instruction: {LONG}\n\nSome text.\n\nOutput: the second", "seen", "exact"),
        (LONG.upper(), "seen", "normalised"),
        (LONG.replace(" ", "\n").replace(".", " !!"), "seen", "normalised"),
        (LONG.replace("twice", "twi\u200bce"), "seen", "normalised"),
        (LONG.replace("paragraph", "paragarph"), "near", "near"),
        (LONG.replace("twice and then ", "and "), "near", "near"),
        (LONG.replace("four", "several"), "near", "near"),
        ("Read the recipe and then decide which wine fits it best.", "unseen", None),
        (" ".join(reversed(LONG.split())), "unseen", None),
        ("", "unseen", None),
    ],
)
def test_copies_are_told_from_decoys(row, label, match):
    """Verbatim and embedded copies are exact; case, breaks and invisible letters normalised;
    few edits near; other texts unseen.
    """
    (finding,), count = label_phrasings([phrasing("p", LONG)], [("f:1", row)])

    assert count == 1
    assert finding.label == label
    assert [item.match for item in finding.evidence] == ([match] if match else [])


@pytest.mark.parametrize(
    ("row", "label"),
    [
        (INLINE, "seen"),
        (
            INLINE.replace("{{ premise }}", "all cats sleep").replace(
                "{{ hypothesis }}", "Tom, who is a cat, sleeps,"
            ),
            "seen",
        ),
        (
            INLINE.replace("{{ premise }}", "{premise}").replace(
                "{{ hypothesis }}", "{hypothesis}"
            ),
            "seen",
        ),
        ("given the premise x is it certain that y holds as well reply BRIEFLY", "seen"),
        ("Reply briefly. Is it certain that y holds as well? Given the premise x,", "unseen"),
    ],
)
def test_slots_match_anything_in_order(row, label):
    """Filled slots, slots of other template languages and no punctuation still match;
    the wrong order does not.
    """
    assert labels({"p": INLINE}, [row]) == {"p": label}


def test_a_short_phrasing_must_stand_alone():
    """Four words inside a longer sentence are another instruction;
    as a line or sentence they are a copy.
    """
    texts = {"p": "Pick the right option."}

    assert labels(texts, ["Pick the right option and explain in French why."]) == {"p": "unseen"}
    assert labels(texts, ["Q: what?\npick the right option\nA: b"]) == {"p": "seen"}
    assert labels(texts, ["First read. Pick the right option. Then stop."]) == {"p": "seen"}


def test_a_short_phrasing_may_end_in_a_filled_slot():
    """Where the text ends in a slot, what follows is its value."""
    assert labels(
        {"p": "What does {{ person }} have now, {{ name }}"}, ["What does Ann have now, Ben?"]
    ) == {"p": "seen"}


def test_too_few_words_are_unknown():
    """Three words stand in any collection, so they tell nothing."""
    assert labels(
        {"p": "Answer this question.", "q": "{{ question }}\nAnswer:"}, ["Answer this question."]
    ) == {
        "p": "unknown",
        "q": "unknown",
    }


def test_evidence_is_the_best_rows_with_the_stretch():
    """Rows come best first, at most as many as asked for, with file, line and excerpt."""
    rows = [
        ("f:1", LONG.lower()),
        ("f:2", f"Before. {LONG} After."),
        ("f:3", LONG.replace("four ", "")),
    ]
    (finding,), _ = label_phrasings([phrasing("p", LONG)], rows, keep=2)

    assert [(item.row, item.match, item.likeness) for item in finding.evidence] == [
        ("f:2", "exact", 1.0),
        ("f:1", "normalised", 1.0),
    ]
    assert finding.evidence[0].excerpt == LONG.removesuffix(".")


def test_phrasings_with_the_same_words_share_the_finding():
    """Two phrasings that differ in punctuation only are both seen, each under its own id."""
    assert labels({"p": LONG, "q": LONG.replace(".", "!")}, [LONG]) == {"p": "seen", "q": "seen"}


def test_the_threshold_decides_what_is_near():
    """One content word of a dozen passes at 0.8 and not at 0.99."""
    row = LONG.replace("paragraph", "novel")

    assert labels({"p": LONG}, [row]) == {"p": "near"}
    assert labels({"p": LONG}, [row], near=0.99) == {"p": "unseen"}


@pytest.mark.parametrize("near", [0.5, 1.1, -1])
def test_a_threshold_out_of_range_is_refused(near):
    """A likeness of one half or less would call anything near."""
    with pytest.raises(
        UsageError, match=r"near: .* is not accepted; a likeness above 0.5 and at most 1 is"
    ):
        label_phrasings([], [], near=near)


def test_findings_do_not_depend_on_the_number_of_processes():
    """One process and two give the same findings, over several chunks."""
    rows = [
        (f"f:{n}", LONG if n == 9000 else f"filler row {n} about the paragraph and its tone")
        for n in range(17_000)
    ]
    alone, _ = label_phrasings([phrasing("p", LONG), phrasing("q", INLINE)], rows)
    both, count = label_phrasings([phrasing("p", LONG), phrasing("q", INLINE)], rows, workers=2)

    assert both == alone
    assert count == 17_000
    assert [finding.label for finding in both] == ["seen", "unseen"]


def test_no_rows_and_no_phrasings_are_fine():
    """An empty tuning set shows nothing; an empty library asks nothing."""
    assert labels({"p": LONG}, []) == {"p": "unseen"}
    assert label_phrasings([], [("f:1", LONG)]) == ([], 1)


def test_progress_counts_rows():
    """The callback gets the number of rows read so far."""
    seen: list[int] = []
    label_phrasings([phrasing("p", LONG)], [("f", "x")] * 9000, progress=seen.append)

    assert seen == [8192, 9000]


def test_words_of_scripts_without_blanks_are_compared_by_character():
    """A Chinese instruction inside a longer text is found."""
    text = "请阅读下面的句子并选择正确的答案"

    assert labels({"p": text}, [f"任务：{text}。谢谢"]) == {"p": "seen"}
