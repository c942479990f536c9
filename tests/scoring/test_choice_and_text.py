"""Metrics: right, wrong, unparsed and missing are four different things."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ScoringError
from evalkit.phrasings.subsequence import lcs_length
from evalkit.records import Instance, Phrasing, Response, Task
from evalkit.scoring import Answered, verdict_of
from evalkit.scoring.choice import choice_accuracy, choice_accuracy_norm
from evalkit.scoring.overlap import rouge_l_f1, sentence_bleu, squad_v2, token_f1
from evalkit.scoring.text import exact_match, find_label, label_match, math_match, normalise

INSTANCE = Instance(
    id="1",
    fields={"question": "?"},
    choices=("red", "blue", "green"),
    target=1,
    references=("blue",),
)
LETTERS = ("A", "B", "C")
TASK = Task(name="t", benchmark="toy", reader="table")
PHRASING = Phrasing(id="p", text="x", source="evalkit")


def choice(*logprobs: float, order: tuple[int, ...] = ()) -> Answered:
    """Return an answer by log-probabilities."""
    return Answered(
        instance=INSTANCE,
        response=Response(key="k", logprobs=logprobs, token_counts=(1,) * len(logprobs)),
        labels=LETTERS,
        order=order,
    )


def said(text: str, *references: str, labels: tuple[str, ...] = ()) -> Answered:
    """Return an answer by text."""
    instance = Instance(id="1", fields={}, references=references or ("blue",))
    return Answered(
        instance=instance,
        response=Response(key="k", text=text, finish_reason="stop"),
        labels=labels,
    )


def test_highest_log_probability_is_the_answer() -> None:
    """The prediction is the choice's text, with its probability."""
    verdict = choice_accuracy(choice(-2.0, -1.0, -3.0))
    share = math.exp(-1) / (math.exp(-1) + math.exp(-2) + math.exp(-3))

    assert (verdict.score, verdict.prediction, verdict.probability) == (
        1.0,
        "blue",
        pytest.approx(share),
    )


def test_a_permuted_order_is_undone_once() -> None:
    """Shown first was choice 2: the answer is green, not the displaced choice."""
    assert choice_accuracy(choice(-1.0, -2.0, -3.0, order=(2, 1, 0))).prediction == "green"


def test_ties_go_to_the_choice_shown_first() -> None:
    """Equal log-probabilities are decided the same way every time."""
    assert choice_accuracy(choice(-1.0, -1.0, -1.0)).prediction == "red"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_makes_the_cell_missing(bad: float) -> None:
    """No argmax is taken over NaN."""
    verdict = choice_accuracy(choice(-1.0, bad, -2.0))

    assert (verdict.score, verdict.status) == (None, "missing")


def test_length_normalisation_divides_by_the_answers_bytes() -> None:
    """A long answer is not punished for its length."""
    instance = Instance(
        id="1", fields={}, choices=("no", "a longer one"), target=1, references=("a longer one",)
    )
    answered = Answered(
        instance=instance,
        response=Response(key="k", logprobs=(-3.0, -6.0), token_counts=(1, 3)),
        labels=("no", "a longer one"),
    )

    assert (choice_accuracy(answered).score, choice_accuracy_norm(answered).score) == (0.0, 1.0)


def test_a_second_choice_with_the_targets_text_is_right() -> None:
    """Nine MMLU rows repeat a choice."""
    instance = Instance(id="1", fields={}, choices=("x", "y", "x"), target=0, references=("x",))
    answered = Answered(
        instance=instance,
        response=Response(key="k", logprobs=(-3.0, -2.0, -1.0), token_counts=(1, 1, 1)),
        labels=LETTERS,
    )

    assert choice_accuracy(answered).score == 1.0


def test_a_refusal_is_unparsed_and_scores_zero() -> None:
    """The model answered, unusably."""
    answered = Answered(
        instance=INSTANCE,
        response=Response(key="k", text="I cannot help with that.", finish_reason="stop"),
        labels=LETTERS,
    )
    row = verdict_of(TASK, answered)

    assert (row.score, row.status, row.prediction) == (0.0, "unparsed", None)


def test_an_error_of_ours_is_missing_and_has_no_score() -> None:
    """Our failure is never a wrong answer."""
    answered = Answered(
        instance=INSTANCE,
        response=Response(key="k", error="oom", finish_reason="error"),
        labels=LETTERS,
    )
    row = verdict_of(TASK, answered)

    assert (row.score, row.status) == (None, "missing")


