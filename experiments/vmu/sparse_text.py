"""The yardstick: TF-IDF and logistic regression, the settings fixed before the test rows were looked at."""

import re

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression


def tokens_of(text: str) -> str:
    """Return lower-case text in which addresses and mentions are one word each, and a topic is a word and the sign that it is one."""
    text = re.sub(r"https?\S*", " xxaddress ", text.lower().replace("\\n", " "))
    return re.sub(r"#(\w+)", r" xxtopic \1 ", re.sub(r"@\w+", " xxmention ", text))


def fake_probabilities(train: pd.DataFrame, test: pd.DataFrame) -> np.ndarray:
    """Return the probability of `fake` of each test row.

    Args:
        train: `post_text`, `label` and `sample_weight` (copies of a text count together as one).
        test: `post_text`.
    """
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, token_pattern=r"\w+|[!?]")
    x = vectorizer.fit_transform(train["post_text"].map(tokens_of))
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    model.fit(x, train["label"] == "fake", sample_weight=train["sample_weight"] / train["sample_weight"].mean())
    return np.asarray(model.predict_proba(vectorizer.transform(test["post_text"].map(tokens_of)))[:, 1])
