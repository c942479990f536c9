"""By which class of the library the files of a model are loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("transformers")

from evalkit.backends.hf.files import ModelFiles
from evalkit.backends.hf.kinds import auto_class, is_encoder_decoder


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model_type": "llama"}, "AutoModelForCausalLM"),
        ({"model_type": "t5"}, "AutoModelForSeq2SeqLM"),
        ({"model_type": "bart", "is_encoder_decoder": True}, "AutoModelForSeq2SeqLM"),
        ({"model_type": "bart", "is_encoder_decoder": False}, "AutoModelForCausalLM"),
        ({"model_type": "qwen2_audio"}, "AutoModelForSeq2SeqLM"),
        (
            {"model_type": "mllama", "architectures": ["MllamaForConditionalGeneration"]},
            "AutoModelForImageTextToText",
        ),
        ({"model_type": "mllama", "architectures": ["MllamaForCausalLM"]}, "AutoModelForCausalLM"),
        ({"model_type": "mllama", "architectures": "junk"}, "AutoModelForCausalLM"),
    ],
)
def test_the_class_is_that_of_the_weights(config: dict[str, Any], expected: str) -> None:
    """A type may be listed as a decoder, as one with pictures and as sequence to sequence."""
    files = ModelFiles(Path("model"), config, (), (), (), "")

    assert auto_class(files) == expected
    assert is_encoder_decoder(files) == (
        expected == "AutoModelForSeq2SeqLM" and config["model_type"] != "qwen2_audio"
    )
