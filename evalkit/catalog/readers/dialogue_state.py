"""What a user wants so far, from dialogues in the layout of MultiWOZ 2.2 and of schema-guided
dialogue.

A file is a list of dialogues ``{dialogue_id, turns: [{speaker, utterance, frames: [{service, state:
{slot_values: {slot: [value, ...]}}}]}]}``; of several values of a slot each is right.

References
----------
X. Zang and others, MultiWOZ 2.2, 2020 (arXiv 2007.12720); A. Rastogi and others, schema-guided
dialogue, 2020 (arXiv 1909.05855). Scored by joint goal accuracy, metric ``state_match``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.catalog.files import load_json, locate
from evalkit.errors import CatalogError
from evalkit.records import Instance, Task

__all__ = ["read"]

_SPEAKERS = {"USER": "User", "SYSTEM": "System"}
State = dict[str, tuple[str, ...]]
Turn = tuple[str, str, State]
"""Speaker, what is said, and what the user wants by then."""


def read(task: Task, data_dir: Path | None, split: str) -> list[Instance]:
    """Return an instance per dialogue, or with ``turns:
    all`` per turn of the user in which something is wanted.

    Fields are ``question``, ``dialogue`` (the turns so far), ``slots`` (the names an answer may
    use) and ``of_dialogue`` (its id). The reference is a line ``slot = value`` per slot, several
    right values parted by ``|``.

    Raises
    ------
    CatalogError
        When a file is no list of dialogues, or a turn lacks speaker or utterance.
    """
    turns = task.source.options.get("turns", "last")
    if turns not in ("last", "all"):
        raise CatalogError(
            f"{task.id}: source.options.turns is {turns!r}; accepted: last, all. Correct it."
        )
    dialogues = [
        (f"{path}:1: dialogue {place}", dialogue)
        for path in locate(task, data_dir, split).paths
        for place, dialogue in enumerate(_listed(path), 1)
    ]
    told = [(where, *_dialogue(dialogue, where)) for where, dialogue in dialogues]
    names = sorted({slot for _, _, mine in told for _, _, state in mine for slot in state})
    return [
        instance
        for where, key, mine in told
        for instance in _instances(key, mine, names, where=where, every=turns == "all")
    ]


def _listed(path: Path) -> list[Any]:
    content = load_json(path)
    if not isinstance(content, list):
        raise CatalogError(
            f"{path}:1: holds no list of dialogues; a file of MultiWOZ 2.2 or of schema-guided "
            "dialogue is expected (2.0, 2.1 and 2.4 are laid out otherwise). Get the file again."
        )
    return content


def _dialogue(dialogue: Any, where: str) -> tuple[str, list[Turn]]:
    """Return the id and the turns of a dialogue."""
    if not isinstance(dialogue, Mapping) or not isinstance(dialogue.get("turns"), list):
        raise CatalogError(f"{where}: an object with dialogue_id and turns is expected.")
    state: State = {}
    found: list[Turn] = []
    for place, turn in enumerate(dialogue["turns"]):
        if not isinstance(turn, Mapping) or not isinstance(turn.get("utterance"), str):
            raise CatalogError(f"{where}: turn {place} has no utterance.")
        speaker = _SPEAKERS.get(str(turn.get("speaker")).upper())
        if speaker is None:
            raise CatalogError(
                f"{where}: turn {place} is spoken by {turn.get('speaker')!r}; accepted: USER, "
                "SYSTEM."
            )
        if speaker == "User":
            state = _state(state, turn.get("frames") or (), f"{where}: turn {place}")
        found.append((speaker, " ".join(turn["utterance"].split()), state))
    return str(dialogue.get("dialogue_id")), found


def _state(before: State, frames: Sequence[Any], where: str) -> State:
    """Return what is wanted after a turn:
    a service it speaks of has what its frame holds, so that what was taken back is gone.
    """
    found = dict(before)
    for frame in frames:
        values = (frame.get("state") or {}).get("slot_values") or {}
        if frame.get("state"):
            own = f"{frame.get('service', '')}-"
            found = {name: value for name, value in found.items() if not name.startswith(own)}
        for slot, several in values.items():
            if not isinstance(several, list) or not all(isinstance(one, str) for one in several):
                raise CatalogError(f"{where}: slot {slot!r} holds no list of texts.")
            service = str(frame.get("service", ""))
            name = slot if slot.startswith(f"{service}-") else f"{service}-{slot}"
            if several:
                found[name] = tuple(several)
    return found


def _instances(
    key: str, turns: Sequence[Turn], names: Sequence[str], *, where: str, every: bool
) -> Iterator[Instance]:
    asked = [
        place for place, (speaker, _, state) in enumerate(turns) if speaker == "User" and state
    ]
    services = {name.partition("-")[0] for _, _, state in turns for name in state}
    slots = ", ".join(name for name in names if name.partition("-")[0] in services)
    for place in asked if every else asked[-1:]:
        said = "\n".join(f"{speaker}: {text}" for speaker, text, _ in turns[: place + 1])
        state = turns[place][2]
        reference = "\n".join(f"{slot} = {'|'.join(state[slot])}" for slot in sorted(state))
        yield Instance(
            id=f"{key}/{place}",
            fields={
                "question": f"{said}\nSlots: {slots}",
                "dialogue": said,
                "slots": slots,
                "of_dialogue": key,
            },
            references=(reference,),
            where=where,
        )
