"""Texts are cut where people would cut them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphfuse.modalities._spans import cut


def pieces(text, unit="sentence", window=3, stride=2):
    return [text[start:end] for start, end in cut(text, unit, window, stride).tolist()]


def test_sentences_end_at_stops_that_a_blank_follows():
    assert pieces("Hello there. How are you? Fine!") == ["Hello there.", "How are you?", "Fine!"]


def test_numbers_names_and_abbreviations_do_not_end_a_sentence():
    text = "Dr. Smith paid 3.5 million on example.com, e.g. to J. Doe. Then he left."
    assert pieces(text) == ["Dr. Smith paid 3.5 million on example.com, e.g. to J. Doe.", "Then he left."]


def test_a_line_break_ends_a_sentence_and_quotes_stay_with_theirs():
    assert pieces('"Run!" she said\r\n\r\nthey ran') == ['"Run!"', "she said", "they ran"]


def test_chinese_and_japanese_need_no_blank():
    assert pieces("今日は雨です。明日は?晴れ！") == ["今日は雨です。", "明日は?晴れ！"]


def test_words_keep_addresses_mentions_topics_numbers_and_joined_emojis_whole():
    text = "@ann don't miss https://t.co/x?y=1 #sandy 1,000 well-known 👩‍🚒🔥"
    assert pieces(text, "word") == ["@ann", "don't", "miss", "https://t.co/x?y=1", "#sandy", "1,000", "well-known", "👩‍🚒🔥"]


def test_flags_and_colours_of_skin_belong_to_their_emoji():
    assert pieces("🇫🇷 🇩🇪🇫🇷 👍🏽!", "word") == ["🇫🇷", "🇩🇪", "🇫🇷", "👍🏽"]


def test_stops_of_other_scripts_end_a_sentence():
    assert pieces("هل تمطر؟ نعم. بارش ہے۔ वर्षा है। हाँ") == ["هل تمطر؟", "نعم.", "بارش ہے۔", "वर्षा है।", "हाँ"]


def test_windows_overlap_and_the_last_reaches_the_last_word():
    assert pieces("a b c d e f", "window") == ["a b c", "c d e", "e f"]
    assert pieces("a b", "window") == ["a b"]
    assert pieces("a b c d e", "window") == ["a b c", "c d e"]


@pytest.mark.parametrize("unit", ["sentence", "window", "word"])
@pytest.mark.parametrize("text", ["", "  \n\t ", "\u00a0"])
def test_blank_text_has_no_spans(unit, text):
    assert cut(text, unit, 3, 2).shape == (0, 2)


@pytest.mark.parametrize("unit", ["sentence", "window", "word"])
@given(text=st.text(max_size=80))
def test_spans_are_ordered_inside_the_text_and_never_blank(unit, text):
    spans = cut(text, unit, 3, 2)
    assert spans.dtype == np.int64
    assert (spans[:, 0] < spans[:, 1]).all()
    assert (np.diff(spans[:, 0]) > 0).all()
    assert all(piece.strip() == piece and piece for piece in pieces(text, unit) if unit == "sentence")


def test_a_million_characters_are_cut_in_no_time():
    assert len(cut("a." * 500_000, "sentence", 3, 2)) == 1
    assert len(cut("no. " * 100_000, "sentence", 3, 2)) <= 100_000
