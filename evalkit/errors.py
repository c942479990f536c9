"""Every error evalkit raises on purpose.

::

    EvalkitError
    ├── UsageError          exit 2   an option or argument that cannot be honoured
    ├── CatalogError        exit 2   a task, phrasing, suite, model or data file is wrong
    ├── RegistryError       exit 2   a name that nothing is registered under
    ├── TableError          exit 2   a score table that cannot be read or analysed
    ├── ScoringError        exit 2   a response that a metric cannot be applied to
    ├── ComparisonError     exit 2   two things that may not be compared
    ├── GateError           exit 2   a policy or baseline that cannot be used
    ├── IncompleteError     exit 3   something is missing, so there is no answer yet
    ├── EnvironmentFault    exit 4   the machine lacks something
    │   ├── BackendError             an engine, its weights or its device
    │   ├── DataMissingError         benchmark data is not on this machine
    │   ├── ExtraMissingError        an optional dependency is not installed
    │   └── StoreError               a run directory or cache cannot be read or written
    │       └── NoRunError  exit 2   what was named as a run is none
    └── Interrupted         exit 130 stopped by the user, resumable

Message form: ``where: what is wrong, with the value; what is accepted. What to do.``
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BackendError",
    "CatalogError",
    "ComparisonError",
    "DataMissingError",
    "EnvironmentFault",
    "EvalkitError",
    "ExtraMissingError",
    "GateError",
    "IncompleteError",
    "Interrupted",
    "NoRunError",
    "RegistryError",
    "ScoringError",
    "StoreError",
    "TableError",
    "UsageError",
    "first_line",
]


class EvalkitError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line returns."""

    exit_code: int = 2


class UsageError(EvalkitError):
    """An option or argument cannot be honoured."""


class CatalogError(EvalkitError):
    """One or more files of the catalog are wrong; carries all mistakes found, not only the first.

    Parameters
    ----------
    problems
        One message or several, each in the form ``file:line: what; what is accepted``.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(self.problems))


class RegistryError(EvalkitError):
    """Nothing is registered under a name, two things are, or what is registered is broken."""


class TableError(EvalkitError):
    """A score table cannot be read or analysed."""


class ScoringError(EvalkitError):
    """A metric cannot be applied to what it was given."""


class ComparisonError(EvalkitError):
    """Two runs or tables may not be compared; the message names what differs."""


class GateError(EvalkitError):
    """A gate policy or baseline cannot be used."""


class IncompleteError(EvalkitError):
    """Something needed for an answer is missing; nothing is wrong with what is there."""

    exit_code = 3


class EnvironmentFault(EvalkitError):
    """The machine lacks something: an engine, weights, data, disk space or the network."""

    exit_code = 4


def first_line(error: BaseException) -> str:
    r"""Return the first line of an exception's message without its closing stop, with the next
    where it is but a heading; of one without a message its kind.

    >>> first_line(ValueError("Validation error for field 'size':\n    TypeError: no int\nMore."))
    "Validation error for field 'size': TypeError: no int"
    """
    lines = str(error).strip().splitlines()
    if len(lines) > 1 and lines[0].endswith(":"):
        lines = [f"{lines[0]} {lines[1].strip()}"]
    return lines[0].rstrip(".")[:300] if lines else type(error).__name__


class BackendError(EnvironmentFault):
    """An engine, its weights or its device cannot be used."""


class DataMissingError(EnvironmentFault):
    """Benchmark data is not on this machine; the message says what was looked for and where."""


class ExtraMissingError(EnvironmentFault):
    """An optional dependency is not installed.

    Parameters
    ----------
    what
        What needs it, for the start of the message.
    extra
        Name of the extra of evalkit that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs an optional part of evalkit that is not installed. "
            f"Type: pip install 'evalkit[{extra}]'"
        )


class StoreError(EnvironmentFault):
    """A run directory or cache cannot be read or written."""


class NoRunError(StoreError):
    """A path that was named as a run is none: a slip of the command line, not of the machine."""

    exit_code = 2


class Interrupted(EvalkitError):
    """Stopped by the user or the system; what was acknowledged is kept and the run can go on."""

    exit_code = 130
