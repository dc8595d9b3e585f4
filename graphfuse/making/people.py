"""Accounts and threads of made posts."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.ragged import places
from graphfuse.making.words import write_replies
from graphfuse.making.worlds import PostSettings

COUNTRIES = ("Austria", "Brazil", "Canada", "Denmark", "Egypt", "France", "Ghana", "India")
KINDS = ("reply", "like", "share")
START = pd.Timestamp("2024-01-01T00:00:00Z")
YEAR = 365 * 24 * 3600


def user_ids(positions: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Return the id of each account."""
    return np.array([f"u{position:05d}" for position in positions], dtype=object)


def make_users(settings: PostSettings) -> pd.DataFrame:
    """Return one row per account; the first half are the trusted ones (verified more often, followed by more)."""
    rng = np.random.default_rng([settings.seed, 2])
    trusted = np.arange(settings.users) < settings.users // 2
    return pd.DataFrame(
        {
            "id": user_ids(np.arange(settings.users)),
            "followers": np.floor(np.exp(rng.normal(5 + 2.0 * trusted, 1.0))).astype(np.int64),
            "verified": np.where(rng.random(settings.users) < np.where(trusted, 0.8, 0.2), "true", "false"),
            "country": np.array(COUNTRIES, dtype=object)[rng.integers(len(COUNTRIES), size=settings.users)],
        }
    )


def choose_authors(label: npt.NDArray[np.int64], settings: PostSettings) -> npt.NDArray[np.int64]:
    """Return each post's account: any one, or with chance `user_signal` one of the half that the label points to."""
    rng = np.random.default_rng([settings.seed, 3])
    half = settings.users // 2
    anyone = rng.integers(settings.users, size=len(label))
    by_label = np.where(label == 1, anyone % half, half + anyone % (settings.users - half))
    return np.where(rng.random(len(label)) < settings.user_signal, by_label, anyone)


def make_times(count: int, settings: PostSettings) -> npt.NDArray[np.int64]:
    """Return seconds after `START` for each post, all within a year."""
    return np.random.default_rng([settings.seed, 4]).integers(YEAR, size=count)


def stamp(seconds: npt.NDArray[np.int64]) -> npt.NDArray[np.object_]:
    """Return times as people write them (`2024-03-01T12:00:00Z`)."""
    times = START + pd.to_timedelta(seconds, unit="s")
    return np.asarray(times.strftime("%Y-%m-%dT%H:%M:%SZ"), dtype=object)


def make_replies(post_id: npt.NDArray[np.object_], created: npt.NDArray[np.int64], settings: PostSettings) -> pd.DataFrame:
    """Return the threads: per post none to many replies, likes and shares, later than the post and in order of time.

    `parent` is an earlier row of the same thread, or empty where the post itself is answered.
    """
    rng = np.random.default_rng([settings.seed, 5])
    count = rng.poisson(settings.replies, size=len(post_id))
    post = np.repeat(np.arange(len(post_id)), count)
    total = len(post)
    position = places(count)  # in the thread
    ids = np.array([f"r{k:06d}" for k in range(total)], dtype=object)
    kind = np.array(KINDS, dtype=object)[rng.choice(len(KINDS), size=total, p=[0.5, 0.3, 0.2])]
    back = 1 + np.floor(rng.random(total) * (position + 1)).astype(np.int64)  # 1 .. position + 1; past the start is the post
    answered = np.arange(total) - back
    parent = np.where(back <= position, ids[answered] if total else "", "")
    waits = rng.integers(30, 6 * 3600, size=total)
    elapsed = pd.Series(waits).groupby(post).cumsum().to_numpy()
    return pd.DataFrame(
        {
            "id": ids,
            "post_id": post_id[post],
            "who": user_ids(rng.integers(settings.users, size=total)),
            "kind": kind,
            "when": stamp(created[post] + elapsed),
            "parent": parent,
            "body": np.where(kind == "reply", write_replies(total, rng), ""),
        }
    )
