"""Back-translation and NLI with tiny random models made on the spot:
loading, batching and label lookup.
"""

from __future__ import annotations

import pytest

from evalkit.catalog.library.validators import nli_validator
from evalkit.errors import BackendError
from evalkit.phrasings.perturb.rewriters import seq2seq
from evalkit.records import Phrasing

WORDS = ["<pad>", "</s>", "<unk>", "say", "yes", "or", "no", "please", "."]


@pytest.fixture(scope="module")
def tokenizer():
    """Return a tokenizer of nine words."""
    pytest.importorskip("torch")
    tokenizers = pytest.importorskip("tokenizers")
    from transformers import PreTrainedTokenizerFast

    raw = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"
        )
    )
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def test_any_seq2seq_model_translates(tmp_path, tokenizer):
    """Texts go in, as many texts come out, and the same again the second time."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    config = T5Config(
        vocab_size=9,
        d_model=8,
        d_kv=4,
        d_ff=8,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
        pad_token_id=0,
        eos_token_id=1,
    )
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    translate = seq2seq(str(tmp_path), max_tokens=5)
    texts = translate(["say yes", "say yes or no please"])

    assert len(texts) == 2
    assert all(isinstance(text, str) for text in texts)
    assert translate(["say yes", "say yes or no please"]) == texts


@pytest.mark.parametrize(
    "labels", [{0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"}, {0: "no", 1: "yes"}]
)
def test_entailment_is_found_by_its_label(tmp_path, tokenizer, labels):
    """The probability of the label called entailment is the score;
    a model without one is refused by name.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=9,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        id2label=labels,
        label2id={v: k for k, v in labels.items()},
    )
    model = BertForSequenceClassification(config)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    first, second = (
        Phrasing(id=text, text=text, source="evalkit") for text in ("say yes", "please say yes")
    )
    if len(labels) == 2:
        with pytest.raises(
            BackendError, match="has labels no, yes; one called entailment is needed"
        ):
            nli_validator(str(tmp_path))(first, second, ())
        return
    verdict = nli_validator(str(tmp_path), threshold=0.9)(first, second, ())
    batch = tokenizer(
        ["say yes", "please say yes"],
        ["please say yes", "say yes"],
        return_tensors="pt",
        padding=True,
    )
    with torch.inference_mode():
        expected = model.eval()(**batch).logits.softmax(-1)[:, 2].min()

    assert verdict.score == pytest.approx(float(expected), abs=1e-6)
    assert not verdict.passed
