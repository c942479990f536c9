"""What a perturbation is, and the small grammar ``name:key=value,...`` that names one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from evalkit.errors import UsageError
from evalkit.records import Phrasing
from evalkit.registry import PERTURBATIONS

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Edit",
    "Impossible",
    "Option",
    "Options",
    "Perturbation",
    "PerturbationSpec",
    "load",
    "parse_spec",
]

Options = Mapping[str, Any]
_MAX_COPIES = 1000


@dataclass(frozen=True, slots=True)
class Impossible:
    """Why an edit cannot be made; returned instead of the same text."""

    reason: str
    """Reason in words, with the value that stands in the way."""
    again: bool = field(default=False, compare=False)
    """Whether another draw may do better, as with a model that was asked in another style."""


Edit = Callable[[Phrasing, "np.random.Generator", Options], "Phrasing | Impossible"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a perturbation: how it is read and what it means."""

    default: Any
    """Value when it is not given; its type says how text is read."""
    doc: str
    """What it does, for the reference page."""
    accepted: tuple[str, ...] = ()
    """Accepted words, for an option that names one of several."""
    low: float = 0.0
    """Least number accepted."""
    high: float = 1.0
    """Greatest number accepted."""

    def read(self, text: str, *, where: str) -> Any:
        """Return the value written as `text`.

        Raises
        ------
        UsageError
            When it is no number where one is wanted, out of range, or not an accepted word.
        """
        if isinstance(self.default, int | float):
            try:
                value = type(self.default)(text)
            except ValueError:
                value = None
            if value is None or not self.low <= value <= self.high:
                kind = "a whole number" if isinstance(self.default, int) else "a number"
                raise UsageError(
                    f"{where}: {text!r} is not accepted; {kind} from {self.low:g} to "
                    f"{self.high:g} is. Correct it."
                )
            return value
        if self.accepted and text not in self.accepted:
            raise UsageError(
                f"{where}: {text!r} is not known; accepted: {', '.join(self.accepted)}. "
                "Choose one of them."
            )
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """A rule that makes a phrasing from a phrasing; what the registry holds under a name."""

    edit: Edit
    """The rule. Pure: equal arguments and generator state give equal results."""
    doc: str
    """What it does, in one sentence."""
    options: Mapping[str, Option] = field(default_factory=dict)
    """Options by name."""
    acts_on: Literal["phrasing", "instance"] = "phrasing"
    """``instance`` when the wording stays and the choices move (see
    `evalkit.phrasings.perturb.order`)."""
    keeps_words: bool = False
    """Whether a copy is seen where its phrasing is, because its words are the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PerturbationSpec:
    """A perturbation with its options, as written after ``--perturb``."""

    name: str
    """Name in the registry."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options given; the others have their defaults."""
    n: int = 1
    """Copies made of every phrasing."""

    @property
    def label(self) -> str:
        """Return the specification without the number of copies, options sorted.

        What tables group by.
        """
        shown = ",".join(f"{key}={_shown(self.options[key])}" for key in sorted(self.options))
        return f"{self.name}:{shown}" if shown else self.name


def _shown(value: Any) -> str:
    """Return an option value as text; a function by its name."""
    return str(getattr(value, "__name__", type(value).__name__)) if callable(value) else str(value)


def load(name: str) -> Perturbation:
    """Return the perturbation registered under `name`.

    Raises
    ------
    RegistryError
        When nothing is registered under the name.
    UsageError
        When what is registered is not a `Perturbation`.
    """
    found = PERTURBATIONS.load(name)
    if not isinstance(found, Perturbation):
        raise UsageError(
            f"perturbation {name!r} of {PERTURBATIONS.origin(name)}: is a {type(found).__name__}; "
            "an evalkit.phrasings.perturb.spec.Perturbation is accepted. Wrap the function in one."
        )
    return found


def parse_spec(text: str) -> PerturbationSpec:
    """Return the perturbation written as ``name`` or ``name:key=value,key=value``.

    The key ``n`` is the number of copies. Values hold anything but a comma.

    Raises
    ------
    RegistryError
        When the name is unknown.
    UsageError
        When an option is unknown, given twice or has a value that is not accepted.

    Examples
    --------
    >>> parse_spec("character:rate=0.2,n=3").label
    'character:rate=0.2'
    """
    name, _, rest = text.strip().partition(":")
    where = f"perturbation {text!r}"
    perturbation = load(name.strip())
    options: dict[str, Any] = {}
    copies = 1
    given: set[str] = set()
    for part in rest.split(",") if rest.strip() else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not key or not value:
            raise UsageError(
                f"{where}: {part!r} is not accepted; key=value is. Write it as {name}:rate=0.1,n=5."
            )
        if key in given:
            raise UsageError(f"{where}: option {key!r} is given twice. Keep one.")
        given.add(key)
        if key == "n":
            copies = Option(default=1, doc="", low=1, high=_MAX_COPIES).read(
                value, where=f"{where}: n"
            )
        elif key in perturbation.options:
            options[key] = perturbation.options[key].read(value, where=f"{where}: {key}")
        else:
            known = ", ".join(sorted([*perturbation.options, "n"]))
            raise UsageError(
                f"{where}: option {key!r} is not known; accepted: {known}. Correct it."
            )
    return PerturbationSpec(name=name.strip(), options=options, n=copies)
