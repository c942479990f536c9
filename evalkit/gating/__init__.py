"""(two score tables, their manifests, policy) -> `Decision`; pure, nothing is read or written here.

`verify` and `admit` refuse what must not be compared, `measure` tests every rule, `decide` makes
one outcome of them, `explain` names the phrasings and instances behind it. Policies are read by
`evalkit.catalog.policies`.
"""

from evalkit.gating.admission import admit, verify
from evalkit.gating.checks import Check, Decision
from evalkit.gating.decision import decide
from evalkit.gating.explanation import Explanation, Mover, explain
from evalkit.gating.measures import Measured, measure

__all__ = [
    "Check",
    "Decision",
    "Explanation",
    "Measured",
    "Mover",
    "admit",
    "decide",
    "explain",
    "measure",
    "verify",
]
