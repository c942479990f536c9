"""What a small network, trained on labelled pairs, says of two wordings: it reads each with
all-MiniLM-L6-v2, finds for every word what stands for it in the other, and weighs what differs.

The encoder is changed by low-rank updates (Hu and others, arXiv 2106.09685); words are aligned and
compared as in Parikh and others, arXiv 1606.01933, and the differences read together by one
Transformer layer. Trained and measured by benchmarks/meaning_comparer.py; error rates are in
docs/meaning.md. Not handled: languages other than English.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from evalkit.catalog.library.reading import bare
from evalkit.phrasings.perturb.encoders import MINILM, encoder_parts

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RANK_SCALE", "Comparer", "maps_of", "shipped_comparer"]

WEIGHTS = "comparer.safetensors"
RANK_SCALE = 2.0
"""What a low-rank update is multiplied by."""
_LAYERS = (0, 3, 6)
"""Hidden states that are read: embeddings, middle, last."""
_HEADS = 4
_PIECES = 512
"""Most of a text that is read, the encoder's limit; training texts are shorter."""
_FAR = -1e4


def maps_of(model: Any) -> dict[str, Any]:
    """Return the linear maps of the encoder that updates are learned for, by name."""
    import torch

    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.startswith("encoder.")
    }


class Comparer:
    """The network; a worker.

    Parameters
    ----------
    model, tokenizer
        all-MiniLM-L6-v2, with its updates.
    weights
        Of the comparison, by name.
    drop
        What sets some values to 0 while the weights are trained.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        weights: Mapping[str, Tensor],
        *,
        drop: Callable[[Tensor], Tensor] = lambda values: values,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._weights = weights
        self._drop = drop

    def __call__(self, original: str, candidates: Sequence[str]) -> list[float]:
        """Return the log-odds that each candidate kept the meaning of the original; at most 0 where
        a text is too long to be read to its end, or has no word.
        """
        import torch

        with torch.inference_mode():
            read = self.read([original, *candidates])
            logits = self.compare(read, [(0, place + 1) for place in range(len(candidates))])
            odds = logits[:, 0] - logits[:, 1:].logsumexp(1)
            pieces = read[2].sum(1)
            whole = (pieces > 0) & (pieces < _PIECES - 2)
            return torch.where(whole[:1] & whole[1:], odds, odds.clamp(max=0.0)).tolist()

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor, Tensor]:
        """Return per text what its pieces say, shape (text, piece, width), what they are aligned
        by, of the same shape, and which pieces there are, shape (text, piece).
        """
        import torch
        from torch.nn.functional import layer_norm, normalize

        plain = [bare(text, r"[\1]") for text in texts]
        batch = self._tokenizer(
            plain, padding=True, truncation=True, max_length=_PIECES, return_tensors="pt"
        )
        hidden = self._model(**batch, output_hidden_states=True).hidden_states
        rows = torch.cat(
            [layer_norm(hidden[one].float(), hidden[one].shape[-1:]) for one in _LAYERS], dim=-1
        )[:, 1:]
        there = torch.arange(rows.shape[1]) < batch["attention_mask"].sum(1, keepdim=True) - 2
        keys = normalize(self._map("keys", rows), dim=-1)
        return self._drop(self._map("values", rows)), keys, there

    def compare(
        self, read: tuple[Tensor, Tensor, Tensor], pairs: Sequence[tuple[int, int]]
    ) -> Tensor:
        """Return the logits of the verdicts, ``kept`` first, shape (pair, verdict), for pairs of
        places in what `read` returned.
        """
        import torch

        first, second = torch.tensor(pairs).T
        values, keys, there = read
        alike = keys[first] @ keys[second].transpose(1, 2) * self._weights["sharpness"]
        sides = []
        for number, (mine, other, scores) in enumerate(
            ((first, second, alike), (second, first, alike.transpose(1, 2)))
        ):
            shares = scores.masked_fill(~there[other][:, None], _FAR).softmax(2)
            words, stand = values[mine], shares @ values[other]
            both = torch.cat([words, stand, words - stand, words * stand], dim=-1)
            sides.append(self._narrow("compare", both) + self._weights["side"][number])
        present = torch.cat([there[first], there[second]], dim=1)
        mixed = self._mix(torch.cat(sides, dim=1), present)
        pooled = []
        for states, held in (
            (part, mask[..., None])
            for part, mask in zip(
                mixed.tensor_split(2, dim=1), present.tensor_split(2, dim=1), strict=True
            )
        ):
            pooled.append(states.masked_fill(~held, 0).sum(1) / held.sum(1).clamp(min=1))
            pooled.append(states.masked_fill(~held, _FAR).amax(1))
        return self._narrow("verdict", torch.cat(pooled, dim=1))

    def _map(self, name: str, rows: Tensor) -> Tensor:
        from torch.nn.functional import linear

        return linear(rows, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _narrow(self, name: str, rows: Tensor) -> Tensor:
        from torch.nn.functional import gelu

        return self._map(f"{name}.out", self._drop(gelu(self._map(f"{name}.in", rows))))

    def _norm(self, name: str, rows: Tensor) -> Tensor:
        from torch.nn.functional import layer_norm

        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return layer_norm(rows, rows.shape[-1:], weight, bias)

    def _mix(self, rows: Tensor, present: Tensor) -> Tensor:
        """Return rows after one Transformer layer, each norm before its block."""
        from torch.nn.functional import scaled_dot_product_attention

        pairs, places, width = rows.shape
        heads = self._map("mix.heads", self._norm("mix.before", rows))
        query, key, value = heads.view(pairs, places, 3, _HEADS, width // _HEADS).permute(
            2, 0, 3, 1, 4
        )
        seen = scaled_dot_product_attention(query, key, value, attn_mask=present[:, None, None])
        joined = seen.transpose(1, 2).reshape(pairs, places, width)
        rows = rows + self._drop(self._map("mix.joined", joined))
        return rows + self._drop(self._narrow("mix.after", self._norm("mix.between", rows)))


@lru_cache(maxsize=1)
def shipped_comparer() -> Comparer:
    """Return the network with the shipped weights, loaded once.

    Raises
    ------
    ExtraMissingError
        When Transformers or torch is not installed.
    BackendError
        When all-MiniLM-L6-v2 is not.
    """
    tokenizer, model = encoder_parts(MINILM)
    import torch
    from safetensors.torch import load_file

    with as_file(files("evalkit.catalog.library") / WEIGHTS) as path:
        weights = {name: values.float() for name, values in load_file(path).items()}
    with torch.no_grad():
        for name, module in maps_of(model).items():
            module.weight += RANK_SCALE * weights[f"{name}.up"] @ weights[f"{name}.down"]
    return Comparer(model, tokenizer, weights)
