"""What scripted models must score on every suite, by the command that prints the table of docs/scripted.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "benchmarks" / "controls.py"


@pytest.mark.slow
def test_perfect_obedient_and_deaf_models_score_what_they_must(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    """Means of 100; a reliance on null of 0 for the perfect and the deaf, of 100 for the obedient one; a suite without data is named."""
    spec = importlib.util.spec_from_file_location("controls_table", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(
        ["--suites", "probes,bias", "--limit", "1", "--phrasings", "1", "--data", str(tmp_path)]
    )
    said = capsys.readouterr().out

    assert "| probes | 3 | 100.0 | 0.0 | 100.0 | 100.0 | 100.0 | 0.0 |" in said
    assert "Not run: bias" in said
