"""Kill -9 at random moments in the commands that make something, then type the line that goes on.

``python tests/faults/kills.py --kills 200`` is the long form (``nox -s kills``); the tests run one
kill of each. A command runs in a forked child that has everything imported already, so that kills
fall into its work and not into the start of Python.

Nothing acknowledged may be lost, nothing that says it is finished may differ from what an
undisturbed command makes, and nothing temporary may stay behind once the command was typed again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import random
import shlex
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from evalkit.cli.main import invoke
from evalkit.store.directory import read_manifest

ASK = "--tasks procedural/boolean --limit 6 --phrasings 5 --resamples 100 --no-cache --no-report"
RUN = f"run --model scripted:noise,seconds=0.2,batch=4 {ASK} --out run"
OTHER = f"run --model scripted:noise,seed=1 {ASK} --out other"
TABLES = ("scores.parquet", "estimates.csv", "leaderboard.csv")
COMMIT = "c" * 40
FILES = 6
READ = ("said", "-shm", "-wal", ".pyc")
"""What is left by this program, which looks into the store."""
LOADED = (
    "matplotlib.figure pandas peft pyarrow.parquet safetensors.torch scipy.stats torch "
    "transformers transformers.models.llama.modeling_llama evalkit.cli.align evalkit.cli.merge "
    "evalkit.runs.execute evalkit.runs.finish evalkit.tuning.alignment evalkit.tuning.weights"
)
"""Modules that every child would load by itself."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A command that is killed."""

    name: str
    words: str
    """The command line, typed in a folder of its own."""
    before: tuple[str, ...] = ()
    """Commands whose results it starts from."""
    made: tuple[str, ...]
    """Patterns of the files it makes whose bytes do not depend on the time."""
    finished: Callable[[Path, dict[str, str]], list[str]]
    """Folder, digests of an undisturbed command -> what says it is finished and is not."""


@dataclass
class Report:
    """What the kills of one command came to."""

    kills: int = 0
    missed: int = 0
    """Commands that were done before the kill."""
    acknowledged: int = 0
    """Rows that were stored when a kill came, all kills together."""
    wrong: list[str] = field(default_factory=list)
    """Lost rows, wrong numbers, false ends, what was left behind."""


def spawn(words: str, folder: Path, said: Path | None = None) -> int:
    """Start a command in a forked child, in a process group of its own; return its pid."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        os.chdir(folder)
        target = os.open(said or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.argv = ["evalkit", *shlex.split(words)]
        os.environ["EVALKIT_HOME"] = str(folder / "home")
        os._exit(invoke(shlex.split(words)))
    finally:
        os._exit(99)


def typed(words: str, folder: Path, *, said: Path | None = None) -> int:
    """Run a command to its end; return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(spawn(words, folder, said), 0)[1])


