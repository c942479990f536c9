"""What an answer *is*: right, partial, wrong, refused, cut, unusable.
Computed here and nowhere else.

The metric gives the score; the state says why it is what it is and never changes it. In order:

* ``right``: full score, whatever else the text is (a refusal that is the reference is right);
* ``refused``: the text refuses or says that it does not know, and matches no reference by half;
* ``cut``: the limit on tokens ended the text before there was an answer in it;
* ``unusable``: there is an answer, but not in the form asked for, so nothing could be read;
* ``partial``, ``wrong``: an answer in the form asked for, with a part of the score or none.

The form asked for is the labels of a choice, a number, a short answer on the first line, or free
text; what the references of a task are decides between the last three.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evalkit.records import Instance, State, Status, Task
from evalkit.scoring.metric import Answered, Verdict
from evalkit.scoring.reading.mentions import stated_rest
from evalkit.scoring.reading.numbers import as_number, final_marks, read_number
from evalkit.scoring.reading.plain import plain
from evalkit.scoring.reading.refusals import refusal_of
from evalkit.scoring.text import find_label, normalise

__all__ = [
    "FREE",
    "Form",
    "asked_form",
    "form_of",
    "label_meant",
    "refuses",
    "state_of",
    "status_of",
    "usable",
]

FULL = 1.0 - 1e-9
"""Score from which an answer is right."""
MATCH = 0.5
"""Score from which a text matches a reference, so that it is no refusal."""
SHORT = 12
"""Words of the longest reference of a task up to which a short answer is asked for."""
OTHER_WORDS = {
    "yes": frozenset(
        {"yeah", "yep", "yup", "aye", "affirmative", "sure", "certainly", "true", "correct"}
    ),
    "no": frozenset({"nope", "nah", "nay", "negative", "false", "incorrect"}),
    "true": frozenset({"yes", "yeah", "yep", "correct", "right"}),
    "false": frozenset({"no", "nope", "nah", "incorrect", "wrong"}),
    "positive": frozenset({"pos", "good", "favourable", "favorable"}),
    "negative": frozenset({"neg", "bad", "unfavourable", "unfavorable"}),
}
"""Label -> words that mean it, for tasks that have that label."""
READ = frozenset(
    {"choice_accuracy", "choice_accuracy_apart", "choice_accuracy_norm", "label_match"}
)
"""Metrics that find a label wherever it stands: what they find is usable."""
FIRST_LINE = frozenset({"exact_match", "squad_v2"})
"""Metrics that look at the first line only: more lines cannot be cut off from them."""


@dataclass(frozen=True, slots=True)
class Form:
    """In which form a task asks for its answer."""

    kind: Literal["label", "number", "short", "free"]
    """Label of a choice, number, short answer on the first line, or free text."""
    words: int = 0
    """Most words of a short answer."""
    letters: int = 0
    """Most characters of a short answer."""
    labels: frozenset[str] = frozenset()
    """Fixed labels of the task, normalised; empty when instances bring their own."""

    @property
    def shown(self) -> str:
        """Return what is asked for, in words."""
        return {
            "label": "the label of a choice",
            "number": "a number",
            "short": f"a short answer on the first line, at most {self.words} words",
            "free": "free text",
        }[self.kind]


FREE = Form("free")


def asked_form(task: Task, instances: Sequence[Instance]) -> Form:
    """Return the form in which a task asks for its answers.

    Parameters
    ----------
    task
        Kind, labels and metric.
    instances
        Their references say what an answer looks like.

    Notes
    -----
    A short answer may have half as many words (at least 4) more than the longest reference has,
    and twice its characters and 20.
    """
    if task.kind == "choice" or task.labels or task.metric == "label_match":
        return Form("label", labels=frozenset(map(normalise, task.labels)))
    references = [text for one in instances for text in one.references if text.strip()]
    if not references:
        return FREE
    if all(as_number(text) is not None for text in references):
        return Form("number")
    words = max(len(text.split()) for text in references)
    if words > SHORT or any("\n" in text.strip() for text in references):
        return FREE
    letters = max(len(text.strip()) for text in references)
    return Form("short", words=words + max(4, words // 2), letters=2 * letters + 20)


def form_of(answered: Answered, form: Form) -> Literal["whole", "line", "other"] | None:
    """Return how much of a text is in the form asked for; None without a text,
    or where any will do.

    Parameters
    ----------
    answered
        What was asked and answered.
    form
        What was asked for.

    Notes
    -----
    ``whole``: the text is an answer and nothing else. ``line``: its first line is one.
    """
    text = answered.text
    if form.kind == "free" or text is None or answered.response.logprobs:
        return None
    lines = text.strip().split("\n", 1)
    if form.kind == "label":
        names = (*answered.labels, *answered.instance.choices)
        fits = normalise(lines[0]) in {*map(normalise, filter(None, names)), *form.labels}
    else:
        fits = usable(text, form, answered.instance.references)
    return ("whole" if len(lines) == 1 else "line") if fits else "other"


def label_meant(answered: Answered, form: Form) -> bool | None:
    """Return whether a text means one of the labels asked for, however it is spelled;
    None where none is asked for.

    Notes
    -----
    It means one where it is one, where the reader of answers finds one in it, or where its first
    word is a common other word for yes or no.
    """
    text = answered.text
    if form.kind != "label" or text is None or answered.response.logprobs:
        return None
    if form_of(answered, form) != "other":
        return True
    labels = tuple(answered.labels) or tuple(form.labels)
    texts = tuple(
        answered.instance.choices[answered.choice_index(at)] for at in range(len(answered.labels))
    )
    if labels and find_label(text, labels, texts=texts) is not None:
        return True
    words = normalise(text).split()
    first = words[0].strip(".,;:!?") if words else ""
    known = {normalise(one) for one in (*labels, *texts)}
    return any(first in others and label in known for label, others in OTHER_WORDS.items())


def refuses(answered: Answered) -> bool:
    """Return whether a text refuses or abstains while no reference does."""
    text = answered.text
    return (
        text is not None
        and bool(refusal_of(text))
        and not any(refusal_of(reference) for reference in answered.instance.references)
    )


def state_of(task: Task, answered: Answered, verdict: Verdict, *, form: Form = FREE) -> State:
    """Return the state of one answer.

    Parameters
    ----------
    task
        Says which metric judged it.
    answered
        What was asked and answered.
    verdict
        What the metric said.
    form
        As `asked_form` returns it.
    """
    if verdict.score is None:
        return "missing"
    if verdict.score >= FULL:
        return "right"
    graded: State = "partial" if verdict.score > 0 else "wrong"
    text = answered.text
    if text is None or answered.response.logprobs:
        return "unusable" if verdict.status == "unparsed" else graded
    read = task.metric in READ and verdict.status != "unparsed"
    if not read:
        if verdict.score < MATCH and (verdict.state == "refused" or refuses(answered)):
            return "refused"
        if _cut(task, answered, text):
            return "cut"
        if verdict.status == "unparsed" or (
            verdict.score == 0 and not _read(task, text, form, answered.instance.references)
        ):
            return "unusable"
    return graded


def status_of(state: State, verdict: Verdict, *, truncated: bool) -> Status:
    """Return the status that goes with a state:
    ``unparsed`` for every answer without a part of the score that gave nothing to read.
    """
    if state == "missing":
        return "missing"
    if state == "unusable" or (state in {"refused", "cut"} and not verdict.score):
        return "unparsed"
    return "truncated" if truncated else "ok"


def _cut(task: Task, answered: Answered, text: str) -> bool:
    """Whether the limit on tokens came before the answer."""
    if answered.response.finish_reason != "length":
        return False
    if task.metric in FIRST_LINE:
        return "\n" not in text.strip()
    if task.metric == "math_match":
        return not (final_marks(text) or any(map(stated_rest, plain(text).split("\n"))))
    return True


def _read(task: Task, text: str, form: Form, references: Sequence[str]) -> bool:
    """Whether the metric found something to judge: a number wherever it stands,
    else what is usable.
    """
    if task.metric == "math_match" and read_number(text) is not None:
        return True
    return usable(text, form, references)


def usable(text: str, form: Form, references: Sequence[str] = ()) -> bool:
    """Return whether the first line of a text is an answer in the form asked for.

    Parameters
    ----------
    text
        Answer without thoughts.
    form
        What was asked for.
    references
        Right answers: a text whose first line is none of them while a later line is one holds its
        answer in another form.
    """
    lines = text.strip().split("\n")
    first = lines[0].strip()
    if not first:
        return False
    if form.kind == "free":
        return True
    if form.kind == "number":
        return as_number(first) is not None
    if form.kind == "label":
        return not form.labels or normalise(first) in form.labels
    if len(first.split()) > form.words or len(first) > form.letters:
        return False
    if stated_rest(plain(first)) or (first.endswith(":") and len(lines) > 1):
        return False
    right = set(map(normalise, references))
    later = [*(normalise(line) for line in lines[1:]), *map(normalise, final_marks(text))]
    return not right.intersection(later)
