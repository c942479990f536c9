"""Finding, refusing and fingerprinting model files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.backends.hf.files import locate
from evalkit.errors import BackendError
from evalkit.records import ModelSpec

torch = pytest.importorskip("torch")


@pytest.fixture
def copy(model_dir: Callable[..., Path], tmp_path: Path) -> Path:
    """Return a directory of a model that may be changed."""
    target = tmp_path / "model"
    shutil.copytree(model_dir("llama"), target)
    return target


def spec_of(directory: Path | str, **fields: Any) -> ModelSpec:
    """Specification of a model on the CPU."""
    return ModelSpec(backend="hf", name=str(directory), **{"device": "cpu", **fields})


def remove_tokenizer(root: Path) -> None:
    """Delete everything that holds a vocabulary."""
    (root / "tokenizer.json").unlink()


def pickle_weights(root: Path) -> None:
    """Turn the weights into a pickle."""
    from safetensors.torch import load_file

    torch.save(load_file(root / "model.safetensors"), root / "pytorch_model.bin")
    (root / "model.safetensors").unlink()


def lose_a_shard(root: Path) -> None:
    """Name two weight files in an index and have one."""
    (root / "model.safetensors").rename(root / "model-00001-of-00002.safetensors")
    names = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (root / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))


def own_code(root: Path) -> None:
    """Make the model bring its own code."""
    config = json.loads((root / "config.json").read_text()) | {
        "model_type": "homemade",
        "auto_map": {"AutoConfig": "code.Config"},
    }
    (root / "config.json").write_text(json.dumps(config))


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


def index(root: Path, content: str) -> None:
    """Leave an index in place of the one file of weights."""
    (root / "model.safetensors").rename(root / "model-00001-of-00001.safetensors")
    (root / "model.safetensors.index.json").write_text(content)


def set_config(root: Path, **changes: Any) -> None:
    """Change a model's configuration."""
    config = json.loads((root / "config.json").read_text())
    (root / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_tokenizer, "has no tokenizer;"),
        (pickle_weights, "weights are pickled (pytorch_model.bin)"),
        (lose_a_shard, "weight file 'model-00002-of-00002.safetensors' is missing (1 of 2)"),
        (own_code, "model type 'homemade' brings its own code, which is not run by default."),
        (lambda root: (root / "config.json").unlink(), "has no config.json;"),
        (
            lambda root: (root / "config.json").write_text("{"),
            "config.json: cannot be read as JSON",
        ),
        (lambda root: (root / "config.json").write_text("[]"), "config.json: names no model_type;"),
        (lambda root: (root / "model.safetensors").unlink(), "has no weights;"),
        (
            lambda root: (root / "model.safetensors.index.json").write_text("{}"),
            "two sets of weights of which Transformers loads the first.",
        ),
        (
            lambda root: (root / "adapter_config.json").write_text("{}"),
            "an adapter that Transformers would put on a model by itself.",
        ),
        (
            lambda root: set_config(root, transformers_weights="other.safetensors"),
            "config.json names weights of its own (transformers_weights: 'other.safetensors').",
        ),
        (
            lambda root: set_config(root, _attn_implementation="someone/fast-attention"),
            "asks for the attention kernel 'someone/fast-attention', code that would be fetched",
        ),
        (
            lambda root: set_config(
                root, text_config={"attn_implementation": {"decoder": "someone/kernel"}}
            ),
            "asks for the attention kernel 'someone/kernel', code that would be fetched",
        ),
        (
            lambda root: set_config(root, auto_map={"AutoModel": "someone/code--model.Model"}),
            "its code lies in another repository ('someone/code--model.Model')",
        ),
        (
            lambda root: (root / "config.json").write_text("[" * 100_000),
            "config.json: cannot be read as JSON: maximum recursion depth",
        ),
        (lambda root: (root / "config.json").write_text(POINTER), "is a pointer of Git LFS"),
        (lambda root: (root / "model.safetensors").write_text(POINTER), "is a pointer of Git LFS"),
        (lambda root: index(root, "{"), "index.json: cannot be read as JSON"),
        (lambda root: index(root, POINTER), "is a pointer of Git LFS"),
        (lambda root: index(root, "[]"), "index.json: names no weight files."),
        (lambda root: index(root, '{"weight_map": [1]}'), "index.json: names no weight files."),
        (
            lambda root: index(root, '{"weight_map": {"a": "../other/model.safetensors"}}'),
            "weight file '../other/model.safetensors' is missing",
        ),
        (
            lambda root: set_config(root, num_hidden_layers=10**9),
            "num_hidden_layers is 1000000000; at most 10,000 are accepted",
        ),
        (
            lambda root: set_config(root, text_config={"n_routed_experts": 10**9}),
            "text_config.n_routed_experts is 1000000000; at most 10,000",
        ),
    ],
)
def test_a_damaged_directory_is_one_clear_line(
    copy: Path, damage: Callable[[Path], Any], message: str
) -> None:
    """What is missing or refused is named together with the directory, before any weight is
    read.
    """
    damage(copy)
    with pytest.raises(BackendError) as caught:
        locate(spec_of(copy))

    assert message in str(caught.value)
    assert str(copy) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_cut_short_are_one_clear_line(copy: Path) -> None:
    """A half-downloaded file is told as such and not as a library's traceback."""
    from evalkit.backends.hf.backend import HFBackend

    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(BackendError) as caught:
        HFBackend(spec_of(copy))

    assert str(caught.value).startswith(f"{copy}: cannot be loaded: ")
    assert "\n" not in str(caught.value)


