"""What stands after --model."""

from __future__ import annotations

from pathlib import Path

import pytest

from evalkit.catalog import known_tuning, load_model, model_from_lm_eval
from evalkit.catalog.models import known_models, shipped_models
from evalkit.errors import BackendError, CatalogError, EvalkitError, UsageError


def facts(model: str) -> tuple[str, str, str | None, tuple[str, ...] | None]:
    """Return what a MODEL argument is understood as."""
    spec = load_model(model)
    return spec.backend, spec.name, spec.revision, spec.tuned_on


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "google/flan-t5-small",
            ("hf", "google/flan-t5-small", None, ("flan", "p3", "niv2@!mmlu/*")),
        ),
        ("someone/their-model@abc123", ("hf", "someone/their-model", "abc123", None)),
        ("hf:gpt2", ("hf", "gpt2", None, ())),
        ("vllm:bigscience/T0pp", ("vllm", "bigscience/T0pp", None, ("p3",))),
        ("openai:gpt-4o", ("openai", "gpt-4o", None, None)),
        ("scripted:seen-only,accuracy=0.5", ("scripted", "seen-only,accuracy=0.5", None, None)),
    ],
)
def test_a_model_argument_names_backend_and_model(model: str, expected: tuple[object, ...]) -> None:
    """Hub ids go to Transformers; a prefix picks another engine."""
    assert facts(model) == expected


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "--model: is empty"),
        ("hff:x", "backend 'hff' is not known; did you mean 'hf'?"),
        ("openai:", "nothing stands after 'openai' and the colon"),
        ("./nowhere", "--model ./nowhere: directory is not there"),
        ("a/b/c", "--model a/b/c: directory is not there"),
        ("nothing.yaml", "--model nothing.yaml: file is not there"),
    ],
)
def test_a_mistyped_model_is_one_message(model: str, message: str) -> None:
    """The message repeats what was typed."""
    with pytest.raises((UsageError, BackendError)) as caught:
        load_model(model)

    assert message in str(caught.value)


def test_a_directory_is_a_transformers_model_of_unknown_tuning(tmp_path: Path) -> None:
    """A checkpoint says nothing of its tuning by itself."""
    (tmp_path / "ckpt").mkdir()

    assert facts(str(tmp_path / "ckpt")) == ("hf", str(tmp_path / "ckpt"), None, None)


def test_a_directory_may_describe_itself(tmp_path: Path) -> None:
    """evalkit.yaml inside says what the model was tuned on; its name is the directory."""
    (tmp_path / "evalkit.yaml").write_text("backend: hf\ntuned_on: [mine]\ndtype: float32\n")

    spec = load_model(str(tmp_path))

    assert (spec.name, spec.label, spec.tuned_on, spec.dtype) == (
        str(tmp_path),
        tmp_path.name,
        ("mine",),
        "float32",
    )


def test_a_model_file_is_validated_whole(tmp_path: Path) -> None:
    """All mistakes come together, with lines."""
    path = tmp_path / "m.yaml"
    path.write_text("backend: hff\nname: x\ndtyp: float32\ndevice: gpu\n")

    with pytest.raises(CatalogError) as caught:
        load_model(str(path))

    assert sorted(problem.partition("m.yaml:")[2][:2] for problem in caught.value.problems) == [
        "1:",
        "3:",
        "4:",
    ]


def test_models_that_ship_are_found_by_the_name_of_their_folder() -> None:
    """Whatever lies under models/ with a model file can be named."""
    for name, path in shipped_models().items():
        assert load_model(name).name == str(path)


