"""The Transformers backend as the corridor sees it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evalkit.errors import BackendError
from evalkit.records import Ask, ModelSpec, Request, Response

torch = pytest.importorskip("torch")

ASK = Request(
    kind="choice",
    text="Which planet is the largest?\nAnswer:",
    continuations=(" A", " B", " Jupiter"),
)


def spec_of(directory: Path, **fields: Any) -> ModelSpec:
    """Specification of a local model in float32 on the CPU."""
    return ModelSpec(
        backend="hf", name=str(directory), **{"device": "cpu", "dtype": "float32", **fields}
    )


def run(spec: ModelSpec, requests: Sequence[Request]) -> list[Response]:
    """Responses in the order of the requests."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec)
    found = {r.key: r for batch in backend.run(list(map(Ask, requests))) for r in batch}
    backend.close()
    return [found[request.key] for request in requests]


def long_request(words: int, **fields: Any) -> Request:
    """A prompt whose body has many words, between an instruction and choices with a cue."""
    head, tail = "Pick the letter.\n\n", "\nA. Jupiter\nB. Saturn\nAnswer:"
    body = " ".join(f"w{i}" for i in range(words))
    return Request(
        **{"kind": "choice", "continuations": (" A", " B"), **fields},
        text=head + body + tail,
        body=(len(head), len(head) + len(body)),
    )


def test_a_prompt_that_is_too_long_loses_the_middle_of_its_body(
    model_dir: Callable[..., Path],
) -> None:
    """Instruction, choices and cue stay whole, the body keeps both ends,
    and the response says so.
    """
    request = long_request(400)
    (response,) = run(spec_of(model_dir("llama"), options={"max_length": 128}), [request])

    assert (response.error, response.truncated) == ("", True)
    assert response.sent.startswith("Pick the letter.\n\nw0 w1")
    assert response.sent.endswith("w399\nA. Jupiter\nB. Saturn\nAnswer:")
    assert " ... " in response.sent
    assert 120 <= response.prompt_tokens <= 128


def test_a_prompt_that_fits_exactly_is_left_whole(model_dir: Callable[..., Path]) -> None:
    """The last token of a continuation is not fed,
    so a prompt may fill the model with a one-token continuation.
    """
    request = replace(long_request(20), continuations=(" A",))
    (free,) = run(spec_of(model_dir("llama")), [request])
    (exact,) = run(
        spec_of(model_dir("llama"), options={"max_length": free.prompt_tokens}), [request]
    )
    (short,) = run(
        spec_of(model_dir("llama"), options={"max_length": free.prompt_tokens - 1}), [request]
    )

    assert (exact.truncated, exact.logprobs) == (False, pytest.approx(free.logprobs, abs=1e-5))
    assert short.truncated


@pytest.mark.parametrize("kind", ["choice", "generate"])
def test_a_prompt_that_cannot_be_shortened_enough_is_an_error(
    model_dir: Callable[..., Path], kind: str
) -> None:
    """Without a body to cut there is no answer, and the error names both lengths."""
    fields = {
        "kind": kind,
        "continuations": (" A", " B") if kind == "choice" else (),
        "max_tokens": 0 if kind == "choice" else 4,
    }
    request = replace(long_request(400, **fields), body=(0, 0))
    (response,) = run(spec_of(model_dir("llama"), options={"max_length": 64}), [request])

    assert response.logprobs == ()
    assert response.text is None
    assert "tokens where 6" in response.error


TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant]"
"""An answer stands behind a blank that the prompt of a text does not end with."""


