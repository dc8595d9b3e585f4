"""Similarity edges and the alignment they need, beside a loop over samples."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from clock import race
from kernels import COMPILES, by_kernels
from made import made_tables
from rows import Row
from sklearn.metrics.pairwise import cosine_similarity

from graphfuse.core.compiled import Kernels, use_kernels
from graphfuse.core.tables import EdgeTable, NodeTable, State
from graphfuse.edges.similarity import SimilarityEdges

TOP_K = 4
Edges = tuple[list[int], list[int], list[float]]
"""Source rows, destination rows, cosines."""


def rows(quick: bool) -> Iterator[Row]:
    """Yield a row per space, and one for fitting."""
    num_samples = 256 if quick else 4_096
    texts, regions = (made_tables(0, num_samples)[0][name] for name in ("text_span", "image_region"))
    narrow = replace(regions, x=np.ascontiguousarray(regions.x[:, : texts.x.shape[1]]))
    aligned = SimilarityEdges(top_k=TOP_K)
    state = aligned.fit({"text_span": texts, "image_region": regions})
    yield from _edges(SimilarityEdges(top_k=TOP_K, space="shared"), texts, narrow, {}, quick)
    yield from _edges(aligned, texts, regions, state, quick)
    yield _fit(aligned, texts, regions, state, quick)


def _edges(builder: SimilarityEdges, texts: NodeTable, regions: NodeTable, state: State, quick: bool) -> Iterator[Row]:
    tables = {"text_span": texts, "image_region": regions}
    ends = [_per_sample(table) for table in tables.values()]

    def ours(kernels: Kernels) -> EdgeTable:
        with use_kernels(kernels):
            return builder.edges(tables, state)[0]

    check_edges(ours("torch"), by_sample(*ends, state), len(texts))
    x, y = texts.x.astype(np.float64), regions.x.astype(np.float64)  # also where the limit of the shared space reads to
    maps = [state[f"{end}_projection"] for end in ("source", "destination")] if state else []
    racing = {
        "ours": lambda _: ours("torch"),
        "peers": lambda _: by_sample(*ends, state),
        "limits": (lambda _: (x @ maps[0], y @ maps[1])) if maps else (lambda _: (np.copyto(x, texts.x), np.copyto(y, regions.x))),
    }
    if COMPILES:
        _check_same(ours("torch"), ours("compiled"))
        racing["compiled"] = lambda _: ours("compiled")
    found = race(racing, seconds=1 if quick else 12)
    for took, loops, floor in by_kernels(found, 2, 2):
        yield Row(
            work=f"edges: similarity top-{TOP_K}, {builder.space} space, {len(set(texts.sample)):,} samples{loops}",
            ours=took,
            peer="scikit-learn's `cosine_similarity` and a sort per row, sample by sample",
            peers=found["peers"],
            limit="projecting all units" if state else "reading all features as float64",
            limits=found["limits"],
            goal=30,
            floor=floor,
            equal="the cosines kept of every node, to 1e-4" + (", and every bit of the edges with and without loops" if COMPILES else ""),
            note="" if loops else "The peer's samples lie in a list already. A sample's edges do not depend on its neighbours in ours.",
        )


def _check_same(ours: EdgeTable, compiled: EdgeTable) -> None:
    assert ours.weight is not None
    assert compiled.weight is not None
    assert np.array_equal(ours.index, compiled.index)
    assert np.array_equal(ours.weight, compiled.weight)


def by_sample(first: list[np.ndarray], second: list[np.ndarray], state: State) -> Edges:
    """Return the nearest destinations of every source, in a loop over samples."""
    sources: list[int] = []
    destinations: list[int] = []
    cosines: list[float] = []
    start_a = start_b = 0
    for a, b in zip(first, second, strict=True):
        if len(a) and len(b):
            if state:
                left, right = _projected(a, state, "source"), _projected(b, state, "destination")
            else:
                left, right = a, b
            for row, similar in enumerate(cosine_similarity(left, right)):
                for column in np.argsort(-similar)[:TOP_K]:
                    if similar[column] > 0:
                        sources.append(start_a + row)
                        destinations.append(start_b + column)
                        cosines.append(similar[column])
        start_a += len(a)
        start_b += len(b)
    return sources, destinations, cosines


def _projected(x: np.ndarray, state: State, end: str) -> np.ndarray:
    return np.clip((x - state[f"{end}_mean"]) / state[f"{end}_scale"], -32, 32) @ state[f"{end}_projection"]


def check_edges(ours: EdgeTable, theirs: Edges, num_sources: int) -> None:
    """Fail unless every source has as good neighbours; which of two equal ones is taken may differ."""
    best = [np.zeros((num_sources, TOP_K + 1)) for _ in range(2)]
    for table, (source, weight) in zip(best, ((ours.index[0], ours.weight), (np.array(theirs[0]), np.array(theirs[2]))), strict=True):
        order = np.lexsort((-weight, source))
        source, weight = source[order], weight[order]
        table[source, np.arange(len(source)) - np.searchsorted(source, source)] = weight
    np.testing.assert_allclose(best[0], best[1], atol=1e-4)


def _fit(builder: SimilarityEdges, texts: NodeTable, regions: NodeTable, state: State, quick: bool) -> Row:
    tables = {"text_span": texts, "image_region": regions}
    ends = [_per_sample(table) for table in tables.values()]
    both = [position for position in range(len(ends[0])) if len(ends[0][position]) and len(ends[1][position])]
    pairs = [[end[position] for position in both] for end in ends]
    ours = state["source_projection"] @ state["destination_projection"].T
    np.testing.assert_allclose(ours / np.abs(ours).max(), fitted_by_sample(*pairs, builder), atol=1e-3)
    x, y = (np.concatenate(part).astype(np.float64) for part in pairs)
    found = race(
        {
            "ours": lambda _: builder.fit(tables),
            "peers": lambda _: fitted_by_sample(*pairs, builder),
            "limits": lambda _: (x.T @ x, y.T @ y),
        },
        seconds=1 if quick else 12,
        fewest=2 if quick else 5,
    )
    return Row(
        work=f"edges: canonical correlation analysis of {len(both):,} samples",
        peer="covariances added up sample by sample",
        limit="the two covariances",
        goal=30,
        floor=1.2,
        equal="the map from one end to the other, to 1e-3 of its largest entry",
        **found,
    )


def fitted_by_sample(first: list[np.ndarray], second: list[np.ndarray], builder: SimilarityEdges) -> np.ndarray:
    """Return the map between the ends, scaled to 1, from covariances added up in a loop over samples."""
    means = [sum(x.mean(axis=0, dtype=np.float64) for x in end) / len(end) for end in (first, second)]
    covariances = [np.zeros((end[0].shape[1],) * 2) for end in (first, second)]
    cross = np.zeros((first[0].shape[1], second[0].shape[1]))
    for pair in zip(first, second, strict=True):
        centred = [x.astype(np.float64) - mean for x, mean in zip(pair, means, strict=True)]
        for covariance, x in zip(covariances, centred, strict=True):
            covariance += x.T @ x / len(x) / len(first)
        cross += np.outer(centred[0].mean(axis=0), centred[1].mean(axis=0)) / len(first)
    scales = [np.sqrt(np.trace(covariance) / len(covariance)) for covariance in covariances]
    whitenings = [_whitening(covariance / scale**2, builder.ridge) for covariance, scale in zip(covariances, scales, strict=True)]
    left, correlation, right = np.linalg.svd(whitenings[0] @ (cross / scales[0] / scales[1]) @ whitenings[1], full_matrices=False)
    kept = slice(builder.dimensions)
    between = whitenings[0] @ (left[:, kept] * correlation[kept] ** 2) @ right[kept] @ whitenings[1]
    return between / np.abs(between).max()


def _whitening(covariance: np.ndarray, ridge: float) -> np.ndarray:
    variance, basis = np.linalg.eigh(covariance)
    return basis / np.sqrt(variance.clip(0) + ridge * variance.mean()) @ basis.T


def _per_sample(table: NodeTable) -> list[np.ndarray]:
    """Return the features of each sample in an array of its own, as a list of graphs has them."""
    num_samples = int(table.sample.max()) + 1
    return [part.copy() for part in np.split(table.x, np.cumsum(table.counts(num_samples))[:-1])]
