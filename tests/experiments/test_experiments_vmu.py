"""The figures of experiments/vmu are what they say: metrics as scikit-learn's, claims drawn whole."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

FOLDER = str(Path(__file__).parents[2] / "experiments" / "vmu")


@pytest.fixture
def intervals(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import intervals

    yield intervals
    sys.modules.pop("intervals")


@pytest.fixture
def sparse_text(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import sparse_text

    yield sparse_text
    sys.modules.pop("sparse_text")


def test_metrics_of_counted_posts_are_those_of_scikit_learn(intervals):
    rng = np.random.default_rng(0)
    fake, probability = rng.random(200) < 0.6, np.round(rng.random(200), 1)
    counts = np.stack([np.ones(200), rng.integers(0, 4, 200)])
    found = intervals.measure(probability, fake, counts)
    for draw, weight in enumerate(counts):
        said = probability > 0.5
        assert found["accuracy"][draw] == pytest.approx(accuracy_score(fake, said, sample_weight=weight))
        assert found["macro_f1"][draw] == pytest.approx(f1_score(fake, said, average="macro", sample_weight=weight))
        assert found["roc_auc"][draw] == pytest.approx(roc_auc_score(fake, probability, sample_weight=weight))


def test_one_class_said_of_all_has_the_f1_of_scikit_learn(intervals):
    fake = np.array([True, True, False])
    found = intervals.measure(np.ones(3), fake, np.ones((1, 3)))
    assert found["macro_f1"][0] == pytest.approx(f1_score(fake, np.ones(3), average="macro"))
    assert found["roc_auc"][0] == 0.5


def test_posts_that_share_a_picture_are_one_claim_and_a_post_without_is_its_own(intervals):
    claims = intervals.claims_of(["a,b", "c", "b", "", "", " c "]).tolist()
    assert claims[0] == claims[2]
    assert claims[1] == claims[5]
    assert len(set(claims)) == 4


def test_claims_are_drawn_whole(intervals):
    claims = np.array([0, 0, 0, 1, 2])
    counts = intervals.drawn_counts(claims, 50, seed=0)
    assert (counts[0] == 1).all()
    assert (counts[:, 0] == counts[:, 1]).all()
    assert (counts[1:, [0, 3, 4]].sum(axis=1) == 3).all()


def test_sparse_text_sees_that_there_is_an_address_and_not_which(sparse_text):
    assert sparse_text.tokens_of("RT @Ann: #Sandy http://t.co/a!") == sparse_text.tokens_of("rt @bob: #sandy https://t.co/b")
    train = pd.DataFrame(
        {"post_text": ["look http://a", "look", "look http://b", "look"], "label": ["fake", "real"] * 2, "sample_weight": 1.0}
    )
    first, second = sparse_text.fake_probabilities(train, pd.DataFrame({"post_text": ["look http://c", "look"]}))
    assert first > 0.5 > second
