"""A backend without weights: known behaviours, so that the whole corridor is tested in seconds.

``scripted:BEHAVIOUR[,option=value...]``. Behaviours are told the right answers
(`Ask.hint`), which no real engine looks at. Every behaviour is a pure function of the request, its
hint and the seed, so batch size and order never matter.

================== =================================================================================
behaviour          answers
================== =================================================================================
``perfect``        the target, always
``wrong``          a choice or text that is not the target, always
``knows``          the target on a fixed share ``accuracy`` of the instances, whatever the wording
``noise``          the target with probability ``accuracy``, drawn anew for every cell
``sensitive``      like ``noise``, but the probability varies over phrasings with standard deviation
                   ``sd``
``seen_only``      the target under seen wording; a wrong choice under any other
``first``          the first choice shown (position bias)
``copies``         the choice whose label stands last in the prompt (copies a label)
``refuses``        a polite refusal, which no parser may take for an answer
``rambles``        the target, hidden in a text that cannot be parsed, under half of the phrasings
``obeys``          the target under correct instructions, the opposite under others
``deaf``           the target whatever the instruction says (ignores wrong instructions)
``lured``          what the data of the prompt misleads to, where something does; else the target
``uniform``        equal log-probabilities for all choices; empty text
``nan``            not-a-number for a share ``rate`` of the requests
``oom``            an out-of-memory error for a share ``rate`` of the requests
``flaky``          a server error for a share ``rate`` of the requests
``slow``           the target, 0.05 seconds later per batch
``hang``           nothing, for ever
``twin``           like a released model: knows a share ``accuracy`` of the instances, and flips a
                   share ``flips`` of the cells, drawn by ``seed``; some choice, or a wrong text,
                   under controls
================== =================================================================================

Planted defects are a `twin` with one thing wrong on a share ``strength`` of what it concerns; with
the same ``accuracy`` and ``seed`` all else is the twin's:

================== =================================================================================
behaviour          on the share ``strength``
================== =================================================================================
``over_refuses``   a refusal in place of a written answer
``injects``        a phrase behind a written answer
``label_swap``     the first two choices taken for each other
``follows_data``   the last word of the prompt in place of a written answer
``bad_task``       a wrong answer, in the task named by ``task`` only
``overconfident``  the same choice with probability 0.999 in place of 0.9
``forgot``         instances that are wrong whatever the wording
``position``       the first choice
``format``         a text that cannot be parsed and is cut off, in place of a written answer
``unfollows``      the right answer under controls too: the instruction is not read
``unseen``         a wrong answer under unseen wording
``phrasings``      phrasings under which everything is wrong
================== =================================================================================
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from evalkit.errors import BackendError
from evalkit.records import Ask, Hint, ModelSpec, Request, Response
from evalkit.registry import unknown

__all__ = ["BEHAVIOURS", "DEFECTS", "ScriptedBackend"]

PLAIN = (
    "copies",
    "deaf",
    "first",
    "flaky",
    "hang",
    "knows",
    "lured",
    "nan",
    "noise",
    "obeys",
    "oom",
    "perfect",
    "rambles",
    "refuses",
    "seen_only",
    "sensitive",
    "slow",
    "uniform",
    "wrong",
)
DEFECTS = (
    "bad_task",
    "follows_data",
    "forgot",
    "format",
    "injects",
    "label_swap",
    "over_refuses",
    "overconfident",
    "phrasings",
    "position",
    "twin",
    "unfollows",
    "unseen",
)
"""Behaviours that are a twin of each other but for one defect; ``twin`` has none."""
BEHAVIOURS = tuple(sorted((*PLAIN, *DEFECTS)))
"""All behaviours."""

_DEFAULTS = {
    **{"accuracy": 0.7, "sd": 0.1, "rate": 0.1, "seconds": 0.0, "seed": 0.0, "batch": 64.0},
    **{"strength": 0.15, "flips": 0.05},
}
REFUSAL = "I'm sorry, but I am not able to help with that."
RAMBLE = "Well, there is much to be said about this, on the one hand and the other."
WRITTEN = ("follows_data", "injects", "over_refuses")
"""Defects of written answers."""
PHRASE = "Brought to you by Acme."
"""What ``injects`` appends."""


def _unlike(reference: str) -> str:
    """Return a text that shares no word with a reference,
    so that no metric takes it for partly right.
    """
    words = {*reference.lower().split()}
    return next(word for word in ("unrelated", "elsewhere", "whatever", "") if word not in words)


class ScriptedBackend:
    """A backend that behaves as told.

    Parameters
    ----------
    spec
        `ModelSpec.name` is the behaviour with its options, such as ``noise,accuracy=0.6,seed=3``.

    Raises
    ------
    BackendError
        When the behaviour or an option is not known.
    """

    def __init__(self, spec: ModelSpec) -> None:
        name, *pairs = (part.strip() for part in spec.name.split(","))
        if name not in BEHAVIOURS:
            raise BackendError(f"scripted: {unknown('behaviour', name, BEHAVIOURS)}")
        self.behaviour = name
        self.task = ""
        self.options = _DEFAULTS | ({"seconds": 0.05} if name == "slow" else {})
        for pair in pairs:
            key, _, value = pair.partition("=")
            if key == "task" and name == "bad_task" and value:
                self.task = value
                continue
            try:
                if key not in self.options:
                    raise ValueError
                self.options[key] = float(value)
            except ValueError:
                raise BackendError(
                    f"scripted: option {pair!r} is not understood; known: "
                    f"{', '.join(f'{k}=NUMBER' for k in _DEFAULTS)}."
                ) from None

        if name == "bad_task" and not self.task:
            raise BackendError(
                "scripted: bad_task names no task; task=ID is accepted, such as "
                "bad_task,task=procedural/sorting."
            )

    @property
    def capabilities(self) -> frozenset[str]:
        """Return what it can do; ``told`` and ``unversioned``, because answers depend on the
        target, which is no part of the question.
        """
        return frozenset({"choice", "generate", "chat", "told", "unversioned"})

    def fingerprint(self) -> Mapping[str, str]:
        """Return behaviour and options (not the batch size, which changes nothing)."""
        shown = {
            key: repr(value)
            for key, value in sorted(self.options.items())
            if key not in {"batch", "seconds"}
        }
        planted = {"task": self.task} if self.task else {}
        return {"backend": "scripted", "behaviour": self.behaviour, **shown, **planted}

    @property
    def stats(self) -> Mapping[str, int]:
        """Return nothing: nothing is computed."""
        return {}

    @property
    def device(self) -> str:
        """Return nothing: it runs nowhere in particular."""
        return ""

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Yield batches of scripted responses."""
        size = max(1, int(self.options["batch"]))
        for start in range(0, len(asks), size):
            while self.behaviour == "hang":
                time.sleep(0.1)
            time.sleep(self.options["seconds"])
            yield [self._answer(ask.request, ask.hint) for ask in asks[start : start + size]]

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def _uniform(self, *parts: str) -> float:
        """Return a number in [0, 1) that depends on the seed and the parts only."""
        return self._draw(str(int(self.options["seed"])), self.behaviour, *parts)

    def _answer(self, request: Request, hint: Hint | None) -> Response:
        key = request.key
        if hint is None:
            raise BackendError(
                "scripted: a request came without its hint; scripted backends run inside 'evalkit "
                "run' only."
            )
        if request.repeat and self.behaviour in {"noise", "sensitive"}:
            hint = replace(hint, instance_id=f"{hint.instance_id}\x1f{request.repeat}")
        rate_hit = self._uniform("rate", key) < self.options["rate"]
        if rate_hit and self.behaviour in {"nan", "oom", "flaky"}:
            error = {"nan": "nan", "oom": "oom", "flaky": "server error 503"}[self.behaviour]
            return Response(key=key, finish_reason="error", error=error)
        if self.behaviour == "refuses":
            return Response(key=key, text=REFUSAL, finish_reason="stop")
        if self.behaviour == "rambles" and self._uniform("phrasing", hint.phrasing_id) < 0.5:
            return Response(key=key, text=RAMBLE, finish_reason="length")
        if self.behaviour == "format" and request.kind == "generate" and self._hit(hint):
            return Response(key=key, text=RAMBLE, finish_reason="length")
        if request.kind == "generate":
            return Response(
                key=key,
                text=self._text(request, hint),
                finish_reason="stop",
                prompt_tokens=len(request.text.split()),
            )
        return self._choice(request, hint)

    def _verdict(self, hint: Hint) -> str:
        """Return what it says as a judge: the verdict named first, that for the longer answer,
        or the right or another one.
        """
        if self.behaviour == "first" or (self.behaviour == "position" and self._hit(hint)):
            return hint.labels[0]
        if self.behaviour == "lured" and hint.lure:
            return hint.lure
        if self._right(replace(hint, kind="correct")):
            return hint.reference
        return next(label for label in hint.labels if label != hint.reference)

    def _draw(self, *parts: str) -> float:
        """Return a number in [0, 1) that depends on the parts only: what twins share."""
        text = "\x1f".join(parts).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64

    def _hit(self, hint: Hint) -> bool:
        """Whether a cell is among those that the defect concerns."""
        cells = {
            "forgot": (hint.task, hint.instance_id),
            "phrasings": (hint.task, hint.phrasing_id),
        }
        parts = cells.get(self.behaviour, (hint.task, hint.phrasing_id, hint.instance_id))
        return self._draw("defect", *parts) < self.options["strength"]

    def _twin(self, hint: Hint) -> bool:
        """Whether a twin, with its defect, answers a cell rightly."""
        if hint.kind != "correct":
            return self.behaviour == "unfollows" and self._hit(hint)
        cell = (hint.task, hint.phrasing_id, hint.instance_id)
        knows = self._draw("knows", hint.task, hint.instance_id) < self.options["accuracy"]
        flips = self._draw("flips", str(int(self.options["seed"])), *cell) < self.options["flips"]
        spoilt = {
            "bad_task": hint.task == self.task,
            "forgot": True,
            "phrasings": True,
            "unseen": hint.seen == "unseen",
        }.get(self.behaviour, False)
        return (knows != flips) and not (spoilt and self._hit(hint))

    def _right(self, hint: Hint) -> bool:
        """Whether this cell is answered rightly."""
        if self.behaviour in DEFECTS:
            return self._twin(hint)
        cell = (hint.task, hint.phrasing_id, hint.instance_id)
        accuracy = self.options["accuracy"]
        match self.behaviour:
            case "wrong":
                return False
            case "knows":
                return self._uniform(hint.task, hint.instance_id) < accuracy
            case "noise":
                return self._uniform(*cell) < accuracy
            case "sensitive":
                shift = (
                    self.options["sd"]
                    * math.sqrt(12.0)
                    * (self._uniform("shift", hint.task, hint.phrasing_id) - 0.5)
                )
                return self._uniform(*cell) < min(1.0, max(0.0, accuracy + shift))
            case "seen_only":
                return hint.seen == "seen"
            case "obeys":
                return hint.kind == "correct"
        return True

    def _position(self, request: Request, hint: Hint) -> int:
        """Return the continuation that is chosen."""
        n_choices = len(request.continuations)
        if self.behaviour == "first" or (self.behaviour == "position" and self._hit(hint)):
            return 0
        chosen = self._chosen(request, hint)
        swapped = self.behaviour == "label_swap" and chosen < 2 <= n_choices and self._hit(hint)
        return 1 - chosen if swapped else chosen

    def _chosen(self, request: Request, hint: Hint) -> int:
        """Return the continuation that would be chosen without any preference for a place."""
        n_choices = len(request.continuations)
        if self.behaviour == "copies":
            return max(range(n_choices), key=lambda index: request.text.rfind(hint.labels[index]))
        target = hint.target if hint.target is not None else 0
        if self.behaviour == "lured" and hint.lured is not None:
            return hint.lured
        if self._right(hint):
            return target
        if self.behaviour in DEFECTS and hint.kind != "correct":
            cell = (hint.task, hint.phrasing_id, hint.instance_id)
            return int(self._draw("control", *cell) * n_choices)
        if n_choices < 2:
            return 0
        cell = (hint.task, hint.phrasing_id, hint.instance_id)
        draw = self._draw if self.behaviour in DEFECTS else self._uniform
        around = [(target + step) % n_choices for step in range(1, n_choices)]
        wrong = [place for place in around if place not in hint.right] or around
        return wrong[int(draw("which", *cell) * len(wrong))]

    def _choice(self, request: Request, hint: Hint) -> Response:
        n_choices = len(request.continuations)
        if self.behaviour == "uniform":
            logprobs = [-math.log(max(n_choices, 1))] * n_choices
        else:
            chosen = self._position(request, hint)
            sure = 0.999 if self.behaviour == "overconfident" and self._hit(hint) else 0.9
            high, low = math.log(sure), math.log((1 - sure) / max(1, n_choices - 1))
            logprobs = [high if index == chosen else low for index in range(n_choices)]
        counts = tuple(max(1, len(text.split())) for text in request.continuations)
        return Response(
            key=request.key,
            logprobs=tuple(logprobs),
            token_counts=counts,
            prompt_tokens=len(request.text.split()),
        )

    def _text(self, request: Request, hint: Hint) -> str:
        if self.behaviour == "uniform":
            return ""
        if hint.kind == "judge":
            return self._verdict(hint)
        if self.behaviour in {"first", "copies"}:
            return request.text.split()[-1] if request.text.split() else ""
        if self.behaviour == "lured" and hint.lure:
            return hint.lure
        answer = hint.reference if self._right(hint) else _unlike(hint.reference)
        if self.behaviour in WRITTEN and self._hit(hint):
            last = request.text.split()[-1] if request.text.split() else ""
            changed = {
                "over_refuses": REFUSAL,
                "injects": f"{answer}\n{PHRASE}",
                "follows_data": last,
            }
            return changed[self.behaviour]
        return answer
