"""Records of what people look at.

Scores, shares and probabilities are fractions in [0, 1]; NaN where undefined.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from evalkit.analysis import Costs
from evalkit.records import Task
from evalkit.records.manifest import CurveStep, Wordings

__all__ = [
    "OF_THIS_RUN",
    "Evidence",
    "Feature",
    "Flip",
    "Looks",
    "PhrasingView",
    "Side",
    "TaskCells",
    "TaskView",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhrasingView:
    """One phrasing on one task."""

    task: str
    """Task id."""
    phrasing_id: str
    """Phrasing id."""
    text: str = ""
    """Its text, as written; empty when it was not stored."""
    source: str = ""
    """Collection it comes from."""
    seen: str
    """seen, unseen or unknown."""
    kind: str = "correct"
    """``correct`` or the kind of control."""
    layout: str = ""
    """Choice layout."""
    label_space: str = ""
    """What the model is asked to answer with."""
    perturbation: str = ""
    """Perturbation that made it; empty for none."""
    dimensions: tuple[str, ...] = ()
    """Kinds of variety it shows."""
    meaning: str = "unchecked"
    """Result of the check of its meaning: checked, doubtful or unchecked."""
    meaning_note: str = ""
    """Why it is doubtful."""
    headline: bool
    """Whether headline statistics are over it (correct and unperturbed)."""
    score: float
    """Mean over instances; in a sparse run its posterior mean."""
    low: float = math.nan
    """Lower end of its interval: this phrasing, new instances; in a sparse run, these instances."""
    high: float = math.nan
    """Upper end of its interval."""
    n: int
    """Instances scored."""
    unparsed: float = math.nan
    """Share of cells whose answer could not be used."""
    truncated: float = 0.0
    """Share of cells whose prompt was cut."""
    missing: float = 0.0
    """Share of cells without an answer by our fault."""
    deviation: float
    """Score minus the mean over the headline phrasings of the task."""
    share: float = 0.0
    """Share of all squared deviations of the suite; 0 outside the headline."""
    by_format: bool = False
    """Whether it is low because answers were cut or in another form: without them it would make up
    half of its deviation or more."""
    by_refusal: bool = False
    """The same of refusals."""
    states: Mapping[str, float] = field(default_factory=dict)
    """State -> share of the answered cells, for the six states of `evalkit.scoring.states`."""
    distance: float = math.nan
    """Distance of its representation to those of the seen phrasings; NaN when none was asked
    for."""
    change: float = math.nan
    """Score minus mean score of the seen headline phrasings of the task; NaN without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What the model answered to one instance under one phrasing."""

    phrasing_id: str
    """Phrasing id."""
    text: str
    """Text of the phrasing."""
    seen: str
    """seen, unseen or unknown."""
    score: float
    """Score of the cell."""
    status: str
    """ok, unparsed, truncated or missing."""
    answer: str
    """What the answer was taken as; empty when it could not be used."""
    raw: str
    """Generated text; empty for choices."""
    probability: float
    """Probability of the answer."""
    choices: tuple[float, ...]
    """Probability of every choice in upstream order (softmax of summed log-probabilities); empty
    for generation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """One instance whose score depends on the wording."""

    task: str
    """Task id."""
    instance_id: str
    """Instance id."""
    fields: tuple[tuple[str, str], ...]
    """Names and texts of the instance."""
    choices: tuple[str, ...]
    """Texts of the choices; empty for generation."""
    target: str
    """Correct answer."""
    share: float
    """Mean score over headline phrasings."""
    best: Side
    """Under the phrasing that serves it best."""
    worst: Side
    """Under the phrasing that serves it worst."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCells:
    """Axes are phrasing (P) and instance (N)."""

    phrasing_ids: tuple[str, ...]
    """P ids."""
    instance_ids: tuple[str, ...]
    """N ids."""
    questions: tuple[str, ...]
    """N texts of the instances."""
    targets: tuple[str, ...]
    """N correct answers."""
    values: npt.NDArray[np.float64]
    """(P, N) scores; NaN where there is none."""
    state: npt.NDArray[np.int8]
    """(P, N) codes into `evalkit.scoring.STATES`."""
    labels: npt.NDArray[np.int32]
    """(P, N) codes into `label_names`; -1 for no answer."""
    label_names: tuple[str, ...]
    """Answers."""
    prompts: Mapping[tuple[int, int], tuple[str, str]]
    """(phrasing, instance) -> prompt as it was sent and raw answer; empty for choices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """One task."""

    task: Task
    """The task."""
    chance: float
    """Score of guessing; NaN when undefined."""
    n_instances: int
    """Instances."""
    phrasings: tuple[PhrasingView, ...]
    """Its phrasings, lowest score first."""
    flips: tuple[Flip, ...]
    """The instances chosen for side by side."""
    n_flipping: int
    """Instances whose score differs between headline phrasings."""
    n_always: int
    """Instances with full score under every headline phrasing."""
    n_never: int
    """Instances with score 0 under every headline phrasing."""
    asked: str = ""
    """In which form the task asks for its answers."""
    states: Mapping[str, float] = field(default_factory=dict)
    """State -> share of the answered cells of the headline phrasings."""
    programs: Mapping[str, float] = field(default_factory=dict)
    """What came of programs -> share of the answered cells of the headline phrasings; ``none``: no
    program was read. Empty for tasks that are not scored by running them."""
    cells: TaskCells | None = None
    """Its cells, for the explorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """How phrasings that share a feature do, compared with their tasks."""

    name: str
    """What is grouped by: source, layout, label space, dimension."""
    value: str
    """The value they share."""
    n: int
    """Phrasings, counted once per task."""
    deviation: float
    """Mean of their deviations from the mean of their task."""
    unparsed: float
    """Mean share of answers that could not be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What to look at first."""

    n: int
    """Headline phrasings, counted once per task."""
    most: tuple[PhrasingView, ...]
    """The fewest phrasings that hold `held` of all squared deviations, largest first."""
    held: float
    """Share of squared deviations they hold."""
    noise: float
    """Part of the variance between phrasings that sampling of instances alone would give; NaN when
    unknown."""
    lowest: tuple[PhrasingView, ...]
    """Those of `most` that lie below the mean of their task, largest share first."""
    n_by_format: int
    """How many of those fail by format, not by knowledge."""
    n_by_refusal: int = 0
    """How many of those fail because the model refuses."""
    features: tuple[Feature, ...]
    """Features with at least two phrasings, lowest first."""


OF_THIS_RUN = "cells of this run"
"""Line of the budget figure that is made of a sparse run's own cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything of one run that is shown beside its estimates."""

    model: str
    """Model."""
    level: float
    """Level of the intervals of phrasings."""
    tasks: tuple[TaskView, ...]
    """Its tasks, sorted by id."""
    looks: Looks
    """What to look at first."""
    costs: Costs | None
    """What wordings cost; None where no task has two of them."""
    budget: tuple[CurveStep, ...]
    """Precision that parts of the run would have had; empty when components of variance are
    unknown."""
    wordings: Wordings
    """What its phrasings are: strata, doubtful ones, how the arms differ."""
    reliability: Mapping[str, tuple[tuple[float, float, float], ...]] = field(default_factory=dict)
    """Relation to the model -> (mean confidence, mean score, cells) of ten equal bins of confidence
    over the headline cells of all tasks; empty where no confidence is known."""
    risk: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Relation to the model -> (share kept, share of these that is wrong) of the same cells, the
    surest first."""
