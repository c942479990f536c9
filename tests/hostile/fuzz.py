"""Coverage-guided fuzzing of every reader and parser with atheris: ``nox -s fuzz -- --seconds 60``.

Each target runs in a process of its own for its share of the time; a crash prints the input and
ends with code 1.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


def one(target: str, seconds: int) -> None:
    """Fuzz one target in this process."""
    import atheris

    with atheris.instrument_imports(include=["evalkit"]):
        sys.path.insert(0, str(HERE))
        import targets

    folder = Path(tempfile.mkdtemp())

    def feed(data: bytes) -> None:
        if target in targets.TEXTS:
            targets.TEXTS[target](atheris.FuzzedDataProvider(data).ConsumeUnicode(4096))
        else:
            targets.FILES[target](data, folder)

    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            "-max_len=4096",
            "-timeout=20",
            "-print_final_stats=1",
        ],
        feed,
    )
    atheris.Fuzz()


def main() -> int:
    """Fuzz all targets, one after the other; print cases per target."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--seconds", type=int, default=60, help="per target")
    parser.add_argument("--target", default="")
    options = parser.parse_args()
    if options.target:
        one(options.target, options.seconds)
        return 0
    sys.path.insert(0, str(HERE))
    import targets

    bad = 0
    print("| target | cases | outcome |\n|---|---|---|")
    for target in (*targets.TEXTS, *targets.FILES):
        command = [sys.executable, __file__, "--target", target, "--seconds", str(options.seconds)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        cases = next(
            (
                line.rsplit(":", 1)[1].strip()
                for line in done.stderr.splitlines()
                if "number_of_executed_units" in line
            ),
            "?",
        )
        bad += done.returncode != 0
        print(
            f"| {target} | {cases} | "
            f"{'clean' if done.returncode == 0 else 'CRASH: ' + done.stderr[-400:]} |",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
