"""How a whole run grows: build a run directory of many cells without a model,
then find what is missing, score, report, check.

``python benchmarks/growth_run.py --cells 10000000``. Fifty-seven tasks with MMLU's 14,042
instances, as many phrasings as the cells need, four choices, one answer per cell. Every stage runs
in a process of its own, so that its peak memory is its own.
Times are CPU seconds. Cells must be at least 150,000.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from evalkit.records import Block, Instance, Job, Phrasing, Response, Source, Suite, Task, digest
from evalkit.records.manifest import Intervals, Manifest, ModelRecord, SuiteRecord, TaskRecord
from evalkit.runs.finish import finish
from evalkit.store.blocks import store_job, stored_blocks
from evalkit.store.directory import RunDir, read_manifest
from evalkit.store.responses import Store

TASKS = 57
INSTANCES = 14_042
BATCH = 64
TIMED = 50_000
"""Responses written at either end as a run writes them."""
FINGERPRINT = {"backend": "growth"}


def key(task: int, phrasing: int, instance: int) -> str:
    """Return the request key of a cell."""
    return hashlib.blake2b(b"%d %d %d" % (task, phrasing, instance), digest_size=16).hexdigest()


def job(number: int, n_phrasings: int) -> Job:
    """Return one task with its instances and phrasings."""
    n_instances = INSTANCES // TASKS + (number < INSTANCES % TASKS)
    task = Task(
        name=f"task_{number:02d}",
        benchmark="growth",
        version=1,
        reader="jsonl",
        source=Source(),
        metric="choice_accuracy",
    )
    instances = tuple(
        Instance(
            id=f"{number}-{i:05d}",
            fields={"question": f"Question {i} of task {number}?"},
            choices=("one", "two", "three", "four"),
            target=i % 4,
        )
        for i in range(n_instances)
    )
    phrasings = tuple(
        Phrasing(
            id=f"growth/p{p:04d}",
            text=f"Wording {p}: {{{{ question }}}}",
            source="flan" if p % 2 else "own",
        )
        for p in range(n_phrasings)
    )
    seen: dict[str, Any] = {
        phrasing.id: "seen" if phrasing.source == "flan" else "unseen" for phrasing in phrasings
    }
    return Job(task=task, phrasings=phrasings, instances=instances, seen=seen, orders={})


def responses(number: int, n_phrasings: int, n_instances: int) -> Iterator[Response]:
    """Yield the answers of a task: right on 60 % of the cells, more often for some instances and
    phrasings.
    """
    rng = np.random.default_rng(number)
    ease = rng.normal(0.6, 0.2, n_instances)
    for p in range(n_phrasings):
        right = rng.random(n_instances) < ease + rng.normal(0, 0.03)
        values = -rng.gamma(2.0, 3.0, (n_instances, 4)) - 0.5
        values[np.flatnonzero(right), np.flatnonzero(right) % 4] = -0.2
        for i, row in enumerate(values.tolist()):
            yield Response(
                key=key(number, p, i),
                logprobs=tuple(row),
                token_counts=(1, 1, 1, 1),
                prompt_tokens=150,
            )


def describe(store: Store, number: int, n_phrasings: int) -> tuple[str, TaskRecord]:
    """Store a task with its blocks; return its entry in the manifest."""
    one = job(number, n_phrasings)
    n = len(one.instances)
    blocks = tuple(
        Block(
            task=one.task.id,
            phrasing_id=phrasing.id,
            inputs="",
            keys="".join(key(number, p, i) for i in range(n)),
        )
        for p, phrasing in enumerate(one.phrasings)
    )
    store_job(store, replace(one, blocks=blocks))
    return one.task.id, TaskRecord(
        benchmark="growth",
        digest=one.content_digest,
        instances_digest=one.instances_digest,
        n_instances=n,
        phrasings={phrasing.id: digest(phrasing.text, length=16) for phrasing in one.phrasings},
    )


def put_timed(path: Path, answers: Iterable[Response]) -> dict[str, float]:
    """Write answers as a run does, in durable batches; return what they cost."""
    spent = waited = 0.0
    cells = 0
    with Store(path) as store:
        for batch in cut(answers, BATCH):
            began, clock = time.process_time(), time.monotonic()
            store.put(digest(FINGERPRINT), batch)
            spent += time.process_time() - began
            waited += time.monotonic() - clock
            cells += len(batch)
    return {
        "CPU us per response written": spent / cells * 1e6,
        "durable inserts per second, wall": cells / waited,
    }


def cut(answers: Iterable[Response], size: int) -> Iterator[list[Response]]:
    """Yield answers in batches."""
    rest = iter(answers)
    while batch := list(islice(rest, size)):
        yield batch


def build(path: Path, n_phrasings: int) -> dict[str, float]:
    """Write the store and a manifest that says ``partial``;
    return what inserts cost into an empty and into the full store.

    Between the two the store is filled without waiting for the disk (``synchronous=OFF``, large
    cache, no log); what comes of it is the same file.
    """
    with RunDir(path) as directory:
        with Store(directory.store_path) as store:
            tasks = dict(describe(store, number, n_phrasings) for number in range(TASKS))
        answers = chain.from_iterable(
            responses(number, n_phrasings, tasks[f"growth/task_{number:02d}"].n_instances)
            for number in range(TASKS)
        )
        first = put_timed(directory.store_path, islice(answers, TIMED))
        last = deque[Response](maxlen=TIMED)
        with Store(directory.store_path) as store:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-2000000"):
                store._db.execute(f"PRAGMA {pragma}")
            for batch in cut(answers, 500_000):
                fill = [*last, *batch]
                last = deque(fill[-TIMED:], maxlen=TIMED)
                store.put(digest(FINGERPRINT), fill[:-TIMED])
        full = put_timed(directory.store_path, last)
        directory.write_manifest(_manifest(tasks))
    size, cells = directory.store_path.stat().st_size, n_phrasings * INSTANCES
    return {
        "cells": cells,
        **{f"{name}, empty store": value for name, value in first.items()},
        **{f"{name}, full store": value for name, value in full.items()},
        "MiB of responses.sqlite": size / 2**20,
        "bytes per cell": size / cells,
    }


def _manifest(tasks: dict[str, TaskRecord]) -> Manifest:
    return Manifest(
        evalkit="growth",
        command="",
        identity={"suite": asdict(Suite(name="growth", tasks=tuple(tasks)))},
        suite=SuiteRecord(
            name="growth",
            version=1,
            digest=digest(sorted(tasks)),
            limit=None,
            shots=0,
            tasks=tasks,
        ),
        limited=False,
        left_out={},
        model=ModelRecord(
            label="growth",
            name="growth",
            backend="growth",
            revision="",
            dtype="float32",
            chat_template="none",
            tuned_on=("flan",),
            fingerprint=FINGERPRINT,
            fingerprint_digest=digest(FINGERPRINT),
        ),
        mitigations=(),
        notes=(),
        seed=0,
        device="cpu",
        attempts=(),
        state="partial",
    )


def missing(path: Path) -> dict[str, float]:
    """Find what is missing, as a resumed run does once its prompts are known."""
    with Store(path / "responses.sqlite") as store:
        began = time.process_time()
        blocks = (
            block.keys
            for task in read_manifest(path).suite.tasks
            for block in stored_blocks(store, task).values()
        )
        lacking, total = store.missing_in(digest(FINGERPRINT), [*blocks, "f" * 32])
    assert len(lacking) == 1
    return {"wanted": total, "CPU s": time.process_time() - began}


def score(path: Path) -> dict[str, float]:
    """Scores, estimates, report and manifest from what is stored:
    all that ``evalkit score`` does.
    """
    began = time.process_time()
    with RunDir(path) as directory:
        final = finish(directory, read_manifest(path), Intervals(level=0.95, resamples=1000))
    return {"cells": final.totals.cells, "CPU s": time.process_time() - began}


def report(path: Path) -> dict[str, float]:
    """Read the run back and write its report again: all that ``evalkit report`` does."""
    from evalkit.report.writing import write_report
    from evalkit.runs.read import read_run

    began = time.process_time()
    write_report(path, read_run(path))
    return {
        "CPU s": time.process_time() - began,
        "MiB of report.html": (path / "report.html").stat().st_size / 2**20,
    }


def check(path: Path) -> dict[str, float]:
    """Verify everything: all that ``evalkit check`` does."""
    from evalkit.runs.check import check_run

    began = time.process_time()
    found = check_run(path)
    assert found.state == "sound", found.problems
    return {"CPU s": time.process_time() - began}


STAGES: dict[str, Callable[[Path], dict[str, float]]] = {
    "missing": missing,
    "score": score,
    "report": report,
    "check": check,
}


def peak_gib() -> float:
    """Return the peak resident memory of this process."""
    lines = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    ]
    return int(lines[0].split()[1]) / 2**20 if lines else float("nan")


def main() -> None:
    """Run every stage in a process of its own and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument(
        "--out", type=Path, help="keep the run directory here; one that is there is used again"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        done = (
            build(options.out, -(-options.cells // INSTANCES))
            if options.only == "build"
            else STAGES[options.only](options.out)
        )
        print(json.dumps({**done, "peak GiB": peak_gib()}))
        return
    print("| stage | measure | value |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = options.out or Path(folder) / "run"
        for stage in [*([] if path.is_dir() else ["build"]), *options.stages.split(",")]:
            command = [
                sys.executable,
                __file__,
                "--only",
                stage,
                "--out",
                str(path),
                "--cells",
                str(options.cells),
            ]
            found = json.loads(
                subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stdout.splitlines()[-1]
            )
            for name, value in found.items():
                print(
                    f"| {stage} | {name} | {value:,.0f} |"
                    if value >= 100
                    else f"| {stage} | {name} | {value:,.2f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
