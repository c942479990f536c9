"""Statistics that need more than scores: hand calculations on small answer blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit import stats
from evalkit.analysis.from_answers import answer_statistics
from evalkit.analysis.from_distances import distance_statistics
from evalkit.analysis.over_tasks import OneTask, over_tasks
from evalkit.scoring import AnswerBlock


def block(
    logprobs: np.ndarray, *, form: np.ndarray | None = None, picked: np.ndarray | None = None
) -> AnswerBlock:
    """Return answers with one token per choice; the likeliest is picked, choice 0 is the target."""
    p, n, _ = logprobs.shape
    return AnswerBlock(
        phrasing_ids=tuple(f"p{row}" for row in range(p)),
        instance_ids=tuple(f"i{column}" for column in range(n)),
        logprobs=logprobs,
        tokens=np.where(np.isnan(logprobs), 0, 1).astype(np.int32),
        form=np.zeros((p, n), dtype=np.int32) if form is None else form,
        picked=np.nan_to_num(logprobs, nan=-np.inf).argmax(axis=2).astype(np.int32)
        if picked is None
        else picked,
        targets=np.zeros(n, dtype=np.int32),
        refused=np.full((p, n), np.nan),
        adheres=np.full((p, n), np.nan),
    )


def found(
    answers: AnswerBlock, pairs: dict[str, str] | None = None, headline: list[bool] | None = None
) -> dict[str, stats.Interval]:
    """Return the statistics over all phrasings, or those of `headline`."""
    kept = np.array(headline if headline is not None else [True] * len(answers.phrasing_ids))
    return answer_statistics(answers, headline=kept, pairs=pairs or {}, level=0.95)


def test_posix_of_a_run_is_posix_of_the_set_of_every_instance():
    """What the literature's formula gives instance by instance, with answers of several tokens."""
    rng = np.random.default_rng(0)
    logprobs = np.log(rng.dirichlet(np.ones(3), size=(5, 7)))
    tokens = rng.integers(1, 4, size=(1, 7, 3)).repeat(5, axis=0)
    picked = logprobs.argmax(axis=2)
    sets = []
    for i in range(7):
        answers = picked[:, i]
        sets.append((logprobs[:, i, :][:, answers].T, tokens[np.arange(5), i, answers]))
    per_instance = stats.posix_per_instance(
        logprobs, tokens, picked=picked, form=np.zeros((5, 7), dtype=int)
    )

    assert per_instance == pytest.approx([stats.posix_of_set(*one) for one in sets])
    assert np.mean(per_instance) == pytest.approx(stats.posix(sets))


def test_answers_written_differently_are_not_compared():
    """Two letters, one text: only the pair of letters counts; alone, a phrasing has no posix."""
    logprobs = np.log(np.array([[[0.8, 0.2]], [[0.4, 0.6]], [[0.01, 0.02]]]))
    mixed = found(block(logprobs, form=np.array([[0], [0], [1]], dtype=np.int32)))["posix"].value
    alone = found(block(logprobs, form=np.array([[0], [1], [2]], dtype=np.int32)))["posix"]

    assert mixed == pytest.approx((abs(math.log(0.4 / 0.8)) + abs(math.log(0.2 / 0.6))) / 2)
    assert (math.isnan(alone.value), "same answer texts" in alone.reason) == (True, True)


def test_prompt_uncertainty_holds_origins_against_their_perturbed_copies():
    """p0 answers choice 0 at 0.8; its copies give it 0.6 and 0.2: mean of 0.2 and 0.6;
    p1 has no copy and is left out.
    """
    logprobs = np.log(np.array([[[0.8, 0.2]], [[0.5, 0.4]], [[0.6, 0.4]], [[0.2, 0.8]]]))
    answers = block(logprobs)
    with_copies = found(
        answers, pairs={"p2": "p0", "p3": "p0"}, headline=[True, True, False, False]
    )
    without = found(answers, headline=[True, True, False, False])

    assert with_copies["prompt_uncertainty"].value == pytest.approx(0.4)
    assert without["prompt_uncertainty"].value == pytest.approx(0.3)
    assert without["confidence"].value == pytest.approx((0.8 + 0.5) / 2)


def test_brier_uses_the_softmax_over_the_choices_an_instance_has():
    """0.75 on the target of two choices: 0.0625 twice;
    a third choice that this instance lacks changes nothing.
    """
    logprobs = np.log(np.array([[[0.3, 0.1, np.nan]], [[0.3, 0.1, np.nan]]]))

    assert found(block(logprobs))["brier"].value == pytest.approx(0.125)