def killed_after(words: str, folder: Path, seconds: float) -> bool:
    """Start a command and kill its group after some time; return whether it still ran."""
    pid = spawn(words, folder)
    time.sleep(seconds)
    if os.waitpid(pid, os.WNOHANG)[0]:
        return False
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # before it made a group of its own
        os.kill(pid, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def digests(folder: Path, patterns: tuple[str, ...]) -> dict[str, str]:
    """Return name -> digest of the files that a scene makes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for pattern in patterns
        for path in sorted(folder.glob(pattern))
        if path.is_file()
    }


def stored(folder: Path) -> dict[bytes, bytes]:
    """Return key -> payload of every response of the run in a folder."""
    path = folder / "run" / "responses.sqlite"
    if not path.is_file():
        return {}
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return dict(db.execute("SELECT key, payload FROM responses"))
    except sqlite3.OperationalError:  # no table yet
        return {}
    finally:
        db.close()


def line_to_go_on(scene: Scene, folder: Path) -> str:
    """Return what a person types next: the line that a run prints and its manifest keeps,
    else the same line again.
    """
    if scene.name.startswith("run") and (folder / "run" / "manifest.json").is_file():
        return read_manifest(folder / "run").command.removeprefix("evalkit ")
    return scene.words


def files_finished(folder: Path, wanted: dict[str, str]) -> list[str]:
    """A file is not there yet, or whole."""
    found = digests(folder, tuple(wanted))
    return [f"{name} is neither absent nor whole" for name in found if found[name] != wanted[name]]


def run_finished(folder: Path, wanted: dict[str, str]) -> list[str]:
    """A manifest that says complete stands beside tables that are."""
    if not (folder / "run" / "manifest.json").is_file():
        return []
    if read_manifest(folder / "run").state != "complete":
        return []
    found = digests(folder, tuple(wanted))
    return [
        f"{name} differs beside a manifest that says complete"
        for name in wanted
        if found.get(name) != wanted[name]
    ]


def models_finished(folder: Path, wanted: dict[str, str]) -> list[str]:
    """A model directory is not there at all, or whole;
    a trained one counts once its record is there.
    """
    wrong = []
    places = {str(Path(name).parent) for name in wanted}
    for place in sorted(places):
        if (folder / place / "evalkit.json").is_file():
            mine = {name: mark for name, mark in wanted.items() if str(Path(name).parent) == place}
            found = digests(folder, tuple(mine))
            wrong += [
                f"{name} differs beside a record" for name in mine if found.get(name) != mine[name]
            ]
    return wrong


def fetch_finished(folder: Path, wanted: dict[str, str]) -> list[str]:
    """A file that is in its place is whole and recorded."""
    record = folder / "data" / "hub" / "fetched.json"
    known = {row["path"] for row in json.loads(record.read_text())} if record.is_file() else set()
    placed = [path.name for path in (folder / "data" / "repo").glob("*.jsonl")]
    unknown = [f"{name} is in no record" for name in placed if name not in known]
    return [*files_finished(folder, wanted), *unknown]


RESULT = tuple(f"run/{name}" for name in TABLES)
SCENES = (
    Scene(name="run", words=RUN, made=RESULT, finished=run_finished),
    Scene(
        name="run in rounds",
        words=f"{RUN} --budget 0.5 --budget-design adaptive",
        made=RESULT,
        finished=run_finished,
    ),
    Scene(
        name="run perturbed",
        words=f"{RUN} --perturb character:rate=0.1,n=1 --repeats 2 --temperature 1 --fresh",
        made=RESULT,
        finished=run_finished,
    ),
    Scene(name="score", words="score run", before=(RUN,), made=RESULT, finished=files_finished),
    Scene(
        name="export",
        words="export run --out table.csv",
        before=(RUN,),
        made=("table.csv",),
        finished=files_finished,
    ),
    Scene(
        name="compare",
        words="compare run other --out compared",
        before=(RUN, OTHER),
        made=("compared/*.csv",),
        finished=files_finished,
    ),
    Scene(
        name="merge",
        words="merge interpolate --base base --tuned tuned --alpha 0:1:0.25 --out sweep",
        made=("sweep/*/*.safetensors", "sweep/*/tokenizer.json"),
        finished=models_finished,
    ),
    Scene(
        name="align",
        words="align --method lora --model base --tasks procedural/boolean --instances 8 --steps 12 "  # noqa: E501
        "--validate-every 2 --probe 4 --batch-size 2 --out tuned-here",
        made=("tuned-here/*.safetensors", "tuned-here/adapter_config.json"),
        finished=models_finished,
    ),
    Scene(
        name="data fetch",
        words=" ".join(
            ["data fetch --data-dir data --quiet", *(f"tasks/t{n}.yaml" for n in range(FILES))]
        ),
        made=("data/repo/*.jsonl",),
        finished=fetch_finished,
    ),
)


def materials(folder: Path) -> None:
    """Put two small models, task files and an empty data directory into a folder."""
    from evalkit.catalog.paths import data_root

    shutil.copytree(data_root("models") / "demo", folder / "base")
    shutil.copytree(data_root("models") / "demo", folder / "tuned")
    _moved(folder / "tuned" / "model.safetensors")
    (folder / "tasks").mkdir()
    (folder / "data").mkdir()
    for number in range(FILES):
        (folder / "tasks" / f"t{number}.yaml").write_text(
            f"name: t{number}\nbenchmark: mine\nreader: table\nkind: generate\nmetric: "
            "exact_match\n"
            f"source: {{local: repo/f{number}.jsonl, options: {{github: o/r, github_revision: "
            f"{COMMIT}, "
            "columns: {id: id, question: q, target: a}}}\n"
        )


def _moved(path: Path) -> None:
    """Change the weights of a file a little, in a child so that no thread of the engine starts
    here.
    """
    pid = os.fork()
    if not pid:
        from safetensors.torch import load_file, save_file

        tensors = {name: tensor * 1.01 for name, tensor in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


class _Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        rows = [
            json.dumps({"id": str(i), "q": self.path * 20, "a": "x"}).encode() for i in range(40)
        ]
        body = b"\n".join(rows) + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for start in range(0, len(body), 8192):
            self.wfile.write(body[start : start + 8192])
            self.wfile.flush()
            time.sleep(0.01)

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def served() -> Iterator[None]:
    """Serve files slowly in a process of its own, as GitHub would."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    pid = os.fork()
    if not pid:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        server.serve_forever()
    server.server_close()
    os.environ["EVALKIT_GITHUB_RAW"] = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def campaign(scene: Scene, folder: Path, *, kills: int, seed: int) -> Report:
    """Kill a command until it was killed so often, going on each time until it is done;
    then from the start again.

    Parameters
    ----------
    scene
        What is killed.
    folder
        An empty folder.
    kills
        How often.
    seed
        Of the moments.
    """
    rng = random.Random(f"{seed} {scene.name}")
    base, whole = folder / "base", folder / "whole"
    base.mkdir()
    materials(base)
    for words in scene.before:
        assert typed(words, base) == 0, words
    shutil.copytree(base, whole)
    started = time.monotonic()
    assert typed(scene.words, whole, said=folder / "said") == 0, (folder / "said").read_text()
    longest = time.monotonic() - started
    wanted = digests(whole, scene.made)
    assert wanted, scene.name
    names = {str(path.relative_to(whole)) for path in whole.rglob("*")}
    report = Report()
    while report.kills < kills and report.missed < 3 * kills + 5:
        place = folder / "cut"
        shutil.copytree(base, place)
        _one(scene, place, wanted, report, lambda: rng.uniform(0, longest), kills)
        left = {str(path.relative_to(place)) for path in place.rglob("*")} - names
        report.wrong += [f"{name} is left behind" for name in left if not name.endswith(READ)]
        shutil.rmtree(place)
    return report


def _one(
    scene: Scene,
    place: Path,
    wanted: dict[str, str],
    report: Report,
    moment: Callable[[], float],
    kills: int,
) -> None:
    """Kill one command again and again until it comes to its end,
    or was killed often enough, and look at everything.
    """
    words, rows = scene.words, stored(place)
    for _ in range(3):
        if report.kills >= kills:
            break
        if not killed_after(words, place, moment()):
            report.missed += 1
            break
        report.kills += 1
        now = stored(place)
        report.acknowledged += len(now)
        report.wrong += _lost(rows, now)
        report.wrong += scene.finished(place, wanted)
        words, rows = line_to_go_on(scene, place), now
    code, said = typed(words, place, said=place / "said"), (place / "said").read_text()
    if code and "holds a finished training" not in said:  # killed when all was done
        report.wrong.append(f"exit {code} of {words}: {said[-300:]}")
    report.wrong += _lost(rows, stored(place))
    found = digests(place, scene.made)
    report.wrong += [
        f"{name} differs in the end" for name in wanted if found.get(name) != wanted[name]
    ]


def _lost(before: dict[bytes, bytes], now: dict[bytes, bytes]) -> list[str]:
    lost = [key for key in before if now.get(key) != before[key]]
    return [f"{len(lost)} acknowledged rows are lost or changed"] if lost else []


def main() -> int:
    """Kill every command and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--kills", type=int, default=200, help="all commands together")
    parser.add_argument("--only", default="", help="part of a command's name")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    scenes = [scene for scene in SCENES if options.only in scene.name]
    total = Report()
    for name in LOADED.split():
        with suppress(ImportError):
            importlib.import_module(name)
    print("| command | kills | rows stored at kills | wrong |\n|---|---|---|---|", flush=True)
    with served():
        for i, scene in enumerate(scenes):
            share = options.kills // len(scenes) + (i < options.kills % len(scenes))
            with tempfile.TemporaryDirectory() as folder:
                report = campaign(scene, Path(folder), kills=share, seed=options.seed)
            print(
                f"| {scene.name} | {report.kills} | {report.acknowledged} | "
                f"{'; '.join(sorted(set(report.wrong))) or 'nothing'} |",
                flush=True,
            )
            total.kills += report.kills
            total.wrong += report.wrong
    print(f"\n{total.kills} kills, {len(total.wrong)} wrong")
    return int(bool(total.wrong) or total.kills < options.kills)


if __name__ == "__main__":
    sys.exit(main())
