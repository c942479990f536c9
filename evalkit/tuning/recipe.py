"""How a mitigation is trained: everything that a training is told."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recipe"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a mitigation is trained.

    Defaults are ours unless said otherwise: the values of the soft-prompt paper are not public.
    """

    method: str
    """A name of `alignment.METHODS`."""
    objective: str = "alignment"
    """A name of `losses.OBJECTIVES`: what is made small."""
    n_tokens: int = 10
    """Trainable positions of ``soft-prompt`` and ``prefix``."""
    kl_weight: float = 0.8
    """lambda; 0 trains without the KL term."""
    learning_rate: float = 1e-3
    """Peak, after a warm-up over 5 % of the steps; then linear to 0."""
    steps: int = 500
    """Most steps."""
    batch_size: int = 16
    """Pairs per step."""
    seed: int = 0
    """Of initial values and batches."""
    patience: int = 5
    """Validations without a better loss before training stops."""
    validate_every: int = 25
    """Steps between validations, each with a checkpoint."""
    probe: int = 64
    """Pairs of a validation."""
    rank: int = 8
    """Rank of low-rank adapters; width of bottleneck adapters."""
    lora_alpha: int | None = None
    """Scale of low-rank adapters; None for twice the rank."""
    lora_dropout: float = 0.0
    """Share of inputs that low-rank adapters do not see in training."""
    target_modules: tuple[str, ...] = ()
    """Last parts of the names of the maps that get an adapter; empty for all linear ones."""
    mask_share: float = 0.2
    """Share of the answer's tokens that ``masking`` hides."""
    temperature: float = 0.05
    """Of the contrastive term (the paper's)."""
    contrast_weight: float = 1.0
    """Of the contrastive term, before the cap."""
