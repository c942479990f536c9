"""Which instances of a task belong together: those that share the text of a field."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.records import Instance, Task, digest

__all__ = ["groups_of", "shared_text"]


def shared_text(task: Task, instance: Instance) -> str:
    """Return what an instance shares with others of its group; empty when it stands by itself.

    Parameters
    ----------
    task
        With the field that is shared, and the texts that may end the shared part of it.
    instance
        One of its instances.

    Examples
    --------
    >>> task = Task(
    ...     name="t", benchmark="b", reader="table", group="input", group_until=("Question:",)
    ... )
    >>> shared_text(task, Instance(id="1", fields={"input": "Text: a.  Question: b?"}))
    'Text: a.'
    >>> shared_text(task, Instance(id="2", fields={"input": "b?"}))
    ''
    """
    text = instance.fields.get(task.group, "") if task.group else ""
    ends = [place for end in task.group_until if (place := text.find(end)) >= 0]
    if task.group_until and not ends:
        return ""
    return (text[: min(ends)] if ends else text).strip()


def groups_of(task: Task, instances: Sequence[Instance]) -> tuple[str, ...]:
    """Return a name for the group of every instance, a digest of what it shares,
    or the origin it was made from; empty when none shares anything.

    Parameters
    ----------
    task, instances
        The instances of a task.
    """
    if any(one.of for one in instances):
        return tuple(one.of or one.id for one in instances)
    texts = [shared_text(task, instance) for instance in instances]
    shared = [text for text in texts if text]
    if len(set(shared)) == len(shared):
        return ()
    return tuple(digest([text], length=12) if text else "" for text in texts)
