"""Mitigations that change the text asked.

A task-agnostic prefix, recasting as multiple choice, conjugate prompting.

References
----------
Prefix: Ye, Kim, Hwang, Seo, "In-Context Instruction Learning", arXiv 2302.14691: one fixed prefix
for all tasks. The default prefix is ours; give your own with ``file=``. Recasting: arXiv
2305.11159: a question that wants one of a few label words is asked as a multiple-choice question.
The listing is ours. Conjugate prompting: Kotha, Springer, Raghunathan, "Understanding Catastrophic
Forgetting in Language Models via Implicit Inference", arXiv 2309.10105: the prompt is carried into
another form, asked there, and the answer carried back. Here the form is pig latin or leetspeak of
the question.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.blocks import ORDERS, PARTS, block, drawn
from evalkit.backends.mitigations.expanding import ExpandingBackend, with_body
from evalkit.backends.mitigations.options import read_options, shown
from evalkit.errors import UsageError
from evalkit.phrasings.perturb.cipher import CIPHERS, decode, encode
from evalkit.records import Request, Response, digest

__all__ = ["PREFIX", "conjugate", "prefix", "recast", "recast_request"]

PREFIX = (
    "Below are an instruction and an item. "
    "First see what the instruction wants to know and in which form the answer is to be given. "
    "Then give that answer and nothing else.\n\n"
)
"""The default prefix; the same for every task."""


def _prepended(request: Request, text: str) -> Request:
    start, end = request.body
    moved = (start + len(text), end + len(text)) if end else (0, 0)
    return replace(request, text=text + request.text, body=moved)


def prefix(backend: Backend, options: str) -> Backend:
    """Return the backend with one fixed text before every prompt (``--mitigation prefix``,
    ``prefix:file=FILE`` or ``prefix:demos=8,from=superni/*``).

    ``demos`` shows worked instances of that many tasks of ``from``, drawn by ``seed``;
    ``random=instruction``, ``input`` or ``output`` exchanges that part among them,
    ``order=reversed`` or ``shuffled`` their order.

    Raises
    ------
    UsageError
        When an option means nothing or a file cannot be read.
    """
    defaults = {"file": "", "demos": 0, "from": "procedural/*", "seed": 0}
    given = read_options("prefix", options, {**defaults, "random": "", "order": "drawn"})
    text = PREFIX
    if given["random"] not in PARTS or given["order"] not in ORDERS:
        raise UsageError(
            f"--mitigation prefix: random={given['random']}, order={given['order']}; random is "
            f"one of {', '.join(PARTS[1:])}, order one of {', '.join(ORDERS)}."
        )
    if given["demos"]:
        shots = drawn(given["from"], given["demos"], seed=given["seed"])
        text = block(shots, spoilt=given["random"], order=given["order"], seed=given["seed"])
    elif given["random"]:
        raise UsageError("--mitigation prefix: random needs demos=N, whose parts it exchanges.")
    elif given["file"]:
        try:
            text = Path(given["file"]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(
                f"--mitigation prefix: {given['file']} cannot be read ({error}). "
                "Name a UTF-8 text file."
            ) from error
    label = shown("prefix", {"text": digest(text, length=12)})
    return ExpandingBackend(backend, label, lambda request, _: [_prepended(request, text)])


_LETTER = re.compile(r"^\s*\(?[A-Z0-9]{1,2}\)?$")


def recast_request(request: Request) -> Request:
    r"""Return a choice request over label words as one over letters, the words listed before the
    cue; others come back unchanged.

    >>> made = recast_request(
    ...     Request(kind="choice", text="Is it?\nAnswer:", continuations=(" yes", " no"))
    ... )
    >>> print(made.text, made.continuations)
    Is it?
    A. yes
    B. no
    Answer: (' A', ' B')
    """
    words = [text.strip() for text in request.continuations]
    if request.kind != "choice" or len(words) > 26 or all(_LETTER.match(word) for word in words):
        return request
    head, newline, cue = request.text.rpartition("\n")
    if not newline:
        head, cue = request.text, ""
    listed = "\n".join(f"{chr(ord('A') + index)}. {word}" for index, word in enumerate(words))
    text = f"{head}\n{listed}\n{cue}" if cue else f"{head}\n{listed}\nAnswer:"
    return replace(
        request,
        text=text,
        continuations=tuple(f" {chr(ord('A') + index)}" for index in range(len(words))),
    )


def recast(backend: Backend, options: str) -> Backend:
    """Return the backend asking label words as lettered choices (``--mitigation recast``)."""
    read_options("recast", options, {})
    return ExpandingBackend(
        backend,
        "recast",
        lambda request, _: [recast_request(request)],
        needs=frozenset({"choice"}),
    )


def conjugate(backend: Backend, options: str) -> Backend:
    """Return the backend asking the question in another form (``--mitigation
    conjugate:form=pig-latin`` or ``leet``); generated text is carried back.

    Numbers and whatever could not be read back stay as they are, in the question and in the answer.
    Instruction, listed choices and labels stay as they are, so that choices are scored as before.
    """
    given = read_options("conjugate", options, {"form": "pig-latin"})
    form = given["form"]
    if form not in CIPHERS:
        raise UsageError(
            f"--mitigation conjugate: form {form!r} is not known; accepted: {', '.join(CIPHERS)}."
        )

    def expand(request: Request, alternates: Sequence[Request]) -> list[Request]:
        start, end = request.body
        return [with_body(request, encode(request.text[start:end], form))]

    def combine(request: Request, responses: Sequence[Response]) -> Response:
        first = responses[0]
        if first.text is None:
            return first
        start, end = request.body
        return replace(first, text=decode(first.text, form, source=request.text[start:end]))

    return ExpandingBackend(backend, shown("conjugate", given), expand, combine)
