"""A run is handed to the clients of W&B and MLflow, and laid out for the hub,
without inventing or leaking anything.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

import evalkit
from evalkit.cli.main import invoke
from evalkit.report.tracked import tracked, values_of
from evalkit.runs.read import finished, read_own_estimates


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small run with a figure of its own."""
    out = tmp_path_factory.mktemp("tracked") / "run"
    made = evalkit.run(
        "scripted:sensitive,sd=0.3",
        tasks="procedural/boolean,procedural/sorting",
        tuned_on="evalkit-tuning",
        phrasings=4,
        limit=6,
        cache=False,
        resamples=100,
        out=out,
        quiet=True,
    )
    (made.path / "figures").mkdir()
    (made.path / "figures" / "scores.svg").write_text("<svg/>", encoding="utf-8")
    return made.path


class Kept:
    """A client that keeps every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            return self

        return call

    def of(self, name: str) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Return the arguments of every call of a name."""
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]

    url = None
    dir = "here"


def test_values_are_the_estimates_and_what_is_undefined_is_left_out(run: Path) -> None:
    """Means equal those of estimates.csv; no NaN is among the values,
    and no interval where there is none.
    """
    estimates = read_own_estimates(run)
    values = values_of(estimates)
    frame = evalkit.load_run(run).estimates
    of_all = frame.query("task == 'all' and metric == 'mean'").iloc[-1]

    assert values["mean"] == of_all["value"]
    assert (values["mean_low"], values["mean_high"]) == (of_all["low"], of_all["high"])
    assert {"procedural/boolean/mean", "procedural/sorting/min"} <= values.keys()
    assert "spread_low" not in values
    assert not any(math.isnan(value) for value in values.values())


def test_the_same_run_has_the_same_key(run: Path) -> None:
    """A second export can replace the first; figures are among the files."""
    first, second = (tracked(run, finished(run), read_own_estimates(run)) for _ in range(2))

    assert first.key == second.key
    assert {"report.html", "manifest.json", "scores.svg"} <= {file.name for file in first.files}


