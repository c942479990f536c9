"""Answers that are programs: read out of a text, and scored by what came of them under their tests.

The metric runs nothing. Programs are run once, in a pass of their own that has to be allowed
(`evalkit.runs.programs`), and what came of them is stored beside the answers; scoring looks it up,
so that a report or a comparison can never run code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from evalkit.records import Instance, digest
from evalkit.scoring.metric import MISSING, Answered, Verdict
from evalkit.scoring.sandbox.limits import CLASSES, Program

__all__ = ["CODE", "RULES", "learn", "program_of", "programs_in", "unit_tests"]

CODE = frozenset({"unit_tests"})
"""Metrics whose answers are run."""
RULES = 1
"""Version of what is read as a program and how it is judged;
what came of one is stored under it.
"""
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^\n]*\n(.*?)(?:^[ \t]*(?:```|~~~)|\Z)", re.M | re.S)
_AFTER = re.compile(r"^(?=(?:def|class|if|print|assert|#|@|```|~~~)\b|[#@`~])", re.M)
"""Where a text that goes on from a prompt has left its function."""
MAX_TEXT = 1_000_000
"""Characters of an answer that are looked at."""
_known: dict[str, str] = {}


def learn(found: Mapping[str, tuple[str, str]]) -> None:
    """Take in what came of programs: digest as `program_of` gives it -> what came of it,
    and what was said.
    """
    _known.update({name: kind for name, (kind, _) in found.items() if kind in CLASSES})


def programs_in(text: str, instance: Instance) -> tuple[str, ...]:
    """Return the ways to read a text as a program, the likeliest first; empty without one.

    Parameters
    ----------
    text
        Answer of a model: a program, a program in a fenced block among words, or the rest of a
        program whose beginning stood in the prompt.
    instance
        Field ``prompt`` is that beginning, ``entry_point`` the function it defines.
    """
    text = text[:MAX_TEXT].replace("\r\n", "\n")
    prompt, name = instance.fields.get("prompt", ""), instance.fields.get("entry_point", "")
    defines = re.compile(rf"^(?:async )?def {re.escape(name) or '[A-Za-z_]'}", re.M)
    blocks = [block for block in _FENCE.findall(text) if block.strip()]
    blocks.sort(key=lambda block: not defines.search(block))  # stable: the first that defines it
    found = []
    for piece in [*blocks[:1], *([] if blocks else [text])]:
        if defines.search(piece):
            found += _whole(piece, prompt, defines)
        elif prompt and piece.strip():
            rest = _AFTER.split(piece, maxsplit=1)[0]
            found += [prompt + rest, prompt + "    " + rest.lstrip(" ")]
        elif blocks:
            found.append(piece)
    return tuple(dict.fromkeys(found))


def _whole(piece: str, prompt: str, defines: re.Pattern[str]) -> list[str]:
    """A text that defines the function: with what stood before it in the prompt,
    and without words around it.
    """
    start = defines.search(prompt)
    before = prompt[: start.start()] if start else ""
    lines = piece.split("\n")
    first = next(
        (
            place
            for place, line in enumerate(lines)
            if re.match(r"(?:import|from|def|class|async|@|[A-Za-z_]\w* *=)", line)
        ),
        0,
    )
    code = [place for place, line in enumerate(lines) if line[:1] in (" ", "\t") and line.strip()]
    last = code[-1] + 1 if code else len(lines)
    return [
        before + piece,
        before + "\n".join(lines[first:]),
        before + "\n".join(lines[first:last]),
    ]


def program_of(answered: Answered) -> tuple[str, Program] | None:
    """Return (digest, program with its tests) of an answer; None when there is no program in it.

    Parameters
    ----------
    answered
        Its instance has the fields of `evalkit.catalog.readers.code`.
    """
    fields = answered.instance.fields
    programs = programs_in(answered.text or "", answered.instance)
    if not programs:
        return None
    name = fields.get("entry_point", "")
    parts = {key: fields.get(key, "") for key in ("tests", "setup", "helpers")}
    program = Program(programs=programs, names=(name,) if name else (), **parts)
    return digest([RULES, list(programs), name, parts]), program


def unit_tests(answered: Answered) -> Verdict:
    """Return 1 when the program in a text passes its tests, 0 when not;
    the prediction is what came of it.

    ``passed``, ``syntax``, ``assertion``, ``exception``, ``timeout``, ``memory`` or ``refused``
    (the sandbox stopped it). A text without a program is unparsed; a program that was not run is
    missing.
    """
    if answered.text is None:
        return MISSING
    found = program_of(answered)
    if found is None:
        return Verdict(score=0.0, prediction=None, status="unparsed")
    outcome = _known.get(found[0])
    if outcome is None:
        return MISSING
    return Verdict(score=float(outcome == "passed"), prediction=outcome)
