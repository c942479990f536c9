"""Which kind of model the files of a directory hold,
and by which class of the library it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping

from evalkit.backends.hf.files import ModelFiles
from evalkit.errors import BackendError

__all__ = ["auto_class", "is_encoder_decoder"]


def auto_class(files: ModelFiles) -> str:
    """Return the name of the class of Transformers that loads a model.

    Raises
    ------
    BackendError
        When it writes no text.
    """
    from transformers.models.auto import modeling_auto

    if is_encoder_decoder(files):
        return "AutoModelForSeq2SeqLM"
    kind = files.config.get("model_type")
    listed = modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    if kind in listed and kind not in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "AutoModelForSeq2SeqLM"  # a decoder behind an encoder of sound; it is asked in text
    pictures = _with_pictures(files) or _saved_with_pictures(files)
    return "AutoModelForImageTextToText" if pictures else "AutoModelForCausalLM"


def is_encoder_decoder(files: ModelFiles) -> bool:
    """Whether the configuration is one of an encoder-decoder model."""
    from transformers import CONFIG_MAPPING
    from transformers.models.auto import modeling_auto

    kind = files.config.get("model_type")
    causal = kind in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if kind in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        # the library lists decoders of sound among them; of some types there are both
        usual = bool(CONFIG_MAPPING[str(kind)]().is_encoder_decoder)
        return bool(files.config.get("is_encoder_decoder", usual)) if causal else usual
    if causal:
        return False
    if "auto_map" in files.config:
        return "AutoModelForSeq2SeqLM" in files.config["auto_map"]
    if _with_pictures(files):
        return False
    raise BackendError(
        f"{files.root}: model type {kind!r} is neither a causal nor an encoder-decoder language "
        "model that Transformers knows. Name a text generation model."
    )


def _with_pictures(files: ModelFiles) -> bool:
    """Whether Transformers lists a decoder among models of text and pictures alone;
    it is asked in text.
    """
    from transformers.models.auto import modeling_auto

    kind = str(files.config.get("model_type") or "")
    made = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(kind, "")
    text = files.config.get("text_config")
    return (
        kind not in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
        and "auto_map" not in files.config
        and (made.endswith("ForCausalLM") or (bool(made) and isinstance(text, Mapping)))
        and not (isinstance(text, Mapping) and text.get("is_encoder_decoder"))
    )


def _saved_with_pictures(files: ModelFiles) -> bool:
    """Whether weights of a type that is listed as a decoder, too, are those of the whole model with
    its tower, as Llama 3.2 Vision has them.
    """
    from transformers.models.auto import modeling_auto

    kind = str(files.config.get("model_type") or "")
    whole = modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.get(kind)
    saved = files.config.get("architectures")
    return (
        whole is not None
        and whole != modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
        and isinstance(saved, list)
        and whole in saved
    )
