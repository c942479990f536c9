"""Weights in memory: loading, precision, device.

Not handled here: which tokens are fed (`packed`, `encoder_decoder`, `rows`, `generation`),
adapters.
"""

from __future__ import annotations

import inspect
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from evalkit.backends.hf.encoded import Limits
from evalkit.backends.hf.files import ModelFiles
from evalkit.backends.hf.head import AnswerHead
from evalkit.backends.hf.kinds import auto_class, is_encoder_decoder
from evalkit.backends.hf.linears import use_onednn, worth_it
from evalkit.backends.hf.processor import choose_threads, refuse_slow
from evalkit.errors import BackendError, ExtraMissingError, first_line
from evalkit.records import ModelSpec

if TYPE_CHECKING:
    import torch

__all__ = [
    "Loaded",
    "dtype_of",
    "is_encoder_decoder",
    "is_out_of_memory",
    "load",
    "max_length",
    "positions",
    "quiet",
    "tokenizer_of",
    "uncompiled",
]

_DTYPES = ("float32", "bfloat16", "float16")
_LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.\d+\..*(?:attn|attention|mlp|ffn|fc)")
"""Weights of a layer; beside them lie buffers of old releases that nobody needs."""
MOST_HEADER = 100_000_000
"""Longest head of a safetensors file, bytes; the library takes no longer one."""
_SAFETENSORS = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
_LENGTH_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
_LONGEST_UNSET = 10**12
_POSITIONS = ("wpe", "embed_positions", "position_embedding", "position_embeddings")
_DEFAULT_LENGTH = 2048


