"""Generated answers, scored again under perturbed copies."""

from __future__ import annotations

import math

import pytest

import evalkit
from evalkit.errors import BackendError
from evalkit.records import Response


def rows_of(run):
    """Return metric -> row over all tasks."""
    frame = run.estimates
    mine = frame[(frame["benchmark"] == "all") & (frame["task"] == "all") & (frame["group"] == "")]
    return {row.metric: row for row in mine.itertuples()}


def answering(loss):
    """Return a model that says the same always, with a loss for each prompt, in nats a token."""

    def answer(request):
        if request.kind == "generate":
            return Response(key=request.key, text="1 2 3", finish_reason="stop")
        value = -3 * loss(request.text)
        return Response(key=request.key, logprobs=(value,), token_counts=(3,))

    return answer


def run_with(tmp_path, model, **options):
    """Run one generated task with words dropped from its instructions."""
    given = {"limit": 3, "phrasings": 2, "perturb": ["drop:rate=0.3,n=2"], "uncertainty": 2}
    return evalkit.run(
        model,
        tasks=["procedural/sorting"],
        tuned_on=[],
        no_report=True,
        out=tmp_path / "run",
        **{**given, **options},
    )


def test_a_model_that_is_deaf_to_its_instruction_is_never_uncertain(tmp_path):
    """The same probability whatever the words: 0; confidence exp(-0.5)."""
    found = rows_of(run_with(tmp_path, answering(lambda text: 0.5)))

    assert found["prompt_uncertainty"].value == 0.0
    assert found["confidence"].value == pytest.approx(math.exp(-0.5), abs=1e-3)


def test_uncertainty_is_the_change_of_the_own_answers_probability(tmp_path):
    """The clean prompts are remembered: exp(-0.1) under them, exp(-1) under every copy."""
    clean = set()

    def answer(request):
        if request.kind == "generate":
            clean.add(request.text)
            return Response(key=request.key, text="1 2 3", finish_reason="stop")
        loss = 0.1 if request.text in first else 1.0
        return Response(key=request.key, logprobs=(-3 * loss,), token_counts=(3,))

    first: set[str] = set()
    plain = run_with(tmp_path / "a", answer, perturb=[], uncertainty=0)
    first |= clean
    assert math.isnan(rows_of(plain)["prompt_uncertainty"].value)
    found = rows_of(run_with(tmp_path / "b", answer))

    wanted = math.exp(-0.1) - math.exp(-1)
    assert found["prompt_uncertainty"].value == pytest.approx(wanted, abs=1e-3)
    assert found["confidence"].value == pytest.approx(math.exp(-0.1), abs=1e-3)


def test_calibration_of_written_answers_stands_beside_what_they_state(tmp_path):
    """By hand: three tokens of p .8, all wrong: c - y is .8, its square .64;
    stated 60 % gives .6.
    """

    def answer(request):
        if request.kind == "generate":
            text = "1 2 3\nConfidence: 60%"
            return Response(key=request.key, text=text, finish_reason="stop")
        return Response(key=request.key, logprobs=(3 * math.log(0.8),), token_counts=(3,))

    found = rows_of(run_with(tmp_path, answer, perturb=[], uncertainty=3))

    values = {name: found[f"{name}_tokens"].value for name in ("ece", "brier", "overconfidence")}
    assert values == pytest.approx({"ece": 0.8, "brier": 0.64, "overconfidence": 0.8})
    assert found["overconfidence"].value == pytest.approx(0.6)
    assert math.isnan(found["prompt_uncertainty"].value)


def test_scores_stand_beside_the_right_instances(tmp_path):
    """Two of many instances are picked; the surer one is right:
    overconfidence .5 - .5 and aurc of it.
    """
    import evalkit.runs.said_again as module
    from evalkit.analysis.from_answers import said_statistics

    class Rows:
        def get_records(self, kind):
            yield "p p", {"inputs": "", "instances": ["i3", "i1"], "values": [0.9, 0.1]}
            yield "q q", {"inputs": "", "values": [0.5]}

    said = module.stored_said(Rows(), "t", ["i1", "i2", "i3"])
    assert said["p"]["p"][::2] == (0.1, 0.9)
    assert math.isnan(said["p"]["p"][1])
    assert "q" not in said, "a pass that names no instances is none"
    scores = {"p": [0.0, 0.0, 1.0]}
    found = said_statistics(said, scores=scores, level=0.95)
    assert found["overconfidence_tokens"].value == pytest.approx(0.0)
    assert found["brier_tokens"].value == pytest.approx(0.01)


def test_a_backend_without_log_probabilities_is_refused(tmp_path):
    """Its answers cannot be scored again; the message names the option."""

    class Texts:
        capabilities = frozenset({"generate"})
        stats = None
        device = ""

        def fingerprint(self):
            return {"backend": "texts"}

        def run(self, asks):
            yield [
                Response(key=ask.request.key, text="1 2 3", finish_reason="stop") for ask in asks
            ]

        def close(self):
            return None

    with pytest.raises(BackendError, match="uncertainty: this backend gives no log-prob"):
        run_with(tmp_path, Texts())
