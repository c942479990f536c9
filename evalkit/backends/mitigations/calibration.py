"""Contextual calibration of label priors.

References
----------
Zhao, Wallace, Feng, Klein, Singh. Calibrate Before Use: Improving Few-Shot Performance of Language
Models. ICML 2021 (arXiv 2102.09690), section 5. The model's label probabilities for a content-free
input, averaged over several such inputs, divide those for the real input (their diagonal W with b =
0). We differ in that probabilities are of whole choices (summed log-probabilities), not of first
tokens, and inputs are put in place of the question only, so that listed choices stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.expanding import ExpandingBackend, with_body
from evalkit.backends.mitigations.options import read_options, shown
from evalkit.records import Request, Response

__all__ = ["CONTENT_FREE", "calibrate", "calibrated"]

CONTENT_FREE = ("N/A", "", "[MASK]")
"""Content-free inputs, those of the paper."""


def calibrated(logprobs: Sequence[float], priors: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return calibrated log-probabilities, normalised over the choices.

    Parameters
    ----------
    logprobs
        Of the choices for the real input, nats.
    priors
        Of the choices for each content-free input, nats.

    Notes
    -----
    q[c] proportional to p[c] / mean over inputs of p_cf[c], where p and p_cf are softmaxes over the
    choices.

    Examples
    --------
    >>> from math import exp, log
    >>> found = calibrated((log(0.6), log(0.4)), [(log(0.75), log(0.25))])
    >>> [round(exp(value), 3) for value in found]
    [0.333, 0.667]
    """
    import numpy as np
    from scipy.special import log_softmax, softmax

    share = softmax(np.array(priors), axis=1).mean(axis=0)
    return tuple(log_softmax(np.array(logprobs) - np.log(np.maximum(share, 1e-300))).tolist())


def calibrate(backend: Backend, options: str) -> Backend:
    """Return the backend with calibrated choices (``--mitigation calibrate``).

    Generations pass unchanged. Costs up to four requests per request.
    """
    read_options("calibrate", options, {})

    def expand(request: Request, alternates: Sequence[Request]) -> list[Request]:
        if request.kind != "choice" or request.body == (0, 0):
            return [request]
        return [request, *(with_body(request, filler) for filler in CONTENT_FREE)]

    def combine(request: Request, responses: Sequence[Response]) -> Response:
        first, *priors = responses
        if not priors or not all(response.logprobs for response in responses):
            return first
        return replace(
            first, logprobs=calibrated(first.logprobs, [prior.logprobs for prior in priors])
        )

    return ExpandingBackend(
        backend, shown("calibrate", {}), expand, combine, needs=frozenset({"choice"})
    )
