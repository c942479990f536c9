"""A backend whose logits are a weighted sum over branches.

Other wordings of the prompt, or other models.

At every position the logits are z = sum over branches b of w_b z_b, with the same answer tokens fed
to all branches; a choice's log-probability is the sum over its tokens of log softmax(z)
(renormalised per token), and generation takes the likeliest token of z. Branches on the same model
go through it in one batch.

Not shared here: stored prefixes and packed choices. Prompts are fed whole, a row per distinct chain
of answer tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.encoded import Encoded
from evalkit.backends.hf.layout import batches
from evalkit.backends.hf.tree import chains
from evalkit.backends.mitigations.options import under
from evalkit.backends.mitigations.rows import Rows, answer_logits
from evalkit.backends.mitigations.token_rules import Rule
from evalkit.errors import BackendError
from evalkit.records import Ask, Request, Response

if TYPE_CHECKING:
    import torch

    from evalkit.backends.hf.backend import HFBackend

__all__ = ["Branch", "MixingBackend"]

_BUDGET = {"cpu": 2048, "cuda": 16384}
_MOST_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One term of the sum."""

    backend: HFBackend
    """Whose model gives the logits."""
    weight: float
    """Its weight."""
    reword: Callable[[Request], Request] | None = None
    """Changes the prompt; None leaves it."""