class Loaded:
    """A model and its tokenizer on a device.

    Parameters
    ----------
    model, tokenizer
        What Transformers returned.
    encoder_decoder
        Whether the model reads prompts with an encoder.
    longest
        Most tokens the model may see at once; no more than it has positions for.
    """

    def __init__(self, model: Any, tokenizer: Any, *, encoder_decoder: bool, longest: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.encoder_decoder = encoder_decoder
        reads = positions(model.get_encoder() if encoder_decoder else model)
        self.longest = longest if reads is None else min(longest, reads)
        self.threads = ""
        """Threads that compute, in words; empty on a GPU."""
        self.head = AnswerHead(model)
        self._cache_name = (
            "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
        )

    @property
    def limits(self) -> Limits:
        """Return what the model has room for."""
        return Limits(
            prompt=self.longest,
            answer=positions(self.model.get_decoder()) if self.encoder_decoder else None,
            vocabulary=int(self.model.get_input_embeddings().weight.shape[0]),
        )

    def cached(self, cache: Any) -> dict[str, Any]:
        """Return the argument that hands key and value states to the model.

        ``cache`` from Transformers 5.24 on, ``past_key_values`` before.
        """
        return {self._cache_name: cache}

    @property
    def device(self) -> torch.device:
        """Return the device that inputs go to."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    @property
    def dtype(self) -> torch.dtype:
        """Return the precision of the weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def dtype_name(self) -> str:
        """Return the precision of the weights as written in a model specification."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def state_bytes(self) -> int:
        """Return the bytes of key and value states per token, 2 x layers x heads x width x bytes
        of a number.
        """
        config = self.model.config.get_text_config()
        layers = [config] * (getattr(config, "num_hidden_layers", None) or 32)
        if getattr(config, "is_heterogeneous", False):
            layers = list(config.per_layer_config)
        return max(1, sum(map(_state_numbers, layers)) * self.dtype.itemsize)


def _state_numbers(layer: Any) -> int:
    """Numbers of key and value states per token in a layer of this configuration."""
    heads = getattr(layer, "num_attention_heads", None) or 1
    width = getattr(layer, "head_dim", None) or getattr(layer, "hidden_size", 1024) // heads
    shared: int = getattr(layer, "num_key_value_heads", None) or heads
    return 2 * shared * int(width)


def positions(part: Any) -> int | None:
    """Return how many positions a model, an encoder or a decoder has learned;
    None where positions are not looked up.
    """
    # some encoders hold their words without the library's way of asking for them (FSMT)
    table = getattr(part, "get_input_embeddings", lambda: getattr(part, "embed_tokens", None))()
    modules = list(part.named_modules(remove_duplicate=False))
    # those beside the words' own table: a tower for pictures has positions of its own
    beside = {name.rpartition(".")[0] for name, module in modules if module is table}
    for name, module in modules:
        parent, _, last = name.rpartition(".")
        weight = getattr(module, "weight", None)
        if parent in beside and last in _POSITIONS and weight is not None and weight.dim() == 2:
            return int(weight.shape[0]) - int(getattr(module, "offset", 0) or 0)
    return None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Transformers from printing progress bars, advice and warnings."""
    from transformers import modeling_gguf_pytorch_utils, utils

    logging: Any = utils.logging
    of_gguf: Any = modeling_gguf_pytorch_utils
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    bar = of_gguf.tqdm  # no setting of the library turns this one off
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    of_gguf.tqdm = partial(bar, disable=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        of_gguf.tqdm = bar
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def uncompiled() -> AbstractContextManager[None]:
    """Run the model as it is, compiled or not."""
    import torch

    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception of torch says that memory ran out, on a GPU or on the host."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )


def load(spec: ModelSpec, files: ModelFiles) -> Loaded:
    """Return the model of `files` on the device and in the precision that `spec` asks for.

    Raises
    ------
    ExtraMissingError
        When torch or Transformers is not installed.
    BackendError
        When device or precision cannot be had, or the files cannot be loaded.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        raise ExtraMissingError("backend 'hf'", "hf") from error
    device = _device(spec.device)
    dtype = getattr(torch, dtype_of(spec, files))
    if device.type == "cpu":
        refuse_slow(spec, dtype_of(spec, files))
    encoder_decoder = is_encoder_decoder(files)
    kind: Any = getattr(transformers, auto_class(files))
    with quiet():
        tokenizer = tokenizer_of(files, bool(spec.options.get("trust_remote_code", False)))
        try:
            model = _weights_of(kind, spec, files, dtype=dtype, device=device)
        except BackendError:
            raise
        # any library below may raise anything on a damaged model; one clear line is owed
        except Exception as error:
            if is_out_of_memory(error):
                raise BackendError(
                    f"{spec.name}: does not fit on {device}. "
                    "Use a smaller model, dtype or another device."
                ) from error
            raise BackendError(
                f"{spec.name}: cannot be loaded: {first_line(error)}. "
                "Check that weights and config.json belong together."
            ) from error
    loaded = Loaded(
        model,
        tokenizer,
        encoder_decoder=encoder_decoder,
        longest=max_length(spec, model.config, tokenizer),
    )
    if device.type == "cpu":
        loaded.threads = choose_threads(model)
        if spec.options.get("linears", "auto") == "auto" and worth_it():
            use_onednn(model)
    return loaded


def _weights_of(
    kind: Any, spec: ModelSpec, files: ModelFiles, *, dtype: torch.dtype, device: torch.device
) -> Any:
    """Return the model of files, complete, on its device and with nothing to be trained."""
    placed = {"device_map": spec.options["device_map"]} if spec.options.get("device_map") else {}
    model, report = kind.from_pretrained(
        files.root,
        dtype=dtype,
        trust_remote_code=bool(spec.options.get("trust_remote_code", False)),
        local_files_only=True,
        use_safetensors=files.gguf == {} and files.weights[0].suffix == ".safetensors",
        **files.gguf,
        attn_implementation=spec.options.get("attention"),
        output_loading_info=True,
        **placed,
    )
    if not placed:
        model.to(device)
    _complete(spec.name, report)
    model.eval()
    model.requires_grad_(False)
    return model


def _complete(name: str, report: Mapping[str, Any]) -> None:
    """Refuse a model some of whose weights were not in the files and would be random,
    or whose layers are left out.
    """
    for key, what in (("missing_keys", "is missing"), ("mismatched_keys", "has another shape")):
        found = sorted(map(str, report.get(key) or ()))
        if found:
            raise BackendError(
                f"{name}: weight {found[0]} {what} ({len(found)} in all). "
                "Check that weights and config.json belong together."
            )
    left = sorted(
        key for key in map(str, report.get("unexpected_keys") or ()) if _LAYER.search(key)
    )
    if left:
        raise BackendError(
            f"{name}: the weights hold a layer that config.json does not speak of ({left[0]}; "
            f"{len(left)} weights in all), so another model would be asked. "
            "Check that weights and config.json belong together."
        )


def tokenizer_of(files: ModelFiles, trust: bool) -> Any:
    """Return the tokenizer of a model directory."""
    import transformers

    try:
        return transformers.AutoTokenizer.from_pretrained(
            files.root, trust_remote_code=trust, local_files_only=True, **files.gguf
        )
    # tokenizer libraries raise bare Exception on damaged files; one clear line is owed
    except Exception as error:
        raise BackendError(
            f"{files.root}: tokenizer or config.json cannot be loaded: {first_line(error)}. "
            "Fetch the model again."
        ) from error


def _device(name: str) -> torch.device:
    """Return the device a specification names, checked."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BackendError(
            f"device {name!r}: is not known; auto, cpu, cuda or cuda:i is accepted."
        ) from error
    if device.type == "cuda" and (
        not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()
    ):
        raise BackendError(
            f"device {name!r}: not on this machine ({torch.cuda.device_count()} CUDA devices). "
            "Use --device cpu or auto."
        )
    return device


def dtype_of(spec: ModelSpec, files: ModelFiles) -> str:
    """Return the precision to load in: as asked.

    For ``auto`` float32 on a CPU and the checkpoint's own elsewhere.
    """
    if spec.dtype == "auto":
        return "float32" if _device(spec.device).type == "cpu" else _stored_dtype(files)
    if spec.dtype not in _DTYPES:
        raise BackendError(
            f"dtype {spec.dtype!r}: is not known; auto, {', '.join(_DTYPES)} is accepted."
        )
    return spec.dtype


def _stored_dtype(files: ModelFiles) -> str:
    """Precision of a checkpoint.

    What its configuration says, else that of its first tensor, else float32.
    """
    named = files.config.get("dtype") or files.config.get("torch_dtype")
    if named in _DTYPES:
        return str(named)
    first = files.weights[0]
    if first.suffix == ".safetensors":
        with first.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            try:
                header = json.loads(stream.read(min(length, MOST_HEADER)))
            except (ValueError, RecursionError):
                header = None
        if not isinstance(header, dict):
            return "float32"  # said when the weights are loaded
        for name, tensor in header.items():
            if name != "__metadata__" and tensor.get("dtype") in _SAFETENSORS:
                return _SAFETENSORS[tensor["dtype"]]
    return "float32"


def max_length(spec: ModelSpec, config: Any, tokenizer: Any) -> int:
    """Return the most tokens a model may see.

    The option ``max_length``, the configuration, the tokenizer, or 2048.

    References
    ----------
    EleutherAI/lm-evaluation-harness:lm_eval/models/utils.py, `resolve_max_length` (same order of
    sources).
    """
    given = spec.options.get("max_length")
    if given is not None:
        if not isinstance(given, int) or given < 2:
            raise BackendError(f"option max_length: {given!r} is not a whole number above 1.")
        return given
    text = getattr(config, "text_config", None) or config
    for owner in (text, config):
        for key in _LENGTH_KEYS:
            value = getattr(owner, key, None)
            if isinstance(value, int) and value > 1:  # some say -1 for no limit
                return value
    length = getattr(tokenizer, "model_max_length", None)
    known = isinstance(length, int | float) and 1 < length < _LONGEST_UNSET
    return int(length) if known and length is not None else _DEFAULT_LENGTH
