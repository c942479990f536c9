"""Models from GGUF files: the same numbers as from a directory,
and one clear line where it cannot be.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf_models import TEMPLATE, head, llama

from evalkit.backends.hf.files import locate
from evalkit.catalog import load_model
from evalkit.errors import BackendError, ExtraMissingError
from evalkit.records import Ask, ModelSpec, Request

gguf = pytest.importorskip("gguf")
ASKED = [
    Ask(Request(kind="choice", text=f"Which planet is {n}?\nAnswer:", continuations=choices))
    for n in range(3)
    for choices in ((" A", " B"), (" the Moon", " Jupiter", " none of them"))
]


def answers(spec: ModelSpec) -> dict[str, tuple[float, ...]]:
    """Log-probabilities by request."""
    from evalkit.backends.hf.backend import HFBackend

    return {r.key: r.logprobs for batch in HFBackend(spec).run(ASKED) for r in batch}


@pytest.fixture(scope="module")
def source(model_dir: Callable[..., Path]) -> Path:
    """Directory of a small Llama model."""
    return model_dir("llama")


@pytest.fixture(scope="module")
def file(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model as a GGUF file."""
    return llama(source, tmp_path_factory.mktemp("gguf") / "small.gguf")


def test_a_gguf_file_gives_the_numbers_of_the_directory_it_was_made_of(
    source: Path, file: Path
) -> None:
    """Weights, tokenizer and positions come out of the file as they went in."""
    expected = answers(ModelSpec(backend="hf", name=str(source), dtype="float32"))
    found = answers(load_model(str(file), dtype="float32"))

    for key, values in expected.items():
        assert found[key] == pytest.approx(values, abs=1e-4)


def test_a_directory_with_one_gguf_file_is_that_model(file: Path) -> None:
    """The directory and the file have the same fingerprint, over the file's bytes."""
    from evalkit.backends.hf.fingerprint import fingerprint_of

    by_file, by_directory = load_model(str(file)), load_model(str(file.parent))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    found = fingerprint_of(by_file)

    assert found == fingerprint_of(by_directory)
    assert {found[name] for name in ("weights", "config", "tokenizer")} == {digest}


def test_one_changed_byte_changes_the_fingerprint(file: Path, tmp_path: Path) -> None:
    """Another weight is another model."""
    from evalkit.backends.hf.fingerprint import fingerprint_of

    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    other = tmp_path / "small.gguf"
    other.write_bytes(bytes(data))

    assert fingerprint_of(load_model(str(other))) != fingerprint_of(load_model(str(file)))


def test_the_chat_template_of_the_file_is_used(source: Path, tmp_path: Path) -> None:
    """Without a choice the template in the file wraps the prompt, and ``none`` leaves it out."""
    from evalkit.backends.hf.backend import HFBackend

    path = llama(source, tmp_path / "chat.gguf", template=TEMPLATE)
    (wrapped,), (bare,) = (
        [
            r.sent
            for batch in HFBackend(load_model(str(path), **fields)).run(ASKED[:1])
            for r in batch
        ]
        for fields in ({}, {"chat_template": "none"})
    )

    assert wrapped == f"<user>{ASKED[0].request.text}<assistant>"
    assert bare == ""


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: head(p, "bert"), "architecture 'bert' is an embedding model"),
        (lambda p: head(p, "nomic-bert"), "architecture 'nomic-bert' is an embedding model"),
        (lambda p: head(p, "clip", kind="mmproj"), "is one part of a model"),
        (lambda p: head(p, "llama", kind="adapter"), "type 'adapter' is one part of a model"),
        (lambda p: head(p, "zebra"), "architecture 'zebra' is not read by Transformers"),
        (
            lambda p: head(p, "llama", raw=gguf.GGMLQuantizationType.Q8_1),
            "quantisation Q8_1 is not read by the package gguf \\(1 tensors in blocks of 32\\)",
        ),
        (lambda p: p.write_bytes(b"PK\x03\x04" + bytes(60)), "is no GGUF file"),
        (lambda p: p.write_bytes(b""), "is no GGUF file"),
        (lambda p: p.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 40), "is cut short or damaged"),
    ],
)
def test_a_file_that_is_no_usable_model_is_one_clear_line(
    tmp_path: Path, make: Callable[[Path], Any], says: str
) -> None:
    """What is wrong, and what to name instead, before anything is loaded; exit code 4."""
    path = tmp_path / "some.gguf"
    make(path)

    with pytest.raises(BackendError, match=says) as caught:
        locate(load_model(str(path)))

    assert caught.value.exit_code == 4
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
def test_a_file_that_is_cut_short_says_so(file: Path, tmp_path: Path, share: float) -> None:
    """Cut in the vocabulary or in the weights, by however much."""
    data = file.read_bytes()
    path = tmp_path / "short.gguf"
    path.write_bytes(data[: int(len(data) * share)])

    with pytest.raises(BackendError, match="cut short"):
        locate(load_model(str(path)))


def test_a_directory_with_several_gguf_files_asks_which(file: Path, tmp_path: Path) -> None:
    """None is taken by chance."""
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(file.read_bytes())

    with pytest.raises(BackendError, match=r"holds 2 GGUF files \(a.gguf, b.gguf\)"):
        locate(load_model(str(tmp_path)))


def test_without_the_package_the_line_to_type_is_said(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is an extra of its own."""
    path = tmp_path / "new.gguf"
    path.write_bytes(file.read_bytes())
    monkeypatch.setitem(sys.modules, "gguf", None)

    with pytest.raises(ExtraMissingError, match=r"pip install 'evalkit\[gguf\]'"):
        locate(load_model(str(path)))
