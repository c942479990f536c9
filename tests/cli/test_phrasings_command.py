"""``evalkit phrasings``: import, perturb, seen and lint from the command line."""

from __future__ import annotations

import json

import pytest

from evalkit.catalog.phrasings import read_phrasing_file
from evalkit.cli.main import invoke

SET = (
    "tasks: [bbh/navigate]\ndefaults: {source: evalkit, author: us, licence: "
    'CC-BY-4.0}\nphrasings:\n  - {id: a, text: "Say whether the walk ends where it began, '
    'Yes or No.", layout: original, label_space: text}\n'
)


@pytest.fixture
def phrasings(tmp_path):
    """Return a small phrasing file."""
    path = tmp_path / "set.yaml"
    path.write_text(SET)
    return path


def test_import_writes_a_file_that_lints(tmp_path, capsys):
    """Imported phrasings go into a file the catalog reads; what is left out is said."""
    source = tmp_path / "rows.jsonl"
    source.write_text('{"prompt": "Sort the {items}."}\n{"prompt": "{}"}\n')
    out = tmp_path / "out.yaml"
    code = invoke(
        [
            "phrasings",
            "import",
            "table",
            str(source),
            *"--collection mine --map text=prompt --map question=items --out".split(),
            str(out),
        ]
    )
    (made,) = read_phrasing_file(out)
    captured = capsys.readouterr()

    assert code == 0
    assert (made.text, made.source) == ("Sort the {{ question }}.", "mine")
    assert captured.out == f"1 phrasing read, 1 left out; written to {out}\n"
    assert f"{source}:2: slot {{}} is not a plain name" in captured.err


def test_perturb_writes_copies_and_names_refusals(phrasings, tmp_path, capsys):
    """Label words of the file's tasks are protected,
    and the meaning check is recorded when asked for.
    """
    out = tmp_path / "out.yaml"
    code = invoke(
        [
            "phrasings",
            "perturb",
            str(phrasings),
            *"--perturb random --perturb pig_latin:n=2 --check --out".split(),
            str(out),
            "--seed",
            "4",
        ]
    )
    made = read_phrasing_file(out)

    assert code == 0
    assert [item.perturbation for item in made] == ["random", "pig_latin"]
    assert all(
        "Yes" in item.text and "No" in item.text and item.meaning.by.startswith("slots")
        for item in made
    )
    assert "made 1 of 2" in capsys.readouterr().err


def test_six_rewordings_that_read_0_are_refused_by_name(phrasings, tmp_path, capsys):
    """No copy, no file, exit 2; what was wrong with them stands above the error that points
    there.
    """
    table = tmp_path / "zeros.csv"
    table.write_text(
        "of,text\n" + "".join(f"a,{zero}\n" for zero in ["0", "0.", "00", "0!", "(0)", "0"])
    )
    out = tmp_path / "out.yaml"
    words = ["phrasings", "perturb", str(phrasings), "--out", str(out), "--perturb"]

    assert invoke([*words, f"paraphrase:file={table},n=6"]) == 2
    assert not out.exists()
    said = capsys.readouterr().err
    assert said.index("made 0 of 6") < said.index("there are no phrasings to write")


def test_a_sample_is_drawn_for_a_person_with_what_it_shows(phrasings, capsys):
    """Copies beside their origins, the same for the same seed, and the exact bound of a binomial
    share: none of two broken leaves up to 1 - 0.05 ** (1 / 2), 78 %.
    """
    words = ["phrasings", "perturb", str(phrasings), "--perturb", "random:n=3", "--sample", "2"]
    told = []
    for _ in range(2):
        assert invoke(words) == 0
        told.append(capsys.readouterr().out)

    assert told[0] == told[1]
    assert told[0].count("\nwas: ") == told[0].count("\nis:  ") == 2
    assert "by what you find: 0 broken: 78%, 1 broken: 97%." in told[0]


def test_choices_that_a_task_does_not_list_are_not_moved(capsys):
    """Navigate lists none, so every copy would be its original again."""
    assert invoke(["phrasings", "perturb", "--task", "bbh/navigate", "--perturb", "order"]) == 0
    told = capsys.readouterr()

    assert "its prompt lists no choices that could be moved" in told.err
    assert told.out.splitlines()[-1].startswith("0 phrasings made, ")


def test_perturb_needs_files_or_a_task(capsys):
    """Neither is a usage error with the remedy."""
    assert invoke(["phrasings", "perturb", "--perturb", "drop"]) == 2
    assert "perturb: needs phrasing files or --task" in capsys.readouterr().err


def test_label_words_of_a_task_of_ones_own_are_protected_or_asked_for(tmp_path, capsys):
    """Its file is named beside the phrasings, or the words are; neither is an error with both."""
    (tmp_path / "t.csv").write_text("text,label\nx,C++\ny,don't know\n", encoding="utf-8")
    task = tmp_path / "t.yaml"
    task.write_text(
        "name: t\nbenchmark: mine\nreader: table\nkind: choice\nmetric: choice_accuracy\n"
        "source: {local: t.csv, options: {columns: {question: text, target: label}}}\n"
        "labels: [C++, don't know]\n",
        encoding="utf-8",
    )
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "- {id: a, text: Say C++ or don't know here, source: mine, tasks: [mine/t]}\n",
        encoding="utf-8",
    )
    words = ["phrasings", "perturb", str(mine), "--perturb", "pig_latin", "--json"]

    assert invoke(words) == 2
    assert "is for mine/t, of which the label words are not known" in capsys.readouterr().err
    for more in (["--task", str(task)], ["--label", "C++", "--label", "don't know"]):
        assert invoke([*words, *more]) == 0
        (made,) = json.loads(capsys.readouterr().out)["phrasings"]
        assert made["text"] == "Ay-say C++ or-ay don't know ere-hay"


