"""A remembered proof spares the next process its own,
and never lets a way through that was not proven.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalkit.records import Ask, ModelSpec, Request

pytest.importorskip("torch")

LETTERS = (" A", " B", " C", " D")
LONG = (" the red hill", " the dog", " none", " water")


def asks(choices: tuple[str, ...] = LETTERS, *, words: str = "two dogs") -> list[Ask]:
    """A few prompts of about one length."""
    return [
        Ask(Request(kind="choice", text=f"{n} {words}?\nAnswer:", continuations=choices))
        for n in range(4)
    ]


@pytest.fixture
def proofs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by one word with every full proof."""
    from evalkit.backends.hf import proof, proven

    found: list[str] = []
    own = proof.choose

    def counted(*args: Any, **kwargs: Any) -> Any:
        found.append("proved")
        return own(*args, **kwargs)

    monkeypatch.setattr(proven, "choose", counted)
    return found


def opened(directory: Path, **options: Any) -> Any:
    """A backend as a new process has it."""
    from evalkit.backends.hf.backend import HFBackend

    return HFBackend(
        ModelSpec(backend="hf", name=str(directory), device="cpu", dtype="float32", options=options)
    )


def answered(backend: Any, given: list[Ask]) -> dict[str, Any]:
    """Answers by key."""
    return {r.key: r.logprobs for batch in backend.run(given) for r in batch}


def kept() -> list[Path]:
    """Files of remembered proofs."""
    return sorted((Path(os.environ["EVALKIT_HOME"]) / "proofs").glob("*.json"))


def test_the_second_process_proves_nothing_and_says_so(
    model_dir: Callable[..., Path], proofs: list[str]
) -> None:
    """Same model, same shape of prompts, other words:
    the path, its errors and the answers are the same.
    """
    first, second = opened(model_dir("llama")), opened(model_dir("llama"))
    expected = answered(first, asks())
    answered(second, asks(words="red fox"))
    found = answered(opened(model_dir("llama")), asks())

    assert proofs == ["proved"]
    assert len(kept()) == 1
    told, before = second.stats["proof"], first.stats["proof"]
    assert {name: told[name] for name in before} == before
    assert told["remembered"].endswith("Z")
    assert 0 <= told["checked"] <= told["allowed"] + told["plain_error"]
    assert (second.stats["path"], second.stats["noise"]) == ("tree", first.stats["noise"])
    assert found == {key: pytest.approx(value, abs=1e-5) for key, value in expected.items()}