def test_pickled_weights_are_loaded_when_allowed(copy: Path) -> None:
    """The option is honoured."""
    pickle_weights(copy)

    assert [p.name for p in locate(spec_of(copy, options={"allow_pickle": True})).weights] == [
        "pytorch_model.bin"
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no such directory, and not a hub id"),
        ("/nowhere/at/all", "no such directory, and not a hub id"),
        ("a/b/c", "no such directory, and not a hub id"),
        (__file__, "is a file; a model is a directory, a hub id or a file NAME.gguf"),
    ],
)
def test_a_mistyped_path_is_one_clear_line(name: str, message: str) -> None:
    """A name that cannot be a hub id never reaches the network."""
    with pytest.raises(BackendError, match=message):
        locate(spec_of(name))


def test_a_copy_elsewhere_has_the_same_fingerprint(
    model_dir: Callable[..., Path], copy: Path
) -> None:
    """The path is no part of it, and no weights are loaded to compute it."""
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.hf.fingerprint import fingerprint_of

    here, there = spec_of(model_dir("llama")), spec_of(copy)

    assert fingerprint_of(here) == fingerprint_of(there) == dict(HFBackend(there).fingerprint())


def change_weights(root: Path) -> None:
    """Flip one weight."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(root / "model.safetensors")
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, root / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("weights", change_weights),
        ("tokenizer", lambda root: (root / "tokenizer_config.json").write_text("{}")),
        (
            "settings",
            lambda root: (root / "generation_config.json").write_text('{"eos_token_id": 5}'),
        ),
        (
            "config",
            lambda root: (root / "config.json").write_text(
                (root / "config.json").read_text() + " "
            ),
        ),
    ],
)
def test_a_change_of_what_is_loaded_changes_the_fingerprint(
    copy: Path, field: str, change: Callable[[Path], Any]
) -> None:
    """Exactly the part that changed differs."""
    from evalkit.backends.hf.fingerprint import fingerprint_of

    before = fingerprint_of(spec_of(copy))
    change(copy)
    after = fingerprint_of(spec_of(copy))

    assert {key for key in before if before[key] != after[key]} == {field}


def test_settings_that_change_responses_change_the_fingerprint(copy: Path, tmp_path: Path) -> None:
    """Precision, chat template and longest prompt enter; batch size and path do not."""
    from evalkit.backends.hf.fingerprint import fingerprint_of

    base = spec_of(copy)
    chat = tmp_path / "chat.jinja"
    chat.write_text("{{ messages[0].content }}")
    same = [
        replace(base, batch_size=1),
        replace(base, options={"path": "plain"}),
        replace(base, dtype="float32"),
    ]
    other = [
        replace(base, dtype="bfloat16"),
        replace(base, chat_template=str(chat)),
        replace(base, options={"max_length": 64}),
    ]

    assert [fingerprint_of(spec) == fingerprint_of(base) for spec in same + other] == [True] * 3 + [
        False
    ] * 3


@pytest.mark.parametrize("layers", [0, 1, -1])
def test_layers_that_the_configuration_leaves_out_are_not_left_out(copy: Path, layers: int) -> None:
    """A model without some of its layers is another one;
    the library would load it with a warning.
    """
    from evalkit.backends.hf.backend import HFBackend

    config = json.loads((copy / "config.json").read_text())
    assert config["num_hidden_layers"] > 1
    set_config(copy, num_hidden_layers=layers)
    if "layer_types" in config:
        set_config(copy, layer_types=config["layer_types"][: max(layers, 0)])

    with pytest.raises(BackendError, match=r"does not speak of|cannot be loaded"):
        HFBackend(spec_of(copy))


def test_weights_that_the_files_lack_are_never_made_up(copy: Path) -> None:
    """A tensor that is absent would be random; it is an error that names it."""
    from safetensors.torch import load_file, save_file

    from evalkit.backends.hf.backend import HFBackend

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(
        BackendError, match=r"weight model\.layers\.1\.mlp\.up_proj\.weight is missing \(1 in all\)"
    ):
        HFBackend(spec_of(copy))


@pytest.mark.parametrize("name", ["normalizer.json", "source.spm", "tokenizer.model.v7"])
def test_whatever_a_tokenizer_may_read_is_in_the_fingerprint(copy: Path, name: str) -> None:
    """A file that is not among the known ones counts as well; one that nothing reads does not."""
    from evalkit.backends.hf.fingerprint import fingerprint_of

    before = fingerprint_of(spec_of(copy))
    (copy / "README.md").write_text("a model", encoding="utf-8")
    same = fingerprint_of(spec_of(copy))
    (copy / name).write_text("{}", encoding="utf-8")

    assert same == before
    assert fingerprint_of(spec_of(copy)) != before
