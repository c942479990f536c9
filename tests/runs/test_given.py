"""What is run may be given as text or as objects; both come to the same settings,
and mistakes are told in the caller's words.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest
from toy_runs import Silent

import evalkit
from evalkit.backends.given import FunctionBackend, Lent
from evalkit.cli.main import cli
from evalkit.cli.run import command
from evalkit.errors import BackendError, CatalogError, UsageError
from evalkit.records import Ask, ModelSpec, Phrasing, Request, Response, Suite, Task
from evalkit.runs.choose import choose
from evalkit.runs.execute import run
from evalkit.runs.given import command_of, settings_of
from evalkit.runs.identity import identity
from evalkit.runs.options import OPTIONS
from evalkit.runs.spoken import in_python

MODEL = "scripted:perfect"
TASK = "procedural/boolean"
LIMITED: dict[str, Any] = {"tasks": [TASK], "limit": 3, "phrasings": 2, "resamples": 100}


@pytest.fixture(autouse=True)
def without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no variable of the machine say where data lie."""
    monkeypatch.delenv("EVALKIT_DATA", raising=False)


def first(request: Request) -> str:
    """Answer with the first choice."""
    return request.continuations[0] if request.continuations else "none"


class Counting:
    """A backend of a user's own: the first choice, and a record of what was done with it."""

    capabilities = frozenset({"choice", "generate"})

    def __init__(self, weights: str = "one") -> None:
        self.weights, self.asked, self.closed = weights, 0, False
        self.texts: list[str] = []

    def fingerprint(self) -> dict[str, str]:
        """Return the weights."""
        return {"weights": self.weights}

    stats: Mapping[str, Any] = {}
    device = "here"

    def run(self, asks: Sequence[Ask]) -> Iterator[Sequence[Response]]:
        """Answer."""
        self.asked += len(asks)
        self.texts += [ask.request.text for ask in asks]
        for ask in asks:
            scores = tuple(-float(place) for place in range(len(ask.request.continuations)))
            yield [Response(key=ask.request.key, logprobs=scores)]

    def close(self) -> None:
        """Take note."""
        self.closed = True


def typed(words: list[str]) -> dict[str, Any]:
    """Return what click makes of the words of ``evalkit run``."""
    above = click.Context(cli, **cli.context_settings)  # takes _ for -
    given = dict(command.make_context("run", words, parent=above).params)
    if isinstance(given["model"], tuple):  # repeatable there; each is a run of its own
        (given["model"],) = given["model"]
    return {option.name: given[option.name] for option in OPTIONS}


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("--suite quickstart", {"suite": "quickstart"}),
        ("--tasks bbh/navigate,mmlu/*", {"tasks": ["bbh/navigate", "mmlu/*"]}),
        (f"--tasks {TASK} -L 3 --num_fewshot 2", {"tasks": TASK, "limit": 3, "shots": 2}),
        (f"--tasks {TASK} --tuned-on flan,p3", {"tasks": [TASK], "tuned_on": ("flan", "p3")}),
        (f"--tasks {TASK} --tuned_on none", {"tasks": [TASK], "tuned_on": []}),
        (f"--tasks {TASK} --output_path x --fresh", {"tasks": TASK, "out": "x", "fresh": True}),
        (
            f"--tasks {TASK} --perturb word:n=1 --perturb drop --no-cache",
            {"tasks": TASK, "perturb": ["word:n=1", "drop"], "cache": False},
        ),
        (
            f"--tasks {TASK} --half-width 0.02 --batch-size 8 --budget-design balanced",
            {"tasks": TASK, "half_width": 0.02, "batch_size": 8, "budget_design": "balanced"},
        ),
        (
            f"--tasks {TASK} --phrasing-file a.yaml --mitigation calibrate --level 0.9",
            {"tasks": TASK, "phrasing_file": "a.yaml", "mitigation": "calibrate", "level": 0.9},
        ),
        ("--suite quickstart --data_dir .", {"suite": "quickstart", "data_dir": Path()}),
    ],
)
def test_words_and_a_call_come_to_the_same(words: str, call: dict[str, Any]) -> None:
    """The command line and Python are two ways to say one thing."""
    one = settings_of(typed(["--model", MODEL, *shlex.split(words)]), command="c")
    other = settings_of({"model": MODEL, **call}, command="c")

    assert one == other


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_stands_on_the_command_line(option: Any) -> None:
    """Every option of the table can be typed in every spelling, with its default and its help."""
    found = next(one for one in command.params if one.name == option.name)

    assert isinstance(found, click.Option)
    assert {option.flag, *option.spellings} <= set(found.opts)
    assert (found.help or "").startswith(option.help.rstrip("."))
    assert found.required == (option.name == "model")
    assert typed(["--model", MODEL])[option.name] == (
        MODEL if option.name == "model" else () if option.repeated else option.default
    )


