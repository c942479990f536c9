"""Scripted models with a planted defect differ from their twin where the defect is,
and nowhere else.
"""

from __future__ import annotations

import pytest

from evalkit.backends.scripted import DEFECTS, PHRASE, RAMBLE, REFUSAL, ScriptedBackend
from evalkit.errors import BackendError
from evalkit.records import Ask, Hint, ModelSpec, Request, Response

N = 400


def answers(
    script: str, *, kind: str = "correct", seen: str = "unseen", text: bool = False
) -> list[Response]:
    """Return the responses of a scripted model to 400 instances of each of two tasks."""
    backend = ScriptedBackend(ModelSpec(backend="scripted", name=script))
    asks = []
    for task in ("t/a", "t/b"):
        for i in range(N):
            hint = Hint(
                phrasing_id=f"p{i % 10}",
                instance_id=f"i{i}",
                task=task,
                seen=seen,
                kind=kind,
                target=i % 4,
                labels=("A", "B", "C", "D"),
                reference="yes indeed",
            )
            request = Request(
                kind="generate" if text else "choice",
                text=f"{task} question {i} ends here",
                continuations=() if text else (" A", " B", " C", " D"),
            )
            asks.append(Ask(request, hint))
    return [response for batch in backend.run(asks) for response in batch]


def changed(script: str, **how: object) -> list[int]:
    """Return which answers differ from the twin's."""
    pair = zip(answers("twin", **how), answers(script, **how), strict=True)  # type: ignore[arg-type]
    return [
        place
        for place, (one, other) in enumerate(pair)
        if (one.text, one.logprobs) != (other.text, other.logprobs)
    ]


@pytest.mark.parametrize(
    ("defect", "text"),
    [
        ("over_refuses", REFUSAL),
        ("injects", PHRASE),
        ("format", RAMBLE),
        ("follows_data", "here"),
    ],
)
def test_written_defects_change_their_share_of_texts_and_no_choice(defect: str, text: str) -> None:
    """A fifth of the texts ends so; no log-probability moves."""
    places = changed(f"{defect},strength=0.2", text=True)
    said = answers(f"{defect},strength=0.2", text=True)

    assert 0.14 < len(places) / (2 * N) < 0.26
    assert all(str(said[place].text).endswith(text) for place in places)
    assert changed(f"{defect},strength=0.2") == []


@pytest.mark.parametrize(
    "defect", ["position", "label_swap", "overconfident", "forgot", "phrasings"]
)
def test_the_strength_is_the_share(defect: str) -> None:
    """Nothing at 0, and no more than the strength at 0.3."""
    assert changed(f"{defect},strength=0") == []
    assert 0 < len(changed(f"{defect},strength=0.3")) / (2 * N) < 0.42


def test_a_bad_task_is_bad_alone() -> None:
    """Only the named task changes; without a name it is refused."""
    places = changed("bad_task,task=t/b,strength=0.5")

    assert places
    assert min(places) >= N
    with pytest.raises(BackendError, match="bad_task names no task"):
        answers("bad_task")


def test_confidence_alone_rises() -> None:
    """An overconfident model chooses what its twin chooses."""
    pair = zip(answers("twin"), answers("overconfident,strength=1"), strict=True)

    assert all(
        one.logprobs.index(max(one.logprobs)) == other.logprobs.index(max(other.logprobs))
        for one, other in pair
    )


def test_wordings_and_controls_have_their_own_defects() -> None:
    """Unseen wording and controls are spoilt where they are asked, and nowhere else."""
    assert changed("unseen,strength=0.5", seen="seen") == []
    assert changed("unseen,strength=0.5", seen="unseen")
    assert changed("unfollows,strength=0.5") == []
    assert changed("unfollows,strength=0.5", kind="wrong")


def test_twins_differ_in_flips_only() -> None:
    """Another seed flips other cells: about one in ten differs at 5 % each."""
    assert 0.05 < len(changed("twin,seed=1")) / (2 * N) < 0.16
    assert set(DEFECTS) > {"twin", "forgot"}
