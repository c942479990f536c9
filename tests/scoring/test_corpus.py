"""Corpus scores against sacrebleu's own, and against the mean of sentence scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring.answers import Answers
from evalkit.scoring.cell import verdict_of
from evalkit.scoring.corpus import corpus_scores, resampled_scores
from evalkit.scoring.metric import Answered

sacrebleu = pytest.importorskip("sacrebleu")
TEXTS = ["the cat sat on the mat", "a dog barks"]
REFERENCES = [["the cat sat on a mat", "the cat is on the mat"], ["the dog barks loudly"]]


def test_corpus_bleu_is_sacrebleus() -> None:
    """Numbers of references differ between items; the score is that of sacrebleu with gaps."""
    found = corpus_scores(TEXTS, REFERENCES)
    streams = [[REFERENCES[0][0], REFERENCES[1][0]], [REFERENCES[0][1], None]]
    assert found["corpus_bleu"] == pytest.approx(sacrebleu.corpus_bleu(TEXTS, streams).score / 100)
    assert found["corpus_chrf"] == pytest.approx(sacrebleu.corpus_chrf(TEXTS, streams).score / 100)
    sentences = [
        sacrebleu.sentence_bleu(text, refs).score / 100
        for text, refs in zip(TEXTS, REFERENCES, strict=True)
    ]
    assert abs(found["corpus_bleu"] - np.mean(sentences)) > 0.005


def test_no_texts_no_score() -> None:
    """Nothing answered is undefined, not 0."""
    assert math.isnan(corpus_scores([], [])["corpus_bleu"])


def test_scores_of_each_phrasing() -> None:
    """A missing answer is left out of its corpus; an empty one counts."""
    task = Task(
        name="t",
        benchmark="b",
        reader="table",
        source=Source(),
        split="test",
        kind="generate",
        fields=("question",),
        metric="sentence_bleu",
        licence="",
    )
    items = [
        Instance(id=str(n), fields={"question": "q"}, references=tuple(refs))
        for n, refs in enumerate(REFERENCES)
    ]
    answers = Answers()
    answers.begin(task, items, ["p", "q"])
    said = {(0, 0): TEXTS[0], (0, 1): TEXTS[1], (1, 0): TEXTS[0]}
    for (row, position), text in said.items():
        one = Answered(instance=items[position], response=Response(key="k", text=text))
        answers.cell(row, position, answered=one, verdict=verdict_of(task, one))
    answers.end()
    block = answers.blocks["b/t"]
    whole, part = corpus_scores(TEXTS, REFERENCES), corpus_scores(TEXTS[:1], REFERENCES[:1])
    assert block.corpus["corpus_bleu"].tolist() == [whole["corpus_bleu"], part["corpus_bleu"]]


def test_draws_are_the_scores_of_the_drawn_texts() -> None:
    """Every draw over two units is one of three corpora: both, or one of them twice."""
    texts = [dict(enumerate(TEXTS))]
    found = resampled_scores(
        texts, REFERENCES, [0, 1], n_resamples=40, rng=np.random.default_rng(1)
    )
    corpora = {
        round(corpus_scores([TEXTS[k] for k in some], [REFERENCES[k] for k in some])[name], 9)
        for some in ([0, 1], [0, 0], [1, 1])
        for name in ("corpus_bleu", "corpus_chrf")
    }
    drawn = {round(float(value), 9) for rows in found.values() for value in rows.ravel()}
    assert drawn == corpora


def test_instances_of_one_group_are_drawn_together() -> None:
    """One group of two: every draw is the whole corpus, the interval has no width and says so."""
    texts = [dict(enumerate(TEXTS))]
    found = resampled_scores(texts, REFERENCES, [0, 0], n_resamples=5, rng=np.random.default_rng(1))
    whole = corpus_scores(TEXTS, REFERENCES)["corpus_chrf"]
    assert found["corpus_chrf"].ravel().tolist() == pytest.approx([whole] * 5)


def test_the_interval_holds_the_score_of_the_population() -> None:
    """60 corpora of 40 sentences drawn of 1,000:
    95 % intervals hold the whole one's chrF in 85 % or more.
    """
    rng = np.random.default_rng(3)
    words = np.array(
        [
            "a",
            "an",
            "the",
            "cat",
            "dog",
            "sat",
            "on",
            "mat",
            "barks",
            "loudly",
            "runs",
            "far",
            "away",
            "home",
        ]
    )
    everything = [" ".join(rng.choice(words, size=8)) for _ in range(1000)]
    said = [" ".join(w if rng.random() < 0.7 else "x" for w in one.split()) for one in everything]
    truth = corpus_scores(said, [[one] for one in everything])["corpus_chrf"]
    held = 0
    for _ in range(60):
        some = rng.integers(0, 1000, size=40)
        draws = resampled_scores(
            [{k: said[place] for k, place in enumerate(some)}],
            [[everything[place]] for place in some],
            range(40),
            n_resamples=100,
            rng=rng,
        )["corpus_chrf"][0]
        low, high = np.quantile(draws, [0.025, 0.975])
        held += low <= truth <= high
    assert held >= 51
