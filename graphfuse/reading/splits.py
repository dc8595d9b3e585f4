"""Rows -> train, validation and test, by seed and id only: the order of the rows does not matter."""

import hashlib
import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphfuse.core.columns import as_texts
from graphfuse.core.errors import InputError
from graphfuse.core.ragged import places
from graphfuse.core.tables import IntArray, Rejection
from graphfuse.reading.rejecting import reject
from graphfuse.reading.settings import SPLIT_WORDS, Split, split_of

Labels = npt.NDArray[np.object_]
MAX_STRATA = 50
"""Most different targets for which every split gets its share of each."""
FEWEST = 3
"""Fewest rows with the same target, on the mean, for that: a value of one row stays in train, and so would nearly all."""


def assign_splits(samples: pd.DataFrame, settings: Split, target: str | None, by_file: pd.Series | None) -> tuple[Labels, list[Rejection]]:
    """Return the split of every row, "" where it has none.

    Where the files or a column say it, validation rows are drawn from train only if none are named.

    Args:
        samples: `sample_id` and, as the settings need them, `group`, `time` and the split column.
        settings: How to split.
        target: Column whose values should have their share in every split.
        by_file: The split that each row's file gives, or None.

    Raises:
        InputError: If there are fewer groups than splits, or no row of train.
    """
    rejections: list[Rejection] = []
    if by_file is not None:
        labels = by_file.to_numpy(dtype=object)
    elif settings.by == "column":
        labels, rejections = named_splits(as_texts(samples[settings.column]).values, samples["sample_id"], str(settings.column))
    else:
        labels = draw_splits(samples, settings, settings.by, target, test=settings.test)
    train = labels == "train"
    if (by_file is not None or settings.by == "column") and settings.validation and train.any() and "validation" not in labels:
        by = settings.by if settings.by != "column" else ("group" if "group" in samples else "random")
        labels[train] = draw_splits(samples[train], settings, by, target, test=0.0)
    if settings.by == "time":
        rule = "A split by time needs a time (row {value} has none). The row is kept, in no split; fill it in to use it."
        rows = samples.index.to_series()
        rejections += reject(labels == "", "samples", samples["sample_id"], rows, column="time", reason="unknown_split", detail=rule)
    if "train" not in labels:
        raise InputError(f"At least one row must be in train (got {_counted(labels)}). Check the setting `split`.")
    return labels, rejections


def _counted(labels: Labels) -> str:
    counts = pd.Series(labels).replace("", "no split").value_counts()
    return ", ".join(f"{count:,} in {name}" for name, count in counts.items())


def named_splits(words: pd.Series, ids: pd.Series, column: str) -> tuple[Labels, list[Rejection]]:
    """Return the split that each row names; a word that names none is rejected, and its row belongs to no split."""
    meaning = {word: split_of(word) for word in words.unique()}
    labels = words.map(meaning).to_numpy(dtype=object)
    known = ", ".join(word for split in SPLIT_WORDS.values() for word in split)
    rule = f"A split must be one of {known} (got {{value}}). The row is kept, in no split. Mend the cell to use it."
    return labels, reject(labels == "", "samples", ids, words, column=column, reason="unknown_split", detail=rule)


def draw_splits(samples: pd.DataFrame, settings: Split, by: str, target: str | None, *, test: float) -> Labels:
    """Return a drawn split per row of samples that all are to be divided.

    Args:
        samples: `sample_id` and, as `by` needs them, `group` and `time`.
        settings: Shares and seed.
        by: `random`, `group` or `time`.
        target: Column whose values should have their share in every split, for `random`.
        test: Share of test rows.

    Raises:
        InputError: If there are fewer groups than splits.
    """
    shares = {"test": test, "validation": settings.validation}
    shares = {split: max(share, 1 / max(len(samples), 1)) for split, share in shares.items() if share > 0}
    if by == "group":
        return _by_group(samples, shares, settings.seed)
    if by == "time":
        return _by_time(samples, shares)
    return _by_chance(samples, shares, settings.seed, target)


def _ranks(names: pd.Series | pd.Index, seed: int) -> npt.NDArray[np.uint64]:
    """Return a key of two numbers per name by which sorting (the second first, as `lexsort` takes them) is a shuffle.

    It depends on the seed and the name alone.  [2, num_names]
    """
    digests = [hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:16] for name in names.tolist()]
    return np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64).reshape(-1, 2).T[::-1]


