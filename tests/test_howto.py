"""The how-to pages are followed to the letter: every evalkit line runs, one after the other,
with small stand-ins for what a reader has.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from doc_blocks import ROOT, command_lines

from evalkit.cli.main import invoke

STANDS_FOR = {
    "models/v1": "scripted:sensitive,accuracy=0.8,sd=0.1",
    "models/v2": "scripted:sensitive,accuracy=0.3,sd=0.1",
    "demo": "scripted:perfect",
    "robustness": "small.yaml",
    "mmlu": "small.yaml",
    "quickstart": "small.yaml",
    "word:rate=0.1,n=3": "leet",
}
"""A reader's models and benchmark suites; `word` needs WordNet, which is no part of evalkit."""
SUITE = (
    "name: small\ndescription: Two tasks.\ntasks: [procedural/boolean, "
    "procedural/sorting]\nphrasings: 4\nlimit: 8\n"
)
PUBLISHED = "model,task,phrasing_id,score,n_instances\nm,t,p1,0.5,10\nm,t,p2,0.6,10\n"
PAGES = ("howto_release", "howto_researcher", "howto_tuner")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with what the pages take for granted, besides runs."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "data").mkdir()
    (folder / "small.yaml").write_text(SUITE, encoding="utf-8")
    (folder / "published.csv").write_text(PUBLISHED, encoding="utf-8")
    (folder / "sft.jsonl").write_text(
        '{"instruction": "Sort the numbers.", "output": "1 2 3"}\n', encoding="utf-8"
    )
    return folder


@pytest.mark.slow
def test_all_lines_of_the_how_to_pages_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The release manager's runs serve the researcher and the tuner;
    the gate alone may end with 1, which here is what it must find.
    """
    monkeypatch.chdir(place)
    codes = {}
    for page in PAGES:
        for _, words in command_lines(ROOT / "docs" / f"{page}.md"):
            typed = [STANDS_FOR.get(word, word) for word in words]
            if {"wandb", "mlflow"} & {*words}:
                continue  # through a client of its own: tests/report/test_trackers.py
            if "scores.csv" in typed:
                invoke(
                    [
                        *"export runs/v1 --what scores --format csv --out scores.csv".split(),
                    ]
                )
            if "runs/before" in typed:
                shutil.copytree("runs/v1", "runs/before", dirs_exist_ok=True)
                shutil.copytree("runs/v2", "runs/after", dirs_exist_ok=True)
                shutil.copytree("runs/v2", "runs/aligned", dirs_exist_ok=True)
            codes[f"{page}: {' '.join(words)}"] = invoke(typed)

    assert {
        line: code for line, code in codes.items() if code != (1 if " gate " in line else 0)
    } == {}
    assert len(codes) >= 13
    assert list(Path("paper").glob("**/*.svg"))
