"""lm-eval's models as backends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.lm_eval_lm import LMEvalBackend
from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # lm-eval and what it imports warn on their own account

CHOICES = [
    Request(
        kind="choice",
        text="Which planet is the largest?\nAnswer:",
        continuations=(" A", " B", " C"),
    ),
    Request(
        kind="choice",
        text="Two dogs",
        system="Say it.",
        continuations=(" follow", " follow it home"),
    ),
]
TEXTS = [
    Request(kind="generate", text="Two dogs", max_tokens=6, stop=("fox",)),
    Request(kind="generate", text="A boat", max_tokens=3),
]


def backend(name: str, **changes: Any) -> LMEvalBackend:
    """Backend of a model type with its arguments."""
    return LMEvalBackend(ModelSpec(backend="lm-eval", name=name, **changes))


def by_key(engine: Any, requests: list[Request]) -> list[Any]:
    """Responses in the order of the requests, each exactly once."""
    found = [response for batch in engine.run(list(map(Ask, requests))) for response in batch]
    assert len(found) == len(requests)
    keyed = {response.key: response for response in found}
    return [keyed[request.key] for request in requests]


def test_the_dummy_model_answers_every_request() -> None:
    """lm-eval's own test model, without weights: log-likelihoods below zero, its one text."""
    found = by_key(backend("dummy"), [*CHOICES, *TEXTS])

    assert [len(response.logprobs) for response in found] == [3, 2, 0, 0]
    assert all(value < 0 for response in found[:2] for value in response.logprobs)
    assert [response.text for response in found] == [None, None, "lol", "lol"]
    assert found[1].sent == "Say it.\n\nTwo dogs"


