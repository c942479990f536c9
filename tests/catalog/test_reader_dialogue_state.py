"""States of dialogues: reading, joint goal accuracy; dialogues made here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evalkit
from evalkit.catalog import load_instances, load_phrasings, load_task
from evalkit.errors import CatalogError
from evalkit.phrasings.prompts import render_prompt
from evalkit.scoring.dialogue import told_state


def turn(speaker: str, text: str, service: str = "hotel", **slots: list[str]) -> dict[str, Any]:
    """Return a turn; underscores of slots stand for hyphens."""
    values = {name.replace("_", "-"): several for name, several in slots.items()}
    frame = {"service": service, "state": {"active_intent": "find", "slot_values": values}}
    return {"speaker": speaker, "utterance": text, "frames": [frame] if speaker == "USER" else []}


CALL = {
    "dialogue_id": "X1.json",
    "services": ["hotel"],
    "turns": [
        turn("USER", "A hotel in the  north,\nplease.", hotel_area=["north"]),
        turn("SYSTEM", "For how many?"),
        turn("USER", "Two, \u201ctop\u201d stars.", hotel_area=["north", "the north"], hotel_stars=["5"]),  # noqa: E501
        turn("SYSTEM", "Booked."),
        turn("USER", "Thanks!", hotel_area=["north", "the north"], hotel_stars=["5"]),
    ],
}  # fmt: skip
EMPTY = {"dialogue_id": "X2.json", "turns": [turn("USER", "Hello.")]}


def test_a_dialogue_is_asked_at_its_last_turn_with_all_right_values(
    task_over, tmp_path: Path
) -> None:
    """Values are annotated in several spellings; a dialogue without any wish is none."""
    task = task_over("dialogue_state", "d.json", [CALL, EMPTY], kind="generate")

    (item,) = load_instances(task, tmp_path)

    assert item.references == ("hotel-area = north|the north\nhotel-stars = 5",)
    assert item.fields["dialogue"].splitlines()[0] == "User: A hotel in the north, please."
    assert item.fields["slots"] == "hotel-area, hotel-stars"
    assert item.id == "X1.json/4"


def test_every_turn_of_the_user_may_be_asked(task_over, tmp_path: Path) -> None:
    """Each sees the dialogue up to it; all of one dialogue are one draw."""
    task = task_over("dialogue_state", "d.json", [CALL], kind="generate", options={"turns": "all"})

    found = load_instances(task, tmp_path)

    assert [item.id for item in found] == ["X1.json/0", "X1.json/2", "X1.json/4"]
    assert found[0].references == ("hotel-area = north",)
    assert "For how many" not in found[0].fields["dialogue"]
    assert load_task("multiwoz/state_all").group == "of_dialogue"


def test_what_a_user_takes_back_is_no_longer_wanted(task_over, tmp_path: Path) -> None:
    """A turn holds the whole state of the services it speaks of, and nothing of the others."""
    call = {
        "dialogue_id": "1",
        "turns": [
            turn("USER", "Five stars in the north.", hotel_stars=["5"], hotel_area=["north"]),
            turn("USER", "A train to Ely, too.", "train", train_destination=["ely"]),
            turn("USER", "Any stars will do.", hotel_area=["north"]),
        ],
    }

    (item,) = load_instances(
        task_over("dialogue_state", "d.json", [call], kind="generate"), tmp_path
    )

    assert item.references == ("hotel-area = north\ntrain-destination = ely",)
    assert item.fields["slots"] == "hotel-area, hotel-stars, train-destination"


def test_slots_of_schema_guided_dialogue_get_their_service(task_over, tmp_path: Path) -> None:
    """There a slot bears no name of a service."""
    call = {"dialogue_id": "1", "turns": [turn("USER", "In Bern.", "Hotels_2", where=["Bern"])]}

    (item,) = load_instances(
        task_over("dialogue_state", "d.json", [call], kind="generate"), tmp_path
    )

    assert item.references == ("Hotels_2-where = Bern",)
    assert told_state(item.references[0]) == {"hotels-2-where": "bern"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"turns": []}, "holds no list of dialogues"),
        ([{"dialogue_id": "1"}], "dialogue 1: an object with dialogue_id and turns"),
        ([{"turns": [{"speaker": "USER"}]}], "dialogue 1: turn 0 has no utterance"),
        ([{"turns": [{"speaker": "BOT", "utterance": "x"}]}], "spoken by 'BOT'; accepted: USER"),
        ([{"turns": [turn("USER", "x", hotel_area="north")]}], "'hotel-area' holds no list"),
    ],
)
def test_a_file_that_is_none_is_named(
    content: Any, message: str, task_over, tmp_path: Path
) -> None:
    """With file and dialogue."""
    with pytest.raises(CatalogError, match=message):
        load_instances(task_over("dialogue_state", "d.json", content, kind="generate"), tmp_path)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("hotel-area = north\nhotel-stars = 5", 1.0),
        ("- hotel-stars: 5\n- Hotel area: The North.", 1.0),
        ("hotel-area = north; hotel-stars = 5", 1.0),
        ("hotel-area = north", 0.0),
        ("hotel-area = north\nhotel-stars = 5\nhotel-name = Ritz", 0.0),
        ("hotel-area = south\nhotel-stars = 5", 0.0),
        ("The user wants a hotel.", 0.0),
        ("", 0.0),
    ],
)
def test_every_slot_must_be_right_and_none_too_many(
    said: str, score: float, task_over, tmp_path: Path
) -> None:
    """Any annotated spelling of a value counts."""
    task = replace(
        task_over("dialogue_state", "d.json", [CALL], kind="generate"), metric="state_match"
    )

    run = evalkit.run(
        lambda request: said,
        tasks=[task],
        phrasings=["List slot = value. {{ question }}"],
        data_dir=tmp_path,
        quiet=True,
        no_report=True,
        out=tmp_path / "run",
    )

    assert list(run.scores.score) == [score]


def test_shipped_phrasings_show_dialogue_and_slots(tmp_path: Path) -> None:
    """Ten wordings, each with the whole dialogue and the names it may use."""
    task = load_task("multiwoz/state")
    folder = tmp_path / "multiwoz/data/MultiWOZ_2.2/test"
    folder.mkdir(parents=True)
    (folder / "dialogues_001.json").write_text(json.dumps([CALL]), "utf-8")
    (item,) = load_instances(task, tmp_path)

    prompts = [render_prompt(task, one, item).text for one in load_phrasings(task)]

    assert len(prompts) >= 10
    assert all("\u201ctop\u201d stars." in text and "hotel-stars" in text for text in prompts)
