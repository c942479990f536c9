"""The fast path proves itself.

A few real prompts are scored both ways before anything is computed with it, as `plain` does it and
fast, and both are held against the model in float64: the fast path is taken while it is about as
exact as the plain one. Not handled here: what differs only in prompts that are not among the
samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from statistics import median
from time import perf_counter
from typing import Any, Protocol

from evalkit.backends.hf.encoder_decoder import EncoderDecoderScorer
from evalkit.backends.hf.layout import Work, mask_forms
from evalkit.backends.hf.loading import Loaded, is_out_of_memory
from evalkit.backends.hf.packed import Bank, TreeScorer
from evalkit.backends.hf.plain import behind
from evalkit.backends.hf.reference import in_float64
from evalkit.backends.hf.rows import RowScorer, SingleScorer
from evalkit.backends.hf.samples import LONGEST_SAMPLE, samples_of, treats_by_length
from evalkit.backends.hf.tree import Costs
from evalkit.backends.precision import FLOOR, TIMES, noise
from evalkit.errors import BackendError, first_line

__all__ = [
    "VERIFIED",
    "Path",
    "Proof",
    "Scorer",
    "choose",
    "compiled",
    "fast_scorers",
    "largest_difference",
    "measured_costs",
    "samples_for",
    "trial",
    "untried",
]

VERIFIED = frozenset(
    {
        "bart",
        "cohere",
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "gpt_neox",
        "granite",
        "llama",
        "mistral",
        "mt5",
        "olmo2",
        "opt",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "stablelm",
        "t5",
        "umt5",
    }
)
"""Model types whose fast path is tested against one row per choice on every change. Any other is
taken as fast where it proves to be right on the samples, of which one is then the longest."""

_LARGE = 100.0
_LOOKS_AHEAD = 0.02
"""Change of a log-probability, nat, by which a model has seen what it should not; in float64, where
no rounding comes near it."""


class Scorer(Protocol):
    """Gives log-probabilities of continuations, nats."""

    def score(self, works: Sequence[Work], bank: Bank | None = None) -> list[list[float]]:
        """Return per prompt the log-probability of every continuation."""
        ...


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found when the ways of scoring were held against each other.

    Errors are in nats, the largest over the samples; see `largest_difference`.
    """

    reference: str = "float64"
    """What the errors are taken against: ``float64``, or ``plain`` where the model does not run in
    float64."""
    plain_error: float = math.nan
    """Error of one unpadded row per choice in the model's own precision; NaN without float64."""
    error: float = math.nan
    """Error of the path that is taken."""
    allowed: float = math.nan
    """Largest error with which a faster path is taken."""
    samples: Sequence[Work] = field(default=(), repr=False)
    """The prompts."""
    expected: Sequence[Sequence[float]] = field(default=(), repr=False)
    """Their log-probabilities by the reference."""
    remembered: str = ""
    """When it was done, if an earlier process did it; empty where this one did."""
    checked: float = math.nan
    """Largest difference of the two ways on a prompt of this process, where it was remembered."""

    @property
    def noise(self) -> float:
        """Return how far rounding may move a log-probability, nats; NaN where it was not measured.

        `TIMES` the larger error of the two ways: the largest of many prompts lies above the largest
        of a few, and a decision compares two of them.
        """
        return max(self.allowed, TIMES * self.error) if self.reference == "float64" else math.nan

    def told(self) -> dict[str, float | str]:
        """Return what a manifest keeps of it."""
        return {
            "reference": self.reference,
            "plain_error": self.plain_error,
            "error": self.error,
            "allowed": self.allowed,
            **({"remembered": self.remembered, "checked": self.checked} if self.remembered else {}),
        }


@dataclass(frozen=True, slots=True)
class Path:
    """The way that prompts are scored."""

    name: str
    """``tree``, ``packed`` (encoder-decoder), ``rows`` or ``single``."""
    scorer: Scorer
    """What scores."""
    proof: Proof
    """How exact it is."""
    notice: str = ""
    """Why the fast path is not taken; empty when it is."""

    @property
    def shares(self) -> bool:
        """Return whether stored prefixes can be used."""
        return self.name == "tree"


def largest_difference(
    found: Sequence[Sequence[float]], reference: Sequence[Sequence[float]]
) -> float:
    """Return the largest difference, infinite when one side is not a number and the other is.

    Differences are absolute up to log-probabilities of -100 nat and relative to them (per 100 nat)
    beyond, because the rounding of a float grows with its size.
    """
    worst = 0.0
    for row, expected in zip(found, reference, strict=True):
        for a, b in zip(row, expected, strict=True):
            if math.isfinite(a) and math.isfinite(b):
                worst = max(worst, abs(a - b) / max(1.0, abs(b) / _LARGE))
            elif math.isfinite(a) != math.isfinite(b):
                return math.inf
    return worst