def test_a_chat_template_wraps_the_prompt_and_is_kept_as_sent(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    """System message and prompt go through the template, and a choice stands behind the blank that
    the template has before an answer, in one token with it.
    """
    path = tmp_path / "chat.jinja"
    path.write_text(TEMPLATE)
    request = replace(ASK, system="Be brief.")
    (wrapped,) = run(spec_of(model_dir("llama"), chat_template=str(path)), [request])
    plain = replace(
        ASK,
        text=f"[system] Be brief.\n[user] {ASK.text}\n[assistant]",
        continuations=(" A", " B", " Jupiter"),
    )
    (expected,) = run(spec_of(model_dir("llama")), [plain])

    assert wrapped.sent == f"{plain.text} "
    assert wrapped.logprobs == pytest.approx(expected.logprobs, abs=1e-5)


def test_a_template_that_refuses_a_system_message_gets_it_in_the_users(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    """No instruction is lost to a template without a system role."""
    path = tmp_path / "chat.jinja"
    path.write_text(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') "
        "}}{% endif %}U:{{ messages[0].content }}\nM:"
    )
    (response,) = run(
        spec_of(model_dir("llama"), chat_template=str(path)), [replace(ASK, system="Be brief.")]
    )

    assert response.sent == f"U:Be brief.\n\n{ASK.text}\nM:"


def test_a_system_message_without_template_stands_before_the_prompt(
    model_dir: Callable[..., Path],
) -> None:
    """The text really sent holds both, one empty line between."""
    (response,) = run(spec_of(model_dir("llama")), [replace(ASK, system="Be brief.")])

    assert response.sent == f"Be brief.\n\n{ASK.text}"


def test_weights_that_are_not_numbers_give_an_error_and_never_a_score(
    model_dir: Callable[..., Path], tmp_path: Path
) -> None:
    """NaN in the weights makes every response an error `nan`."""
    import transformers as tf

    directory = tmp_path / "broken"
    shutil.copytree(model_dir("llama"), directory)
    model = tf.AutoModelForCausalLM.from_pretrained(directory)
    model.model.layers[1].mlp.up_proj.weight.data[0] = float("nan")
    model.save_pretrained(directory)
    found = run(spec_of(directory), [ASK, Request(kind="generate", text="Two dogs", max_tokens=4)])

    assert [(r.error, r.logprobs, r.text) for r in found] == [("nan", (), None)] * 2


def requests_of(n: int) -> list[Request]:
    """Prompts of different lengths."""
    return [
        replace(ASK, text=f"{'fox ' * i}Which planet is the largest?\nAnswer:") for i in range(n)
    ]


def test_batches_are_halved_when_memory_runs_out_and_nothing_is_lost(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for three rows at a time every request still gets the numbers of an undisturbed
    run.
    """
    from evalkit.backends.hf import packed

    expected = run(spec_of(model_dir("llama")), requests_of(24))
    score = packed.TreeScorer.score

    def cramped(self: Any, works: Any, bank: Any = None) -> Any:
        if len(works) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return score(self, works, bank)

    monkeypatch.setattr(packed.TreeScorer, "score", cramped)
    found = run(spec_of(model_dir("llama")), requests_of(24))

    assert [r.error for r in found] == [""] * 24
    for response, other in zip(found, expected, strict=True):
        assert response.logprobs == pytest.approx(other.logprobs, abs=1e-5)


def test_a_single_row_that_does_not_fit_is_an_oom_error(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the rows that are too long fail; the others are answered."""
    from evalkit.backends.hf import packed

    score = packed.TreeScorer.score

    def cramped(self: Any, works: Any, bank: Any = None) -> Any:
        if max(len(work.context) + work.prefix for work in works) > 60:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: "
                "you tried to allocate 9 bytes"
            )
        return score(self, works, bank)

    short, long = requests_of(3), [replace(ASK, text="fox " * 90 + "Answer:")]
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("llama")))
    assert len([r for batch in backend.run(list(map(Ask, short[:1]))) for r in batch]) == 1
    monkeypatch.setattr(packed.TreeScorer, "score", cramped)
    found = {
        r.key: r.error for batch in backend.run(list(map(Ask, short[1:] + long))) for r in batch
    }

    assert found == {short[1].key: "", short[2].key: "", long[0].key: "oom"}


