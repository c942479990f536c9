"""Paraphrase and back-translation: slots travel as marks, and a model that loses one is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import BackendError, UsageError
from evalkit.phrasings.perturb.apply import apply
from evalkit.phrasings.perturb.rewriters import backend_paraphraser, seq2seq
from evalkit.phrasings.perturb.semantic import back_translation, mask, paraphrase, unmask
from evalkit.phrasings.perturb.spec import Impossible, PerturbationSpec
from evalkit.records import ModelSpec, Phrasing, Response
from evalkit.registry import BACKENDS

TEXT = "Answer {{ question }} with yes or no."


def phrasing(text: str = TEXT) -> Phrasing:
    """Return a phrasing of `text`."""
    return Phrasing(id="p", text=text, source="evalkit")


def reworded(answer: str, text: str = TEXT) -> Phrasing | Impossible:
    """Return the phrasing as a model that always says `answer` rewords it."""
    return paraphrase(
        phrasing(text),
        np.random.default_rng(0),
        {"model": lambda prompts: [answer for _ in prompts], "protected_words": ("yes", "no")},
    )


@given(st.lists(st.sampled_from(["word", "{{ a }}", "'b'", "`c`", "yes"]), max_size=8))
def test_masking_is_undone_by_unmasking(parts):
    """Whatever is protected comes back where it stood."""
    text = " ".join(parts)

    assert unmask(*mask(text, ["yes"])) == text


def test_a_paraphrase_keeps_slots_and_label_words():
    """The model sees marks, and the result holds what they stand for, in its own order."""
    assert (
        reworded('"Say [[1]] or [[2]] to this: [[0]]"').text
        == "Say yes or no to this: {{ question }}"
    )


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            "Say yes or no.",
            "the model lost or repeated one of 3 slots and label words: 'Say yes or no.'",
        ),
        (
            "[[0]] [[1]] [[2]] [[2]]",
            "the model lost or repeated one of 3 slots and label words: '[[0]] [[1]] [[2]] [[2]]'",
        ),
        ("", "the model answered nothing"),
        ("Answer [[0]] with [[1]] or [[2]].", "the model gave the same text back"),
        (
            "[[0]] [[1]] [[2]] {% include 'x' %}",
            "the model wrote a template mark of its own: \"[[0]] [[1]] [[2]] {% include 'x' %}\"",
        ),
    ],
)
def test_a_model_that_breaks_the_instruction_is_refused(answer, reason):
    """Nothing is repaired; the reason holds what the model wrote."""
    assert reworded(answer) == Impossible(reason)


LONG = "Say whether the review {{ question }} is friendly to the film or not, and use one word."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("0 [[0]]", "no sentence"),
        ("[[0]]", "no sentence"),
        ("[[0]] " + "7 8 9 10 " * 3, "no sentence"),
        ("[[0]] is it friendly", ""),
        ("[[0]] " + "friendly or not " * 12, "the same words over and over"),
        ("Sure! Here is the rewritten text: tell if [[0]] is friendly", "talk about the task"),
        ("Here's another way to say it about [[0]] and the film", "talk about the task"),
        ("tell tell tell tell if [[0]] is so", "the same words over and over"),
        ("Paraphrase: is the review [[0]] friendly to the film?", "talk about the task"),
        ("Is [[0]] friendly to the film? (Note: the mark is kept.)", "talk about the task"),
        ("Is [[0]] friendly to the film? I have kept the mark.", "talk about the task"),
        ("**Is the review [[0]] friendly to the film?**", "signs of a page or a list"),
        (
            "1. Is [[0]] friendly?\n2. Say if it is friendly to the film",
            "signs of a page or a list",
        ),
        ("“Is the review [[0]] friendly to the film?”", ""),
        ("[[0]] " + " ".join(f"word{n}" for n in range(200)), "far more than an instruction"),
        ("Скажи, дружелюбен ли отзыв [[0]] к фильму, одним словом", "another script"),
    ],
)
def test_garbage_is_refused(answer, reason):
    """What no reader would take for a wording never becomes a copy, and the reason is told."""
    made = reworded(answer, LONG)

    assert isinstance(made, Impossible) == bool(reason)
    if reason:
        assert reason in made.reason
        assert made.again


def test_quotation_marks_around_the_whole_go_and_others_stay():
    """A wording in quotes is the wording; quotes inside it are its own."""
    for answer, text in (
        (
            "“Is the review [[0]] kind to the film?”",
            "Is the review {{ question }} kind to the film?",
        ),
        ('Is "kind" true of [[0]], the review?', 'Is "kind" true of {{ question }}, the review?'),
    ):
        made = reworded(answer, LONG)
        assert isinstance(made, Phrasing)
        assert made.text == text


def test_every_kind_of_refusal_is_told_up_to_four():
    """Whoever gave a table wants to know what is wrong with its rows."""
    bad = ["0 [[0]]", "so so so so so [[0]]", "Sure! [[0]] is it so", "**Is [[0]] really so**"]
    answers = iter(bad * 3)
    _, refused = apply(
        [phrasing(LONG)],
        [PerturbationSpec(name="paraphrase", n=1, options={"model": lambda _: [next(answers)]})],
        seed=0,
    )

    for said in ("no sentence", "over and over", "talk about", "signs of a page"):
        assert said in refused[0].reason


def test_a_bad_answer_does_not_end_the_tries():
    """A model that answers 0 five times and then an instruction gives that one copy."""
    answers = iter(
        ["0 [[0]]"] * 5 + ["Is the review [[0]] friendly to the film? One word, please."]
    )
    found, refused = apply(
        [phrasing(LONG)],
        [PerturbationSpec(name="paraphrase", n=1, options={"model": lambda _: [next(answers)]})],
        seed=0,
    )

    assert [one.text for one in found] == [
        "Is the review {{ question }} friendly to the film? One word, please."
    ]
    assert refused == []


def test_a_model_that_only_writes_garbage_gives_no_copy():
    """Six copies asked for, none made, and the reason is what the model wrote."""
    found, refused = apply(
        [phrasing(LONG)],
        [PerturbationSpec(name="paraphrase", n=6, options={"model": lambda _: ["0 [[0]]"]})],
        seed=0,
    )

    assert found == []
    assert "no sentence" in refused[0].reason


def test_the_style_is_drawn_and_the_text_sent_is_masked():
    """Two seeds ask in two styles, and neither shows the slot to the model."""
    asked: list[str] = []

    def model(prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        return ["x"]

    for seed in range(2):
        paraphrase(phrasing(), np.random.default_rng(seed), {"model": model, "protected_words": ()})

    assert len(set(asked)) == 2
    assert all(
        "Instruction: Answer [[0]] with yes or no." in prompt and "{{" not in prompt
        for prompt in asked
    )


def test_without_a_model_the_option_to_give_is_named():
    """Neither family guesses a model."""
    with pytest.raises(UsageError, match="paraphrase:model=hf:FOLDER"):
        paraphrase(phrasing(), np.random.default_rng(0), {"model": "", "protected_words": ()})
    with pytest.raises(UsageError, match="back_translation:there=FOLDER,back=FOLDER"):
        back_translation(
            phrasing(), np.random.default_rng(0), {"there": "", "back": "x", "protected_words": ()}
        )
    with pytest.raises(UsageError, match="model 'nothing' is not accepted; BACKEND:NAME is"):
        paraphrase(
            phrasing(), np.random.default_rng(0), {"model": "nothing", "protected_words": ()}
        )


def test_back_translation_goes_there_and_back():
    """The second model reads what the first wrote, once."""
    steps: list[list[str]] = []

    def there(texts: list[str]) -> list[str]:
        steps.append(list(texts))
        return [f"<{text}>" for text in texts]

    def back(texts: list[str]) -> list[str]:
        steps.append(list(texts))
        return [text.strip("<>").replace("Answer", "Respond to") for text in texts]

    made = back_translation(
        phrasing(), np.random.default_rng(0), {"there": there, "back": back, "protected_words": ()}
    )

    assert made.text == "Respond to {{ question }} with yes or no."
    assert steps == [["Answer [[0]] with yes or no."], ["<Answer [[0]] with yes or no.>"]]


class _Fake:
    """A backend that answers every request with its text in upper case, or fails."""

    fails = False

    def __init__(self, model: ModelSpec) -> None:
        self.model = model

    def run(self, asks):
        """Yield one batch per request."""
        for request in (ask.request for ask in asks):
            if self.fails:
                yield [Response(key=request.key, finish_reason="error", error="oom")]
            else:
                yield [Response(key=request.key, text=request.text.upper())]


@pytest.mark.parametrize("name", ["first", "second"])
def test_any_backend_can_paraphrase(monkeypatch, name):
    """The paraphraser sends one generation request per prompt and returns the texts in order."""
    monkeypatch.setattr(BACKENDS, "load", lambda kind: _Fake)

    assert backend_paraphraser(ModelSpec(backend="hf", name=name))(["a", "b"]) == ["A", "B"]


def test_a_failing_backend_is_an_error_not_a_refusal(monkeypatch):
    """Our own failure is never taken for an impossible edit."""
    monkeypatch.setattr(BACKENDS, "load", lambda kind: type("Failing", (_Fake,), {"fails": True}))
    with pytest.raises(BackendError, match="hf:third: cannot paraphrase: oom"):
        backend_paraphraser(ModelSpec(backend="hf", name="third"))(["a"])


def test_a_folder_that_is_no_model_is_an_environment_error(tmp_path):
    """A wrong translation model is named with what Transformers said."""
    pytest.importorskip("transformers")
    with pytest.raises(
        BackendError, match="is not a sequence-to-sequence model that Transformers can load"
    ):
        seq2seq(str(tmp_path))
