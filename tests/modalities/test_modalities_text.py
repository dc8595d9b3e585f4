"""Texts become spans with vectors; what is cut or absent is counted."""

import numpy as np
import pytest
from modality_toys import manifest, modality, reasons

from graphfuse.core.errors import ConfigError, InputError
from graphfuse.encoders.hashed_ngrams import HashedNgrams


def test_spans_point_back_into_the_text_they_came_from():
    texts = ["One here. Two there.", "Three."]
    table = modality(name="text").nodes(manifest(text=texts), {})
    assert table.sample.tolist() == [0, 0, 1]
    units = table.units
    cuts = [texts[sample][start:end] for sample, start, end in zip(table.sample, units["start"], units["end"], strict=True)]
    assert units["text"].tolist() == cuts == ["One here.", "Two there.", "Three."]
    assert table.x.shape == (3, modality(name="text").channels({}))
    assert table.x.dtype == np.float32


def test_several_columns_stay_apart_and_follow_their_row():
    rows = manifest(title=["T one", "T two"], body=["Body one. More.", "Body two."])
    table = modality(name="text", column=["title", "body"]).nodes(rows, {})
    assert table.sample.tolist() == [0, 0, 0, 1, 1]
    assert table.units["column"].tolist() == ["title", "body", "body", "title", "body"]


def test_a_text_without_words_has_no_node_and_is_counted():
    table = modality(name="text").nodes(manifest(text=["", "Words.", " \n"]), {})
    assert table.sample.tolist() == [1]
    assert reasons(table) == [("a", "text_empty"), ("c", "text_empty")]
    assert "this row has no text nodes" in table.rejections[0].detail
    assert not table.rejections[0].dropped


def test_one_of_two_columns_suffices_to_have_text():
    assert not modality(name="text", column=["x", "y"]).nodes(manifest(x=[""], y=["Words."]), {}).rejections


def test_a_very_long_text_is_cut_and_the_cut_is_noted():
    table = modality(name="text", max_characters=10).nodes(manifest(text=["Short.", "x" * 5_000_000]), {})
    assert table.units["end"].tolist() == [6, 10]
    assert reasons(table) == [("b", "text_too_long")]
    assert table.rejections[0].detail == ("A text may hold 10 characters (got 5,000,000); the rest was left out. Raise max_characters.")


def test_too_many_spans_are_cut_and_the_cut_is_noted():
    table = modality(name="text", unit="word", max_spans=2).nodes(manifest(text=["one two three four"]), {})
    assert table.units["text"].tolist() == ["one", "two"]
    assert table.rejections[0].detail == "A text may hold 2 spans (got 4); the rest was left out. Raise max_spans."


def test_no_text_at_all_is_an_empty_table_with_its_channels():
    table = modality(name="text").nodes(manifest(text=["", ""]), {})
    assert table.x.shape == (0, 384)
    assert list(table.units.columns) == ["column", "text", "start", "end"]


def test_a_row_gives_the_same_bytes_whatever_is_beside_it():
    rows = manifest(text=["First one. And so on.", "Second.", "First one. And so on."])
    text = modality(name="text")
    together = text.nodes(rows, {}).x
    alone = np.concatenate([text.nodes(rows.take([row]), {}).x for row in range(3)])
    assert together.tobytes() == alone.tobytes()


def test_what_was_encoded_once_comes_from_the_cache(monkeypatch):
    rows = manifest(text=["First one.", "Second one."])
    text = modality(name="text")
    first = text.nodes(rows, {}).x
    monkeypatch.setattr(HashedNgrams, "encode", lambda *_: pytest.fail("encoded again"))
    assert np.array_equal(text.nodes(rows, {}).x, first)


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"modalities.text.column must name columns of samples: 'txt' is not there. Did you mean 'text'\?"):
        modality(name="text", column="txt").fit(manifest(text=["a"]))


def test_wrong_encoder_settings_are_reported_with_their_place():
    with pytest.raises(ConfigError, match=r"modalities.0.encoder.name: 'hashed_ngram' is not in encoders. Did you mean 'hashed_ngrams'\?"):
        modality(name="text", encoder={"name": "hashed_ngram"})
    with pytest.raises(ConfigError, match=r"encoder.name: must encode text .got 'image_statistics'.. Use hashed_ngrams"):
        modality(name="text", encoder={"name": "image_statistics"})
    with pytest.raises(ConfigError, match=r"modalities.0.unit: must be 'sentence', 'window' or 'word' .got 'sentense'"):
        modality(name="text", unit="sentense")
