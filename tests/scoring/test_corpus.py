"""Corpus scores against sacrebleu's own, and against the mean of sentence scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evalkit.records import Instance, Response, Source, Task
from evalkit.scoring.answers import Answers
from evalkit.scoring.cell import Answered, verdict_of
from evalkit.scoring.corpus import corpus_scores

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
