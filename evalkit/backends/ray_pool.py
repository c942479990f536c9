"""Requests over Ray workers: one backend per worker, one writer, the same responses as a local run.

`RayBackend` looks like any backend to the corridor. Requests are sorted by length and cut into
shards; a worker gets the next shard when it returns one (back-pressure: at most two shards per
worker are under way). A worker that dies is replaced and its shard given to another; a shard that
kills `MAX_TRIES` workers is given up, and its requests come back as errors. The driver alone writes
to the store.

Not handled here: tensor parallelism inside one replica (the engine's own option, such as vLLM's
``tensor_parallel_size``) and starting a cluster (``ray start``; recipes in ``docs/cluster.md``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import opened
from evalkit.errors import BackendError, ExtraMissingError
from evalkit.records import Ask, ModelSpec, Response

__all__ = ["MAX_TRIES", "RayBackend"]

MAX_TRIES = 3
"""Workers a shard may cost before it is given up."""
SHARD = 128
"""Requests of a shard: enough to fill batches, little enough to lose."""
AHEAD = 2
"""Shards under way per worker, so that no worker waits for the driver."""


@dataclass(slots=True)
class _Shard:
    """Requests given to one worker at a time."""

    number: int
    asks: list[Ask]
    tries: int = 0


class _Worker:
    """What runs in a worker process: one backend, built once."""

    def __init__(self, spec: dict[str, Any], mitigations: tuple[str, ...]) -> None:
        self._backend: Backend = opened(ModelSpec(**spec), mitigations)

    def describe(self) -> tuple[dict[str, str], list[str], str]:
        """Return fingerprint, capabilities and device."""
        backend = self._backend
        return dict(backend.fingerprint()), sorted(backend.capabilities), backend.device

    def answer(self, asks: list[Ask]) -> list[Response]:
        """Return the responses of one shard."""
        return [response for batch in self._backend.run(asks) for response in batch]


class RayBackend:
    """A backend whose work is done by Ray workers.

    Parameters
    ----------
    spec
        The model every worker loads.
    workers
        Number of workers; with a GPU in the cluster each takes one.
    mitigations
        Wrapped around the backend in every worker.
    address
        Address of a running cluster; None starts Ray on this machine.

    Raises
    ------
    ExtraMissingError
        When Ray is not installed.
    BackendError
        When no worker can load the model, or the cluster cannot be reached.
    """

    def __init__(
        self,
        spec: ModelSpec,
        *,
        workers: int,
        mitigations: Sequence[str] = (),
        address: str | None = None,
    ) -> None:
        try:
            import ray
        except ImportError:
            raise ExtraMissingError("--executor ray", "ray") from None
        self._ray = ray
        self._started = not ray.is_initialized()
        if self._started:
            self._initialise(address)
        self._arguments = (asdict(spec), tuple(mitigations))
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpus = 1 if resources.get("GPU", 0) >= workers and spec.device != "cpu" else 0
        self._actor = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0)(_Worker)
        self._workers = [self._new_worker() for _ in range(max(1, workers))]
        try:
            described = ray.get([worker.describe.remote() for worker in self._workers])
        except ray.exceptions.RayError as error:
            self.close()
            raise BackendError(
                f"--executor ray: no worker could load the model: {_cause(error)}"
            ) from error
        self._fingerprint, self._capabilities, self._device = described[0]
        if any(fingerprint != self._fingerprint for fingerprint, *_ in described):
            self.close()
            raise BackendError(
                "--executor ray: workers load different weights under the same name. "
                "Give every machine the same files, or pin --revision."
            )
        self._counts = {"shards": 0, "workers_lost": 0, "shards_redone": 0}

    def _initialise(self, address: str | None) -> None:
        import logging

        try:
            self._ray.init(
                address=address,
                include_dashboard=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise BackendError(
                f"--executor ray: the cluster {address or 'on this machine'} cannot be reached: "
                f"{error}. Start it with 'ray start --head'."
            ) from error

    def _new_worker(self) -> Any:
        return self._actor.remote(*self._arguments)

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the workers' backend can do."""
        return frozenset(self._capabilities) - {"embed"}

    @property
    def stats(self) -> dict[str, int]:
        """Return shards done, workers lost and shards done again."""
        return {"workers": len(self._workers), **self._counts}

    def fingerprint(self) -> Mapping[str, str]:
        """Return the fingerprint of the workers' backend.

        The same as a local run's, so that responses are interchangeable.
        """
        return dict(self._fingerprint)

    @property
    def device(self) -> str:
        """Return the device of the first worker."""
        return str(self._device)

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield the responses of one shard at a time, as shards are finished."""
        ordered = sorted(
            asks, key=lambda ask: (ask.request.kind, len(ask.request.text)), reverse=True
        )
        shards = deque(
            _Shard(number, ordered[start : start + SHARD])
            for number, start in enumerate(range(0, len(ordered), SHARD))
        )
        under_way: dict[Any, tuple[_Shard, int]] = {}
        load = [0] * len(self._workers)
        while shards or under_way:
            while shards and min(load) < AHEAD:
                place = load.index(min(load))
                shard = shards.popleft()
                reference = self._workers[place].answer.remote(shard.asks)
                under_way[reference] = (shard, place)
                load[place] += 1
            done, _ = self._ray.wait(list(under_way), num_returns=1)
            for reference in done:
                yield from self._collected(reference, shards, under_way, load)

    def _collected(
        self,
        reference: Any,
        shards: deque[_Shard],
        under_way: dict[Any, tuple[_Shard, int]],
        load: list[int],
    ) -> Iterator[list[Response]]:
        """Yield a finished shard; put the shard of a dead worker back and replace the worker."""
        if reference not in under_way:
            return
        shard, place = under_way.pop(reference)
        load[place] -= 1
        try:
            responses = self._ray.get(reference)
        except self._ray.exceptions.RayActorError:
            lost = [shard, *self._abandon(place, under_way)]
            self._counts["workers_lost"] += 1
            self._workers[place] = self._new_worker()
            load[place] = 0
            shard.tries += 1
            for again in lost:
                if again.tries >= MAX_TRIES:
                    yield [
                        Response(key=ask.request.key, finish_reason="error", error="worker died")
                        for ask in again.asks
                    ]
                else:
                    self._counts["shards_redone"] += 1
                    shards.appendleft(again)
            return
        except self._ray.exceptions.RayTaskError as error:
            raise BackendError(f"--executor ray: a worker failed: {_cause(error)}") from error
        self._counts["shards"] += 1
        yield responses

    @staticmethod
    def _abandon(place: int, under_way: dict[Any, tuple[_Shard, int]]) -> list[_Shard]:
        """Take back the other shards a dead worker held."""
        held = [reference for reference, (_, owner) in under_way.items() if owner == place]
        return [under_way.pop(reference)[0] for reference in held]

    def close(self) -> None:
        """Stop the workers, and Ray when this run started it."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []
        if self._started and self._ray.is_initialized():
            self._ray.shutdown()


def _cause(error: Exception) -> str:
    """Return the one line that says what went wrong inside a worker."""
    inner = getattr(error, "cause", None)
    lines = [line for line in str(inner or error).strip().splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
