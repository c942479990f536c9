"""What is shown below a notebook's cell: progress as one plain line that is replaced,
without a widget, and figures.
"""

from __future__ import annotations

import sys
from typing import Any, cast

__all__ = ["NotebookLine", "in_kernel", "notebook_line", "shown_below"]


class NotebookLine:
    """A line of a cell's output that the next one replaces.

    Parameters
    ----------
    display
        IPython's `display`.
    """

    def __init__(self, display: Any) -> None:
        self._display = display
        self._shown: Any = None

    def show(self, text: str) -> None:
        """Put a line in the place of the last one."""
        data = {"text/plain": text}
        if self._shown is None:
            self._shown = self._display(data, raw=True, display_id=True)
        else:
            self._shown.update(data, raw=True)


def in_kernel() -> bool:
    """Return whether this is a notebook's kernel."""
    python = sys.modules.get("IPython")
    shell = None if python is None else python.get_ipython()
    return getattr(shell, "kernel", None) is not None


def notebook_line() -> NotebookLine | None:
    """Return a line of the cell that is running; None outside of a notebook's kernel."""
    if not in_kernel():
        return None
    from IPython.display import display

    return NotebookLine(display)


def shown_below(figure: Any) -> None:
    """Let a notebook show a figure below its cell when the cell ends; nothing elsewhere."""
    if in_kernel():
        from matplotlib import pyplot

        def made(**_: Any) -> Any:
            return figure

        pyplot.figure(FigureClass=cast(Any, made))