def test_batch_size_does_not_change_the_numbers(model_dir: Callable[..., Path]) -> None:
    """One request per forward gives the numbers of automatic batches."""
    for kind in ("llama", "t5"):
        directory = model_dir(kind, "end" if kind == "t5" else "bytes")
        one, auto = (run(spec_of(directory, batch_size=size), requests_of(9)) for size in (1, None))
        for response, other in zip(one, auto, strict=True):
            assert response.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_half_precision_scores_stay_near_full_precision(model_dir: Callable[..., Path]) -> None:
    """bfloat16 weights take the fast path, and sums stay within the stated tolerance of the
    plain path's.
    """
    from evalkit.backends.hf.backend import HFBackend
    from evalkit.backends.precision import noise

    fast, plain = (
        HFBackend(spec_of(model_dir("llama"), dtype="bfloat16", options={"path": path}))
        for path in ("auto", "plain")
    )
    found, expected = (
        {r.key: r for batch in b.run(list(map(Ask, requests_of(12)))) for r in batch}
        for b in (fast, plain)
    )

    assert (fast.stats["path"], plain.stats["path"]) == ("tree", "rows")
    for key, response in found.items():
        assert response.logprobs == pytest.approx(expected[key].logprobs, abs=noise("bfloat16", 4))


def test_a_model_spread_by_a_device_map_gives_the_same_answers(
    model_dir: Callable[..., Path],
) -> None:
    """Layers placed one by one (all on the CPU here;
    several GPUs elsewhere) score and generate as in one piece.
    """
    requests = [*requests_of(6), Request(kind="generate", text="The red fox", max_tokens=5)]
    places = {"model.embed_tokens": "cpu", **{f"model.layers.{n}": "cpu" for n in range(3)}}
    places |= {"model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    spread, whole = (
        run(spec_of(model_dir("llama"), options=options), requests)
        for options in ({"device_map": places}, {})
    )

    for response, other in zip(spread, whole, strict=True):
        assert response.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert response.text == other.text


def test_generation_ends_at_the_first_stop_or_at_the_limit(model_dir: Callable[..., Path]) -> None:
    """The stop text is cut off and the reason says which of the two it was."""
    limit = Request(kind="generate", text="Two dogs follow", max_tokens=12)
    (whole,) = run(spec_of(model_dir("llama")), [limit])
    assert whole.text is not None
    stop = whole.text[4:6]
    (cut,) = run(spec_of(model_dir("llama")), [replace(limit, stop=(stop, "never seen"))])

    assert (whole.finish_reason, cut.finish_reason) == ("length", "stop")
    assert cut.text == whole.text.split(stop)[0]


def test_a_request_without_anything_to_do_is_an_error(model_dir: Callable[..., Path]) -> None:
    """No continuations, an empty continuation and no room to generate are told apart from an
    answer.
    """
    odd = [
        replace(ASK, continuations=()),
        replace(ASK, continuations=(" A", "")),
        Request(kind="generate", text="x"),
    ]

    assert [r.error for r in run(spec_of(model_dir("llama")), odd)] == [
        "no continuation to score",
        "continuation '' has no token of its own",
        "max_tokens is 0, so nothing can be generated",
    ]


def test_no_requests_give_no_responses(model_dir: Callable[..., Path]) -> None:
    """An empty run yields nothing and fails nowhere."""
    assert run(spec_of(model_dir("llama")), []) == []