def test_a_truncated_prompt_is_scored_and_marked() -> None:
    """The cell counts and says that its prompt was cut."""
    answered = Answered(
        instance=INSTANCE,
        response=Response(
            key="k", logprobs=(-2.0, -1.0, -3.0), token_counts=(1, 1, 1), truncated=True
        ),
        labels=LETTERS,
    )

    assert verdict_of(TASK, answered).status == "truncated"


def test_a_metric_that_leaves_the_unit_interval_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A score lies in [0, 1]."""
    from evalkit.scoring import Verdict

    monkeypatch.setattr(
        "evalkit.scoring.cell._metric",
        lambda name: lambda answered: Verdict(score=1.5, prediction="x"),
    )

    with pytest.raises(ScoringError, match=r"gave 1\.5"):
        verdict_of(TASK, choice(-1.0, -2.0, -3.0))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("B", LETTERS, 1),
        ("(B)", LETTERS, 1),
        ("B.", LETTERS, 1),
        (" b ", LETTERS, 1),
        ("The answer is (C).", LETTERS, 2),
        ("Answer: B", LETTERS, 1),
        ("**B**", LETTERS, 1),
        ("B. blue", LETTERS, 1),
        ("a blue thing", LETTERS, None),
        ("I would say A or B", LETTERS, None),
        ("I'm sorry, but I am not able to help with that.", LETTERS, None),
        ("", LETTERS, None),
        ("Yes, it does.", ("yes", "no"), 0),
        ("not entailment", ("entailment", "not entailment"), 1),
        ("It is plausible", ("plausible", "implausible"), 0),
        ("implausible", ("plausible", "implausible"), 1),
    ],
)
def test_a_label_is_found_or_there_is_none(
    text: str, labels: tuple[str, ...], expected: int | None
) -> None:
    """The parser never guesses between two."""
    assert find_label(text, labels) == expected


def test_exact_match_compares_normalised_first_lines() -> None:
    """Case, quotes, a full stop and what follows the line do not matter."""
    assert [
        exact_match(said(text)).score for text in ("Blue", '"blue".', "blue\nand more", "bluer")
    ] == [1.0, 1.0, 1.0, 0.0]


def test_an_empty_text_is_unparsed() -> None:
    """Silence is not a wrong answer, it is no answer."""
    assert [metric(said("  ")).status for metric in (exact_match, token_f1, label_match)] == [
        "unparsed"
    ] * 3


def test_math_compares_values_not_strings() -> None:
    """1,000 is 1000, 0.50 is 1/2, and a unit does not hurt."""
    assert [
        math_match(said(text, reference)).score
        for text, reference in (
            ("1,000", "1000"),
            ("0.50", "1/2"),
            ("x = 12 cm", "12"),
            ("-3", "3"),
        )
    ] == [1.0, 1.0, 1.0, 0.0]


def test_squad_unanswerable_needs_just_that_said() -> None:
    """An instance without an answer is right only when the model says so."""
    assert [squad_v2(said(text, "unanswerable")).score for text in ("Unanswerable.", "Paris")] == [
        1.0,
        0.0,
    ]


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=12)


@given(words, words)
def test_bit_parallel_lcs_equals_the_table(left: list[str], right: list[str]) -> None:
    """Two ways to the same length."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
            )

    assert lcs_length(left, right) == table[-1][-1]


@pytest.mark.parametrize(
    ("prediction", "reference"),
    [
        ("the cats were running quickly", "The cat runs quick!"),
        ("a", "b"),
        ("Answers: 42%", "the answer is 42 percent"),
        ("naïve café", "naive cafe"),
    ],
)
def test_rouge_l_equals_the_rouge_score_package(prediction: str, reference: str) -> None:
    """Oracle: google-research rouge-score with stemming."""
    scorer = pytest.importorskip("rouge_score.rouge_scorer").RougeScorer(
        ["rougeL"], use_stemmer=True
    )

    assert rouge_l_f1(prediction, reference) == pytest.approx(
        scorer.score(reference, prediction)["rougeL"].fmeasure
    )


def test_sentence_bleu_of_a_reference_is_one() -> None:
    """A perfect copy scores 1."""
    pytest.importorskip("sacrebleu")

    assert sentence_bleu(
        said("the quick brown fox jumps", "the quick brown fox jumps")
    ).score == pytest.approx(1.0)


def test_normalise_shows_no_zero_width_characters() -> None:
    """Invisible characters do not make an answer wrong; full-width digits are digits."""
    assert normalise("bl​ue １２") == "blue 12"
