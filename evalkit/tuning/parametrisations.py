"""Which weights a training moves: virtual tokens, adapters, or weights of the model itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evalkit.errors import ExtraMissingError, UsageError
from evalkit.tuning.bottleneck import insert
from evalkit.tuning.spectra import place_of

if TYPE_CHECKING:
    from evalkit.tuning.recipe import Recipe

__all__ = ["METHODS", "VIRTUAL", "WHOLE", "trainable_model"]

METHODS = (
    *("soft-prompt", "p-tuning", "prefix", "lora", "dora", "loha", "lokr", "oft", "ia3"),
    *("adapter", "norms", "contrastive", "full", "last-quarter", "bias"),
)
LOW_RANK = ("lora", "dora", "contrastive", "loha", "lokr", "oft")
"""Methods whose changes of linear maps are merged into them."""

WHOLE = ("full", "last-quarter", "bias")
"""Methods that train weights of the model itself, and save a whole checkpoint."""
VIRTUAL = ("soft-prompt", "p-tuning", "prefix")
"""Methods that put virtual tokens before the prompt."""


def trainable_model(model: Any, recipe: Recipe, base: str) -> Any:
    """Return the model with the parameters of a method trainable and all others frozen.

    Raises
    ------
    ExtraMissingError
        When PEFT is not installed.
    """
    import torch

    from evalkit.backends.hf.loading import quiet

    torch.manual_seed(recipe.seed)
    if recipe.method in WHOLE:
        return _unfrozen(model, recipe.method)
    if recipe.method == "adapter":
        model.requires_grad_(False)
        insert(model, recipe.rank, seed=recipe.seed)
        return model
    try:
        import peft
    except ImportError as error:
        raise ExtraMissingError("evalkit align", "align") from error
    kind = "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"
    config = _adapter_config(recipe, task_type=peft.TaskType[kind], base_model_name_or_path=base)
    with quiet():
        made = peft.get_peft_model(model, config)
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if recipe.method == "soft-prompt":
        _start_from_words(made, recipe)
    return made


def _unfrozen(model: Any, method: str) -> Any:
    """Return the model with its weights, those of the last quarter of its layers,
    or its biases trainable.

    Raises
    ------
    UsageError
        When it has no bias.
    """
    names = [name for name, _ in model.named_parameters()]
    layers = {name: layer for name in names if (layer := place_of(name)[0]) is not None}
    count = max(layers.values(), default=0) + 1
    first = count - max(1, count // 4)
    chosen = {
        "full": names,
        "last-quarter": [name for name, layer in layers.items() if layer >= first],
        "bias": [name for name in names if name.endswith(".bias")],
    }[method]
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    if not chosen:
        raise UsageError(
            f"--method {method}: the model has no such weights ({len(names)} tensors). "
            "Take ia3, which scales what the layers compute."
        )
    return model


def _adapter_config(recipe: Recipe, **shared: Any) -> Any:
    """Return what PEFT is told of a method."""
    import peft

    if recipe.method in LOW_RANK:
        return _low_rank_config(recipe, shared)
    if recipe.method == "norms":
        return peft.LNTuningConfig(**shared)
    if recipe.method == "prefix":
        return peft.PrefixTuningConfig(**shared, num_virtual_tokens=recipe.n_tokens)
    if recipe.method == "ia3":
        return peft.IA3Config(**shared)
    if recipe.method == "p-tuning":
        return peft.PromptEncoderConfig(
            **shared, num_virtual_tokens=recipe.n_tokens, num_transformer_submodules=1
        )
    # subtle: one submodule, so that an encoder-decoder model gets the prompt before its input only
    return peft.PromptTuningConfig(
        **shared, num_virtual_tokens=recipe.n_tokens, num_transformer_submodules=1
    )


def _low_rank_config(recipe: Recipe, shared: dict[str, Any]) -> Any:
    """Return what PEFT is told of an adapter that is merged into linear maps."""
    import peft

    rank, where = recipe.rank, list(recipe.target_modules) or "all-linear"
    alpha = recipe.lora_alpha or 2 * rank
    if recipe.method == "oft":  # its block size must divide the width of every map
        return peft.OFTConfig(**shared, r=0, oft_block_size=rank, target_modules=where)
    if recipe.method in ("loha", "lokr"):
        kind: Any = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}[recipe.method]
        return kind(**shared, r=rank, alpha=alpha, target_modules=where)
    return peft.LoraConfig(
        **shared,
        r=rank,
        lora_alpha=alpha,
        lora_dropout=recipe.lora_dropout,
        use_dora=recipe.method == "dora",
        target_modules=where,
    )


def _start_from_words(model: Any, recipe: Recipe) -> None:
    """Begin a soft prompt at embeddings of tokens drawn from the vocabulary.

    Random values lie far from any word.
    """
    import torch

    words = model.get_base_model().get_input_embeddings().weight
    drawn = torch.randint(
        0, words.shape[0], (recipe.n_tokens,), generator=torch.Generator().manual_seed(recipe.seed)
    )
    with torch.no_grad():
        model.prompt_encoder["default"].embedding.weight.copy_(
            words[drawn.to(words.device)].float()
        )