def test_wandb_gets_settings_values_and_files(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in sees the project, an id to resume with, every value and a named artifact."""
    kept = Kept()
    files: list[str] = []
    artifact = SimpleNamespace(add_file=lambda path, name: files.append(name))
    monkeypatch.setitem(
        sys.modules,
        "wandb",
        SimpleNamespace(init=kept.init, Artifact=lambda name, type: artifact),
    )

    assert invoke(["export", str(run), "--to", "wandb", "--project", "mine"]) == 0
    ((_, given),) = kept.of("init")
    ((logged, _),) = kept.of("log")
    assert (given["project"], given["resume"], len(given["id"])) == ("mine", "allow", 16)
    assert given["config"]["model"] == "sensitive,sd=0.3"
    assert logged[0]["mean"] == values_of(read_own_estimates(run))["mean"]
    assert {"report.html", "figures/scores.svg"} <= set(files)
    assert kept.of("finish")
    assert "handed to wandb: here" in capsys.readouterr().out


@pytest.mark.parametrize("client", ["wandb", "mlflow"])
def test_a_client_that_is_not_there_names_its_extra(
    client: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 4 and the line to type."""
    monkeypatch.setitem(sys.modules, client, None)

    assert invoke(["export", str(run), "--to", client]) == 4
    assert f"pip install 'evalkit[{client}]'" in capsys.readouterr().err


def test_a_client_that_refuses_is_told_in_a_line(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No login, no network: exit 4 with what the client said, no traceback."""

    def refuse(**_: Any) -> None:
        raise RuntimeError("no API key.\nlog in\nsomewhere")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=refuse))

    assert invoke(["export", str(run), "--to", "wandb"]) == 4
    said = capsys.readouterr().err
    assert "W&B's client stopped: no API key. Its own settings" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--to", "wandb", "--out", "x"], "WANDB_DIR"),
        (["--to", "mlflow", "--out", "x"], "MLFLOW_TRACKING_URI"),
        (["--to", "wandb", "--what", "scores"], "Leave out --what"),
        (["--to", "hub-folder"], "--out DIR"),
        (["--to", "hub-folder", "--out", "x", "--project", "p"], "without --project"),
        (["--what", "scores"], "--out: is needed"),
        (["--to", "zeno"], "'zeno' is not one of"),
    ],
)
def test_what_does_not_go_together_is_refused(
    words: list[str], named: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one line, and nothing is written."""
    assert invoke(["export", str(run), *words]) == 2
    assert named in capsys.readouterr().err
    assert not Path("x").exists()


def test_the_hub_folder_is_read_by_the_hubs_own_client_and_by_us(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cards load, every data file that is named is there,
    and the cells give the same mean again.
    """
    hub = pytest.importorskip("huggingface_hub")
    out = tmp_path / "hub"

    assert invoke(["export", str(run), "--to", "hub-folder", "--out", str(out)]) == 0
    assert "hf upload" in capsys.readouterr().out
    card, index = (hub.RepoCard.load(out / name) for name in ("README.md", "model_card.md"))
    assert {one["config_name"] for one in card.data.configs} == {"scores", "estimates", "phrasings"}
    assert all((out / one["data_files"]).is_file() for one in card.data.configs)
    results = hub.ModelCard(str(index)).data.eval_results
    means = {one.metric_type: one.metric_value for one in results}
    again = evalkit.analyse(out / "data" / "scores.parquet", resamples=100).estimates
    found = again.query("task == 'all' and metric == 'mean'").iloc[-1]["value"]
    assert means["mean"] == pytest.approx(found)


def test_the_hub_folder_holds_no_text_of_the_benchmark(run: Path, tmp_path: Path) -> None:
    """No prompt, no question and no answer is in any of its files."""
    pytest.importorskip("huggingface_hub")
    out = tmp_path / "hub"
    assert invoke(["export", str(run), "--to", "hub-folder", "--out", str(out), "--quiet"]) == 0

    prompts = evalkit.load_run(run).responses["prompt"]
    content = b"".join(file.read_bytes() for file in out.rglob("*") if file.is_file())
    columns = pd.read_parquet(out / "data" / "scores.parquet").columns
    assert not {"prediction", "target"} & set(columns)
    assert not any(prompt.encode() in content for prompt in prompts)


needs = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in ("wandb", "mlflow")),
    reason="needs wandb and mlflow: the dependency group 'trackers'",
)


@needs
@pytest.mark.tracker
@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_keeps_one_run_of_two_exports(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder holds the values, settings and files once."""
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    for _ in range(2):
        assert invoke(["export", str(run), "--to", "mlflow", "--project", "mine"]) == 0

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("mine")
    (kept,) = client.search_runs([experiment.experiment_id])
    values = values_of(read_own_estimates(run))
    assert kept.data.metrics["mean"] == values["mean"]
    assert kept.data.metrics.keys() == values.keys()
    assert kept.data.params["suite_digest"] == finished(run).suite.digest
    named = {one.path for one in client.list_artifacts(kept.info.run_id)}
    assert {"report.html", "estimates.csv", "figures"} <= named


@needs
@pytest.mark.tracker
@pytest.mark.filterwarnings("ignore")
def test_wandb_itself_keeps_it_offline(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without network and login its log lies in a folder, to be synchronised by its owner."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))

    assert invoke(["export", str(run), "--to", "wandb", "--quiet"]) == 0
    (log,) = tmp_path.rglob("*.wandb")
    content = log.read_bytes()
    assert b"unseen_mean_low" in content
    assert b"report.html" in content


def test_the_hub_folder_replaces_its_own_files_and_nobody_elses(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A second export goes over the first; a card that somebody wrote stays."""
    pytest.importorskip("huggingface_hub")
    out, theirs = tmp_path / "hub", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "README.md").write_text("precious", encoding="utf-8")
    words = ["export", str(run), "--to", "hub-folder", "--quiet", "--out"]

    assert [invoke([*words, str(folder)]) for folder in (out, out, theirs)] == [0, 0, 2]
    assert "which evalkit did not write" in capsys.readouterr().err
    assert [file.name for file in theirs.iterdir()] == ["README.md"]
    assert (theirs / "README.md").read_text(encoding="utf-8") == "precious"
