"""Interactions become nodes in the order of time."""

import numpy as np
import pandas as pd
import pytest
from modality_toys import manifest, modality, reasons

from graphfuse.core.errors import InputError
from graphfuse.core.tables import FILE_ROW


def rows(**changes):
    replies = pd.DataFrame(
        {
            "interaction_id": ["i3", "i1", "i2", "i4"],
            "sample_id": ["b", "a", "a", "a"],
            "user_id": ["u1", "u2", "", "u1"],
            "kind": ["share", "like", "reply", "reply"],
            "time": [9.0, np.nan, 5.0, 5.0],
            "reply_to": ["", "", "", "i2"],
            "body": ["", "Nice one.", "Nice one.", ""],
            "score": ["1", "2", "3", "inf"],
        }
    )
    return manifest(time=[1.0, np.nan], linked={"interactions": replies.assign(**changes)})


def test_they_are_ordered_by_sample_and_time_unknown_times_last():
    table = modality(name="interaction").nodes(rows(), modality(name="interaction").fit(rows()))
    assert table.sample.tolist() == [0, 0, 0, 1]
    assert table.units["interaction_id"].tolist() == ["i2", "i4", "i1", "i3"]
    assert list(table.units.columns) == ["interaction_id", "user_id", "reply_to", "kind", "time"]


def test_at_one_time_the_order_is_that_of_the_table():
    same = rows(interaction_id=["8", "9", "10", "11"], sample_id=["a"] * 4, time=[5.0] * 4, reply_to=[""] * 4)
    interaction = modality(name="interaction")
    assert interaction.nodes(same, interaction.fit(same)).units["interaction_id"].tolist() == ["8", "9", "10", "11"]


def test_a_text_that_is_cut_is_counted_with_its_row():
    interaction = modality(name="interaction", text="body", encoder={"name": "hashed_ngrams", "channels": 16}, max_characters=6)
    long = rows(body=["", "Nice one.", "Nice.", ""], **{FILE_ROW: [3, 5, 7, 9]})
    (rejection,) = [each for each in interaction.nodes(long, interaction.fit(long)).rejections if each.reason == "text_too_long"]
    assert (rejection.table, rejection.row, rejection.key, rejection.column) == ("interactions", 5, "i1", "body")
    assert rejection.detail == "A text may hold 6 characters (got 9); the rest was left out. Raise max_characters."


def test_kind_is_one_hot_and_a_new_kind_is_other():
    interaction = modality(name="interaction")
    state = interaction.fit(rows())
    x = interaction.nodes(rows(kind=["report", "like", "reply", ""]), state).x
    assert x[:, 1:].tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]  # like, reply, share, other


def test_the_delay_is_unknown_where_either_time_is():
    interaction = modality(name="interaction")
    late = rows(time=[9.0, 1e6, 5.0, 5.0])
    delay = interaction.nodes(late, interaction.fit(late)).x[:, 0]
    assert delay[0] == delay[1] < 0 < delay[2]
    assert delay[3] == 0


def test_text_is_appended_and_absent_text_is_nothing():
    interaction = modality(name="interaction", text="body", encoder={"name": "hashed_ngrams", "channels": 16})
    state = interaction.fit(rows())
    x = interaction.nodes(rows(), state).x
    assert x.shape[1] == interaction.channels(state) == 1 + 4 + 16
    words = x[:, -16:]
    assert (words[0] == words[2]).all()
    assert np.linalg.norm(words[0]) == pytest.approx(1)
    assert not words[1].any()


def test_an_infinite_number_is_counted():
    interaction = modality(name="interaction", numeric=["score"])
    table = interaction.nodes(rows(), interaction.fit(rows()))
    assert reasons(table) == [("i4", "not_finite")]
    assert table.rejections[0].table == "interactions"


def test_without_a_table_fitting_says_what_to_do_and_new_rows_have_none():
    interaction = modality(name="interaction", numeric=["score"], text="body")
    lonely = manifest(text=["x"])
    with pytest.raises(
        InputError, match=r"needs a table of interactions .got none.. Give dataset.interactions, or leave the modality out."
    ):
        interaction.fit(lonely)
    state = interaction.fit(rows())
    assert interaction.nodes(lonely, state).x.shape == (0, interaction.channels(state))