def test_choosing_a_plain_path_is_noticed_once(
    model_dir: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """An architecture that the fast path does not serve says so in one line over several runs."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("bloom")))
    for request in requests_of(3):
        list(backend.run([Ask(request)]))

    (told,) = [record.message.split("because ")[1] for record in caplog.records]
    assert told.startswith("the fast path is off by inf nat from float64")


def test_margins_within_the_noise_are_counted(
    model_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two continuations within the noise, here a wide one, are a decision that rounding may
    turn; two equal ones are no decision.
    """
    from evalkit.backends.hf import backend as hf

    monkeypatch.setattr(hf, "noise", lambda dtype, tokens, measured: 1e3)
    backend = hf.HFBackend(spec_of(model_dir("llama")))
    list(backend.run(list(map(Ask, [replace(ASK, continuations=(" A", " A")), ASK]))))

    assert (backend.stats["unstable"], backend.stats["requests"]) == (1, 2)


def test_a_closed_backend_says_so(model_dir: Callable[..., Path]) -> None:
    """Running after `close` is a clear error."""
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir("llama")))
    backend.close()

    with pytest.raises(BackendError, match="the backend is closed"):
        list(backend.run([Ask(ASK)]))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"dtype": "int8"},
            "dtype 'int8': is not known; auto, float32, bfloat16, float16 is accepted.",
        ),
        ({"device": "gpu"}, "device 'gpu': is not known; auto, cpu, cuda or cuda:i is accepted."),
        ({"chat_template": "auto"}, "has none. Use --chat-template none or a template file."),
        ({"chat_template": "nowhere.jinja"}, "chat template 'nowhere.jinja': cannot be read"),
        ({"options": {"max_lenght": 3}}, "option 'max_lenght': backend 'hf' does not know it"),
        ({"options": {"max_length": 0}}, "option max_length: 0 is not a whole number above 1."),
        (
            {"options": {"path": "fast"}},
            "option path: 'fast' is not known; auto or plain is accepted.",
        ),
        ({"batch_size": 0}, "batch size: 0 is not a whole number above 0"),
    ],
)
def test_a_setting_that_cannot_be_honoured_is_one_clear_line(
    model_dir: Callable[..., Path], fields: dict[str, Any], message: str
) -> None:
    """Each message names the setting, its value and what is accepted."""
    from evalkit.backends.hf.backend import HFBackend

    with pytest.raises(BackendError) as caught:
        HFBackend(spec_of(model_dir("llama"), **fields))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_importing_the_backend_imports_no_engine() -> None:
    """Neither torch nor Transformers is imported before the constructor runs."""
    code = (
        "import sys, evalkit.backends.hf.backend; print(sorted({'torch', 'transformers', "
        "'lm_eval'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_loading_and_scoring_print_nothing(
    model_dir: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """No progress bars, advice or warnings reach the terminal."""
    directory = model_dir("gemma3")
    capfd.readouterr()
    run(spec_of(directory), [ASK, Request(kind="generate", text="Two dogs", max_tokens=3)])

    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "pieces"), [("llama", "bytes"), ("gpt2", "bytes"), ("t5", "end")])
def test_a_representation_is_the_last_hidden_state_behind_the_prompt(
    model_dir: Callable[..., Path], kind: str, pieces: str
) -> None:
    """In a padded batch as alone: the last prompt token of a causal model, the decoder's start
    of an encoder-decoder.
    """
    from evalkit.backends.hf.backend import HFBackend

    backend = HFBackend(spec_of(model_dir(kind, pieces)))
    requests = [ASK, Request(kind="choice", text="Yes or no?", continuations=(" yes",))]
    found = backend.embed(requests)
    for row, item in zip(found, backend.encode(requests), strict=True):
        ids = torch.tensor([item.context])
        extra = (
            {
                "decoder_input_ids": torch.tensor(
                    [[backend.loaded.model.config.decoder_start_token_id]]
                )
            }
            if kind == "t5"
            else {}
        )
        with torch.no_grad():
            output = backend.loaded.model(ids, output_hidden_states=True, **extra)
        states = output.decoder_hidden_states if kind == "t5" else output.hidden_states
        expected = states[-1][0, -1]
        assert torch.allclose(
            torch.from_numpy(row) / torch.from_numpy(row).norm(),
            expected / expected.norm(),
            atol=1e-5,
        )
    backend.close()
