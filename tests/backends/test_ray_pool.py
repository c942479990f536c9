"""Ray: the same results as a local run, also when workers die."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit import catalog
from evalkit.records import Ask, ModelSpec, Request, Suite
from evalkit.runs.execute import run
from evalkit.runs.settings import Settings

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'evalkit[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Ray's own warnings are not ours to mend


class Silent:
    """Progress that shows nothing."""

    stop_requested = False

    def begin(self, *, total: int, stored: int) -> None:
        """Show nothing."""

    def advance(self, responses: Any) -> None:
        """Show nothing."""

    def note(self, message: str) -> None:
        """Show nothing."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a real cluster of two nodes on this machine."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    made.add_node(num_cpus=2)
    ray.init(address=made.address, log_to_driver=False, logging_level="ERROR")
    yield made
    ray.shutdown()
    made.shutdown()


def settings(out: Path, script: str = "noise", **changes: Any) -> Settings:
    """Return a small run."""
    suite = Suite(
        name="toy", tasks=("procedural/boolean", "procedural/rewrite"), limit=30, phrasings=12
    )
    model = replace(
        catalog.load_model(f"scripted:{script}", tuned_on=("evalkit-tuning",)), label="toy"
    )
    return replace(
        Settings(model=model, suite=suite, out=out, cache=False, resamples=100), **changes
    )


def test_results_over_workers_equal_local_ones(cluster: Any, tmp_path: Path) -> None:
    """Byte for byte, whatever the number of workers."""
    run(settings(tmp_path / "local"), Silent())
    run(settings(tmp_path / "ray", executor="ray", workers=3), Silent())

    for name in ("scores.parquet", "estimates.csv", "leaderboard.csv"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()


def test_a_worker_killed_in_the_middle_is_replaced_and_nothing_is_lost(
    cluster: Any, tmp_path: Path
) -> None:
    """Its shard is done again by another worker; every request is answered once."""
    from evalkit.backends.ray_pool import RayBackend

    script = "slow,seconds=0.2,batch=64"
    run(settings(tmp_path / "local", script), Silent())
    killed: list[int] = []

    class Killing(Silent):
        """Progress that kills a worker after the first shard."""

        def advance(self, responses: Any) -> None:
            """Kill the first worker once."""
            if not killed:
                killed.append(1)
                ray.kill(Killing.backend._workers[0])

        backend: Any = None

    opened = RayBackend.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        opened(self, *args, **kwargs)
        Killing.backend = self

    patch = pytest.MonkeyPatch()
    patch.setattr(RayBackend, "__init__", remember)
    patch.setattr("evalkit.backends.ray_pool.SHARD", 16)
    try:
        outcome = run(settings(tmp_path / "ray", script, executor="ray", workers=2), Killing())
    finally:
        patch.undo()

    assert (
        outcome.manifest.totals.missing,
        killed,
        outcome.manifest.attempts[-1].engine["workers_lost"] >= 1,
    ) == (
        0,
        [1],
        True,
    )
    assert (tmp_path / "ray" / "scores.parquet").read_bytes() == (
        tmp_path / "local" / "scores.parquet"
    ).read_bytes()


def test_a_shard_that_kills_every_worker_is_given_up_and_named(cluster: Any) -> None:
    """Its requests come back as errors, the others are answered."""
    from evalkit.backends import ray_pool

    class Deadly(ray_pool._Worker):
        """A worker that dies of one request."""

        def answer(self, asks: list[Ask]) -> Any:
            """Die when the poison is among the requests."""
            if any("poison" in ask.request.text for ask in asks):
                os._exit(1)
            return super().answer(asks)

    patch = pytest.MonkeyPatch()
    patch.setattr(ray_pool, "_Worker", Deadly)
    patch.setattr(ray_pool, "SHARD", 1)
    backend = ray_pool.RayBackend(ModelSpec(backend="scripted", name="refuses"), workers=2)
    from evalkit.records import Hint

    requests = [Request(kind="generate", text=text) for text in ("one", "poison", "three")]
    hint = Hint(
        phrasing_id="p",
        instance_id="i",
        task="t",
        seen="seen",
        kind="correct",
        target=None,
        labels=(),
        reference="x",
    )
    asks = [Ask(request, hint) for request in requests]
    responses = {response.key: response for batch in backend.run(asks) for response in batch}
    backend.close()
    patch.undo()

    assert [bool(responses[request.key].error) for request in requests] == [False, True, False]
