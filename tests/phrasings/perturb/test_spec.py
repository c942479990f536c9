"""The grammar ``name:key=value`` and what a registered perturbation must be."""

from __future__ import annotations

import pytest

from evalkit.errors import RegistryError, UsageError
from evalkit.phrasings.perturb.spec import PerturbationSpec, load, parse_spec
from evalkit.registry import PERTURBATIONS


def test_options_and_copies_are_read_by_type():
    """Numbers are numbers, words words, and n is the number of copies, not an option."""
    spec = parse_spec("character:rate=0.25, kind=swap ,n=5")

    assert spec == PerturbationSpec(name="character", options={"rate": 0.25, "kind": "swap"}, n=5)


def test_label_sorts_options_and_leaves_out_the_copies():
    """Specifications that differ in order or number of copies group together in tables."""
    assert (
        parse_spec("character:rate=0.2,kind=swap,n=3").label
        == parse_spec("character:kind=swap,rate=0.2").label
        == "character:kind=swap,rate=0.2"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "character:rate=2",
            (
                "perturbation 'character:rate=2': rate: '2' is not accepted; "
                "a number from 0 to 1 is. Correct it."
            ),
        ),
        (
            "character:least=x",
            (
                "perturbation 'character:least=x': least: 'x' is not accepted; "
                "a whole number from 2 to 20 is. Correct it."
            ),
        ),
        (
            "character:kind=flip",
            (
                "perturbation 'character:kind=flip': kind: 'flip' is not known; accepted: any, "
                "insert, delete, swap, keyboard, homoglyph. Choose one of them."
            ),
        ),
        (
            "drop:speed=1",
            (
                "perturbation 'drop:speed=1': option 'speed' is not known; accepted: n, rate. "
                "Correct it."
            ),
        ),
        (
            "drop:rate",
            (
                "perturbation 'drop:rate': 'rate' is not accepted; key=value is. "
                "Write it as drop:rate=0.1,n=5."
            ),
        ),
        (
            "drop:rate=0.1,rate=0.2",
            "perturbation 'drop:rate=0.1,rate=0.2': option 'rate' is given twice. Keep one.",
        ),
        (
            "drop:n=0",
            (
                "perturbation 'drop:n=0': n: '0' is not accepted; a whole number from 1 to 1000 "
                "is. Correct it."
            ),
        ),
        (
            "drop:rate=nan",
            (
                "perturbation 'drop:rate=nan': rate: 'nan' is not accepted; "
                "a number from 0 to 1 is. Correct it."
            ),
        ),
    ],
)
def test_mistakes_name_value_and_remedy(text, message):
    """A wrong specification is refused before anything is edited."""
    with pytest.raises(UsageError) as caught:
        parse_spec(text)

    assert str(caught.value) == message


def test_unknown_name_gets_the_closest_one():
    """A misspelt name is refused with a suggestion."""
    with pytest.raises(RegistryError, match="did you mean 'character'"):
        parse_spec("charakter")


@pytest.mark.parametrize("name", PERTURBATIONS.names())
def test_every_registered_perturbation_is_documented(name):
    """Whatever is registered loads, says what it does, and explains each option."""
    found = load(name)

    assert found.doc
    assert all(option.doc for option in found.options.values())