def test_a_typo_of_a_shipped_model_is_noticed_before_the_hub_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bare word close to a model that ships is no hub id."""
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample/evalkit.yaml").write_text("backend: hf\ntuned_on: []\n")
    monkeypatch.setattr("evalkit.catalog.models.data_root", lambda kind: tmp_path)

    assert load_model("sample").label == "sample"
    with pytest.raises(
        UsageError,
        match=r"--model smaple: no such model ships with evalkit; did you mean 'sample'\? .* type hf:smaple",  # noqa: E501
    ):
        load_model("smaple")


def test_overrides_replace_fields_and_none_leaves_them() -> None:
    """Options are merged, a wrong option is named."""
    spec = load_model("gpt2", dtype="float32", revision=None, tuned_on=["p3"], options={"a": 1})

    assert (spec.dtype, spec.revision, spec.tuned_on, dict(spec.options)) == (
        "float32",
        None,
        ("p3",),
        {"a": 1},
    )
    with pytest.raises(UsageError, match="model option dtyp is not known"):
        load_model("gpt2", dtyp="float32")


def test_lm_eval_spelling_means_what_it_means_there() -> None:
    """Known arguments become fields, the others backend options."""
    spec = model_from_lm_eval(
        "hf", "pretrained=gpt2,dtype=float32,revision=main,batch_size=4,parallelize=True", seed=3
    )

    assert (spec.backend, spec.name, spec.dtype, spec.revision, spec.batch_size, spec.seed, dict(spec.options)) == (  # noqa: E501
        "hf", "gpt2", "float32", "main", 4, 3, {"parallelize": True},
    )  # fmt: skip


def test_other_lm_eval_models_go_through_its_backend() -> None:
    """A model type of lm-eval that is not ours keeps its name and arguments."""
    spec = model_from_lm_eval("local-completions", "model=x,base_url=http://localhost:1/v1")

    assert (spec.backend, spec.name, dict(spec.options)) == (
        "lm-eval",
        "local-completions",
        {"model": "x", "base_url": "http://localhost:1/v1"},
    )


@pytest.mark.parametrize(
    "arguments",
    ["dtype=float32", "pretrained", "pretrained=a,pretrained=b", "pretrained=a,batch_size=none"],
)
def test_wrong_lm_eval_arguments_are_refused(arguments: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(EvalkitError):
        model_from_lm_eval("hf", arguments)


def test_known_models_have_a_reference_and_one_entry_each() -> None:
    """No id stands in two entries, and every entry says where its facts come from."""
    ids = [name for known in known_models() for name in known.ids]

    assert len(ids) == len(set(ids))
    assert all(known.reference for known in known_models())


def test_a_model_is_known_by_its_exact_id_only() -> None:
    """A name that merely contains a known one says nothing."""
    assert known_tuning("someone/flan-t5-small-summariser") is None
    assert known_tuning("google/flan-t5-small-2") is None


def test_tk_instruct_is_said_to_have_met_mmlu() -> None:
    """The overlap of SuperNI's training tasks with MMLU stands beside the tuning facts."""
    known = known_tuning("allenai/tk-instruct-11b-def")

    assert known is not None
    assert "task664 to task737" in known.note


def described(folder: Path, text: str) -> Path:
    """Return a model directory that describes itself."""
    model = folder / "ckpt"
    model.mkdir()
    (model / "config.json").write_text("{}", encoding="utf-8")
    (model / "evalkit.yaml").write_text(f"backend: hf\n{text}\n", encoding="utf-8")
    return model


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("options: {trust_remote_code: true}", "options.trust_remote_code"),
        ("options: {allow_pickle: 1}", "options.allow_pickle"),
        ("chat_template: ../other.jinja", "chat_template"),
    ],
)
def test_a_directory_may_not_lift_a_guard_by_itself(tmp_path: Path, text: str, what: str) -> None:
    """What a model's own file sets is refused, by any way of naming the directory,
    and honoured where the file is named.
    """
    model = described(tmp_path, text)
    for typed in (str(model), f"hf:{model}"):
        with pytest.raises(CatalogError) as caught:
            load_model(typed)
        assert str(caught.value).endswith(
            f"{model}/evalkit.yaml: {what}: a file found in a model's directory may not set this. "
            f"Read it, then name it: --model {model}/evalkit.yaml."
        )

    named = load_model(str(model / "evalkit.yaml"))
    assert named.name == str(model)
    assert named.options or named.chat_template == "../other.jinja"


@pytest.mark.parametrize("backend", ["openai", "lm-eval"])
def test_a_directory_may_not_send_its_questions_elsewhere(tmp_path: Path, backend: str) -> None:
    """Who names a directory means what lies in it, not a server that its file chooses."""
    model = described(tmp_path, "options: {key_env: AWS_SECRET_ACCESS_KEY}")
    (model / "evalkit.yaml").write_text(f"backend: {backend}\n")

    with pytest.raises(CatalogError, match=f"backend: is '{backend}', which loads nothing"):
        load_model(str(model))


def test_a_guard_is_lifted_by_the_person_who_types(tmp_path: Path) -> None:
    """The same option on the command line counts; false does not count as true."""
    model = described(tmp_path, "options: {trust_remote_code: true}")
    on, off = (
        model_from_lm_eval("hf", f"pretrained={path},trust_remote_code={value}")
        for path, value in ((model, "True"), (tmp_path, "False"))
    )

    assert (on.options["trust_remote_code"], off.options["trust_remote_code"]) == (True, False)


def test_a_chat_template_inside_the_directory_is_found_there(tmp_path: Path) -> None:
    """Wherever evalkit is called from."""
    model = described(tmp_path, "chat_template: own.jinja")

    assert load_model(str(model)).chat_template == str((model / "own.jinja").resolve())
