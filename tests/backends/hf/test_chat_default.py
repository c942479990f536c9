"""Without a choice a tokenizer's own chat template is used, and what it adds is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.backends.hf.backend import HFBackend
from evalkit.cli.main import main
from evalkit.records import Ask, ModelSpec, Request

pytest.importorskip("torch")
WITH_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<s>[Be kind.]{% endif %}"
    "{% for m in messages %}{% if m['role'] == 'system' %}<s>[{{ m['content'] }}]{% else %}"
    "({{ m['role'] }}) {{ m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}(assistant){% endif %}"
)


@pytest.fixture
def chatty(model_dir: Callable[..., Path], tmp_path: Path) -> Path:
    """A small model whose tokenizer has a chat template with a system text of its own."""
    path = tmp_path / "chatty"
    shutil.copytree(model_dir("llama"), path)
    config = path / "tokenizer_config.json"
    config.write_text(
        json.dumps(
            {**json.loads(config.read_text(encoding="utf-8")), "chat_template": WITH_DEFAULT}
        ),
        encoding="utf-8",
    )
    return path


def sent(path: Path, template: str) -> str:
    """What is sent for a prompt; empty when it is the prompt itself."""
    backend = HFBackend(ModelSpec(backend="hf", name=str(path), chat_template=template))
    request = Request(kind="choice", text="Is it red?", continuations=(" yes", " no"))
    ((response,),) = backend.run([Ask(request)])
    return response.sent


def test_the_tokenizers_own_template_is_the_default(
    chatty: Path, model_dir: Callable[..., Path]
) -> None:
    """No choice is ``auto`` where there is a template and ``none`` where there is not."""
    assert sent(chatty, "") == sent(chatty, "auto") == "<s>[Be kind.](user) Is it red?(assistant)"
    assert sent(chatty, "none") == sent(model_dir("llama"), "") == ""


def test_the_system_text_a_template_brings_is_said(
    chatty: Path, model_dir: Callable[..., Path]
) -> None:
    """It would else stand in every prompt unseen."""
    own, bare = (
        HFBackend(ModelSpec(backend="hf", name=str(path))).opening
        for path in (chatty, model_dir("llama"))
    )

    assert "chat template of the tokenizer, which puts the system text 'Be kind.' before" in own
    assert bare.endswith("no chat template")


def test_doctor_shows_how_a_model_would_score(
    model_dir: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Path and errors against float64, from a dozen prompts, without a run."""
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["doctor", "--model", str(model_dir("llama")), "--json"])
    told = {row["what"]: row["value"] for row in json.loads(capsys.readouterr().out)["model"]}

    assert (told["path"], told["proof, reference"]) == ("tree", "float64")
    assert told["proof, error"].endswith(" nat")
