"""What a text answers: the parser of labels and of numbers, its rules as data.

`evalkit.scoring.reading.rules` holds the rules with their version, `plain` takes off markdown and
mark-up, `mentions` finds labels and whether they are stated, negated or asked, `answer` decides,
`numbers` reads numbers. How well it does is measured on ``tests/scoring/answers`` by
``benchmarks/parsing.py`` and told in ``docs/parsing.md``.
"""

from __future__ import annotations

from evalkit.scoring.reading.answer import Reading, read_answer
from evalkit.scoring.reading.numbers import Number, read_number
from evalkit.scoring.reading.rules import VERSION

__all__ = ["VERSION", "Number", "Reading", "read_answer", "read_number"]
