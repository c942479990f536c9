"""The fault campaign: disturb a run in every way we know, resume it,
and compare with an undisturbed one.

``python tests/faults/campaign.py --kills 200`` is the long form (``nox -s faults``); the tests run
a short form. Every fault prints what was expected and what was observed; the exit code is 1 when
they differ.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from evalkit.cli.main import invoke

RESULTS = ("scores.parquet", "estimates.csv", "leaderboard.csv")
BATCH = 16
COUNTED = """
import os
from evalkit.backends.scripted import ScriptedBackend
from evalkit.cli.main import main
answer = ScriptedBackend.run
def run(self, asks):
    for batch in answer(self, asks):
        with open(os.environ["ANSWERED"], "a") as log:
            log.write(f"{len(batch)}\\n")
        yield batch
ScriptedBackend.run = run
main()
"""
"""A command line of evalkit that writes down how many requests its model answered, stored or
not.
"""


@dataclass
class Run:
    """A small run on a slow scripted model, in a process of its own."""

    out: Path
    home: Path
    script: str = f"noise,seconds=0.1,batch={BATCH}"
    limit: int = 12
    extra: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "evalkit")

    def command(self) -> list[str]:
        """Return the command line."""
        words = [
            "run",
            "--model",
            f"scripted:{self.script}",
            "--tasks",
            "procedural/boolean,procedural/rewrite",
            "--limit",
            str(self.limit),
        ]
        return [
            sys.executable,
            *self.program,
            *words,
            *"--tuned-on evalkit-tuning --resamples 100 --no-report --out".split(),
            str(self.out),
            *self.extra,
        ]

    def start(self) -> subprocess.Popen[str]:
        """Start it in a process group of its own."""
        env = {
            **os.environ,
            "EVALKIT_HOME": str(self.home),
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }
        return subprocess.Popen(
            self.command(),
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # as a terminal starts it, also where this runs under nohup
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    def finish(self) -> tuple[int, str]:
        """Run it to its end; return exit code and everything printed."""
        process = self.start()
        out, err = process.communicate(timeout=300)
        return process.returncode, out + err


def rows(path: Path) -> dict[bytes, bytes]:
    """Return key -> payload of every stored response."""
    if not path.is_file():
        return {}
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return dict(db.execute("SELECT key, payload FROM responses"))
    except sqlite3.OperationalError:
        return {}
    finally:
        db.close()


def same_results(one: Path, other: Path) -> list[str]:
    """Return the result files that differ."""
    return [name for name in RESULTS if (one / name).read_bytes() != (other / name).read_bytes()]


@dataclass
class KillReport:
    """What a series of kills came to."""

    kills: int = 0
    resumes: int = 0
    lost: int = 0
    changed: int = 0
    differing: list[str] = field(default_factory=list)
    inside: int = 0
    """Kills after the first and before the last response was stored."""
    redone: int = 0
    """Answers computed more than once, all kills together."""
    most_redone: float = 0.0
    """The same per kill, in the run where it was most."""
    cells: int = 0


def kill_until_complete(
    folder: Path, *, kills: int, seed: int, most_seconds: float = 4.0, limit: int = 12
) -> KillReport:
    """Kill runs at random moments until `kills` kills are done;
    every run is resumed until it is complete.

    Returns
    -------
    KillReport
        Acknowledged responses that were lost or changed, and result files that differ from the
        undisturbed run.
    """
    rng = random.Random(seed)
    whole = Run(folder / "whole", folder / "home-whole", limit=limit)
    code, text = whole.finish()
    assert code == 0, text
    report = KillReport(cells=len(rows(whole.out / "responses.sqlite")))
    attempt = 0
    while report.kills < kills:
        attempt += 1
        log = folder / f"answered{attempt}"
        log.touch()
        run = Run(
            folder / f"cut{attempt}" / "run",
            folder / f"cut{attempt}" / "home",
            limit=limit,
            program=("-c", COUNTED),
            environment={"ANSWERED": str(log)},
        )
        known: dict[bytes, bytes] = {}
        before = report.kills
        while True:
            process = run.start()
            wait = rng.uniform(0.2, most_seconds)
            if rng.random() < 0.5:  # a slow machine would spend all of a fixed time on starting
                _wait_for(
                    lambda run=run, known=known: (
                        len(rows(run.out / "responses.sqlite")) > len(known)
                    ),
                    process,
                )
                wait = rng.uniform(0.0, 1.0)
            try:
                process.communicate(timeout=wait if report.kills < kills else 300)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                report.kills += 1
            now = rows(run.out / "responses.sqlite")
            report.inside += process.returncode != 0 and 0 < len(now) < report.cells
            report.lost += len(known.keys() - now.keys())
            report.changed += sum(
                now[key] != payload for key, payload in known.items() if key in now
            )
            known = now
            if process.returncode == 0:
                break
            report.resumes += 1
        redone = sum(map(int, log.read_text().split())) - report.cells
        report.redone += redone
        report.most_redone = max(report.most_redone, redone / max(1, report.kills - before))
        report.differing += same_results(whole.out, run.out)
        leftovers = [path.name for path in run.out.iterdir() if path.name.endswith(".part")]
        report.differing += leftovers
        shutil.rmtree(folder / f"cut{attempt}")
    return report


Fault = Callable[[Path], tuple[str, str, bool]]


def fault_kill(kills: int) -> Fault:
    """Return the kill -9 campaign as a fault."""

    def inject(folder: Path) -> tuple[str, str, bool]:
        report = kill_until_complete(folder, kills=kills, seed=20261121, limit=60)
        observed = (
            f"{report.kills} kills, {report.resumes} resumes, {report.lost} lost, "
            f"{report.changed} changed, {len(report.differing)} files differ, "
        )
        observed += (
            f"{report.inside} kills while asking, {report.redone} answers redone, "
            f"at most {report.most_redone:g} per kill in a run"
        )
        fine = (
            not (report.lost or report.changed or report.differing) and report.most_redone <= BATCH
        )
        return (
            (
                f"nothing lost or changed, results byte-identical, at most a batch ({BATCH}) "
                "redone per kill"
            ),
            observed,
            fine,
        )

    inject.__doc__ = f"kill -9 at random moments ({kills})"
    return inject


def fault_signals(folder: Path) -> tuple[str, str, bool]:
    """SIGINT, SIGTERM, SIGHUP while asking."""
    seen = []
    for number, wanted in ((signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        run = Run(
            folder / number.name,
            folder / "home",
            script="noise,seconds=0.3,batch=8",
            extra=("--no-cache",),
        )
        run.script = "slow,seconds=0.3,batch=8"
        process = run.start()
        _wait_for(lambda run=run: bool(rows(run.out / "responses.sqlite")), process)
        began = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        seen.append(
            (process.returncode == wanted, "To go on, type:" in err, time.monotonic() - began < 5.0)
        )
    return "exit 130 / 143 / 129, resume line, within 5 s", str(seen), all(all(row) for row in seen)


def fault_bit_flips(folder: Path) -> tuple[str, str, bool]:
    """Single bits of the store flipped (300)."""
    from evalkit.errors import StoreError
    from evalkit.store.responses import Store

    run = Run(folder / "run", folder / "home", script="noise,batch=64")
    code, text = run.finish()
    assert code == 0, text
    path = run.out / "responses.sqlite"
    clean, before = path.read_bytes(), rows(path)
    rng = random.Random(3)
    silent = noticed = harmless = 0
    for _ in range(300):
        position = rng.randrange(len(clean) * 8)
        damaged = bytearray(clean)
        damaged[position // 8] ^= 1 << (position % 8)
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        path.write_bytes(damaged)
        try:
            with Store(path, read_only=True) as store:
                outcome = store.check()
            if not outcome.sound:
                noticed += 1
            elif rows(path) == before:
                harmless += 1
            else:
                silent += 1
        except (StoreError, sqlite3.DatabaseError):
            noticed += 1
    path.write_bytes(clean)
    return "0 silent", f"{noticed} noticed, {harmless} hit no data, {silent} silent", silent == 0


def fault_truncated_store(folder: Path) -> tuple[str, str, bool]:
    """Store cut at every 1/50 of its length."""
    run = Run(folder / "run", folder / "home", script="noise,batch=64", extra=("--no-cache",))
    code, text = run.finish()
    assert code == 0, text
    path = run.out / "responses.sqlite"
    clean = path.read_bytes()
    noticed = 0
    for part in range(50):
        path.write_bytes(clean[: len(clean) * part // 50])
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = invoke(["score", str(run.out)])
        noticed += code in {3, 4} and "Traceback" not in said.getvalue()
    path.write_bytes(clean)
    return "50 of 50 noticed, no traceback", f"{noticed} of 50", noticed == 50


def fault_damaged_files(folder: Path) -> tuple[str, str, bool]:
    """Manifest and Parquet damaged."""
    run = Run(folder / "run", folder / "home", script="noise,batch=64", extra=("--no-cache",))
    code, text = run.finish()
    assert code == 0, text
    good = {name: (run.out / name).read_bytes() for name in ("manifest.json", "scores.parquet")}
    (run.out / "scores.parquet").write_bytes(good["scores.parquet"][:100])
    code, text = run.finish()
    rebuilt = code == 0 and (run.out / "scores.parquet").read_bytes() == good["scores.parquet"]
    (run.out / "manifest.json").write_bytes(good["manifest.json"][:200])
    code, text = run.finish()
    refused = code == 4 and "manifest.json" in text and "Traceback" not in text
    (run.out / "manifest.json").write_bytes(good["manifest.json"])
    return (
        "Parquet rebuilt from responses; manifest refused by name",
        f"rebuilt {rebuilt}, refused {refused}",
        rebuilt and refused,
    )


def fault_read_only(folder: Path) -> tuple[str, str, bool]:
    """Output folder cannot be written."""
    place = folder / "place"
    place.write_text("a file, not a folder")
    run = Run(place / "run", folder / "home")
    code, text = run.finish()
    good = code == 4 and "Traceback" not in text and len(text.strip().splitlines()) <= 3
    return (
        "exit 4 before the model loads, one message",
        f"exit {code}: {text.strip().splitlines()[-1][:120]}",
        good,
    )


def fault_disk_full(folder: Path) -> tuple[str, str, bool]:
    """Disk full while asking (small tmpfs; needs the right to mount)."""
    place = folder / "small"
    place.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=18m", "tmpfs", str(place)], capture_output=True
    ).returncode:
        return (
            "exit 4, acknowledged rows kept, resumes",
            "not tried: mounting is not allowed here",
            True,
        )
    try:
        run = Run(place / "run", folder / "home", limit=200, extra=("--no-cache",))
        run.script = "noise,batch=64,seconds=0.02"
        filler = place / "filler"
        process = run.start()
        _wait_for(lambda: bool(rows(run.out / "responses.sqlite")), process)
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
        out, err = process.communicate(timeout=300)
        kept = len(rows(run.out / "responses.sqlite"))
        code = process.returncode
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=200m", str(place)], check=True)
        again, _ = run.finish()
        good = (
            code == 4
            and "disk is full" in out + err
            and "Traceback" not in out + err
            and kept > 0
            and again == 0
        )
        return (
            "exit 4, acknowledged rows kept, resumes when there is space",
            f"exit {code}, {kept} rows kept, then exit {again}",
            good,
        )
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True)


def fault_two_writers(folder: Path) -> tuple[str, str, bool]:
    """Four processes on one run at once."""
    run = Run(folder / "run", folder / "home")
    processes = [run.start() for _ in range(4)]
    texts = [process.communicate(timeout=300) for process in processes]
    codes = sorted(process.returncode for process in processes)
    told = sum("another process is working on this run (pid" in err for _, err in texts)
    return (
        "one works, three are told who",
        f"exit codes {codes}, {told} told",
        codes.count(0) >= 1 and told == codes.count(4) and set(codes) <= {0, 4},
    )


def fault_shared_cache(folder: Path) -> tuple[str, str, bool]:
    """Four runs into one cache at once."""
    runs = [Run(folder / f"run{index}", folder / "home") for index in range(4)]
    processes = [run.start() for run in runs]
    for process in processes:
        process.communicate(timeout=300)
    codes = [process.returncode for process in processes]
    same = all(not same_results(runs[0].out, run.out) for run in runs) if not any(codes) else False
    return "all complete, all equal", f"exit codes {codes}, equal {same}", same


def fault_readers(folder: Path) -> tuple[str, str, bool]:
    """50 readers during a run."""
    from evalkit.store.responses import Store

    run = Run(folder / "run", folder / "home")
    process = run.start()
    _wait_for(lambda: bool(rows(run.out / "responses.sqlite")), process)
    readers = [Store(run.out / "responses.sqlite", read_only=True) for _ in range(50)]
    counts = [reader.count() for reader in readers]
    process.communicate(timeout=300)
    later = [reader.count() for reader in readers]
    for reader in readers:
        reader.close()
    return (
        "writer finishes, readers see every row",
        (
            f"exit {process.returncode}, {min(counts)}..{max(counts)} then "
            f"{min(later)}..{max(later)} rows"
        ),
        (process.returncode == 0 and min(later) == max(later)),
    )


def fault_failing_model(folder: Path) -> tuple[str, str, bool]:
    """NaN logits, out of memory, server errors."""
    found = []
    for script, reason in (
        ("nan,rate=0.2", "nan"),
        ("oom,rate=0.2", "oom"),
        ("flaky,rate=0.2", "server error 503"),
    ):
        run = Run(folder / reason.replace(" ", "-"), folder / "home", script=script)
        code, text = run.finish()
        found.append(code == 3 and reason in text and "missing" in text)
    return "exit 3, cells missing and named, never 0", str(found), all(found)


def fault_clock(folder: Path) -> tuple[str, str, bool]:
    """Clock far in the past, odd time zone."""
    one = Run(folder / "one", folder / "home", script="noise,batch=64", extra=("--no-cache",))
    other = Run(
        folder / "other",
        folder / "home",
        script="noise,batch=64",
        extra=("--no-cache",),
        environment={"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7", "LC_ALL": "C"},
    )
    codes = [one.finish()[0], other.finish()[0]]
    differing = same_results(one.out, other.out)
    return (
        "results do not depend on clock, zone, locale or hash seed",
        f"exit codes {codes}, differing {differing}",
        codes == [0, 0] and not differing,
    )


def fault_descriptors(folder: Path) -> tuple[str, str, bool]:
    """File descriptors exhausted."""
    import resource

    run = Run(folder / "run", folder / "home")
    env = {**os.environ, "EVALKIT_HOME": str(run.home)}
    limited = subprocess.run(
        run.command(),
        env=env,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (9, 9)),
    )
    code, _ = run.finish()
    said = limited.stderr.partition("Error:")[2]  # lines of progress may stand before it
    told = limited.returncode in {2, 4} and 0 < len(said.strip().splitlines()) <= 3
    return (
        "one message, nothing broken; the next run completes",
        f"exit {limited.returncode}: {limited.stderr.strip()[:100]!r}, then exit {code}",
        code == 0 and (told or limited.returncode == 0),
    )


def _wait_for(
    condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60.0
) -> None:
    """Wait until something is so, or the process ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None and not condition():
        time.sleep(0.02)


FAULTS: tuple[Fault, ...] = (
    fault_signals,
    fault_bit_flips,
    fault_truncated_store,
    fault_damaged_files,
    fault_read_only,
    fault_disk_full,
    fault_two_writers,
    fault_shared_cache,
    fault_readers,
    fault_failing_model,
    fault_clock,
    fault_descriptors,
)


def main() -> int:
    """Run every fault and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", default="", help="part of a fault's function name")
    options = parser.parse_args()
    bad = 0
    print("| fault | expected | observed | holds |\n|---|---|---|---|")
    for fault in (fault_kill(options.kills), *FAULTS):
        name = getattr(fault, "__name__", "")
        if options.only and options.only not in f"{name} {fault.__doc__}":
            continue
        with tempfile.TemporaryDirectory() as folder:
            expected, observed, good = fault(Path(folder))
        bad += not good
        print(
            f"| {(fault.__doc__ or '').rstrip('.')} | {expected} | {observed} | "
            f"{'yes' if good else 'NO'} |",
            flush=True,
        )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
