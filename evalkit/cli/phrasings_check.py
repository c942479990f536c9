"""``evalkit phrasings check``: which wordings ask what they should, which do not,
and which a person has to look at.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from evalkit.cli.options import (
    PATH,
    GroupedCommand,
    option,
    output_options,
    print_json,
    print_table,
)
from evalkit.report.terminal import counted, say

__all__ = ["command"]
WORDS = {"kept": "kept", "look": "look at it", "changed": "changed"}

in_models = partial(option, group="Models")


@click.command(
    "check",
    cls=GroupedCommand,
    epilog="Example: evalkit phrasings check mine.yaml --encoder minilm",
)
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FILE...")
@in_models(
    "--encoder",
    type=click.Choice(["minilm"]),
    help="Weigh the rules with a network that stands on this sentence encoder; errs less.",
)
@in_models(
    "--ask-model",
    metavar="BACKEND:NAME",
    help=(
        "Also ask a language model, both ways round, whether the two texts ask the same and the "
        "second is free of mistakes; "
        "it decides what the rules leave open."
    ),
)
@output_options
def command(
    paths: tuple[Path, ...],
    encoder: str | None,
    ask_model: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> int:
    """Say of every phrasing whether it kept the meaning of the one it was made from.

    One that names none is held against the wording of its task that is most like it, and never
    called changed. Three classes: kept, changed, and look at it, which is for a person. The last
    lines say how often each class was right on pairs that the rules were not fitted to. Exit code 2
    when a phrasing is called changed.
    """
    from evalkit.catalog.library.review import rates_of, review
    from evalkit.catalog.phrasings import read_phrasing_file

    found = review(
        [one for path in paths for one in read_phrasing_file(path)],
        encoder=encoder,
        model=ask_model,
    )
    rates = {} if ask_model else rates_of(encoder=encoder)
    counts = Counter(one.called for one in found)
    if as_json:
        print_json({"phrasings": [dataclasses.asdict(one) for one in found], "rates": rates})
        return 2 if counts["changed"] else 0
    shown = [one for one in found if not quiet or one.called != "kept"]
    if shown:
        print_table(
            ["phrasing", "held against", "called", "probability", "what speaks against it"],
            [[one.id, one.of, WORDS[one.called], f"{one.chance:.2f}", one.why] for one in shown],
        )
    say(
        f"{counted(len(found), 'phrasing')}: {counts['kept']} kept, {counts['look']} to look at, "
        f"{counts['changed']} changed"
    )
    if not quiet:
        say(measured(rates))
    return 2 if counts["changed"] else 0


def measured(rates: Mapping[str, Mapping[str, int]]) -> str:
    """Return how often each class is right, in words, or that it was not measured.

    Examples
    --------
    >>> measured(
    ...     {
    ...         "good": {"kept": 3, "look": 1, "changed": 0},
    ...         "bad": {"kept": 0, "look": 1, "changed": 1},
    ...     }
    ... )
    'Measured on 4 good and 2 bad texts: of the good 75% are called kept, 25% look at it, 0% changed; of the bad 0%, 50%, 50%.'
    """  # noqa: E501
    if not rates:
        return (
            "How often this language model is wrong has not been measured; "
            "docs/meaning.md says how to."
        )
    shares = {
        side: [counts[name] / max(1, sum(counts.values())) for name in WORDS]
        for side, counts in rates.items()
    }
    good, bad = (sum(rates[side].values()) for side in ("good", "bad"))
    of_good = ", ".join(
        f"{share:.0%} {'are called ' if not place else ''}{word}"
        for place, (share, word) in enumerate(zip(shares["good"], WORDS.values(), strict=True))
    )
    of_bad = ", ".join(f"{share:.0%}" for share in shares["bad"])
    return (
        f"Measured on {good} good and {bad} bad texts: of the good {of_good}; of the bad {of_bad}."
    )
