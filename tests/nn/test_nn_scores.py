"""Scores of edges are worked out at the first look, once."""

import torch
from torch import Tensor

from graphfuse.core.schema import EdgeType
from graphfuse.nn.scores import EdgeScores, mean_scores

FOLLOWS: EdgeType = ("text_span", "follows", "text_span")
SHOWS: EdgeType = ("text_span", "shows", "image_region")


class Work:
    """Counts how often scores were worked out."""

    def __init__(self, factor: float = 1.0) -> None:
        self.calls, self._factor = 0, factor

    def __call__(self) -> dict[EdgeType, Tensor]:
        self.calls += 1
        return {FOLLOWS: torch.tensor([1.0, 2.0]) * self._factor, SHOWS: torch.zeros(0)}


def test_which_edge_types_have_scores_is_known_without_any_work() -> None:
    work = Work()
    scores = EdgeScores((FOLLOWS, SHOWS), work)
    assert list(scores) == [FOLLOWS, SHOWS]
    assert len(scores) == 2
    assert work.calls == 0


def test_scores_are_worked_out_once() -> None:
    work = Work()
    scores = EdgeScores((FOLLOWS, SHOWS), work)
    assert scores[FOLLOWS].tolist() == [1.0, 2.0]
    assert scores[SHOWS].numel() == 0
    assert work.calls == 1


def test_layers_are_averaged_only_when_somebody_looks() -> None:
    works = Work(), Work(3.0)
    mean = mean_scores([EdgeScores((FOLLOWS, SHOWS), work) for work in works])
    assert [work.calls for work in works] == [0, 0]
    assert mean[FOLLOWS].tolist() == [2.0, 4.0]


def test_no_layers_and_layers_without_scores_give_none() -> None:
    assert not mean_scores([])
    assert not mean_scores([{}, {}])