class MixingBackend:
    """Weighted sum of logits over branches.

    Parameters
    ----------
    branches
        The first is the model asked, with its own prompt: its tokens are the answer's and its text
        is what counts as sent.
    label
        Name and options in one form; enters the fingerprint.
    rule
        What makes one distribution out of those of all branches; None for the weighted sum.

    Notes
    -----
    A branch of weight 0 is left out. When only the first is left, with weight 1, requests go to its
    own backend, so that a mitigation of strength 0 gives the plain responses bit for bit.
    """

    def __init__(self, branches: Sequence[Branch], label: str, *, rule: Rule | None = None) -> None:
        self._rule = rule
        self._owned = {id(branch.backend): branch.backend for branch in branches}
        self._branches = [branches[0], *(branch for branch in branches[1:] if branch.weight)]
        self._label = label
        self._counts = {"rows": 0, "tokens": 0}
        self._width = min(
            branch.backend.loaded.model.get_output_embeddings().weight.shape[0]
            for branch in branches
        )

    @property
    def _plain(self) -> bool:
        alone = len(self._branches) == 1 and self._branches[0].weight == 1.0
        return alone and self._rule is None

    @property
    def _inner(self) -> HFBackend:
        return self._branches[0].backend

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what the model can do, without its inner workings."""
        return self._inner.capabilities - {"logits", "embed"}

    @property
    def device(self) -> str:
        """Return the device of the first model."""
        return self._inner.device

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return rows and tokens fed, and the forwards a prompt costs."""
        inner = dict(self._inner.stats) if self._plain else {}
        return {**inner, **self._counts, f"cost of {self._label}": float(len(self._branches))}

    def fingerprint(self) -> Mapping[str, str]:
        """Return the fingerprint of the first model, and the mitigation."""
        return under(self._inner.fingerprint(), self._label)

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses batch by batch, in any order, each request exactly once."""
        if self._plain:
            yield from self._inner.run(asks)
            return
        for start in range(0, len(asks), 4096):
            yield from self._window([ask.request for ask in asks[start : start + 4096]])

    def _window(self, requests: Sequence[Request]) -> Iterator[list[Response]]:
        found = [
            branch.backend.encode(
                [branch.reword(request) if branch.reword else request for request in requests]
            )
            for branch in self._branches
        ]
        columns = list(zip(*found, strict=True))
        failed = {
            i: next((item.error for item in column if item.error), "")
            for i, column in enumerate(columns)
        }
        if any(failed.values()):
            yield [_failure(requests[i], columns[i], error) for i, error in failed.items() if error]
        for kind in ("choice", "generate"):
            chosen = [i for i, error in failed.items() if not error and requests[i].kind == kind]
            widths = [self._cost(columns[i]) for i in chosen]
            budget = _BUDGET["cpu" if self._inner.device.startswith("cpu") else "cuda"]
            for batch in batches(widths, budget=budget, rows=_MOST_ROWS) if chosen else []:
                part = [columns[chosen[place]] for place in batch]
                yield self._score(part) if kind == "choice" else self._generate(part)

    def _cost(self, column: Sequence[Encoded]) -> int:
        kept = len(chains(column[0].tails)[0]) if column[0].tails else 1
        return (
            sum(len(item.context) * max(kept, 1) for item in column) + column[0].request.max_tokens
        )

    def _score(self, columns: Sequence[Sequence[Encoded]]) -> list[Response]:
        """Score one batch of choice requests."""
        import torch

        from evalkit.backends.hf.reading import logprobs_of

        plans = [chains(column[0].tails) for column in columns]
        rows = [
            [
                (column[place].context, chain)
                for column, (kept, _) in zip(columns, plans, strict=True)
                for chain in (kept or ((),))
            ]
            for place in range(len(self._branches))
        ]
        with torch.inference_mode():
            mixed = self._mixed(rows)
            reads, tokens, owners = _reads(plans)
            values = logprobs_of(
                mixed,
                torch.tensor(reads, device=mixed.device),
                torch.tensor(tokens, device=mixed.device),
            ).tolist()
        sums: dict[tuple[int, int], float] = {}
        for owner, value in zip(owners, values, strict=True):
            sums[owner] = sums.get(owner, 0.0) + value
        made = []
        for number, column in enumerate(columns):
            answer = tuple(sums[number, choice] for choice in range(len(column[0].tails)))
            if all(map(math.isfinite, answer)):
                made.append(
                    _response(
                        column, logprobs=answer, token_counts=tuple(map(len, column[0].tails))
                    )
                )
            else:
                made.append(_failure(column[0].request, column, "nan"))
        return made

    def _mixed(
        self, rows: Sequence[Sequence[tuple[tuple[int, ...], tuple[int, ...]]]]
    ) -> torch.Tensor:
        """Return the mixed logits, shape (read, vocabulary), in float32.

        Branches of one model in one forward.
        """
        found: dict[int, torch.Tensor] = {}
        for backend, places in self._models():
            fed = [row for place in places for row in rows[place]]
            self._counts["rows"] += len(fed)
            self._counts["tokens"] += sum(len(context) + len(chain) for context, chain in fed)
            logits = answer_logits(backend.loaded, fed)[:, : self._width].float()
            found.update(zip(places, logits.chunk(len(places)), strict=True))
        before = [chain[:k] for _, chain in rows[0] for k in range(len(chain) + 1)]
        return self._combined(found, before)

    def _combined(
        self, found: Mapping[int, torch.Tensor], before: Sequence[Sequence[int]]
    ) -> torch.Tensor:
        """Return one distribution per row out of those of all branches, given the answer tokens
        before it.
        """
        parts = [found[place] for place in range(len(self._branches))]
        if self._rule is not None:
            return self._rule(parts, before)
        total = self._branches[0].weight * parts[0]
        for branch, part in zip(self._branches[1:], parts[1:], strict=True):
            total = total + (branch.weight * part).to(total.device)
        return total

    def _models(self) -> list[tuple[HFBackend, list[int]]]:
        """Return every model with the places of its branches, in order of first use."""
        found: dict[int, tuple[HFBackend, list[int]]] = {}
        for place, branch in enumerate(self._branches):
            found.setdefault(id(branch.backend), (branch.backend, []))[1].append(place)
        return list(found.values())

    def _generate(self, columns: Sequence[Sequence[Encoded]]) -> list[Response]:
        """Generate one batch, all branches in step."""
        import torch

        requests = [column[0].bounded for column in columns]
        if any(request.temperature > 0 for request in requests):
            raise BackendError(
                "--temperature: a mitigation that mixes next-token distributions takes the "
                "likeliest token and draws none. Leave --temperature out."
            )
        sessions = [
            (
                Rows(
                    backend.loaded,
                    [column[place].context for place in places for column in columns],
                ),
                places,
            )
            for backend, places in self._models()
        ]
        ids: list[list[int]] = [[] for _ in columns]
        broken: set[int] = set()
        alive = list(range(len(columns)))
        fed: list[int] | None = None
        with torch.inference_mode():
            while alive:
                tokens = self._step(sessions, fed, [ids[row] for row in alive])
                kept = []
                for place, (row, token) in enumerate(zip(alive, tokens, strict=True)):
                    if token < 0:
                        broken.add(row)
                        continue
                    ids[row].append(token)
                    if not self._inner.stops.done(ids[row], requests[row]):
                        kept.append(place)
                if len(kept) < len(alive):
                    for session, places in sessions:
                        session.keep(
                            [
                                block * len(alive) + place
                                for block in range(len(places))
                                for place in kept
                            ]
                        )
                alive = [alive[place] for place in kept]
                fed = [ids[row][-1] for row in alive]
        made = []
        for row, column in enumerate(columns):
            if row in broken:
                made.append(_failure(requests[row], column, "nan"))
                continue
            text, reason = self._inner.stops.finish(ids[row], requests[row])
            made.append(_response(column, text=text, finish_reason=reason))
        return made

    def _step(
        self,
        sessions: Sequence[tuple[Rows, list[int]]],
        fed: list[int] | None,
        before: Sequence[Sequence[int]],
    ) -> list[int]:
        """Return the next token of every row, -1 where the logits are not finite."""
        import torch

        found: dict[int, torch.Tensor] = {}
        for session, places in sessions:
            logits = session.next(None if fed is None else fed * len(places))[
                :, : self._width
            ].float()
            self._counts["rows"] += len(logits)
            found.update(zip(places, logits.chunk(len(places)), strict=True))
        total = self._combined(found, before)
        best, tokens = total.max(dim=-1)
        chosen: list[int] = torch.where(
            torch.isfinite(best), tokens, torch.full_like(tokens, -1)
        ).tolist()
        return chosen

    def close(self) -> None:
        """Release all models."""
        for backend in self._owned.values():
            backend.close()


def _reads(plans: Sequence[Any]) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Return the logit row, token and (request, choice) of every read, prompts and chains in the
    order fed.
    """
    rows, tokens, owners = [], [], []
    base = 0
    for number, (kept, reads) in enumerate(plans):
        starts = []
        for chain in kept or ((),):
            starts.append(base)
            base += len(chain) + 1
        for choice, read in enumerate(reads):
            for chain_number, offset, token in read:
                rows.append(starts[chain_number] + offset)
                tokens.append(token)
                owners.append((number, choice))
    return rows, tokens, owners


def _response(column: Sequence[Encoded], **found: Any) -> Response:
    first = column[0]
    return Response(
        key=first.request.key,
        sent=first.sent,
        truncated=any(item.truncated for item in column),
        boundary=first.boundary,
        prompt_tokens=sum(len(item.context) for item in column),
        **found,
    )


def _failure(request: Request, column: Sequence[Encoded], error: str) -> Response:
    return Response(
        key=request.key,
        error=error,
        finish_reason="error" if request.kind == "generate" else "",
        prompt_tokens=sum(len(item.context) for item in column),
    )
