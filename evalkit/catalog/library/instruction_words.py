"""Words that carry the sense of an instruction, in sets: what may stand for what, and what may not.

Plain data for `evalkit.catalog.library.signals`, English only, written by hand.
"""

from __future__ import annotations

__all__ = [
    "ALIKE",
    "ANSWERS",
    "NEGATIONS",
    "NUMBERS",
    "UNITS",
]


def _sets(text: str) -> list[frozenset[str]]:
    """Return one set of words per line."""
    return [frozenset(line.split()) for line in text.strip().splitlines()]


ALIKE = _sets("""
pick choose select mark point indicate take chooses picks choice
say tell state report give write reply respond answer output put name return provide supply produce\
 print note send call label says
decide determine judge settle find work assess establish deciding
right correct proper correctly properly rightly
wrong incorrect incorrectly wrongly
option options choice choices alternative alternatives candidate candidates
show shows display
passage text excerpt lines
paragraph passage
remark comment remarks comments
film films movie movies
title titles headline headlines heading
same alike identical
begin start starts begins starting set
end finish final finally last ends
stop halt halts stops stopping stopped
biggest largest greatest highest
smallest least lowest
ascending least
likely probable probably
person people someone somebody
conversation dialogue
meaning mean means
follow follows following consequence
ends result results resulting outcome comes
belong belongs part
missing absent lacking lacks
keep leave unchanged stay stays remain remains left kept
remove delete drop removed deleted take
drop leave omit without
reword rephrase paraphrase paraphrased rewrite words
grade school
entire whole full complete all every each
bracket brackets parenthesis parentheses
execute carry evaluate work compute calculate
sentence sentences statement
refer refers stand stands mean means
refer refers point points
possible can could may might
usual usually normally
short brief briefly
fitting suitable appropriate suits fits
believable plausible credible
mention mentions named contains
digit number figure
contain contains hold holds has have
know known tell told
believe think
relation related relationship
occur occurs appear appears happen happens found
often times many
date day
value result
exactly just precisely
kindly please
jumbled mixed
picture image
similar resembling resembles like
""")
"""Words that may stand for each other in an instruction. A word may be in several sets."""
UNITS = _sets("""
letter letters
number numbers digit digits
word words
sentence sentences
question questions
title titles headline headlines heading line
name names
list lists
table tables
paragraph paragraphs
story stories
summary
explanation reason reasons why
step steps
percent percentage probability scale
position
command
date
month
""")
"""Shapes that an answer may be asked in."""
NUMBERS = {
    word: value
    for value, words in enumerate(
        [
            "zero",
            "one",
            "two both twice pair",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
        ]
    )
    for word in words.split()
} | {"half": -2, "second": -102, "third": -103, "fifteen": 15, "twenty": 20, "fifty": 50}
ANSWERS = frozenset(
    [
        "yes",
        "no",
        "true",
        "false",
        "valid",
        "invalid",
        "positive",
        "negative",
        "neutral",
        "entailment",
        "contradiction",
    ]
)
NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "none",
        "nor",
        "neither",
        "nothing",
        "nobody",
        "nowhere",
        "cannot",
        "without",
        "except",
        "unless",
        "avoid",
        "refrain",
        "ignore",
        "disregard",
        "opposite",
        "otherwise",
        "missing",
        "absent",
        "lack",
        "lacks",
        "lacking",
        "fails",
        "fail",
        "whatever",
    ]
)
