"""Wordings in three classes: what is held against what, who is called changed,
and what the command prints.
"""

from __future__ import annotations

import json
from pathlib import Path

from evalkit.catalog.library import fitted, meaning, review, validators
from evalkit.cli.main import invoke
from evalkit.cli.phrasings_check import measured
from evalkit.records import Phrasing

TEXTS = {
    "one": "Trace the walk and say whether it ends where it began. Reply Yes or No.",
    "near": "Trace the walk and state whether it ends where it began. Reply Yes or No.",
    "other": "Trace the walk and say whether it turns where it began. Explain why. Reply True or False.",  # noqa: E501
}


def written(tmp_path: Path, **texts: str) -> Path:
    """A phrasing file for one task with these texts, all but the first made from it."""
    path = tmp_path / "mine.yaml"
    lines = ["tasks: [bbh/navigate]", "defaults: {source: mine, layout: none, label_space: text}"]
    lines.append("phrasings:")
    for place, (name, text) in enumerate(texts.items()):
        of = ", of: one" if place else ""
        lines.append(f"  - {{id: {name}, text: {json.dumps(text)}{of}}}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_three_classes_by_two_thresholds():
    """At least the stricter threshold: kept; below the looser: changed; between: for a person."""
    for name in ("rules", "encoder"):
        fit = fitted.fit_named(name)
        low, high = fit.thresholds["few refused"], fit.thresholds["few passed"]

        assert fitted.classified(fit, high) == "kept"
        assert fitted.classified(fit, (low + high) / 2) == "look"
        assert fitted.classified(fit, low - 1e-6) == "changed"


def test_every_combination_says_how_often_its_classes_are_right():
    """Rates are of the pairs for judging: of either sort at most one in twenty is called wrongly;
    what was not measured is said.
    """
    for name in ("rules", "encoder"):
        rates = fitted.fit_named(name).rates

        assert [sum(rates[side].values()) for side in ("good", "bad")] == [220, 308]
        assert rates["bad"]["kept"] / 308 <= 0.05
        assert rates["good"]["changed"] / 220 <= 0.05
        assert rates["bad"]["changed"] / 308 > 0.3
    assert "not been measured" in measured({})


def test_other_labels_are_a_change_and_a_synonym_is_not(tmp_path: Path, capsys):
    """The origin named is what a text is held against; exit code 2 says that something changed."""
    code = invoke(["phrasings", "check", str(written(tmp_path, **TEXTS)), "--json"])
    found = {one["id"]: one for one in json.loads(capsys.readouterr().out)["phrasings"]}

    assert code == 2
    assert found["near"]["of"] == found["other"]["of"] == "one"
    assert found["other"]["called"] == "changed"
    assert found["near"]["called"] != "changed"
    assert found["near"]["chance"] > found["other"]["chance"]


def test_a_text_without_origin_is_held_against_the_one_most_like_it(tmp_path: Path, capsys):
    """The library's own wordings of the task count too; the last line says what was measured."""
    code = invoke(["phrasings", "check", str(written(tmp_path, only=TEXTS["near"]))])
    said = capsys.readouterr().out

    assert code == 0
    assert "bbh-navigate-" in said
    assert "Measured on 220 good and 308 bad texts" in said


def test_a_text_without_origin_is_never_called_changed():
    """It may take another approach: labels left to the listing are for a person to look at."""
    made = Phrasing(id="a", text="Where does the walk end?", source="mine", tasks=("bbh/navigate",))
    (found,) = review.review([made])

    assert found.called == "look"
    assert found.chance < fitted.fit_named("rules").thresholds["few refused"]


def test_without_another_wording_a_person_has_to_look():
    """Nothing is known of a text alone, so it is neither kept nor changed."""
    alone = Phrasing(id="a", text="Pick one.", source="mine")
    (found,) = review.review([alone])

    assert (found.called, found.of) == ("look", "")
    assert "no other wording" in found.why


def test_a_language_model_decides_what_the_rules_leave_open(monkeypatch):
    """Where it contradicts them a person looks, and its own probability is the reason told."""
    texts = ("Pick the right box.", "Choose the right box.")
    one, two = (Phrasing(id=text[:4], text=text, source="mine") for text in texts)
    cases = {
        (said, score): review._called(one, two, (), encoder=None, model="a:b")
        for said in ("kept", "look", "changed")
        for score in (0.9, 0.1)
        if _asked(monkeypatch, said, score)
    }

    assert {case: found[0] for case, found in cases.items()} == {
        ("kept", 0.9): "kept",
        ("kept", 0.1): "look",
        ("look", 0.9): "kept",
        ("look", 0.1): "changed",
        ("changed", 0.9): "look",
        ("changed", 0.1): "changed",
    }
    assert cases["look", 0.1][2] == "the language model says 0.10"


def _asked(monkeypatch, said: str, score: float) -> bool:
    """Let the rules say this class, and the model give this probability, from now on."""
    verdict = meaning.Verdict(validator="model", score=score, threshold=0.5)
    monkeypatch.setattr(review, "classified", lambda fit, chance: said)
    monkeypatch.setattr(review, "asked_validator", lambda model: lambda *_: verdict)
    return True


def test_a_text_in_another_language_is_for_a_person():
    """The rules and the network know English only; lost slots and labels are seen all the same."""
    one = Phrasing(id="one", text="Wähle eine: {{ question }}", source="mine", language="de")
    two = Phrasing(id="two", text="Nimm eine: {{ question }}", source="mine", language="de")
    lost = Phrasing(id="lost", text="Nimm eine.", source="mine", language="de")

    assert review._called(one, two, (), encoder=None, model=None)[0] == "look"
    assert review._called(one, lost, (), encoder=None, model=None)[0] == "changed"
    assert {check(one, two, ()).validator for check in validators.validators_for(two)} == {
        "slots",
        "labels",
        "length",
    }
