"""What people look at beyond estimates: phrasing by phrasing, flips, what to look at first.

Cells and stored records come in, plain records go out; `evalkit.report` draws them and computes
nothing.
"""

from evalkit.report.evidence.gather import gather
from evalkit.report.evidence.views import (
    OF_THIS_RUN,
    Evidence,
    Feature,
    Flip,
    Looks,
    PhrasingView,
    Side,
    TaskView,
)

__all__ = [
    "OF_THIS_RUN",
    "Evidence",
    "Feature",
    "Flip",
    "Looks",
    "PhrasingView",
    "Side",
    "TaskView",
    "gather",
]
