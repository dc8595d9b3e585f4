"""Hashed n-grams carry words and letters, repeatably."""

import subprocess
import sys

import numpy as np
import pytest
from encoder_toys import encoder, whole

from graphfuse.core.errors import ConfigError


def vectors(*texts, **settings):
    return np.concatenate(encoder(name="hashed_ngrams", **settings).encode(texts, whole(*texts)))


def test_every_span_with_letters_has_length_one():
    x = vectors("red shoe", "a", "今日は", "🔥", "3.5")
    assert np.linalg.norm(x, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert x.dtype == np.float32


def test_texts_that_share_words_are_nearer_and_misspellings_are_near():
    red_shoe, red_bag, misspelt, other = vectors("the red shoe", "the red bag", "the red shoo", "quarterly tax report")
    assert red_shoe @ red_bag > 0.3 > abs(red_shoe @ other)
    assert red_shoe @ misspelt > red_shoe @ red_bag


def test_the_order_of_words_counts():
    first, second = vectors("dog bites man", "man bites dog")
    assert 0.3 < first @ second < 0.999


def test_a_span_does_not_depend_on_other_texts_to_the_last_bit():
    texts = [f"word{number} and more words {number * 7}" for number in range(50)]
    alone = np.concatenate([vectors(text) for text in texts])
    assert vectors(*texts).tobytes() == alone.tobytes()


def test_spans_are_encoded_in_their_order():
    text = "red shoe. blue bag."
    spans = [np.array([[10, 19], [0, 9]]), np.zeros((0, 2), dtype=np.int64)]
    first, nothing = encoder(name="hashed_ngrams").encode([text, "unused"], spans)
    assert np.array_equal(first, vectors("blue bag.", "red shoe."))
    assert nothing.shape == (0, 384)


def test_context_mixes_in_the_whole_text():
    text = "red shoe. blue bag."
    spans = [np.array([[0, 9], [10, 19]])]
    apart = encoder(name="hashed_ngrams").encode([text], spans)[0]
    mixed = encoder(name="hashed_ngrams", context=0.3).encode([text], spans)[0]
    assert mixed[0] @ mixed[1] > apart[0] @ apart[1]
    assert mixed[0] @ apart[0] > 0.8
    assert np.allclose(np.linalg.norm(mixed, axis=1), 1)


def test_who_is_mentioned_and_what_is_linked_are_no_features():
    assert np.array_equal(*vectors("look @ann https://t.co/abc", "look @bob http://example.org/x?y"))
    assert not np.array_equal(*vectors("mail a@b", "mail a@c"))


def test_a_topic_is_near_its_word():
    topic, word, other = vectors("#sandy", "sandy", "#storm")
    assert topic @ word > 0.4 > topic @ other


def test_the_same_text_gives_the_same_vector_in_any_process():
    program = (
        "import numpy as np; from graphfuse.encoders.hashed_ngrams import HashedNgrams;"
        "print(HashedNgrams().encode(['red shoe'], [np.array([[0, 8]])])[0].tobytes().hex())"
    )
    other = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."}, capture_output=True, text=True, check=True
    )
    assert other.stdout == vectors("red shoe").tobytes().hex() + "\n"


def test_settings_are_part_of_the_identity():
    assert encoder(name="hashed_ngrams").identity() != encoder(name="hashed_ngrams", context=0.1).identity()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"channels": 3}, r"encoder.channels: must be a multiple of 2 \(got '3'\)"),
        ({"context": 2}, r"encoder.context: must be at most 1"),
        ({"words": [2, 1]}, r"words must be \[shortest, longest\] with 1 <= shortest <= longest \(got \[2, 1\]\)"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_rule(settings, problem):
    with pytest.raises(ConfigError, match=problem):
        encoder(name="hashed_ngrams", **settings)
