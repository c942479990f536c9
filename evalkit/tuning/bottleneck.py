"""Bottleneck adapters: a narrow network behind every map that writes into the residual stream.

Behind each such map stands y + U gelu(D y), with D (width, model width) and U (model width, width),
as after both halves of a layer in Houlsby and others, arXiv 1902.00751.
U begins at 0, so that an untrained adapter changes nothing. PEFT has no such adapter, so these are
saved in files of PEFT's names that PEFT itself does not load.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.errors import BackendError

if TYPE_CHECKING:
    import torch

__all__ = ["CONFIG", "KIND", "WEIGHTS", "apply_bottleneck", "insert", "kind_of", "save"]

KIND = "EVALKIT_BOTTLENECK"
"""Stands as ``peft_type`` in the saved configuration."""
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
WRITERS = ("o_proj", "out_proj", "down_proj", "fc2", "o", "wo", "c_proj", "dense_4h_to_h")
"""Last parts of the names of maps that write into the residual stream:
of attention and feed-forward blocks of Llama, Bart, T5, GPT-2 and NeoX.
"""
HOME = "evalkit_bottleneck"


def _maps(model: Any) -> dict[str, Any]:
    return {
        name: module
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in WRITERS
        and not name.startswith(HOME)
        and getattr(module, "weight", None) is not None
        and module.weight.ndim == 2
    }


def insert(model: Any, width: int, *, seed: int = 0) -> dict[str, torch.Tensor]:
    """Put an adapter behind every map that writes into the residual stream,
    and return its parameters by name.

    Raises
    ------
    ValueError
        When the model has no such map.
    """
    import torch

    maps = _maps(model)
    if not maps:
        raise ValueError("none of its modules is known to write into the residual stream")
    drawn = torch.Generator().manual_seed(seed)
    home = torch.nn.ModuleDict()
    for name, module in maps.items():
        # a map of Conv1D stores (in, out), every other one (out, in)
        size = module.weight.shape[1 if type(module).__name__ == "Conv1D" else 0]
        down = torch.nn.Linear(size, width, bias=False)
        up = torch.nn.Linear(width, size, bias=False)
        torch.nn.init.normal_(down.weight, 0.0, size**-0.5, generator=drawn)
        torch.nn.init.zeros_(up.weight)
        pair = torch.nn.ModuleDict({"down": down, "up": up})
        home[name.replace(".", "/")] = pair.to(module.weight.device)
        module.register_forward_hook(_behind(pair))
    model.add_module(HOME, home)
    return dict(home.named_parameters())


def _behind(pair: Any) -> Any:
    import torch

    def hook(_module: Any, _given: Any, output: torch.Tensor) -> torch.Tensor:
        narrow = torch.nn.functional.gelu(pair["down"](output.float()))
        wide: torch.Tensor = pair["up"](narrow)
        return output + wide.to(output.dtype)

    return hook


def save(model: Any, out: Path, *, width: int) -> None:
    """Write the adapters of a model as two files."""
    from safetensors.torch import save_file

    home = getattr(model, HOME)
    save_file(
        {k: v.detach().cpu().contiguous() for k, v in home.state_dict().items()}, out / WEIGHTS
    )
    (out / CONFIG).write_text(json.dumps({"peft_type": KIND, "width": width}, indent=1) + "\n")


def kind_of(path: Path) -> str:
    """Return the ``peft_type`` that a saved adapter names; empty when it names none."""
    try:
        return str(json.loads((path / CONFIG).read_text(encoding="utf-8")).get("peft_type", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def apply_bottleneck(model: Any, path: Path) -> None:
    """Put saved adapters into a model.

    Raises
    ------
    BackendError
        When they do not fit it.
    """
    import torch
    from safetensors.torch import load_file

    try:
        width = json.loads((path / CONFIG).read_text(encoding="utf-8"))["width"]
        mine = insert(model, int(width))
        theirs = load_file(path / WEIGHTS)
        if {k: v.shape for k, v in mine.items()} != {k: v.shape for k, v in theirs.items()}:
            raise ValueError("its maps are not those of the model")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"{path}: does not fit the model: {error}. Name an adapter of this model."
        ) from error
    with torch.no_grad():
        for name, parameter in mine.items():
            parameter.copy_(theirs[name])
            parameter.requires_grad_(False)
