"""Contract 2 and what else every fusion model keeps, whoever wrote it."""

import pytest
import torch
from graphs import MATCH, SCHEMA, batch, graph, without_edges, without_nodes
from torch_geometric.data import Batch

from graphfuse.core.registry import load, names
from graphfuse.nn.fusion import FusionModule

every_model = pytest.mark.parametrize("name", names("models"))
SIZES = ((3, 2), (2, 0), (1, 4), (0, 0), (2, 1))


def module(name: str) -> FusionModule:
    torch.manual_seed(0)
    return load("models", name)().module(SCHEMA).eval()


def stage(name: str) -> str:
    return load("models", name).stage


def ones(whole: Batch) -> dict[tuple[str, str, str], torch.Tensor]:
    return {edge_type: torch.ones(whole[edge_type].edge_index.size(1)) for edge_type in whole.edge_types}


@every_model
def test_it_gives_one_finite_vector_per_sample_also_where_modalities_are_absent(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    output = model(whole)
    assert output.embedding.shape == (len(SIZES), model.out_channels)
    assert output.embedding.isfinite().all()
    for edge_type, score in output.edge_scores.items():
        assert score.shape == (whole[edge_type].edge_index.size(1),)


@every_model
def test_a_sample_is_fused_alike_alone_and_in_company(name: str) -> None:
    model = module(name)
    together = model(batch(*SIZES)).embedding
    for position, size in enumerate(SIZES):
        alone = model(Batch.from_data_list([graph(*size, seed=position)])).embedding
        torch.testing.assert_close(alone[0], together[position])


@every_model
def test_weight_one_changes_nothing(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    nodes = {node_type: torch.ones(whole[node_type].num_nodes) for node_type in whole.node_types}
    torch.testing.assert_close(model(whole, ones(whole), nodes).embedding, model(whole).embedding)


@every_model
def test_edge_weight_zero_is_the_edge_removed(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    for edge_type in whole.edge_types:
        count = whole[edge_type].edge_index.size(1)
        keep = torch.arange(count) % 3 != 0
        weighted = model(whole, ones(whole) | {edge_type: keep.float()}).embedding
        torch.testing.assert_close(weighted, model(without_edges(whole, edge_type, keep)).embedding, rtol=1e-5, atol=1e-6)


@every_model
def test_removing_every_edge_of_a_kind_is_the_kind_removed(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    none = torch.zeros(whole[MATCH].edge_index.size(1), dtype=torch.bool)
    weighted = model(whole, {MATCH: none.float()}).embedding
    torch.testing.assert_close(weighted, model(without_edges(whole, MATCH, none)).embedding, rtol=1e-5, atol=1e-6)


@every_model
@pytest.mark.parametrize("node_type", ["text_span", "image_region"])
def test_node_weight_zero_is_the_node_removed(name: str, node_type: str) -> None:
    model, whole = module(name), batch(*SIZES)
    keep = torch.arange(whole[node_type].num_nodes) % 2 != 0
    weighted = model(whole, None, {node_type: keep.float()}).embedding
    torch.testing.assert_close(weighted, model(without_nodes(whole, node_type, keep)).embedding, rtol=1e-5, atol=1e-6)


@every_model
def test_a_removed_picture_is_an_absent_picture(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    gone = torch.zeros(whole["image_region"].num_nodes)
    absent = batch(*[(spans, 0) for spans, _ in SIZES])
    for node_type in ("text_span", "sample"):
        absent[node_type].x = whole[node_type].x
    torch.testing.assert_close(model(whole, None, {"image_region": gone}).embedding, model(absent).embedding, rtol=1e-5, atol=1e-6)


@every_model
def test_gradients_reach_the_weights(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    edges = {edge_type: weight.requires_grad_() for edge_type, weight in ones(whole).items()}
    nodes = {node_type: torch.ones(whole[node_type].num_nodes, requires_grad=True) for node_type in whole.node_types}
    model(whole, edges, nodes).embedding.square().sum().backward()
    assert nodes["text_span"].grad is not None
    assert nodes["text_span"].grad.abs().sum() > 0
    if stage(name) == "graph":
        assert edges[MATCH].grad is not None
        assert edges[MATCH].grad.isfinite().all()
        assert edges[MATCH].grad.abs().sum() > 0


@every_model
def test_a_stored_weight_counts_like_a_given_one(name: str) -> None:
    model, whole = module(name), batch(*SIZES)
    weight = torch.linspace(0, 1, whole[MATCH].edge_index.size(1))
    stored = whole.clone()
    stored[MATCH].edge_weight = weight
    torch.testing.assert_close(model(stored).embedding, model(whole, {MATCH: weight}).embedding)