def test_records_stand_for_names() -> None:
    """A model, a suite and a task given as records are the same run as their names."""
    from evalkit import catalog

    by_name = settings_of({"model": MODEL, "suite": "quickstart"}, command="c")
    spec, suite = catalog.load_model(MODEL), catalog.load_suite("quickstart")
    by_record = settings_of({"model": spec, "suite": suite}, command="c")
    task = settings_of({"model": MODEL, "tasks": [catalog.load_task(TASK)]})

    assert by_record == by_name
    assert [job.task for job in choose(task)[0]] == [catalog.load_task(TASK)]


def test_options_of_a_model_hold_for_a_record_too() -> None:
    """What is said of the tuning beside a ModelSpec stands in it."""
    spec = ModelSpec(backend="scripted", name="perfect", tuned_on=("p3",))
    found = settings_of({"model": spec, "suite": "quickstart", "tuned_on": "none"})

    assert found.model.tuned_on == ()


def test_phrasings_given_are_asked_in_place_of_all_others() -> None:
    """Records and texts; a text gets an id made of it,
    so that the same text is the same phrasing.
    """
    own = Phrasing(id="mine", text="{{ question }}", source="own")
    given = {"model": MODEL, "tasks": TASK, "phrasings": [own, "Well: {{ question }}"]}
    ((job,), _) = choose(settings_of(given))
    ((again,), _) = choose(settings_of(given))

    assert [phrasing.text for phrasing in job.phrasings] == [own.text, "Well: {{ question }}"]
    assert job.phrasings == again.phrasings


def test_a_single_phrasing_needs_no_list() -> None:
    """One record is a list of one."""
    own = Phrasing(id="mine", text="{{ question }}", source="own")

    assert settings_of({"model": MODEL, "tasks": TASK, "phrasings": own}).phrasings == (own,)


def test_a_phrasing_with_a_slot_the_task_lacks_is_refused() -> None:
    """As for one from a file, with the slots there are."""
    given = {"model": MODEL, "tasks": TASK, "phrasings": ["{{ nothing }}"]}

    with pytest.raises(CatalogError, match=r"procedural/boolean has no slot nothing; it fills"):
        choose(settings_of(given))


def test_what_a_record_holds_is_part_of_the_runs_identity() -> None:
    """Two tasks of one name, or two phrasings of one id, make two runs;
    without records nothing is added.
    """
    plain = identity(settings_of({"model": MODEL, "tasks": TASK}))
    marks = [
        identity(settings_of({"model": MODEL, "tasks": TASK, "phrasings": [phrasing]}))
        for phrasing in (
            Phrasing(id="mine", text="{{ question }}", source="own"),
            Phrasing(id="mine", text="Well: {{ question }}", source="own"),
        )
    ]

    assert {"tasks", "phrasings"} & set(plain) == set()
    assert marks[0]["phrasings"] != marks[1]["phrasings"]


