"""What every fusion network tells about itself."""

import torch

from graphfuse.models._late import LateFusion, WeightedFusion
from graphfuse.models.graphical_model import GaussianFusion, TreeFusion
from graphfuse.models.stacking import StackingFusion
from graphfuse.models.weighted_average import WeightedAverageFusion
from graphfuse.nn.fusion import FusionModule, FusionOutput
from graphfuse.nn.scores import EdgeScores


class Still(FusionModule):
    """Learns nothing outside of training."""


class Deeper(StackingFusion):
    """Inherits that it learns from validation rows."""


def learns(kind: type[FusionModule]) -> bool:
    """Ask an object that holds nothing: only its class matters."""
    return kind.__new__(kind).fits_validation


def test_a_network_that_overrides_fit_validation_says_that_it_learns_from_validation_rows():
    for kind in (StackingFusion, WeightedAverageFusion, TreeFusion, GaussianFusion, Deeper):
        assert learns(kind)


def test_one_that_does_not_says_so():
    for kind in (Still, LateFusion, WeightedFusion):
        assert not learns(kind)


def test_an_output_moves_with_all_its_parts():
    edge = ("text_span", "may_match", "image_region")
    output = FusionOutput(
        embedding=torch.ones(2, 3), edge_scores={edge: torch.ones(4)}, views={"text": torch.ones(2, 3)}, penalties={"l": torch.ones(())}
    )
    moved = output.to(torch.device("meta"))
    assert moved.embedding.is_meta
    assert moved.edge_scores[edge].is_meta
    assert moved.views["text"].is_meta
    assert moved.penalties["l"].is_meta
    assert moved.logits is None
    assert moved.experts == {}


def test_scores_of_edges_wait_for_a_look_wherever_the_output_goes():
    edge = ("text_span", "may_match", "image_region")
    asked = []
    scores = EdgeScores((edge,), lambda: asked.append(1) or {edge: torch.ones(4)})
    moved = FusionOutput(embedding=torch.ones(2, 3), edge_scores=scores).to(torch.device("meta"))
    assert list(moved.edge_scores) == [edge]
    assert not asked
    assert moved.edge_scores[edge].is_meta
    assert asked == [1]
