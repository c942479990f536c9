"""The score table: what it accepts, what it refuses, and what it looks like dense."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import StoreError, TableError
from evalkit.records import Score, instances_digest
from evalkit.scoring import COLUMNS, STATUSES, ScoreTable


def make_score(**changes) -> Score:
    """Return a score record with some fields changed."""
    base = {
        "model": "m",
        "benchmark": "b",
        "task": "b/t",
        "phrasing_id": "p1",
        "phrasing_source": "evalkit",
        "seen": "unseen",
        "layout": "lettered",
        "label_space": "letters",
        "perturbation": "",
        "kind": "correct",
        "instance_id": "i1",
        "score": 1.0,
        "status": "ok",
        "prediction": "yes",
        "target": "yes",
    }
    return Score(**{**base, **changes})


def frame_of(rows: list[tuple]) -> pd.DataFrame:
    """Return a frame of the needed columns only."""
    return pd.DataFrame(rows, columns=["model", "task", "phrasing_id", "instance_id", "score"])


def test_columns_follow_the_contract():
    """The columns of scores.parquet come first and in the documented order."""
    expected = (
        "model benchmark task phrasing_id phrasing_source seen layout label_space perturbation "
        "instance_id score status prediction target"
    )

    assert list(COLUMNS[:14]) == expected.split()
    assert list(ScoreTable.from_scores([make_score()]).frame.columns) == list(COLUMNS)


def test_block_places_every_cell_and_leaves_absent_ones_missing():
    """A block has one row per phrasing and one column per instance, sorted,
    with NaN where no cell is.
    """
    table = ScoreTable.from_scores(
        [
            make_score(phrasing_id="p2", instance_id="i2", score=0.0, prediction="no"),
            make_score(phrasing_id="p1", instance_id="i2", seen="seen"),
            make_score(
                phrasing_id="p1",
                instance_id="i1",
                seen="seen",
                score=0.0,
                status="unparsed",
                prediction=None,
            ),
        ]
    )
    block = table.block("m", "b/t")

    assert block.phrasing_ids == ("p1", "p2")
    assert block.instance_ids == ("i1", "i2")
    np.testing.assert_array_equal(block.values, [[0.0, 1.0], [np.nan, 0.0]])
    assert block.label_names == ("no", "yes")
    assert block.labels.tolist() == [[-1, 1], [-1, 0]]
    assert [[STATUSES[code] for code in row] for row in block.status] == [
        ["unparsed", "ok"],
        ["missing", "ok"],
    ]
    assert block.seen == ("seen", "unseen")
    assert block.targets.tolist() == [1, 1]
    assert block.instances_digest == instances_digest(["i1", "i2"])


def test_missing_is_not_zero():
    """A cell that failed on our side is NaN in the block and null in the file, never 0."""
    table = ScoreTable.from_scores([make_score(score=None, status="missing", prediction=None)])

    assert np.isnan(table.block("m", "b/t").values).all()


def test_parquet_round_trip_keeps_everything(tmp_path):
    """What is written is what is read, missing predictions and factors included."""
    frame = frame_of([("m", "b/t", "p1", "i1", 0.5), ("m", "b/t", "p1", "i2", None)]).assign(
        language=["en", "日本語"]
    )
    table = ScoreTable.from_frame(frame)
    table.write_parquet(tmp_path / "scores.parquet")
    again = ScoreTable.read_parquet(tmp_path / "scores.parquet")

    pd.testing.assert_frame_equal(again.frame.astype(object), table.frame.astype(object))
    assert "language" in again.frame


def test_a_folder_whose_name_is_no_utf8_is_read(tmp_path):
    """Old systems left such names behind."""
    folder = tmp_path / "lat\udce9in"
    try:
        folder.mkdir()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    ScoreTable.from_scores([make_score()]).write_parquet(folder / "scores.parquet")

    assert len(ScoreTable.read_parquet(folder / "scores.parquet").frame) == 1


@settings(max_examples=20)
@given(order=st.permutations(range(6)))
def test_bytes_do_not_depend_on_row_order(tmp_path_factory, order):
    """The same cells give the same file, whatever order they come in."""
    folder = tmp_path_factory.mktemp("order")
    scores = [
        make_score(phrasing_id=f"p{k % 2}", instance_id=f"i{k // 2}", score=k / 6) for k in range(6)
    ]
    ScoreTable.from_scores(scores).write_parquet(folder / "a.parquet")
    ScoreTable.from_scores([scores[k] for k in order]).write_parquet(folder / "b.parquet")

    assert (folder / "a.parquet").read_bytes() == (folder / "b.parquet").read_bytes()


def test_selection_leaves_no_trace_of_what_was_left_out(tmp_path):
    """A selected table writes the bytes of a table that never held the other rows."""
    ours, other = make_score(), make_score(model="secret", phrasing_id="p9")
    ScoreTable.from_scores([ours, other]).select({"model": "m"}).write_parquet(
        tmp_path / "a.parquet"
    )
    ScoreTable.from_scores([ours]).write_parquet(tmp_path / "b.parquet")

    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("keep", [0, 3, 100, -7])
def test_cut_file_is_refused(tmp_path, keep):
    """A Parquet file that was cut short is named as such."""
    path = tmp_path / "scores.parquet"
    ScoreTable.from_scores([make_score()]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:keep])

    with pytest.raises(TableError, match=r"scores\.parquet: not a whole Parquet file"):
        ScoreTable.read_parquet(path)


def test_file_of_another_schema_is_refused(tmp_path):
    """A Parquet file without our schema version is not taken for a scores.parquet."""
    path = tmp_path / "x.parquet"
    frame_of([("m", "t", "p", "i", 1.0)]).to_parquet(path)

    with pytest.raises(TableError, match=r"'not stated' is not 'evalkit\.scores/1'"):
        ScoreTable.read_parquet(path)


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """When writing fails half-way, the file that was there is still there and no part is left."""
    import pyarrow.parquet as pq

    path = tmp_path / "scores.parquet"
    table = ScoreTable.from_scores([make_score()])
    table.write_parquet(path)
    before = path.read_bytes()

    def fail(table, file, **options):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fail)
    with pytest.raises(StoreError, match="the disk is full"):
        table.write_parquet(path)

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["scores.parquet"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the table has no rows"),
        (
            [("m", "t", "p", "i", 48.1)],
            r"1 of 1 values lie outside \[0, 1\], first 48\.1 in row 1; scores are fractions\. Divide percentages by 100",  # noqa: E501
        ),
        ([("m", "t", "p", "i", -0.1)], r"outside \[0, 1\], first -0\.1"),
        ([("m", "t", "p", "i", float("inf"))], r"outside \[0, 1\], first inf"),
        (
            [("m", "t", "p", "i", 1.0), ("m", "t", "p", "j", "good")],
            r"column score holds 1 values that are no number, first 'good' in row 2",
        ),
        (
            [("m", "t", "p", "i", 1.0), ("m", "t", "p", "i", 0.0)],
            r"1 cells occur twice, first model 'm', task 't', phrasing_id 'p', instance_id 'i'",
        ),
        ([("m", "t", None, "i", 1.0)], r"column phrasing_id is empty in 1 rows, first in row 1"),
    ],
)
def test_bad_rows_are_refused_by_name(rows, message):
    """Every kind of bad row has a message that says what is wrong and where."""
    with pytest.raises(TableError, match=message):
        ScoreTable.from_frame(frame_of(rows))


def test_absent_column_is_named():
    """A table without a needed column says which and what is needed."""
    with pytest.raises(TableError, match=r"x\.csv: column instance_id is not there"):
        ScoreTable.from_frame(
            frame_of([("m", "t", "p", "i", 1.0)]).drop(columns="instance_id"), origin="x.csv"
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": 0.0, "status": "missing"}, "such a cell has none, not 0"),
        ({"score": None, "status": "ok"}, "only such cells have none"),
        ({"score": 0.0, "status": "not_asked"}, "missing or not_asked but a score"),
        ({"score": 0.5, "status": "unparsed"}, "an unusable answer scores 0"),
        ({"seen": "observed"}, "column seen holds 'observed'; accepted: seen, unseen, unknown"),
        ({"status": "odd"}, "column status holds 'odd'"),
    ],
)
def test_contradictions_are_refused(changes, message):
    """A status that contradicts its score, or a value that is not in the list, is refused."""
    with pytest.raises(TableError, match=message):
        ScoreTable.from_scores([make_score(**changes)])


def test_phrasing_that_is_seen_and_unseen_is_refused():
    """Seen belongs to a phrasing for a model: it cannot change from instance to instance."""
    with pytest.raises(TableError, match="phrasing 'p1' has seen 'seen' and 'unseen'"):
        ScoreTable.from_scores(
            [make_score(seen="seen"), make_score(instance_id="i2", seen="unseen")]
        )


def test_same_phrasing_may_be_seen_for_one_model_and_not_for_another():
    """Seen is a relation between a phrasing and a model."""
    table = ScoreTable.from_scores([make_score(seen="seen"), make_score(model="n", seen="unseen")])

    assert (table.block("m", "b/t").seen, table.block("n", "b/t").seen) == (("seen",), ("unseen",))


def test_repeats_are_averaged_and_told_apart():
    """A repeat column allows several rows per cell; the block averages the scores."""
    frame = frame_of([("m", "t", "p", "i", 1.0), ("m", "t", "p", "i", 0.0)]).assign(
        repeat=[2, 1], prediction=["b", "a"]
    )
    block = ScoreTable.from_frame(frame).block("m", "t")

    assert block.values.tolist() == [[0.5]]
    assert block.label_names[block.labels[0, 0]] == "a"


def test_numeric_ids_and_lone_surrogates_become_text(tmp_path):
    """Ids read as numbers are spelled without a fraction,
    and a broken character does not stop the file.
    """
    odd = pd.Series(["a\ud800"], dtype=object)
    frame = pd.DataFrame(
        {"model": ["m"], "task": ["t"], "phrasing_id": [3.0], "instance_id": odd, "score": [1]}
    )
    table = ScoreTable.from_frame(frame)
    table.write_parquet(tmp_path / "s.parquet")
    block = ScoreTable.read_parquet(tmp_path / "s.parquet").block("m", "t")

    assert (block.phrasing_ids, block.instance_ids) == (("3",), ("a\\ud800",))


def test_score_with_a_lone_surrogate_is_kept():
    """A prediction that is no valid text is spelled with a backslash instead of stopping the
    run.
    """
    block = ScoreTable.from_scores([make_score(prediction="\udc80x")]).block("m", "b/t")

    assert block.label_names == ("\\udc80x",)


def test_block_of_a_selection_and_unknown_names():
    """`where` keeps matching rows; what matches nothing is refused by name."""
    table = ScoreTable.from_scores(
        [make_score(), make_score(phrasing_id="w", kind="wrong", score=0.0)]
    )

    assert table.block("m", "b/t", where={"kind": "wrong"}).phrasing_ids == ("w",)
    with pytest.raises(TableError, match="no row has kind = 'null'"):
        table.block("m", "b/t", where={"kind": "null"})
    with pytest.raises(TableError, match="model 'm' has no task 'b/x'"):
        table.block("m", "b/x")


def test_concat_joins_runs_and_refuses_the_same_cell_twice():
    """Two runs of different models become one table; the same run twice is refused."""
    ours, other = (
        ScoreTable.from_scores([make_score()]),
        ScoreTable.from_scores(
            [make_score(model="n", prediction=None, status="unparsed", score=0.0)]
        ),
    )
    both = ScoreTable.concat([ours, other])

    assert both.models == ["m", "n"]
    assert both.block("n", "b/t").labels.tolist() == [[-1]]
    with pytest.raises(TableError, match="occur twice"):
        ScoreTable.concat([ours, ours])


def test_hundred_thousand_phrasings_stay_small():
    """A table of 10^5 phrasings is built and laid out without a quadratic step."""
    n = 100_000
    frame = pd.DataFrame(
        {
            "model": "m",
            "task": "t",
            "phrasing_id": [f"p{k:06d}" for k in range(n)],
            "instance_id": ["i", "j"] * (n // 2),
            "score": 1.0,
        }
    )
    block = ScoreTable.from_frame(frame).block("m", "t")

    assert block.values.shape == (n, 2)
    assert np.isnan(block.values).sum() == n
