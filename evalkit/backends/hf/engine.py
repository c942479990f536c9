"""From encoded requests to batches on the device.

Shared prefixes, token budgets, halving when memory runs out.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.backends.hf.encoded import Encoded
from evalkit.backends.hf.generation import Greedy
from evalkit.backends.hf.layout import Work, batches
from evalkit.backends.hf.library_loop import LibraryGreedy
from evalkit.backends.hf.loading import Loaded, is_out_of_memory, quiet, uncompiled
from evalkit.backends.hf.packed import Bank, TreeScorer
from evalkit.backends.hf.proof import Path
from evalkit.backends.hf.tree import Costs, PrefixGroup, branches, chains, prefix_groups

__all__ = ["Budget", "Counts", "Engine"]

_HEAD_ELEMENTS = {"cpu": 1 << 26, "cuda": 1 << 29}


@dataclass(slots=True)
class Counts:
    """What was computed, in tokens unless said otherwise."""

    naive: int = 0
    """Tokens that scoring every continuation apart would put through the layers."""
    planned: int = 0
    """Tokens the plan needs: prefixes once, prompts once, branches."""
    computed: int = 0
    """Tokens that went through the layers, padding included."""
    prefix: int = 0
    """Tokens of stored prefixes among them."""
    reused: int = 0
    """Prompt tokens answered from stored prefixes."""
    generated: int = 0
    """Tokens fed one by one while generating."""
    forwards: int = 0
    """Forward passes of scoring and of prompts (count)."""
    halvings: int = 0
    """Times that memory ran out and a batch was halved (count)."""


@dataclass(slots=True)
class Budget:
    """Most tokens and rows of a batch; shrinks when memory runs out."""

    tokens: int
    """Tokens of a scoring batch, padding included."""
    generating: int
    """Tokens of prompts and room for answers that generate together."""
    stored: int
    """Tokens of prefixes that are stored together."""
    rows: int | None = None
    """Rows of a batch; None for no limit."""
    launch: int = 32
    """What one more batch costs, in tokens."""

    @classmethod
    def on(cls, loaded: Loaded, rows: int | None) -> Budget:
        """Return the budget for a model.

        Small batches keep a CPU's caches warm, large ones fill a GPU.

        Rows that generate together keep their key and value states: as many as fit into 512 MB on a
        CPU, 8 GB on a GPU.
        """
        if loaded.device.type == "cpu":
            return cls(
                tokens=1024,
                generating=max(1024, min(16384, (512 << 20) // loaded.state_bytes)),
                stored=2048,
                rows=rows,
            )
        return cls(
            tokens=16384,
            generating=max(4096, min(131072, (8 << 30) // loaded.state_bytes)),
            stored=16384,
            rows=rows,
            launch=1024,
        )


@dataclass(frozen=True, slots=True)
class _Unit:
    """A request on its way through the model."""

    encoded: Encoded
    work: Work


@dataclass(slots=True)
class Engine:
    """Runs encoded requests through one model."""

    loaded: Loaded
    """The model."""
    path: Path
    """How it scores."""
    greedy: Greedy | LibraryGreedy
    """How it generates."""
    budget: Budget
    """Batch limits."""
    costs: Costs = field(default_factory=Costs)
    """What shared prefixes cost."""
    counts: Counts = field(default_factory=Counts)
    """What was computed."""

    def score(self, items: Sequence[Encoded]) -> Iterator[list[tuple[Encoded, list[float] | str]]]:
        """Yield per batch each request with the log-probabilities of its continuations,
        or why there are none.
        """
        for item in items:
            self._count_naive(item)
        scorer = self.path.scorer
        for bank, units in self._waves(items, shares=self.path.shares):
            for batch in batches(
                [self._width(u.work) for u in units],
                budget=self.budget.tokens,
                rows=self.budget.rows,
                launch=self.budget.launch,
            ):
                for part in self._within_head([units[i] for i in batch]):
                    works = [unit.work for unit in part]

                    def score(chosen: Sequence[Any], bank: Any = bank) -> Any:
                        return scorer.score([unit.work for unit in chosen], bank)

                    yield self._attempt(part, score, works)

    def generate(self, items: Sequence[Encoded]) -> Iterator[list[tuple[Encoded, list[int] | str]]]:
        """Yield per batch each request with the ids it generated, or why there are none."""
        shares = isinstance(self.greedy, Greedy) and not self.loaded.encoder_decoder
        for item in items:
            self.counts.naive += len(item.context)
        for bank, units in self._waves(items, shares=shares):
            lengths = [len(u.work.context) + u.encoded.bounded.max_tokens for u in units]
            for batch in batches(
                lengths,
                budget=self.budget.generating,
                rows=self.budget.rows,
                launch=self.budget.generating,  # every batch goes through the weights at every step
            ):
                yield from self._generated([units[i] for i in batch], bank)

    def _generated(
        self, units: Sequence[_Unit], bank: Bank | None
    ) -> Iterator[list[tuple[Encoded, list[int] | str]]]:
        """Generate a batch and hand rows on as they end; what is left,
        in halves when memory runs out.
        """
        works = [unit.work for unit in units]
        rows = self.greedy.run(works, [unit.encoded.bounded for unit in units], bank)
        left = dict(enumerate(units))
        while left:
            found = None
            try:
                with quiet(), uncompiled():  # growing states would be compiled anew at every step
                    found = next(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            if found is None:
                break
            yield [(left.pop(row).encoded, "nan" if ids is None else ids) for row, ids in found]
        # subtle: outside the handler, because the traceback keeps the tensors of the failed forward
        # alive
        if not left:
            self._count_batch(works)
            return
        rest = list(left.values())
        del rows
        self._ran_out(rest, [unit.work for unit in rest])
        if len(rest) == 1:
            yield [(rest[0].encoded, "oom")]
            return
        yield from self._generated(rest[: len(rest) // 2], bank)
        yield from self._generated(rest[len(rest) // 2 :], bank)

    def _count_naive(self, item: Encoded) -> None:
        """Count what one continuation at a time would compute."""
        fed = [len(tail) - (0 if self.loaded.encoder_decoder else 1) for tail in item.tails]
        self.counts.naive += len(item.tails) * len(item.context) + sum(fed)

    def _width(self, work: Work) -> int:
        """Tokens of one prompt's row or rows in a batch, without padding."""
        if self.loaded.encoder_decoder:
            if self.path.name == "packed":
                return work.width + 1  # the start token
            kept, _ = chains(work.tails)
            return len(work.context) * len(kept) + sum(len(chain) + 1 for chain in kept)
        if self.path.name == "tree":
            return work.width
        kept, _ = chains(work.tails)
        return sum(len(work.context) + len(chain) for chain in kept)

    def _waves(
        self, items: Sequence[Encoded], *, shares: bool
    ) -> Iterator[tuple[Bank | None, list[_Unit]]]:
        """Stored prefixes with the prompts behind them, wave by wave,
        and last the prompts that share none.
        """
        alone = set(range(len(items)))
        groups = prefix_groups([item.context for item in items], self.costs) if shares else []
        for wave in self._pack(groups):
            prefixes = [items[group.members[0]].context[: group.length] for group in wave]
            bank = self._bank(prefixes)
            if bank is None:
                continue
            units = []
            for slot, group in enumerate(wave):
                for i in group.members:
                    work = Work(
                        items[i].context[group.length :],
                        items[i].tails,
                        prefix=group.length,
                        slot=slot,
                    )
                    units.append(_Unit(items[i], work))
                    alone.discard(i)
                self.counts.reused += group.length * len(group.members)
            yield bank, units
        if alone:
            yield (
                None,
                [_Unit(items[i], Work(items[i].context, items[i].tails)) for i in sorted(alone)],
            )

    def _pack(self, groups: Sequence[PrefixGroup]) -> Iterator[list[PrefixGroup]]:
        """Groups whose prefixes fit into the bank together, alike in length so that little is
        padded.
        """
        stored = self.budget.stored
        for batch in batches([group.length for group in groups], budget=stored, launch=stored):
            yield [groups[i] for i in batch]

    def _bank(self, prefixes: list[tuple[int, ...]]) -> Bank | None:
        """Stored states of prefixes; None when they do not fit, so that prompts are fed whole."""
        if not isinstance(self.path.scorer, TreeScorer):
            return None
        scorer = self.path.scorer
        parts = batches(
            [len(prefix) for prefix in prefixes],
            budget=self.budget.tokens,
            launch=self.budget.launch,
        )
        try:
            with quiet():
                banks = [scorer.bank([prefixes[i] for i in part]) for part in parts]
                bank = Bank.join(banks, [i for part in parts for i in part])
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.counts.halvings += 1
            self.budget.stored = max(1, self.budget.stored // 2)
            return None
        padded = sum(max(len(prefixes[i]) for i in part) * len(part) for part in parts)
        self.counts.planned += sum(map(len, prefixes))
        self.counts.prefix += padded
        self.counts.computed += padded
        self.counts.forwards += len(parts)
        return bank

    def _within_head(self, units: list[_Unit]) -> Iterator[list[_Unit]]:
        """Split a batch so that the logits at its answer positions stay within memory."""
        cells = _HEAD_ELEMENTS["cpu" if self.loaded.device.type == "cpu" else "cuda"]
        most = (
            max(1, cells // self.loaded.model.get_output_embeddings().weight.shape[0])
            if self.loaded.head.available
            else len(units)
        )
        current: list[_Unit] = []
        reads = 0
        for unit in units:
            own = 1 + len(branches(unit.work.tails).tokens)
            if current and reads + own > most:
                yield current
                current, reads = [], 0
            current.append(unit)
            reads += own
        if current:
            yield current

    def _attempt(
        self,
        units: Sequence[_Unit],
        run: Callable[[Sequence[_Unit]], Sequence[Any]],
        works: Sequence[Work],
    ) -> list[tuple[Encoded, Any]]:
        """Run a batch, in halves when memory runs out.

        A single row that does not fit is an ``oom``.
        """
        failed = False
        found: Sequence[Any] = []
        try:
            with quiet():
                found = run(units)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            failed = True
        # subtle: outside the handler, because the traceback keeps the tensors of the failed forward
        # alive
        if not failed:
            self._count_batch(works)
            return [(unit.encoded, answer) for unit, answer in zip(units, found, strict=True)]
        self._ran_out(units, works)
        if len(units) == 1:
            return [(units[0].encoded, "oom")]
        half = len(units) // 2
        return [
            *self._attempt(units[:half], run, works[:half]),
            *self._attempt(units[half:], run, works[half:]),
        ]

    def _ran_out(self, units: Sequence[_Unit], works: Sequence[Work]) -> None:
        """Halve the budget and give cached device memory back before trying again."""
        self.counts.halvings += 1
        gc.collect()
        if len(units) > 1:
            fed = sum(self._width(work) for work in works)
            if units[0].encoded.request.kind == "generate":
                fed += sum(unit.encoded.request.max_tokens for unit in units)
                self.budget.generating = max(1, min(self.budget.generating, fed) // 2)
            else:
                self.budget.tokens = max(1, min(self.budget.tokens, fed) // 2)
        if self.loaded.device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def _count_batch(self, works: Sequence[Work]) -> None:
        """Count one forward over `works`, or the forwards that feed them before they generate."""
        widths = [self._width(work) for work in works]
        generates = not works[0].tails
        parts = (
            self.greedy.parts(works)
            if generates and isinstance(self.greedy, Greedy)
            else [list(range(len(works)))]
        )
        self.counts.planned += sum(widths)
        self.counts.computed += sum(max(widths[i] for i in part) * len(part) for part in parts)
        self.counts.forwards += len(parts)

    def snapshot(self) -> Counts:
        """Return a copy of the counts, with what generation fed."""
        fed = self.greedy.passes if isinstance(self.greedy, Greedy) else 0
        return replace(self.counts, generated=fed)
