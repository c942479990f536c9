"""The curve of the score against the number of different rules shown."""

from evalkit.records import Estimate
from evalkit.report.drawings_of_some import diversity_drawing


def row(rules: int, value: float, **over: str) -> Estimate:
    """Return the mean under examples of so many rules."""
    told = {"task": "all", "benchmark": "all", "metric": "mean"} | over
    told.setdefault("group", f"perturbation=shots:k=8,rules={rules}")
    return Estimate(model="m", value=value, low=value - 0.1, high=value + 0.1, **told)


def test_the_curve_has_a_point_for_every_number_in_order_of_size() -> None:
    """Rows of tasks, of other statistics and of two things at once are not on it."""
    rows = [
        row(16, 0.7), row(1, 0.2), row(2, 0.4), row(2, 0.9, task="t"), row(4, 0.9, metric="delta"),
        row(8, 0.9, group="perturbation=shots:k=8,rules=8 & rule=a"),
        row(0, 0.9, group="perturbation=shots:k=8"),
    ]  # fmt: skip

    drawing = diversity_drawing(rows, "foot")
    assert drawing is not None
    (line,) = drawing.draw().get_lines()

    assert line.get_xydata().tolist() == [[1.0, 20.0], [2.0, 40.0], [16.0, 70.0]]


def test_there_is_none_for_a_run_that_does_not_vary_it() -> None:
    """One number of rules is no curve."""
    assert diversity_drawing([row(4, 0.5)], "foot") is None
    assert diversity_drawing([], "foot") is None
