import pytest
import torch
from toy_fusion import NoGraph, SumOfProducts, network_of, two_posts

from graphfuse.analyses.gradient import Gradient
from graphfuse.analyses.occlusion import Occlusion


def test_gradients_equal_occlusion_where_the_network_is_linear_in_its_edges():
    network = network_of(SumOfProducts())
    gradient = Gradient().scores(network, [two_posts()]).frame
    occlusion = Occlusion(levels=("edge",)).scores(network, [two_posts()]).frame
    assert gradient["score"].tolist() == pytest.approx(occlusion["score"].tolist())


def test_targets_whose_slopes_cancel_add_up_as_they_do_without_the_edge():
    network = network_of(SumOfProducts(), kind="regression", num_logits=2)
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    gradient = Gradient().scores(network, [two_posts()]).frame
    occlusion = Occlusion(levels=("edge",)).scores(network, [two_posts()]).frame
    assert gradient["score"].tolist() == pytest.approx([12.0, 2.0, 2.0, 4.0])
    assert gradient["score"].tolist() == pytest.approx(occlusion["score"].tolist())


def test_saliency_has_no_sign():
    frame = Gradient(saliency=True).scores(network_of(SumOfProducts()), [two_posts()]).frame
    assert frame["score"].tolist() == pytest.approx([12.0, 2.0, 2.0, 4.0])


def test_a_network_without_edges_has_no_slopes():
    assert (Gradient().scores(network_of(NoGraph()), [two_posts()]).frame["score"] == 0).all()
