"""Instructive decoding: what a spoilt instruction would say is taken off.

References
----------
Kim, Kim, Joo, Song, "Instructive Decoding: Instruction-Tuned Large Language Models are Self-Refiner
from Noisy Instructions", arXiv 2311.00233: the next token is the argmax of z - eps z', where z' are
the logits under a noisy instruction and eps = 0.3 (theirs). Noises: no instruction, truncated and
shuffled, random words, opposite. We differ in that the wording of the noise, the list of random
words and the share kept (0.6) are ours, and that choices are scored too: per token by log softmax(z
- eps z').
"""

from __future__ import annotations

import random
from dataclasses import replace

from evalkit.backends.base import Backend
from evalkit.backends.mitigations.applying import inner_workings
from evalkit.backends.mitigations.mixing import Branch, MixingBackend
from evalkit.backends.mitigations.options import read_options, shown
from evalkit.errors import UsageError
from evalkit.records import Request, digest

__all__ = ["NOISES", "instruction_spans", "instructive", "noisy"]

KEPT = 0.6
"""Share of the words that truncation keeps."""
OPPOSITE = "Do the reverse of what is asked here, and see to it that the answer is wrong."
"""What the opposite instruction begins with."""
WORDS = (
    "apple",
    "river",
    "under",
    "quick",
    "table",
    "moon",
    "yellow",
    "seven",
    "garden",
    "whisper",
    "copper",
    "lamp",
    "never",
    "bridge",
    "salt",
    "morning",
    "paper",
    "hollow",
    "eager",
    "stone",
    "winter",
    "ladder",
    "fish",
    "gently",
    "button",
    "cloud",
    "iron",
    "velvet",
    "market",
    "silent",
    "feather",
    "twelve",
    "road",
    "bitter",
    "ocean",
    "candle",
    "left",
    "orange",
    "window",
    "thunder",
)
"""Words that random noise is drawn from."""
NOISES = ("null", "shuffled", "random", "opposite")


def instruction_spans(request: Request) -> list[tuple[int, int]]:
    r"""Return where the instruction stands in the text.

    The paragraph before the body, and one behind it after a blank line.

    Listed choices, worked instances after the first paragraph, and the last line behind the body
    (the cue) are no instruction. Without a body nothing is known.

    >>> request = Request(kind="choice", text="Say yes or no.\n\nIs it?\nAnswer:", body=(16, 22))
    >>> [request.text[start:end] for start, end in instruction_spans(request)]
    ['Say yes or no.']
    """
    start, end = request.body
    if not end:
        return []
    spans = []
    before = request.text[:start]
    paragraph = before.split("\n\n", 1)[0]
    if paragraph.strip():
        spans.append((0, len(paragraph.rstrip())))
    gap = request.text.find("\n\n", end)
    if gap >= 0:
        last = request.text.rfind("\n")
        stop = last if last > gap + 1 else len(request.text)
        if request.text[gap + 2 : stop].strip():
            spans.append((gap + 2, stop))
    return spans


def _spoilt(text: str, noise: str, rng: random.Random) -> str:
    words = text.split()
    if noise == "null":
        return ""
    if noise == "opposite":
        return f"{OPPOSITE} {text}"
    if noise == "random":
        return " ".join(rng.choice(WORDS) for _ in words)
    kept = words[: max(1, round(KEPT * len(words)))]
    rng.shuffle(kept)
    return " ".join(kept)


def noisy(request: Request, noise: str, seed: int = 0) -> Request:
    r"""Return the request with its instruction spoilt.

    The same request and seed always in the same way.

    >>> request = Request(kind="choice", text="Say yes or no.\n\nIs it?\nAnswer:", body=(16, 22))
    >>> noisy(request, "null").text
    'Is it?\nAnswer:'
    """
    rng = random.Random(digest([noise, seed, request.text, request.system]))
    text, (start, end) = request.text, request.body
    system = _spoilt(request.system, noise, rng) if request.system else ""
    for first, last in reversed(instruction_spans(request)):
        spoilt = _spoilt(text[first:last], noise, rng)
        stop = last if spoilt else len(text) - len(text[last:].lstrip("\n"))
        change = len(spoilt) - (stop - first)
        if last <= start:
            start, end = start + change, end + change
        text = text[:first] + spoilt + text[stop:]
    return replace(request, text=text, system=system, body=(start, end))


def instructive(backend: Backend, options: str) -> Backend:
    """Return the backend decoding against a noisy instruction (``--mitigation
    instructive:eps=0.3,noise=null``); two prompts per request.

    ``seed`` draws the words of noises ``shuffled`` and ``random``.

    Raises
    ------
    UsageError
        When ``eps`` or ``noise`` is out of range.
    BackendError
        When the backend gives no logits.
    """
    given = read_options("instructive", options, {"eps": 0.3, "noise": "null", "seed": 0})
    if not 0 <= given["eps"] < 1 or given["noise"] not in NOISES:
        raise UsageError(
            f"--mitigation instructive: eps={given['eps']}, noise={given['noise']}; "
            f"eps is from 0 to below 1, noise one of {', '.join(NOISES)}."
        )
    inner = inner_workings(backend, "instructive")
    noise = Branch(
        backend=inner,
        weight=-given["eps"],
        reword=lambda request: noisy(request, given["noise"], given["seed"]),
    )
    return MixingBackend([Branch(backend=inner, weight=1.0), noise], shown("instructive", given))