def choose(loaded: Loaded, works: Sequence[Work], *, forced: str = "auto") -> Path:
    """Return the fastest way of scoring that is about as exact as the plain one on a few of
    `works`.

    Parameters
    ----------
    loaded
        The model.
    works
        Real prompts, whole.
    forced
        ``auto``, or ``plain`` to leave the fast path out.
    """
    reference = SingleScorer(loaded)
    proof = _begun(loaded, reference, samples_for(loaded, works))
    _refuse_looking_ahead(loaded, proof)
    reason = untried(loaded, works) if forced == "auto" else "the option 'path' asks for it"
    if not reason:
        worst = math.inf
        for name, scorer in fast_scorers(loaded):
            error = trial(scorer, proof)
            if error <= proof.allowed:
                return Path(name, scorer, replace(proof, error=error))
            worst = min(worst, error)
        reason = f"the fast path {_beyond(proof, worst)}"
    kind = loaded.model.config.model_type
    notice = (
        f"model type {kind!r}: scoring one row per choice, which is slower and as exact, "
        f"because {reason}."
    )
    rows: Scorer = RowScorer(loaded) if loaded.head.available else reference
    error = trial(rows, proof)
    if error <= proof.allowed:
        return Path("rows", rows, replace(proof, error=error), notice)
    own = 0.0 if proof.reference == "plain" else proof.plain_error
    return Path(
        "single",
        reference,
        replace(proof, error=own),
        f"{notice} A batch {_beyond(proof, error)} too, so rows are run one at a time.",
    )


def _begun(loaded: Loaded, plain: Scorer, samples: Sequence[Work]) -> Proof:
    """Return the plain path held against float64, and what a faster path may be off by.

    Where the model does not run in float64 (a device without it, layers elsewhere), the plain path
    is the reference and the fixed tolerance of the precision is allowed.
    """
    try:
        found = plain.score(samples)
    except Exception as failure:  # whatever a configuration that loads does to the forward
        if is_out_of_memory(failure):
            raise
        raise BackendError(
            f"{loaded.model.name_or_path}: Transformers cannot run the model: "
            f"{first_line(failure)}. Check that config.json belongs to the weights."
        ) from failure
    try:
        with in_float64(loaded):
            expected = plain.score(samples)
        error = largest_difference(found, expected)
    except Exception as failure:  # whatever stops it in float64, float64 is then not to be had
        if is_out_of_memory(failure):
            raise
        error = math.inf
    if not math.isfinite(error):
        most = max(len(tail) for work in samples for tail in work.tails)
        return Proof(
            "plain", allowed=noise(loaded.dtype_name, most), samples=samples, expected=found
        )
    allowed = max(TIMES * error, FLOOR[loaded.dtype_name])
    return Proof("float64", error, math.nan, allowed, samples, expected)


def _beyond(proof: Proof, error: float) -> str:
    """Say by how much a path is off and what was allowed."""
    if proof.reference == "plain":
        return f"differs by {error:.2g} nat where {proof.allowed:.2g} is allowed"
    return (
        f"is off by {error:.2g} nat from float64 where one row per choice is off by "
        f"{proof.plain_error:.2g} and {proof.allowed:.2g} is allowed"
    )


def compiled(loaded: Loaded, path: Path, how: str) -> Path:
    """Return the path with the model compiled, where that leaves the numbers about as exact.

    Else as it was, with a notice.

    Parameters
    ----------
    loaded, path
        The model and how it scores.
    how
        Name of a compiler of `torch.compile`, such as ``inductor``.
    """
    base = loaded.model.base_model
    try:
        base.compile(backend=how, dynamic=True)
        error = trial(path.scorer, path.proof)
    # the compiler's own errors are of this kind; whatever it does to a forward, the trial catches
    except RuntimeError:
        error = math.inf
    if error <= path.proof.allowed:
        return replace(path, proof=replace(path.proof, error=max(path.proof.error, error)))
    base._compiled_call_impl = None
    why = "the compiler fails" if math.isinf(error) else f"compiled it {_beyond(path.proof, error)}"
    return replace(path, notice=f"{path.notice} Not compiled, because {why}.".strip())