def test_a_task_record_finds_its_file_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a task file finds the one beside it."""
    from evalkit.records import Source

    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("id,question,target\n1,Sun?,yes\n2,Moon?,no\n")
    task = Task(
        name="t",
        benchmark="b",
        reader="table",
        source=Source(local="rows.csv"),
        labels=("yes", "no"),
    )
    ((job,), _) = choose(
        settings_of({"model": MODEL, "tasks": [task], "phrasings": ["{{ question }}"]})
    )

    assert [instance.fields["question"] for instance in job.instances] == ["Sun?", "Moon?"]


def test_a_function_is_asked_and_its_text_is_read_as_a_choice(tmp_path: Path) -> None:
    """Every cell has an answer, and the model is called as the function is."""
    found = evalkit.run(first, out=tmp_path / "run", quiet=True, **LIMITED)

    assert found.manifest.model.label == "first"
    assert found.manifest.totals.missing == 0
    assert set(found.responses["text"].map(type)) == {str}


def test_answers_of_a_function_are_never_taken_for_those_of_another_run(tmp_path: Path) -> None:
    """Nobody can tell whether it computes the same as before: its own run alone,
    and a second one is refused in its place.
    """
    settings = settings_of({"model": first, **LIMITED, "out": tmp_path / "run"})
    again = settings_of({"model": first, **LIMITED})

    assert settings.cache is False
    assert identity(settings) != identity(again)
    evalkit.run(first, out=tmp_path / "run", quiet=True, **LIMITED)
    with pytest.raises(evalkit.EvalkitError, match=r"holds another run .* add fresh=True"):
        evalkit.run(first, out=tmp_path / "run", quiet=True, **LIMITED)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (3, r"odd: returned 3; text, or evalkit\.Response"),
        (Response(key="other", text="x"), "odd: returned a response with another key"),
    ],
)
def test_what_a_function_may_not_return_is_named(said: Any, message: str) -> None:
    """Neither text nor a response to its request."""

    def odd(_request: Request) -> Any:
        return said

    with pytest.raises(BackendError, match=message):
        list(FunctionBackend(odd).run([Ask(Request(kind="generate", text="Hello"))]))


def test_text_of_a_function_ends_at_the_first_stop() -> None:
    """As with an engine."""
    backend = FunctionBackend(lambda _request: "yes\nno. maybe")
    ((response,),) = backend.run([Ask(Request(kind="generate", text="?", stop=(".", "\n")))])

    assert response.text == "yes"


def test_a_backend_is_left_open_and_shares_its_answers_by_its_fingerprint(tmp_path: Path) -> None:
    """It belongs to the caller; asked again with the same weights, everything is stored already."""
    backend = Counting()
    settings = settings_of({"model": backend, **LIMITED, "out": tmp_path / "run"})
    run(settings, Silent())
    asked = backend.asked
    run(settings, Silent())

    assert asked == 6
    assert (backend.asked, backend.closed) == (asked, False)
    assert settings.cache is None
    assert settings.model.label == "Counting"
    other = settings_of({"model": Counting("two"), **LIMITED})
    assert identity(other) != identity(settings)


def test_a_mitigation_goes_around_a_model_that_is_given(tmp_path: Path) -> None:
    """And one that makes another model out of a loaded one is refused."""
    (tmp_path / "prefix.txt").write_text("Think first.")
    backend = Counting()
    evalkit.run(
        backend,
        mitigation=f"prefix:file={tmp_path / 'prefix.txt'}",
        out=tmp_path / "run",
        quiet=True,
        **LIMITED,
    )

    assert {text[:12] for text in backend.texts} == {"Think first."}
    assert not backend.closed
    with pytest.raises(UsageError, match="must stand before the model, which is loaded already"):
        evalkit.run(backend, mitigation="interpolate:with=x", quiet=True, **LIMITED)


def test_lent_hands_everything_on_but_the_end() -> None:
    """Whatever else a backend offers is there."""
    backend = Counting()
    lent = Lent(backend)
    lent.close()

    assert (lent.weights, backend.closed) == ("one", False)


def test_a_backend_of_the_protocol_of_0_1_0_is_refused() -> None:
    """With what has changed, as one from a package is."""

    class Old:
        capabilities, fingerprint, run, close = frozenset({"choice"}), dict, list, list

    with pytest.raises(BackendError, match=r"backend 'Old': has no 'stats', as in evalkit 0\.1\.0"):
        evalkit.run(Old(), "quickstart")


class Pretrained:
    """Stands for a model object of Transformers."""

    def save_pretrained(self) -> None:
        """Exist."""


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"limit": 0}, r"^limit: 0 is not possible; a whole number from 1\."),
        ({"limit": "x"}, r"^limit: 'x' is not understood; a whole number is accepted\.$"),
        ({"limit": 1.5}, r"^limit: 1\.5 is not understood"),
        ({"limit": True}, r"^limit: True is not understood"),
        ({"phrasings": []}, r"^phrasings: \[\] is not understood; .* list of evalkit\.Phrasing"),
        ({"tasks": [3.5j]}, r"^tasks: 3\.5j is not understood; text or evalkit\.Task is accepted"),
        ({"find": "middle"}, r"^find: 'middle' is not known; best or worst is accepted\.$"),
        ({"workers": 0}, r"^workers: 0 is not possible; a whole number from 1 is accepted\.$"),
        ({"available": "yes"}, r"^available: 'yes' is not understood; True or False is accepted"),
        ({"budget": 5}, r"^budget: 5 is out of range"),
        ({"level": 95}, r"^level: 95 is out of range"),
        ({"half_width": "x=0.1"}, r"^half_width: 'x' cannot decide when to stop"),
        ({"batch_size": "many"}, r"^batch_size: 'many' is not understood"),
        ({"batch_size": 0}, r"^batch_size: 0 is not possible"),
        ({"data_dir": "/no/such"}, r"^data_dir: /no/such is not a directory"),
        ({"suite": "quickstart"}, r"^suite or tasks: exactly one of the two says what is run"),
        ({"budget_design": "paired"}, r"there is none\. Add budget, such as budget=0\.05\.$"),
        ({"shots": 100_000}, r"^shots: procedural/boolean has \d+ instances .* Lower shots or"),
        ({"model": 3}, r"^model: 3 is not understood; accepted: text such as 'demo'"),
        ({"model": Counting}, r"^model: <class .* is not understood"),
        (
            {"model": Pretrained()},
            r"^model: a Pretrained alone says nothing about its tokenizer\. Give both",
        ),
        ({"model": first, "device": "cpu"}, r"^device: is for a model that evalkit loads"),
        ({"model": first, "executor": "ray"}, r"^executor: is for a model that evalkit loads"),
        (
            {"model": ModelSpec(backend="hf", name="x"), "model_args": "a=b"},
            r"^model_args: belong to a model that is named",
        ),
        ({"model": "./no/such"}, r"^model \./no/such: directory is not there"),
        ({"model": "hf", "model_args": "dtype"}, r"^model_args: 'dtype' has no value"),
    ],
)
def test_mistakes_in_a_call_name_keywords(call: dict[str, Any], message: str) -> None:
    """What is wrong, what is accepted; no option is spelled as on the command line."""
    with pytest.raises(evalkit.EvalkitError, match=message) as caught:
        evalkit.run(**{"model": MODEL, "tasks": TASK, "quiet": True, **call})

    assert "--" not in str(caught.value)


def test_the_command_line_keeps_its_spelling(capsys: pytest.CaptureFixture[str]) -> None:
    """The same mistake, typed."""
    from evalkit.cli.main import invoke

    assert invoke(["run", "--model", MODEL, "--tasks", TASK, "--limit", "0", "--quiet"]) == 2
    assert "Error: --limit: 0 is not possible" in capsys.readouterr().err


def test_all_mistakes_of_a_file_are_told_in_a_call() -> None:
    """An error that holds several messages says each in keywords."""
    names = {"data_dir"}

    assert (
        in_python("a --data-dir\nb --data_dir, --other", names) == "a data_dir\nb data_dir, --other"
    )


@pytest.mark.parametrize(
    "words",
    [
        "--suite quickstart",
        "--tasks bbh/navigate,mmlu/* --tuned-on none --limit 3 --no-cache --seed 4",
        "--suite quickstart --perturb drop --perturb word:n=1 --available --out 'a b'",
    ],
)
def test_the_command_of_a_call_asks_for_the_same(words: str) -> None:
    """A call of texts and numbers is kept as the command that can be typed."""
    given = typed(["--model", MODEL, *shlex.split(words)])
    line = settings_of(given).command

    assert line.startswith(f"evalkit run --model {MODEL} ")
    assert settings_of(typed(shlex.split(line)[2:])) == settings_of(given)


def test_the_command_leaves_out_what_would_throw_answers_away() -> None:
    """It is what one types to go on."""
    assert command_of({"model": "demo", "suite": "quickstart", "fresh": True}) == (
        "evalkit run --model demo --suite quickstart"
    )


def test_a_typed_command_is_kept_as_the_line_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from what was typed, not from what was understood."""
    from evalkit.cli.choosing import settings_from

    words = ["run", "--model", MODEL, "--suite", "quickstart", "-L", "3", "--fresh"]
    monkeypatch.setattr("sys.argv", ["evalkit", *words])
    found = settings_from(typed(words[1:]))

    assert found.fresh
    assert found.command == f"evalkit run --model {MODEL} --suite quickstart -L 3"


def test_a_call_with_objects_is_kept_as_a_call() -> None:
    """There is no command for it."""
    suite = Suite(name="mine", tasks=(TASK,))

    assert settings_of({"model": first, "suite": suite, "limit": 2}).command == (
        "evalkit.run(<first>, suite=<Suite>, limit=2)"
    )


def test_the_environment_names_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the command line, and what is given beats it."""
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))

    assert settings_of({"model": MODEL, "tasks": TASK}).data_dir == tmp_path
    assert settings_of({"model": MODEL, "tasks": TASK, "data_dir": "."}).data_dir == Path()


def test_allow_unknown_is_an_option_of_models_with_a_tokenizer_here() -> None:
    """It goes into the model's options, and with them into identity and fingerprint;
    elsewhere it is refused.
    """
    given = {"model": "demo", "suite": "quickstart", "allow_unknown": True}
    assert settings_of(given).model.options["allow_unknown"] is True
    assert "allow_unknown" not in settings_of({**given, "allow_unknown": False}).model.options
    with pytest.raises(UsageError, match="--allow-unknown: is for models that evalkit loads"):
        settings_of({**given, "model": "scripted:perfect"})
