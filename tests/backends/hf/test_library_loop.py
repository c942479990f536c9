"""Rows of the library's own loop are handed on as they end,
and the loop ends when nobody listens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from evalkit.backends.hf import library_loop  # noqa: E402
from evalkit.backends.hf.layout import Work  # noqa: E402
from evalkit.backends.hf.library_loop import LibraryGreedy  # noqa: E402
from evalkit.records import Request  # noqa: E402

END = 9
REQUEST = Request(kind="generate", text="Which?", max_tokens=200)


def greedy(step: Callable[[int], list[int]], monkeypatch: pytest.MonkeyPatch) -> LibraryGreedy:
    """Return the loop over a model whose library gives `step(n)` as the n-th tokens, until told
    to stop.
    """
    monkeypatch.setattr(library_loop, "_TOLD_EVERY", 0.01)

    def generate(prompts: Any, **options: Any) -> Any:
        if "stopping_criteria" not in options:  # asked whether rows together are as alone
            return SimpleNamespace(scores=[torch.zeros(len(prompts), 10)] * 2)
        ids, ended = prompts, torch.zeros(len(prompts), dtype=torch.bool)
        for n in range(options["max_new_tokens"]):
            new = torch.tensor(step(n)).masked_fill(ended, 0)
            ids = torch.cat([ids, new[:, None]], dim=1)
            scores = [torch.zeros(len(prompts), 10)]
            ended = ended | options["stopping_criteria"][0](ids, scores)
            if ended.all():
                break
        return SimpleNamespace(sequences=ids)

    model = SimpleNamespace(generate=generate, generation_config=SimpleNamespace())
    loaded: Any = SimpleNamespace(model=model, device="cpu", encoder_decoder=False)
    stops: Any = SimpleNamespace(
        done=lambda ids, request: ids[-1] == END or len(ids) >= request.max_tokens
    )
    return LibraryGreedy(loaded, stops)


def test_a_row_that_ended_is_there_while_another_is_still_written(monkeypatch) -> None:
    """The second row goes on only after the first one was received."""
    received = threading.Event()

    def step(n: int) -> list[int]:
        if n > 1:
            assert received.wait(60), "the first row was not handed on"
        return [END if n == 1 else 1, END if n == 4 else 2]

    rows = greedy(step, monkeypatch).run([Work((1, 2), ()), Work((3, 4), ())], [REQUEST, REQUEST])
    found = []
    for batch in rows:
        found += batch
        if batch:
            received.set()

    assert found == [(0, [1, END]), (1, [2, 2, 2, 2, END])]


def test_the_loop_ends_when_nobody_listens(monkeypatch) -> None:
    """Who leaves after a look waits for one more token, not for the answer."""
    steps = []

    def step(n: int) -> list[int]:
        steps.append(n)
        threading.Event().wait(0.02)
        return [1]

    rows = greedy(step, monkeypatch).run([Work((1, 2), ())], [REQUEST])
    assert next(rows) == []
    rows.close()

    assert len(steps) < REQUEST.max_tokens


def test_what_the_library_raises_comes_behind_the_rows_that_ended(monkeypatch) -> None:
    """Memory that runs out later costs only the rows that are left."""

    def step(n: int) -> list[int]:
        if n == 2:
            raise MemoryError
        return [END, 1]

    rows = greedy(step, monkeypatch).run([Work((1,), ()), Work((2,), ())], [REQUEST, REQUEST])
    found: list[Any] = []
    with pytest.raises(MemoryError):
        found.extend(row for batch in rows for row in batch)

    assert found == [(0, [END])]


@pytest.mark.parametrize("mixes", [True, False], ids=["rows mix", "rows do not mix"])
def test_rows_go_alone_where_the_library_mixes_them(
    mixes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type whose rows change beside each other is generated row by row, and is right."""
    sizes = []

    def generate(prompts: Any, **options: Any) -> Any:
        scores = torch.nn.functional.one_hot(prompts[:, -1], 10) * 9.0
        if mixes:
            scores = scores.mean(dim=0).expand(len(prompts), -1)
        if "stopping_criteria" not in options:
            return SimpleNamespace(scores=[scores, scores])
        sizes.append(len(prompts))
        return SimpleNamespace(sequences=torch.cat([prompts, scores.argmax(-1)[:, None]], dim=1))

    loop = greedy(lambda n: [], monkeypatch)
    loop._loaded.model.generate = generate
    works = [Work((1, 2), ()), Work((3, 4), ()), Work((1, 4), ()), Work((7,), ())]
    found = [row for batch in loop.run(works, [REQUEST] * 4) for row in batch]

    assert sorted(found) == [(0, [2]), (1, [4]), (2, [4]), (3, [7])]
    assert sizes == ([1, 1, 1, 1] if mixes else [1, 3])