@pytest.mark.parametrize(
    "other", ["option", "texts", "length", "variable", "code", "libraries", "threads", "weights"]
)
def test_what_could_change_the_outcome_is_proven_anew(
    model_dir: Callable[..., Path], proofs: list[str], monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """Another option, shape of prompts, setting of the processor's libraries, version, code or
    model.
    """
    import torch

    from evalkit.backends.hf import proven

    answered(opened(model_dir("llama")), asks())
    options: dict[str, Any] = {}
    given, name = asks(), "llama"
    threads = torch.get_num_threads()
    if other == "option":
        options = {"attention": "eager"}
    elif other == "texts":
        given = [Ask(Request(kind="generate", text=f"{n} dogs", max_tokens=2)) for n in range(4)]
    elif other == "length":
        given = asks(words="red fox " * 20)
    elif other == "variable":
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    elif other == "code":
        monkeypatch.setattr(proven, "_code", lambda: "changed")
    elif other == "libraries":
        monkeypatch.setattr(proven, "version", lambda package: "0")
    elif other == "weights":
        name = "qwen2"
    second = opened(model_dir(name), **options)
    try:
        if other == "threads":
            torch.set_num_threads(threads + 1)
        answered(second, given)
    finally:
        torch.set_num_threads(threads)

    assert proofs == ["proved", "proved"]
    assert "remembered" not in second.stats["proof"]


def test_branches_are_proven_where_only_single_tokens_were(model_dir: Callable[..., Path]) -> None:
    """Choices of one token say nothing of the masks that longer ones need."""
    from evalkit.backends.hf.layout import Work
    from evalkit.backends.hf.proven import circumstances

    backend = opened(model_dir("llama"))
    single, branching = (
        circumstances(backend.loaded, backend.spec, [Work((1, 2, 3), tails)], backend.fingerprint())
        for tails in (((4,), (5,)), ((4, 6), (5,)))
    )

    assert single is not None
    assert branching is not None
    assert {name for name in single if single[name] != branching[name]} == {"branches"}


def changed(text: str, **told: Any) -> str:
    """A file that says something else, its sum made right."""
    from evalkit.records import digest

    whole = json.loads(text)
    whole["told"] |= told
    return json.dumps({**whole, "sum": digest([whole["key"], whole["told"]])})


DAMAGE: dict[str, Callable[[str], str]] = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "no JSON": lambda text: "proved",
    "a list": lambda text: "[1, 2]",
    "deep": lambda text: "[" * 60000,
    "a digit": lambda text: text.replace('"error": ', '"error": 1'),
    "of another key": lambda text: text.replace('"float32"', '"bfloat16"', 1),
    "error beyond what is allowed": lambda text: changed(text, error=1.0),
    "no number": lambda text: changed(text, error="0.0"),
    "endless": lambda text: changed(text, error=1e-9).replace("1e-09", "NaN"),
    "negative": lambda text: changed(text, plain_error=-1.0),
    "a way that there is not": lambda text: changed(text, number=7),
    "another way": lambda text: changed(text, path="packed"),
    "large": lambda text: text + " " * 70000,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_or_foreign_file_means_proving_again(
    model_dir: Callable[..., Path], proofs: list[str], kind: str
) -> None:
    """Whatever is wrong with it, the proof is done again and the file is good afterwards."""
    answered(opened(model_dir("llama")), asks())
    (file,) = kept()
    file.write_text(DAMAGE[kind](file.read_text()))
    second = opened(model_dir("llama"))
    answered(second, asks())
    answered(opened(model_dir("llama")), asks())

    assert proofs == ["proved", "proved"]
    assert "remembered" not in second.stats["proof"]


@pytest.mark.parametrize("place", ["pipe", "folder", "file in place of the cache"])
def test_a_cache_that_cannot_be_used_costs_a_proof_only(
    model_dir: Callable[..., Path], proofs: list[str], place: str
) -> None:
    """Nothing hangs, nothing fails."""
    answered(opened(model_dir("llama")), asks())
    (file,) = kept()
    file.unlink()
    if place == "pipe":
        os.mkfifo(file)
    elif place == "folder":
        file.mkdir()
    else:
        file.parent.rmdir()
        file.parent.write_text("no folder")
    found = answered(opened(model_dir("llama")), asks())

    assert proofs == ["proved", "proved"]
    assert len(found) == 4


def test_a_way_that_is_wrong_now_is_not_taken_on_the_word_of_a_file(
    model_dir: Callable[..., Path], proofs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that computes otherwise than when the proof was made is found on a prompt of the
    run.
    """
    from evalkit.backends.hf import layout, packed

    answered(opened(model_dir("llama")), asks(LONG))
    own = layout.grid

    def wrong(works: Any) -> Any:
        ids, positions = own(works)
        return ids, positions + 3 * (positions > positions.min() + 4)

    monkeypatch.setattr(packed, "grid", wrong)
    second = opened(model_dir("llama"))
    answered(second, asks(LONG))

    assert proofs == ["proved", "proved"]
    assert second.stats["path"] == "rows"
    assert "the fast path is off by" in second.stats["notice"]


@pytest.mark.parametrize("options", [{"proof": "always"}, {"path": "plain"}, {"compile": "eager"}])
def test_options_under_which_nothing_is_remembered(
    model_dir: Callable[..., Path], proofs: list[str], options: dict[str, Any]
) -> None:
    """Always proving, the plain path and compiled models leave no file and read none."""
    for _ in range(2):
        answered(opened(model_dir("llama"), **options), asks())

    assert proofs == ["proved", "proved"]
    assert not kept()


def test_changed_and_held_models_are_proven_each_time(
    model_dir: Callable[..., Path], proofs: list[str]
) -> None:
    """A model that a mitigation changed, or one that is in the caller's memory."""
    from evalkit.backends.hf.held import HeldModel

    changed_one = opened(model_dir("llama"))
    changed_one.adapt(lambda loaded: None, label="nothing")
    loaded = opened(model_dir("llama")).loaded
    for backend in (changed_one, HeldModel(loaded.model, loaded.tokenizer)):
        answered(backend, asks())

    assert proofs == ["proved", "proved"]
    assert not kept()


def test_old_proofs_are_forgotten(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder holds the newest ones only."""
    from evalkit.backends.hf import proven

    monkeypatch.setattr(proven, "_MOST_FILES", 1)
    answered(opened(model_dir("llama")), asks())
    answered(opened(model_dir("llama")), asks(words="red fox " * 20))

    assert len(kept()) == 1


def test_encoder_decoder_models_are_remembered_too(
    model_dir: Callable[..., Path], proofs: list[str]
) -> None:
    """Their fast path is another one."""
    for _ in range(2):
        backend = opened(model_dir("t5", "end"), allow_unknown=True)
        answered(backend, asks())

    assert proofs == ["proved"]
    assert (backend.stats["path"], bool(backend.stats["proof"]["remembered"])) == ("packed", True)
