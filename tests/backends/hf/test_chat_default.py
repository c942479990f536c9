"""Without a choice a tokenizer's own chat template is used, and what it adds is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from evalkit.backends.hf.backend import HFBackend
from evalkit.catalog.models import model_from_lm_eval
from evalkit.cli.main import main
from evalkit.records import Ask, ModelSpec, Request

pytest.importorskip("torch")
WITH_DEFAULT = (
    "{% if messages[0]['role'] != 'system' %}<s>[Be kind.]{% endif %}{% for m in messages %}{% if "
    "m['role'] == 'system' %}<s>[{{ m['content'] }}]{% else %}({{ m['role'] }}) "
    "{{ m['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}(assistant){% endif %}"
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
    assert sent(chatty, "") == sent(chatty, "auto") == "<s>[Be kind.](user) Is it red?(assistant) "
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


def test_thoughts_do_not_count_where_the_template_speaks_of_them(
    chatty: Path, model_dir: Callable[..., Path]
) -> None:
    """As far as positions are left; said and in the fingerprint, and only there."""
    config = chatty / "tokenizer_config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told["chat_template"] = WITH_DEFAULT + "{% if thinking %}<think>{% endif %}"
    plain = HFBackend(ModelSpec(backend="hf", name=str(chatty)))
    config.write_text(json.dumps(told), encoding="utf-8")
    request = Request(kind="generate", text="Is it red?", max_tokens=4)
    thinks, short, never = (
        HFBackend(ModelSpec(backend="hf", name=str(chatty), options=options))
        for options in (
            {"reasoning_tokens": "7"},
            {"max_length": 64},
            {"reasoning_tokens": "0"},
        )
    )
    (item,), (less,), (none,), (before,) = (
        backend.encode([request]) for backend in (thinks, short, never, plain)
    )

    assert item.bounded.max_tokens == 4 + 7
    assert len(less.context) + less.bounded.max_tokens == 64
    assert none.bounded == before.bounded == request
    assert "up to 7 tokens" in thinks.notices[0]
    assert never.notices == plain.notices == []
    assert "thoughts of up to 7 tokens" in thinks.fingerprint()["reading"]
    assert "thoughts" not in plain.fingerprint().get("reading", "")


def test_doctor_shows_how_a_model_would_score(
    model_dir: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Path and errors against float64, from a dozen prompts, without a run."""
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["doctor", "--model", str(model_dir("llama")), "--json"])
    told = {row["what"]: row["value"] for row in json.loads(capsys.readouterr().out)["model"]}

    assert (told["path"], told["proof, reference"]) == ("tree", "float64")
    assert told["proof, error"].endswith(" nat")


def test_a_variable_of_the_template_reaches_it_and_marks_the_run(chatty: Path) -> None:
    """What is sent, the fingerprint and the notice name it; lm-eval's name for it is the same."""
    config = chatty / "tokenizer_config.json"
    told = json.loads(config.read_text(encoding="utf-8"))
    told["chat_template"] = (
        WITH_DEFAULT + "{% if enable_thinking is false %}<think></think>{% endif %}"
    )
    config.write_text(json.dumps(told), encoding="utf-8")
    spec = model_from_lm_eval("hf", f"pretrained={chatty},enable_thinking=False")
    plain, quick = HFBackend(ModelSpec(backend="hf", name=str(chatty))), HFBackend(spec)
    request = Request(kind="choice", text="Is it red?", continuations=(" yes", " no"))
    ((bare,),), ((closed,),) = (list(one.run([Ask(request)])) for one in (plain, quick))

    assert closed.sent == bare.sent.rstrip() + "<think></think>"
    assert closed.logprobs != bare.logprobs
    assert 'template given {"enable_thinking": false}' in json.loads(quick.fingerprint()["reading"])
    assert quick.notices[0] == 'The chat template gets {"enable_thinking": false}.'
    assert "template given" not in plain.fingerprint().get("reading", "")
