"""Any model type of lm-eval as a backend.

``lm-eval:NAME,key=value,...``, through its `loglikelihood` and `generate_until`.

lm-eval's own caches are never switched on: its response cache does not know the model, its request
cache not the prompt; ours knows both. What its API models write in place of an answer that did not
come is taken for what it is: no answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from evalkit.backends.hf.chat import whole_conversation
from evalkit.backends.hf.rendering import refuse_chance, refuse_growth
from evalkit.errors import BackendError, ExtraMissingError, first_line
from evalkit.records import Ask, ModelSpec, Request, Response, digest

__all__ = ["LMEvalBackend"]

_GROUP = 512
"""Requests handed to lm-eval at once: enough to sort by length, little enough to lose."""
_NO_ANSWER = "\x00evalkit: no answer\x00"
_IRRELEVANT = frozenset(
    {"batch_size", "device", "max_batch_size", "num_concurrent", "max_retries", "timeout"}
)
"""Arguments that change no response."""
_SECRET = ("key", "token", "secret", "password")


class LMEvalBackend:
    """A model of lm-eval as a backend.

    Parameters
    ----------
    spec
        `ModelSpec.name` is lm-eval's model type and its arguments, such as ``hf,pretrained=gpt2``;
        options are further arguments.

    Raises
    ------
    BackendError
        When lm-eval does not know the type or cannot make the model.
    ExtraMissingError
        When lm-eval is not installed.
    """

    def __init__(self, spec: ModelSpec) -> None:
        try:
            from lm_eval.api.instance import Instance
            from lm_eval.api.registry import get_model
            from lm_eval.utils import simple_parse_args_string
        except ImportError as error:
            raise ExtraMissingError("backend 'lm-eval'", "lm-eval") from error
        self._instance = Instance
        self._type, _, rest = spec.name.partition(",")
        self._arguments = {
            **_arguments(spec),
            **simple_parse_args_string(rest),
            **dict(spec.options),
        }
        if secret := [
            name
            for name in self._arguments
            if any(mark in name.lower().split("_") for mark in _SECRET)
        ]:
            raise BackendError(
                f"lm-eval:{self._type}: argument {secret[0]!r} would stand in the manifest. "
                "Keys belong into the environment."
            )
        try:
            self._class = get_model(self._type)
        except ValueError as error:
            raise BackendError(
                f"lm-eval: model type {self._type!r} is not known to lm-eval "
                f"{version('lm_eval')}. {first_line(error)}"
            ) from error
        except ImportError as error:
            raise BackendError(
                f"lm-eval:{self._type}: cannot be imported: {first_line(error)}. "
                "Install what it needs."
            ) from error
        self._model = self._made()
        self._template = self._chat_template(spec.chat_template)
        self._mark_missing_answers()
        self._seen = {"requests": 0, "failed": 0}

    def _made(self) -> Any:
        """Make lm-eval's model."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return self._class.create_from_arg_obj(dict(self._arguments))
        # foreign code: whatever it raises is told, with the traceback under --debug
        except Exception as error:
            raise BackendError(
                f"lm-eval:{self._type}: cannot be made: {first_line(error)}. Check its arguments."
            ) from error

    def _chat_template(self, wanted: str) -> str | None:
        """Text of the chat template in use; None for none."""
        if wanted in ("", "none"):
            return None
        if wanted != "auto":
            raise BackendError(
                f"lm-eval:{self._type}: chat template {wanted!r} cannot be used; "
                "'auto' (the model's own) or 'none' is accepted."
            )
        try:
            text = str(self._model.chat_template(True) or "")
        except Exception as error:  # foreign code, as above
            raise BackendError(
                f"lm-eval:{self._type}: has no chat template ({first_line(error)}). "
                "Use --chat-template none."
            ) from error
        refuse_chance(text)
        refuse_growth(text)
        if "strftime_now" in text:
            raise BackendError(
                f"lm-eval:{self._type}: its chat template asks for the date, "
                "which would change answers from day to day. "
                "Use --model hf:NAME, where the date stands still."
            )
        return text

    def _mark_missing_answers(self) -> None:
        """Have API models write a mark where no answer came,
        not an empty text that would be scored as wrong.
        """
        module = sys.modules.get("lm_eval.models.api_models")
        if module is not None and hasattr(module, "LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER"):
            vars(module)["LMEVAL_MODEL_NONE_ANSWER_PLACEHOLDER"] = _NO_ANSWER

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do."""
        return frozenset(
            {"choice", "generate"} if self._template is None else {"choice", "generate", "chat"}
        )

    @property
    def device(self) -> str:
        """Return the device of lm-eval's model; empty where it has none."""
        return str(getattr(self._model, "device", "") or "")

    @property
    def stats(self) -> Mapping[str, Any]:
        """Return the number of requests asked and failed."""
        return dict(self._seen)

    def fingerprint(self) -> Mapping[str, str]:
        """Return everything known that can change a response.

        Directories among the arguments enter by their content.
        """
        kept = {
            name: value
            for name, value in sorted(self._arguments.items())
            if name not in _IRRELEVANT
        }
        return {
            "backend": "lm-eval",
            "lm_eval": version("lm_eval"),
            "type": self._type,
            "class": f"{type(self._model).__module__}.{type(self._model).__qualname__}",
            "arguments": json.dumps(
                {name: str(value) for name, value in kept.items()}, sort_keys=True
            ),
            "content": digest(
                {name: _content(value, kept.get("revision")) for name, value in kept.items()}
            ),
            "chat_template": "none"
            if self._template is None
            else hashlib.sha256(self._template.encode()).hexdigest(),
        }

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield responses group by group, each request exactly once.

        Raises
        ------
        BackendError
            When lm-eval's model fails; what was yielded is safe.
        """
        for kind, answer in (("choice", self._choices), ("generate", self._texts)):
            wanted = (ask.request for ask in asks if ask.request.kind == kind)
            while group := list(islice(wanted, _GROUP)):
                self._seen["requests"] += len(group)
                sent = {request.key: self._sent(request) for request in group}
                lost = [request for request in group if sent[request.key] is None]
                if lost:
                    why = "the chat template leaves out a part of the prompt"
                    yield [self._failure(request, why) for request in lost]
                whole = {key: text for key, text in sent.items() if text is not None}
                if whole:
                    yield answer([request for request in group if request.key in whole], whole)

    def _sent(self, request: Request) -> str | None:
        """Text sent, after the chat template; None when that leaves out a part."""
        if self._template is None:
            return f"{request.system}\n\n{request.text}" if request.system else request.text
        apply = self._model.apply_chat_template
        return whole_conversation(apply, (ValueError,), request.system, request.text)

    def _asked(self, method: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Results of one of lm-eval's methods, in the order of the arguments."""
        kind = "generate_until" if method == "generate_until" else "loglikelihood"
        asked = [
            self._instance(
                request_type=kind, doc={}, arguments=pair, idx=0, metadata=("evalkit", index, 1)
            )
            for index, pair in enumerate(arguments)
        ]
        function = getattr(self._model, method)
        quiet = (
            {"disable_tqdm": True}
            if "disable_tqdm" in inspect.signature(function).parameters
            else {}
        )
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = list(function(asked, **quiet))
        # foreign code: whatever it raises ends the run, with the traceback under --debug
        except Exception as error:
            raise BackendError(
                f"lm-eval:{self._type}: {method} failed: {first_line(error)}. "
                "What was answered is stored; type the same command again."
            ) from error
        if len(found) != len(asked):
            raise BackendError(
                f"lm-eval:{self._type}: {method} gave {len(found)} results for {len(asked)} "
                "requests; nothing of it was used."
            )
        return found

    def _choices(self, requests: Sequence[Request], sent: Mapping[str, str]) -> list[Response]:
        """Log-likelihoods of continuations."""
        pairs: list[tuple[str, str]] = []
        for request in requests:
            tails = (
                request.continuations
                if self._template is None
                else [text.removeprefix(" ") for text in request.continuations]
            )
            pairs += [(sent[request.key], tail) for tail in tails]
        values = iter(self._asked("loglikelihood", pairs))
        found = []
        at = 0
        for request in requests:
            logprobs = tuple(float(next(values)[0]) for _ in request.continuations)
            mine = pairs[at : at + len(logprobs)]
            at += len(logprobs)
            ids = self._ids(mine)
            if len({tail for _, tail in ids}) < len(set(request.continuations)) and ids:
                found.append(self._failure(request, "two choices are the same tokens"))
            elif all(map(math.isfinite, logprobs)):
                found.append(
                    Response(
                        key=request.key,
                        logprobs=logprobs,
                        token_counts=tuple(len(tail) for _, tail in ids),
                        prompt_tokens=len(ids[0][0]) if ids else 0,
                        sent=mine[0][0] if mine[0][0] != request.text else "",
                    )
                )
            else:
                found.append(self._failure(request, "nan"))
        return found

    def _ids(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[tuple[int, ...], ...]]:
        """Ids of prompts and continuations; empty where lm-eval's model does not tell."""
        encode = getattr(self._model, "_encode_pair", None)
        if encode is None or not all(context for context, _ in pairs):
            return []
        return [tuple(map(tuple, encode(*pair))) for pair in pairs]

    def _texts(self, requests: Sequence[Request], rendered: Mapping[str, str]) -> list[Response]:
        """Greedy texts."""
        sent = [rendered[request.key] for request in requests]
        settings = [
            {
                "until": list(request.stop),
                "max_gen_toks": request.max_tokens,
                "do_sample": request.temperature > 0,
                "temperature": request.temperature,
                **({"top_p": request.top_p} if request.top_p < 1 else {}),
            }
            for request in requests
        ]
        found = []
        for request, text, said in zip(
            requests,
            sent,
            self._asked("generate_until", list(zip(sent, settings, strict=True))),
            strict=True,
        ):
            if not isinstance(said, str) or said == _NO_ANSWER:
                found.append(self._failure(request, "no answer came"))
                continue
            ends = [at for at in (said.find(stop) for stop in request.stop if stop) if at >= 0]
            cut = said[: min(ends)] if ends else said
            found.append(
                Response(
                    key=request.key,
                    text=cut,
                    finish_reason="stop" if ends else "",
                    sent=text if text != request.text else "",
                )
            )
        return found

    def _failure(self, request: Request, error: str) -> Response:
        self._seen["failed"] += 1
        return Response(key=request.key, finish_reason="error", error=error)

    def close(self) -> None:
        """Release the model."""
        self._model = None


def _arguments(spec: ModelSpec) -> dict[str, Any]:
    """What the common options say, in lm-eval's names; only what was given."""
    given = {
        "dtype": (spec.dtype, "auto"),
        "device": (spec.device, "auto"),
        "revision": (spec.revision, None),
        "batch_size": (spec.batch_size, None),
    }
    return {name: value for name, (value, empty) in given.items() if value != empty}


def _content(value: Any, revision: Any) -> str:
    """Digest of a file or directory; commit of a hub model in the local cache.

    Empty for anything else.
    """
    if not isinstance(value, str) or not value:
        return ""
    path = Path(value).expanduser()
    files = (
        [path]
        if path.is_file()
        else sorted(item for item in path.rglob("*") if item.is_file())
        if path.is_dir()
        else []
    )
    if files:
        found = []
        for file in files:
            with file.open("rb") as stream:
                found.append([file.name, hashlib.file_digest(stream, "sha256").hexdigest()])
        return digest(found)
    if value.count("/") > 1 or any(letter in value for letter in " :@\\"):
        return ""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        known = try_to_load_from_cache(
            value, "config.json", revision=None if revision is None else str(revision)
        )
    except HFValidationError:
        return ""
    return Path(known).parent.name if isinstance(known, str) else ""