def _by_chance(samples: pd.DataFrame, shares: dict[str, float], seed: int, target: str | None) -> Labels:
    """Draw within each class.

    Totals and the shares of classes are met to within one row, but that no class leaves train: of one row it lies there, and where there
    are many such classes, the others have less than their shares.
    """
    strata = np.zeros(len(samples), dtype=np.int64)
    if target is not None:
        codes, classes = pd.factorize(as_texts(samples[target]).values, sort=True)
        strata = codes if len(classes) <= min(MAX_STRATA, len(samples) / FEWEST) else strata
    order = np.lexsort((*_ranks(samples["sample_id"], seed), strata))
    sizes = np.bincount(strata)
    last = np.cumsum(sizes)
    place = places(sizes)
    labels = np.full(len(samples), "train", dtype=object)
    taken = np.zeros(len(sizes), dtype=np.int64)
    for split, share in shares.items():
        quota = np.diff(np.floor(last * share + 0.5).astype(np.int64), prepend=0)
        until = np.minimum(taken + quota, np.maximum(sizes - 1, 0))
        chosen = (place >= np.repeat(taken, sizes)) & (place < np.repeat(until, sizes))
        labels[order[chosen]] = split
        taken = until
    return labels


def _by_group(samples: pd.DataFrame, shares: dict[str, float], seed: int) -> Labels:
    """Give whole groups to a split, in drawn order, as long as each brings it nearer to its share.

    A row without a group is a group of its own.
    """
    groups = samples["group"].where(samples["group"] != "", "\0" + samples["sample_id"])
    sizes = groups.value_counts()
    if len(sizes) <= len(shares):
        raise InputError(
            f"A split by group needs a group for each of train, {', '.join(shares)} (got {len(sizes)}). Split by random, or check `group`."
        )
    drawn = sizes.iloc[np.lexsort(tuple(_ranks(sizes.index, seed)))]
    left = [(str(name), int(size)) for name, size in drawn.items()]
    chosen: dict[str, str] = {}
    for number, (split, share) in enumerate(shares.items()):
        must_stay = len(shares) - number
        taken = _fill(left, share * len(samples), must_stay)
        chosen |= dict.fromkeys(taken, split)
        left = [(name, size) for name, size in left if name not in chosen]
    return groups.map(chosen).fillna("train").to_numpy(dtype=object)


def _fill(left: list[tuple[str, int]], quota: float, must_stay: int) -> list[str]:
    """Return the groups of one split; at least one, and at least `must_stay` groups are left for the others."""
    taken: list[str] = []
    filled = 0
    for name, size in left:
        if len(left) - len(taken) > must_stay and size <= 2 * (quota - filled):
            taken.append(name)
            filled += size
    return taken or [min(left, key=lambda item: item[1])[0]]


def _by_time(samples: pd.DataFrame, shares: dict[str, float]) -> Labels:
    """Cut at moments: all of test is later than all of validation, and that later than train; no time is no split.

    Rows of one moment stay together, and the earliest moment stays in train. Of the cuts nearby, those are taken that bring all splits
    nearest to their shares. Where there are too few moments, the latest split has them first.
    """
    times = samples["time"].to_numpy(dtype=np.float64)
    labels = np.where(np.isnan(times), "", "train").astype(object)
    moments, counts = np.unique(times[~np.isnan(times)], return_counts=True)
    names = list(shares)[: max(len(moments) - 1, 0)]
    for name, start, end in zip(names, *_cuts(counts, [shares[name] for name in names]), strict=True):
        labels[(times >= moments[start]) & (times <= moments[end - 1])] = name
    return labels


def _cuts(counts: IntArray, shares: Sequence[float]) -> tuple[list[int], list[int]]:
    """Return the first moment of each split and the one after its last, the latest split first; at least one moment is left for train.

    Args:
        counts: Rows of each moment, of which there are more than splits.  [num_moments]
        shares: Share of each split.
    """
    before = np.append(0, np.cumsum(counts))  # rows before each moment
    wanted = np.array([*shares, 1 - sum(shares)]) * before[-1]
    near = []
    for rows in before[-1] - np.cumsum(wanted[:-1]):
        place = int(np.searchsorted(before, rows))
        near.append(range(max(1, place - len(wanted)), min(len(counts), place + len(wanted))))

    def missed(starts: Iterable[int]) -> float:
        sizes = -np.diff(before[[len(counts), *starts, 0]])
        return float(np.abs(sizes - wanted).sum()) if (sizes > 0).all() else np.inf

    starts = list(min(itertools.product(*near), key=missed))
    return starts, [len(counts), *starts][:-1]