def test_texts_have_no_probabilities_and_say_so():
    """A task of generated text: NaN with the reason, and the share of refusals."""
    answers = block(np.empty((2, 3, 0)), picked=np.full((2, 3), -1, dtype=np.int32))
    answers.refused[:] = [[1, 0, 0], [0, 0, np.nan]]
    result = found(answers)

    assert result["refusal_rate"].value == pytest.approx(0.2)
    assert math.isnan(result["posix"].value)
    assert "texts" in result["posix"].reason
    assert "no fixed set of answers" in result["label_adherence"].reason


def test_distance_counts_unseen_phrasings_of_one_task_and_is_never_pooled():
    """Farther is worse among four unseen phrasings: rho -1; over two tasks there is none."""
    a, ids = np.array([0.9, 0.9, 0.8, 0.7, 0.6, 0.5]), tuple("abcdef")
    seen = ("seen", "seen", "unseen", "unseen", "unseen", "unseen")
    far = dict(zip(ids, [5.0, 5.0, 1.0, 2.0, 3.0, 4.0], strict=True))
    rng = np.random.default_rng(0)
    result = distance_statistics(a, ids=ids, seen=seen, distances=far, rng=rng, level=0.95)
    none = distance_statistics(a, ids=ids, seen=seen, distances={}, rng=rng, level=0.95)
    tasks = [
        OneTask(
            task=name,
            benchmark="b",
            found=result,
            phrasing_ids=ids,
            seen=seen,
            a=a,
            n_instances=9,
            digest="",
        )
        for name in ("s", "t")
    ]

    assert result["distance_rho"].value == -1
    assert result["distance_p"].value == pytest.approx(2 / 24, abs=0.02)
    assert "--representations" in none["distance_rho"].reason
    assert (
        "never pooled" in over_tasks(tasks, level=0.95, question="these")["distance_rho"][0].reason
    )


def test_running_sums_count_every_pair_of_phrasings():
    """Posix and prompt uncertainty against the sums over all pairs written out,
    with gaps, forms and answers of several tokens.
    """
    rng = np.random.default_rng(1)
    p, n, c = 16, 40, 4
    logprobs = -rng.gamma(2.0, 3.0, size=(p, n, c))
    logprobs[rng.random((p, n)) < 0.1] = np.nan
    tokens, form = rng.integers(0, 4, size=(p, n, c)), rng.integers(-1, 3, size=(p, n))
    picked = np.where(
        np.isnan(logprobs[:, :, 0]), -1, np.nan_to_num(logprobs, nan=-np.inf).argmax(axis=2)
    )
    distance, change = np.full((n, p, p), np.nan), np.full((n, p, p), np.nan)
    for i, q, other in np.ndindex(n, p, p):
        answer = picked[q, i]
        if (
            q == other
            or answer < 0
            or not form[q, i] == form[other, i] >= 0
            or not tokens[q, i, answer]
        ):
            continue
        mine, theirs = logprobs[q, i, answer], logprobs[other, i, answer]
        distance[i, q, other] = abs(theirs - mine) / tokens[q, i, answer]
        if tokens[other, i, answer]:
            change[i, q, other] = abs(
                np.exp(theirs / tokens[other, i, answer]) - np.exp(mine / tokens[q, i, answer])
            )
    arrays = {"picked": picked, "form": form}
    mean = {
        name: [cells[~np.isnan(cells)].mean() for cells in values]
        for name, values in (("posix", distance), ("change", change))
    }

    assert stats.posix_per_instance(logprobs, tokens, **arrays) == pytest.approx(mean["posix"])
    assert stats.uncertainty_per_instance(logprobs, tokens, **arrays) == pytest.approx(
        mean["change"]
    )
    assert stats.uncertainty_per_instance(
        logprobs, tokens, **arrays, others=~np.eye(p, dtype=bool)
    ) == pytest.approx(mean["change"])


def test_phrasings_that_agree_have_no_posix_at_all():
    """Rounding must not make a difference out of none: exactly 0."""
    logprobs = np.repeat(
        np.log(np.array([[[0.7, 0.2, 0.1]], [[0.3, 0.3, 0.4]]])).reshape(1, 2, 3), 7, axis=0
    )
    tokens = np.full(logprobs.shape, 3)
    arrays = {"picked": logprobs.argmax(axis=2), "form": np.zeros((7, 2), dtype=int)}

    assert stats.posix_per_instance(logprobs, tokens, **arrays).tolist() == [0.0, 0.0]
    assert stats.uncertainty_per_instance(logprobs, tokens, **arrays).tolist() == [0.0, 0.0]
