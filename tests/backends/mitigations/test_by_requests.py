"""Mitigations that ask other requests: exact where they must be, refused where they have no
meaning, shown in the fingerprint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from toy_runs import Silent

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.calibration import CONTENT_FREE, calibrate, calibrated
from evalkit.backends.mitigations.ensemble import ensemble, mean_logprobs, voted
from evalkit.backends.mitigations.rewording import PREFIX, conjugate, prefix, recast, recast_request
from evalkit.errors import BackendError, UsageError
from evalkit.records import Ask, ModelSpec, Request, Response, Suite
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings
from evalkit.scoring import ScoreTable

CHOICE = Request(
    kind="choice",
    text="Say it.\n\nIs water wet?\nAnswer:",
    continuations=(" yes", " no"),
    body=(9, 22),
)
FREE = Request(
    kind="generate", text="Say it.\n\nIs water wet?\nAnswer:", body=(9, 22), max_tokens=5
)


class Fake:
    """A backend that answers by a rule and remembers what it was asked."""

    def __init__(self, capabilities: frozenset[str] = frozenset({"choice", "generate"})) -> None:
        self.capabilities = capabilities
        self.asked: list[Request] = []
        self.stats: dict[str, object] = {}
        self.device = ""

    def fingerprint(self) -> dict[str, str]:
        """Return a fixed fingerprint."""
        return {"backend": "fake"}

    def run(self, asks: Sequence[Ask]) -> Iterator[list[Response]]:
        """Yield one response at a time: log-probabilities from the length of the text, text in
        upper case.
        """
        for request in (ask.request for ask in asks):
            self.asked.append(request)
            if request.kind == "generate":
                yield [
                    Response(
                        key=request.key,
                        text=request.text[request.body[0] : request.body[1]].upper(),
                        finish_reason="stop",
                    )
                ]
            else:
                share = 0.2 + 0.6 * (len(request.text) % 7) / 7
                yield [
                    Response(
                        key=request.key,
                        logprobs=(math.log(share), math.log(1 - share)),
                        token_counts=(1, 1),
                        prompt_tokens=10,
                    )
                ]

    def close(self) -> None:
        """Do nothing."""


def answer(backend: Backend, request: Request, *others: Request) -> Response:
    """Return the one response to a request that has these alternates."""
    asked = Ask(request, alternates=list(map(Ask, others)))
    (response,) = [response for batch in backend.run([asked]) for response in batch]
    return response


def test_calibration_divides_by_the_answers_to_content_free_inputs() -> None:
    """Worked by hand: p = (0.6, 0.4), prior (0.75, 0.25) gives (0.8, 1.6) and so (1/3, 2/3)."""
    shares = [
        math.exp(value)
        for value in calibrated((math.log(0.6), math.log(0.4)), [(math.log(0.75), math.log(0.25))])
    ]

    assert shares == pytest.approx([1 / 3, 2 / 3])


def test_calibration_with_a_flat_prior_changes_no_order() -> None:
    """A model without label prior is left as it is."""
    assert calibrated((math.log(0.7), math.log(0.3)), [(0.0, 0.0)]) == pytest.approx(
        (math.log(0.7), math.log(0.3))
    )


def test_calibration_asks_the_content_free_inputs_in_place_of_the_question() -> None:
    """Instruction, choices and cue stay."""
    inner = Fake()
    answer(calibrate(inner, ""), CHOICE)

    assert [request.text for request in inner.asked[1:]] == [
        f"Say it.\n\n{filler}\nAnswer:" for filler in CONTENT_FREE
    ]


def test_an_ensemble_of_one_equals_plain() -> None:
    """Exactly: same numbers, one request."""
    inner = Fake()

    assert (answer(ensemble(inner, "m=1"), CHOICE), len(inner.asked)) == (answer(Fake(), CHOICE), 1)


def test_an_ensemble_asks_its_alternates_and_takes_the_mean() -> None:
    """Mean of normalised log-probabilities; the cost is shown."""
    inner = Fake()
    backend = ensemble(inner, "m=3")
    others = tuple(
        replace(CHOICE, text=f"Other {'x' * index}\n\nIs water wet?\nAnswer:") for index in range(3)
    )
    found = answer(backend, CHOICE, *others)
    parts = [answer(Fake(), request).logprobs for request in (CHOICE, *others[:2])]

    assert found.logprobs == pytest.approx(mean_logprobs(parts))
    assert backend.stats["cost of ensemble:how=mean,m=3"] == 3.0


def test_an_ensemble_inside_another_mitigation_gets_its_alternates_changed_alike() -> None:
    """A prefix around an ensemble stands before every wording that is asked."""
    inner = Fake()
    other = replace(CHOICE, text="Other words.\n\nIs water wet?\nAnswer:", body=(14, 27))
    answer(prefix(ensemble(inner, "m=2"), ""), CHOICE, other)

    assert [request.text for request in inner.asked] == [PREFIX + CHOICE.text, PREFIX + other.text]


def test_controls_are_not_outvoted_by_correct_instructions(tmp_path: Path) -> None:
    """A reader that obeys scores the same on its negated control with and without an ensemble,
    while correct phrasings cost three requests.
    """
    suite = Suite(
        name="s", tasks=("procedural/boolean",), phrasings=3, kinds=("correct", "negated"), limit=4
    )
    runs = []
    for name, mitigations in (("plain", ()), ("voted", ("ensemble:m=3,how=vote",))):
        model = ModelSpec(backend="scripted", name="obeys", label=name)
        run(
            Settings(
                model=model,
                suite=suite,
                out=tmp_path / name,
                mitigations=mitigations,
                cache=False,
                resamples=100,
            ),
            Silent(),
        )
        frame = ScoreTable.read_parquet(tmp_path / name / "scores.parquet").frame
        runs.append(
            frame.loc[
                frame["kind"] == "negated", ["phrasing_id", "instance_id", "score", "prediction"]
            ].reset_index(drop=True)
        )

    assert len(runs[0]) == 4
    assert runs[0].to_dict("list") == runs[1].to_dict("list")


def test_a_vote_goes_to_the_majority() -> None:
    """Two weak votes beat one strong one."""
    shares = voted(
        [
            (math.log(0.51), math.log(0.49)),
            (math.log(0.51), math.log(0.49)),
            (math.log(0.01), math.log(0.99)),
        ]
    )

    assert shares[0] > shares[1]


def test_a_prefix_moves_the_body_with_the_text() -> None:
    """What may be cut is still the question."""
    inner = Fake()
    answer(prefix(inner, ""), CHOICE)
    (asked,) = inner.asked

    assert (asked.text.startswith(PREFIX), asked.text[slice(*asked.body)]) == (
        True,
        "Is water wet?",
    )


def test_recasting_lists_the_words_and_asks_for_letters() -> None:
    """Answers keep their positions, so nothing has to be mapped back."""
    assert recast_request(CHOICE).text.endswith("Is water wet?\nA. yes\nB. no\nAnswer:")
    assert recast_request(replace(CHOICE, continuations=(" (A)", " (B)"))).text == CHOICE.text


def test_conjugate_prompting_carries_the_question_there_and_the_answer_back() -> None:
    """The fake answers with the question it saw: carried back it is the question."""
    inner = Fake()
    found = answer(conjugate(inner, "form=leet"), FREE)

    assert inner.asked[0].text[slice(*inner.asked[0].body)] != "Is water wet?"
    assert found.text is not None
    assert found.text.lower() == "is water wet?"


def test_a_failed_part_fails_the_whole() -> None:
    """No half answer passes for one."""

    class Failing(Fake):
        """A backend that fails on the content-free inputs."""

        def run(self, asks: Sequence[Ask]) -> Iterator[list[Response]]:
            """Answer the first, fail the others."""
            for index, request in enumerate(ask.request for ask in asks):
                yield [
                    Response(key=request.key, error="oom")
                    if index
                    else Response(key=request.key, logprobs=(0.0, -1.0), token_counts=(1, 1))
                ]

    assert answer(calibrate(Failing(), ""), CHOICE).error == "oom"


def test_mitigations_stand_in_the_fingerprint_in_their_order() -> None:
    """Responses under different mitigations are never mixed."""
    one = recast(prefix(Fake(), ""), "").fingerprint()
    other = prefix(recast(Fake(), ""), "").fingerprint()

    assert (
        one != other,
        one["mitigations"].endswith("| recast"),
        prefix(Fake(), "").fingerprint() != Fake().fingerprint(),
    ) == (
        True,
        True,
        True,
    )


def test_a_backend_that_cannot_score_choices_is_refused() -> None:
    """Before the run, with the reason."""
    with pytest.raises(BackendError, match="cannot choice"):
        calibrate(Fake(frozenset({"generate"})), "")


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (ensemble, "n=3", "did you mean|accepted: m=5"),
        (ensemble, "m=0", "from 1"),
        (ensemble, "m=x", "not understood"),
        (conjugate, "form=latin", "pig-latin"),
    ],
)
def test_a_wrong_option_is_one_message(make: object, options: str, message: str) -> None:
    """What is accepted is named."""
    with pytest.raises(UsageError, match=message):
        make(Fake(), options)  # type: ignore[operator]


def test_an_ensemble_of_noisy_wordings_is_better_than_one(tmp_path: Path) -> None:
    """Right with probability 0.6 under each wording:
    a majority of 15 is right far more often, through the whole corridor.
    """
    from evalkit import catalog
    from evalkit.records import Suite
    from evalkit.runs.execute import run
    from evalkit.runs.settings import Settings
    from evalkit.scoring.stored import score_run

    class Silent:
        """Progress that shows nothing."""

        stop_requested = False

        def begin(self, *, total: int, stored: int) -> None:
            """Show nothing."""

        def advance(self, responses: object) -> None:
            """Show nothing."""

        def note(self, message: str) -> None:
            """Show nothing."""

    means = []
    for mitigations in ((), ("ensemble:m=15",)):
        suite = Suite(name="toy", tasks=("procedural/boolean",), limit=40)
        model = catalog.load_model("scripted:noise,accuracy=0.6", tuned_on=())
        out = tmp_path / str(len(mitigations))
        run(
            Settings(
                model=model,
                suite=suite,
                out=out,
                cache=False,
                resamples=100,
                mitigations=mitigations,
            ),
            Silent(),
        )
        scores = [one.score or 0.0 for part in score_run(out)[1] for one in part.verdicts]
        means.append(sum(scores) / len(scores))

    assert means[1] - means[0] > 0.1
