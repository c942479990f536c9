"""Write tests/slow.txt from measured CPU seconds, as ``pytest --cpu-seconds FILE`` notes them.

``python tools/list_slow_tests.py FILE``. A test function is slow when all its cases together take
more than 0.3 seconds of CPU: the others together are what `nox -s quick` runs. Functions that were
not measured keep their place in the list or outside of it.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

LISTED = Path(__file__).parent.parent / "tests" / "slow.txt"
MOST = 0.3
"""CPU seconds of a test function, all its cases together."""


def slow_functions(lines: Iterable[str], before: Iterable[str]) -> list[str]:
    """Return the functions that are slow, sorted;
    `lines` are ``seconds<TAB>test``, `before` what was listed.
    """
    spent: dict[str, float] = defaultdict(float)
    for line in lines:
        seconds, _, test = line.partition("\t")
        spent[test.strip().partition("[")[0]] += float(seconds)
    slow = {name for name, seconds in spent.items() if seconds > MOST}
    return sorted(slow | (set(before) - set(spent)))


def main() -> None:
    """Read the measurements and write the list."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measured", type=Path)
    measured = parser.parse_args().measured.read_text(encoding="utf-8").splitlines()
    listed = LISTED.read_text(encoding="utf-8").split() if LISTED.exists() else []
    LISTED.write_text("".join(f"{name}\n" for name in slow_functions(measured, listed)))


if __name__ == "__main__":
    main()