def test_seen_writes_a_collection_with_evidence(phrasings, tmp_path, capsys):
    """The collection file says which row holds the phrasing."""
    rows = tmp_path / "sft.jsonl"
    rows.write_text(
        json.dumps({"instruction": "Hello."})
        + "\n"
        + json.dumps({"instruction": "SAY whether the walk ends where it began: yes or no"})
        + "\n"
    )
    out = tmp_path / "tuning.yaml"
    code = invoke(
        ["phrasings", "seen", str(phrasings), "--training", str(rows), "--out", str(out), "--json"]
    )
    found = json.loads(capsys.readouterr().out)

    assert code == 0
    assert found["counts"] == {"seen": 1, "near": 0, "unseen": 0, "unknown": 0}
    assert found["phrasings"]["a"]["evidence"][0]["row"] == f"{rows}:2"
    assert out.is_file()


def test_an_output_file_is_not_overwritten_unasked(phrasings, tmp_path, capsys):
    """A second run into the same file is refused, and done with --overwrite."""
    words = [
        "phrasings",
        "perturb",
        str(phrasings),
        "--perturb",
        "drop",
        "--out",
        str(tmp_path / "out.yaml"),
    ]

    assert [invoke(words), invoke(words), invoke([*words, "--overwrite"])] == [0, 2, 0]
    assert "is there already and is not overwritten" in capsys.readouterr().err


def test_lint_exits_with_2_on_findings(phrasings, tmp_path, capsys):
    """Findings go to standard error with file, line and code; a clean file exits with 0."""
    bad = tmp_path / "bad.yaml"
    bad.write_text(SET.replace("Say whether", "Say {{ oops }} whether"))

    assert invoke(["phrasings", "lint", str(phrasings)]) == 0
    assert invoke(["phrasings", "lint", str(bad)]) == 2
    assert (
        f"{bad}:4: slot: phrasing 'a': slot 'oops' is not filled by bbh/navigate"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["import", "flam", "x.py"], "importer 'flam' is not known; did you mean 'flan'?"),
        (
            ["import", "table", "x.jsonl", "--map", "text"],
            "--map 'text': is not accepted; OURS=THEIRS is",
        ),
        (["import", "flan", "gone.py"], "gone.py: cannot be read"),
        (["seen", "--training", "gone.jsonl"], "gone.jsonl: no such file or folder"),
        (["lint", "gone"], "gone: is not there"),
        (["perturb", "gone.yaml", "--perturb", "drop:rate=7"], "gone.yaml"),
    ],
)
def test_mistakes_are_one_message(words, message, tmp_path, monkeypatch, capsys):
    """No traceback; the value and the remedy are named."""
    monkeypatch.chdir(tmp_path)
    code = invoke(["phrasings", *words])
    captured = capsys.readouterr().err

    assert code in {2, 4}
    assert message in captured
    assert "Traceback" not in captured


def test_new_writes_a_file_and_shows_its_prompts(tmp_path, capsys):
    """The file is linted as it stands, and the second call keeps what was edited."""
    out = tmp_path / "mine.yaml"
    words = ["phrasings", "new", "procedural/regex", "--out", str(out)]

    assert invoke(words) == 0
    first = capsys.readouterr().out
    out.write_text(out.read_text().replace("text: ", 'text: "Does it match\u200b?" #'))
    assert invoke(words) == 2
    second = capsys.readouterr()

    assert "is written: edit it" in first
    assert "Pattern: " in first
    assert "Answer:" in first
    assert "is written" not in second.out
    assert "Does it match" in second.out
    assert "invisible" in second.err


def test_new_names_slots_and_label_words(tmp_path):
    """A task with fixed labels has them in the comments and in the wording,
    and lists no choices.
    """
    out = tmp_path / "mine.yaml"
    invoke(["phrasings", "new", "bbh/navigate", "--out", str(out), "--source", "ours", "--quiet"])
    (made,) = read_phrasing_file(out)

    assert "Label words, which every wording names as they are spelled here: Yes, No." in (
        out.read_text()
    )
    assert made.text.endswith("Answer with one of: Yes, No.")
    assert (made.source, made.layout, made.tasks) == ("ours", "none", ("bbh/navigate",))


def test_diversity_of_a_task_and_a_choice_of_its_phrasings(capsys):
    """Numbers and ids as JSON; a task or files, and not both."""
    assert (
        invoke(["phrasings", "diversity", "--task", "bbh/navigate", "--pick", "3", "--json"]) == 0
    )
    found = json.loads(capsys.readouterr().out)

    assert len(set(found["picked"])) == 3
    assert 0 < found["rouge_l"] < found["nearest_rouge_l"] < 1
    assert found["vendi"] is None
    assert invoke(["phrasings", "diversity"]) == 2
    assert "needs phrasing files or --task, and not both" in capsys.readouterr().err
