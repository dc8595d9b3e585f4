"""Contract 2 and what else every fusion model keeps, whoever wrote it."""

import pytest
import torch
from graphs import MATCH, SCHEMA, batch, decision, graph, labelled_rows, without_edges, without_nodes
from torch_geometric.data import Batch

from graphfuse.core.compiled import has_compiler, use_kernels
from graphfuse.core.registry import load, names
from graphfuse.nn.fusion import FusionModule, FusionNetwork, training_loss

every_model = pytest.mark.parametrize("name", names("models"))
SIZES = ((3, 2), (2, 0), (1, 4), (0, 0), (2, 1))


def module(name: str, kind: str = "classification") -> FusionModule:
    """Return a network that has learned all that it does not learn by gradients."""
    torch.manual_seed(0)
    model = load("models", name)().module(SCHEMA, decision(kind))
    model.fit_train(labelled_rows(kind, SIZES))
    model.fit_validation(labelled_rows(kind, SIZES))
    return model.eval()


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


@every_model
@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_it_learns_every_kind_of_target_also_where_modalities_are_absent(name: str, kind: str) -> None:
    wanted = decision(kind)
    network = FusionNetwork(module(name, kind), wanted.num_logits).train()
    for rows in labelled_rows(kind, SIZES)():
        output = network(rows)
        assert output.logits.shape == (rows.num_graphs, wanted.num_logits)
        assert all(logits.shape == output.logits.shape for logits in output.experts.values())
        loss = training_loss(output, rows.y, wanted.criterion)
        assert loss.isfinite()
        if loss.requires_grad:
            loss.backward()
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert bool(gradients) == any(True for _ in network.parameters())
    assert all(gradient.isfinite().all() for gradient in gradients)


@every_model
@pytest.mark.skipif(not has_compiler(), reason="there is no C++ compiler on this machine")
def test_compiled_loops_change_nothing(name: str) -> None:
    found = []
    for kernels in ("torch", "compiled"):
        model, whole = module(name), batch(*SIZES)
        with use_kernels(kernels):
            output = model(whole)
            if output.embedding.requires_grad:
                output.embedding.square().sum().backward()
        gradients = {place: parameter.grad for place, parameter in model.named_parameters() if parameter.grad is not None}
        found.append({"embedding": output.embedding} | gradients | {str(kind): score for kind, score in output.edge_scores.items()})
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)


@every_model
def test_what_it_learned_is_in_its_state_dict(name: str) -> None:
    learned, whole = module(name), batch(*SIZES)
    torch.manual_seed(1)
    fresh = load("models", name)().module(SCHEMA, decision())
    fresh.load_state_dict(learned.state_dict())
    before, after = learned(whole), fresh.eval()(whole)
    torch.testing.assert_close(after.embedding, before.embedding, rtol=0, atol=0)
    assert learned.decides == (before.logits is not None)
    if learned.decides:
        torch.testing.assert_close(after.logits, before.logits, rtol=0, atol=0)


@every_model
def test_it_learns_the_same_from_the_same_rows(name: str) -> None:
    first, second = module(name).state_dict(), module(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(value, second[key]) for key, value in first.items())