def _refuse_looking_ahead(loaded: Loaded, proof: Proof) -> None:
    """Raise BackendError when what a model expects behind a prompt depends on what follows
    there.
    """
    if not loaded.head.available:
        return
    work, model = proof.samples[0], loaded.model
    context, exact = work.context[:16], proof.reference == "float64"
    first, *others = dict.fromkeys((*work.tails[0], *context))
    if not others:
        return
    with in_float64(loaded) if exact else nullcontext():
        one, two = (behind(model, context, [token])[0] for token in (first, others[-1]))
    # experts may round a token otherwise beside another one, all the more in half precision
    most = _LOOKS_AHEAD if exact else max(_LOOKS_AHEAD, TIMES * proof.allowed)
    if float((one - two).abs().max()) > most:
        raise BackendError(
            f"{loaded.model.name_or_path}: what it expects behind a prompt depends on what follows "
            f"there, as in models trained to fill gaps (model type {model.config.model_type!r}), "
            "so its log-probabilities of answers mean nothing. "
            "Name a model that writes from left to right."
        )


def _tested(config: Any) -> bool:
    """Whether the fast path of a type is tested on every change;
    any other is proved on a long prompt as well.
    """
    return bool({config.get_text_config().model_type, config.model_type} & VERIFIED)


def samples_for(loaded: Loaded, works: Sequence[Work]) -> list[Work]:
    """Return the prompts that a proof is made on, a long one among them where length may matter."""
    config = loaded.model.config
    return samples_of(works, longest=treats_by_length(config) or not _tested(config))


def untried(loaded: Loaded, works: Sequence[Work]) -> str:
    """Return why the fast path is not tried; empty when it is."""
    config = loaded.model.config
    beyond = any(len(work.context) > LONGEST_SAMPLE for work in works)
    if beyond and treats_by_length(config) and not _tested(config):
        return (
            "it may treat long prompts otherwise than short ones, and what is longer than "
            f"{LONGEST_SAMPLE} tokens is not proved"
        )
    if getattr(config, "alibi", False):
        return "it uses ALiBi positions"
    if not loaded.head.available:
        return "it has no output embedding"
    return ""


def fast_scorers(loaded: Loaded) -> list[tuple[str, Scorer]]:
    """Return the fast scorers to try with their names, likeliest first."""
    if loaded.encoder_decoder:
        return [("packed", EncoderDecoderScorer(loaded))]
    return [("tree", TreeScorer(loaded, form)) for form in mask_forms(loaded.model.config)]


def trial(scorer: Scorer, proof: Proof) -> float:
    """Return the error of a scorer on a proof's samples, behind stored prefixes too where it
    takes them.
    """
    samples, expected = proof.samples, proof.expected
    try:
        worst = largest_difference(scorer.score(samples), expected)
        if isinstance(scorer, TreeScorer) and worst < math.inf:
            halves = [len(work.context) // 2 for work in samples]
            split = [(work, half) for work, half in zip(samples, halves, strict=True) if half]
            if split:
                bank = scorer.bank([work.context[:half] for work, half in split])
                behind = [
                    replace(work, context=work.context[half:], prefix=half, slot=slot)
                    for slot, (work, half) in enumerate(split)
                ]
                kept = [row for row, half in zip(expected, halves, strict=True) if half]
                worst = max(worst, largest_difference(scorer.score(behind, bank), kept))
    # a model may refuse a 4-D mask or a cache in any way; that means: not this path
    except Exception as error:
        if is_out_of_memory(error):
            raise
        return math.inf
    return worst


def measured_costs(scorer: TreeScorer, work: Work) -> Costs:
    """Return what stored prefixes cost on this machine, from timing a few small forwards over one
    real prompt.

    Notes
    -----
    `launch` is the fixed time of a forward over the time of a token, shared by the eight prefixes
    one forward stores at least; `copy` the extra time of a row behind a stored prefix, per prefix
    token. Medians of three, clamped to [1, 64] and [0.02, 0.5], so that a disturbed measurement
    cannot turn sharing off or on where it is clear.
    """
    ids = (work.context * (256 // len(work.context) + 1))[:256]
    tails = (
        (work.context[-1],),
    )  # subtle: the first ids may be those of a soft prompt, which no answer can hold
    short, long = Work(ids[:8], tails), Work(ids[:136], tails)
    bank = scorer.bank([ids[:128]])
    behind = Work(ids[128:136], tails, prefix=128)
    rows = 8

    def seconds(works: Sequence[Work], stored: Bank | None = None) -> float:
        times = []
        for _ in range(3):
            start = perf_counter()
            scorer.score(works, stored)
            times.append(perf_counter() - start)
        return median(times)

    fixed = seconds([short])
    token = max((seconds([long]) - fixed) / 128, 1e-9)
    extra = (seconds([behind] * rows, bank) - seconds([short] * rows)) / (rows * 128)
    return Costs(
        copy=min(max(extra / token, 0.02), 0.5), launch=min(max(fixed / token / 8, 1.0), 64.0)
    )