def test_its_hf_model_gives_the_numbers_of_ours(model_dir: Callable[..., Path]) -> None:
    """The same tiny weights through lm-eval and through our own backend:
    1e-4 nat, the same greedy texts, the same token counts.
    """
    from evalkit.backends.hf.backend import HFBackend

    directory = model_dir("llama", "bytes")
    theirs = by_key(
        backend(f"hf,pretrained={directory},dtype=float32", device="cpu", batch_size=2),
        [*CHOICES, *TEXTS],
    )
    ours = by_key(
        HFBackend(ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32")),
        [*CHOICES, *TEXTS],
    )

    for mine, other in zip(ours, theirs, strict=True):
        assert list(other.logprobs) == pytest.approx(list(mine.logprobs), abs=1e-4)
        assert (other.token_counts, other.text) == (mine.token_counts, mine.text)


def test_the_fingerprint_holds_the_weights_and_what_changes_responses(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    """Batch size and device do not enter; one changed byte of the weights does, under the same
    path.
    """
    import shutil

    directory = tmp_path / "model"
    shutil.copytree(model_dir("llama", "bytes"), directory)
    name = f"hf,pretrained={directory},dtype=float32"
    first = backend(name, device="cpu").fingerprint()
    again = backend(name, device="cpu", batch_size=4).fingerprint()
    (directory / "generation_config.json").write_text(
        json.dumps({"eos_token_id": 1, "pad_token_id": 0})
    )
    other = backend(name, device="cpu").fingerprint()

    assert first == again
    assert {key for key in first if first[key] != other[key]} == {"content"}


def test_what_is_no_number_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN from lm-eval's model makes the response an error, and only that one."""
    from lm_eval.models.dummy import DummyLM

    values = iter([-1.0, float("nan"), -2.0, -1.0, -2.0])
    monkeypatch.setattr(
        DummyLM,
        "loglikelihood",
        lambda self, requests, disable_tqdm=False: [(next(values), False) for _ in requests],
    )

    assert [(r.error, r.logprobs) for r in by_key(backend("dummy"), CHOICES)] == [
        ("nan", ()),
        ("", (-1.0, -2.0)),
    ]


def test_an_answer_that_did_not_come_is_an_error_and_no_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """lm-eval's API models put a text of their own in its place; that text is recognised."""
    from lm_eval.models import api_models
    from lm_eval.models.dummy import DummyLM

    monkeypatch.setattr(api_models, "LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER", "")
    monkeypatch.setattr(
        DummyLM,
        "generate_until",
        lambda self, requests: [api_models.LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER for _ in requests],
    )

    assert [(r.error, r.text) for r in by_key(backend("dummy"), TEXTS)] == [
        ("no answer came", None)
    ] * 2


def test_a_failing_model_ends_the_run_with_its_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 4, the first line of what it said; a result too few is not taken either."""
    from lm_eval.models.dummy import DummyLM

    engine = backend("dummy")
    monkeypatch.setattr(DummyLM, "loglikelihood", lambda self, requests: [][1])
    with pytest.raises(
        BackendError, match="lm-eval:dummy: loglikelihood failed: list index out of range"
    ) as caught:
        by_key(engine, CHOICES)
    monkeypatch.setattr(DummyLM, "loglikelihood", lambda self, requests: [(-1.0, False)])
    with pytest.raises(BackendError, match="gave 1 results for 5 requests"):
        by_key(engine, CHOICES)

    assert caught.value.exit_code == 4


def test_lm_evals_caches_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two models of one type behind each other never share a result; no cache file appears."""
    monkeypatch.setenv("LM_HARNESS_CACHE_PATH", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    engine = backend("dummy")
    before = [response.logprobs for response in by_key(engine, CHOICES)]
    after = [response.logprobs for response in by_key(backend("dummy"), CHOICES)]

    assert before != after
    assert engine._model.cache_hook.dbdict is None
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dumy", {}, "model type 'dumy' is not known to lm-eval"),
        ("hf,pretrained=/nowhere/at-all", {}, "lm-eval:hf: cannot be made"),
        ("dummy", {"chat_template": "mine.jinja"}, "'auto' .* or 'none' is accepted"),
        (
            "dummy",
            {"options": {"api_key": "sk-1"}},
            "argument 'api_key' would stand in the manifest",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(name: str, changes: dict[str, Any], message: str) -> None:
    """Every mistake is an error of ours with exit code 4."""
    with pytest.raises(BackendError, match=message) as caught:
        backend(name, **changes)

    assert "sk-1" not in str(caught.value)


class Chatty:
    """Stands in for a model of lm-eval whose template has no place for a system message."""

    device = "cpu"

    def __init__(self, template: str) -> None:
        self.template = template
        self.asked: list[Any] = []

    def chat_template(self, name: Any) -> str:
        """Return the text of the template."""
        return self.template

    def apply_chat_template(self, messages: list[dict[str, str]]) -> str:
        """Render the last message, thirty letters of it at most."""
        return f"[{messages[-1]['content'][:30]}]"

    def _encode_pair(self, context: str, tail: str) -> tuple[list[int], list[int]]:
        return [1] * len(context), list(tail.lower().encode())

    def loglikelihood(self, asked: Any) -> list[tuple[float, bool]]:
        """Return one value for all."""
        self.asked += [one.args for one in asked]
        return [(-1.0, False) for _ in asked]


def test_what_is_sent_through_lm_eval_is_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dropped system message goes into the user's turn; a prompt that is cut,
    and choices that are the same tokens, are named.
    """
    model = Chatty("{{ messages }}")
    monkeypatch.setattr(LMEvalBackend, "_made", lambda self: model)
    engine = backend("dummy", chat_template="auto")
    texts = [("Say it.", "Two dogs", (" a", " b")), ("", "x" * 31, (" a", " b"))]
    texts.append(("", "Two cats", (" may", " May")))
    asked = [
        Request(kind="choice", text=text, system=system, continuations=choices)
        for system, text, choices in texts
    ]
    found = by_key(engine, asked)

    assert found[0].sent == "[Say it.\n\nTwo dogs]"
    assert [one.error for one in found] == [
        "",
        "the chat template leaves out a part of the prompt",
        "two choices are the same tokens",
    ]


def test_a_template_with_a_clock_is_not_run_through_lm_eval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its text would change from day to day under one fingerprint."""
    monkeypatch.setattr(LMEvalBackend, "_made", lambda self: Chatty("{{ strftime_now('%d') }}"))

    with pytest.raises(BackendError, match="its chat template asks for the date, which would"):
        backend("dummy", chat_template="auto")


def test_a_run_through_the_corridor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``evalkit run --model lm-eval:dummy`` writes a complete run."""
    from evalkit.cli.main import invoke

    monkeypatch.chdir(tmp_path)
    words = [
        *"run --model lm-eval:dummy --suite procedural --limit 2 --phrasings 2".split(),
        *"--resamples 100".split(),
    ]
    code = invoke([*words, "--out", "run", "--quiet"])
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())

    assert (code, manifest["state"], manifest["counts"]["missing"]) == (0, "complete", 0)
