"""Paraphrase ensemble: the same instance in m wordings, one answer.

References
----------
Input-side ensembles of paraphrases as in arXiv 2403.02271, here over our phrasings of the same
task. The cell's own phrasing is always a member; the others are drawn from the phrasings of the
run, seeded. The cost is m requests per request, less what cells share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.expanding import ExpandingBackend
from evalkit.backends.mitigations.options import read_options, shown
from evalkit.errors import UsageError
from evalkit.records import Request, Response

__all__ = ["ensemble", "mean_logprobs", "voted"]


def mean_logprobs(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return the mean over members of each choice's log-probability, normalised over the choices
    per member first.

    Notes
    -----
    l[c] = (1/m) sum over members of log softmax(z_m)[c]: the logarithm of the geometric mean. One
    member gives its own ranking.
    """
    import numpy as np
    from scipy.special import log_softmax

    return tuple(log_softmax(np.array(rows), axis=1).mean(axis=0).tolist())


def voted(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return log shares of votes, each member voting for its best choice.

    Ties are broken by the mean log-probability.

    Notes
    -----
    The share of c is (votes + a term below 1/(2m) from the mean log-probability) / m, so that an
    argmax over it is the vote.
    """
    votes = Counter(max(range(len(row)), key=lambda index: row[index]) for row in rows)
    tie = mean_logprobs(rows)
    order = sorted(range(len(tie)), key=lambda index: tie[index])
    step = {index: place / (2 * len(tie)) for place, index in enumerate(order)}
    return tuple(
        math.log((votes[index] + step[index] + 1e-9) / (len(rows) + 1)) for index in range(len(tie))
    )


def ensemble(backend: Backend, options: str) -> Backend:
    """Return the backend answering by ``m`` wordings (``--mitigation ensemble:m=5,how=mean``).

    ``how`` is ``mean`` or ``vote``.

    Generations are combined by vote over the exact texts; a tie goes to the cell's own phrasing.
    """
    given = read_options("ensemble", options, {"m": 5, "how": "mean"})
    if given["m"] < 1 or given["how"] not in {"mean", "vote"}:
        raise UsageError(
            f"--mitigation ensemble: m={given['m']}, how={given['how']}; "
            "m is a whole number from 1, how is mean or vote."
        )

    def expand(request: Request, alternates: Sequence[Request]) -> list[Request]:
        able = [
            other
            for other in alternates
            if other.kind == request.kind and len(other.continuations) == len(request.continuations)
        ]
        return [request, *able]

    def combine(request: Request, responses: Sequence[Response]) -> Response:
        first = responses[0]
        if len(responses) == 1:
            return first
        rows = [response.logprobs for response in responses if response.logprobs]
        if rows:
            return replace(
                first, logprobs=mean_logprobs(rows) if given["how"] == "mean" else voted(rows)
            )
        counts = Counter((response.text or "").strip() for response in responses)
        best = max(counts.values())
        own = (first.text or "").strip()
        chosen = (
            own
            if counts[own] == best
            else min(text for text, count in counts.items() if count == best)
        )
        return replace(first, text=chosen)

    return ExpandingBackend(
        backend, shown("ensemble", given), expand, combine, alternates=given["m"] - 1
    )
