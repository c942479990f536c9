"""The fixed block of worked instances and its ablations."""

from __future__ import annotations

from collections import Counter

import pytest

from evalkit import catalog
from evalkit.backends.mitigations.blocks import block, drawn
from evalkit.backends.mitigations.rewording import prefix
from evalkit.errors import UsageError
from evalkit.records import Ask, Request


class Fake:
    """Keeps what it is asked."""

    capabilities = frozenset({"choice", "generate"})
    device = ""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.stats: dict[str, object] = {}

    def fingerprint(self) -> dict[str, str]:
        """Return a fixed one."""
        return {"model": "fake"}

    def run(self, asks: list[Ask]) -> object:
        """Answer nothing."""
        self.asked += [ask.request for ask in asks]
        return iter(())

    def close(self) -> None:
        """Hold nothing."""


def test_a_block_shows_other_tasks_from_instances_that_are_never_scored() -> None:
    """As many different tasks as asked for, the same for the same seed."""
    shown = drawn("procedural/*", 4, seed=3)
    assert shown == drawn("procedural/*", 4, seed=3)
    assert shown != drawn("procedural/*", 4, seed=4)
    assert len(set(shown)) == 4
    scored = {
        str(instance.fields.get("question", ""))
        for task in catalog.list_tasks(("procedural/*",))
        for instance in catalog.load_instances(task, None)
    }
    assert not {one.body for one in shown} & scored


@pytest.mark.parametrize("spoilt", ["instruction", "input", "output"])
def test_a_spoilt_part_is_that_of_another_demonstration(spoilt: str) -> None:
    """Nothing is lost or added: a block has the words it had."""
    shown = drawn("procedural/*", 4, seed=0)
    plain = block(shown, spoilt="", order="drawn", seed=0)
    found = block(shown, spoilt=spoilt, order="drawn", seed=0)
    assert found != plain
    assert Counter(found) == Counter(plain)


def test_order_moves_whole_demonstrations() -> None:
    """Reversed is read from behind; the words stay."""
    shown = drawn("procedural/*", 3, seed=0)
    single = [block([one], spoilt="", order="drawn", seed=0) for one in shown]
    assert block(shown, spoilt="", order="drawn", seed=0) == "".join(single)
    assert block(shown, spoilt="", order="reversed", seed=0) == "".join(reversed(single))


def test_the_prefix_stands_before_every_prompt_and_in_the_fingerprint() -> None:
    """Two blocks are two mitigations."""
    inner = Fake()
    made = prefix(inner, "demos=2,seed=1")  # type: ignore[arg-type]
    list(made.run([Ask(Request(kind="generate", text="Do it.", max_tokens=2))]))
    text = block(drawn("procedural/*", 2, seed=1), spoilt="", order="drawn", seed=1)
    assert inner.asked[0].text == f"{text}Do it."
    other = prefix(Fake(), "demos=2,seed=1,random=output")  # type: ignore[arg-type]
    assert made.fingerprint() != other.fingerprint()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ("demos=99", "tasks, each shown once"),
        ("random=output", "random needs demos=N"),
        ("demos=1,random=output", "random needs two demos"),
        ("demos=2,random=nonsense", "random is one of instruction, input, output"),
        ("demos=2,order=nonsense", "order one of drawn"),
    ],
)
def test_what_means_nothing_is_refused(options: str, match: str) -> None:
    """With what is accepted."""
    with pytest.raises(UsageError, match=match):
        prefix(Fake(), options)  # type: ignore[arg-type]
