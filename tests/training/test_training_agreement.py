"""Contrast and consistency as additions to any model."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from toy_training import EXPERIMENT, SETTINGS, Killed, ToyFusion, contents, made_store, train

from graphfuse.core.build import build
from graphfuse.core.files import read_json
from graphfuse.nn.contrast import disagreement, info_nce
from graphfuse.nn.fusion import FusionModule, FusionNetwork, FusionOutput, training_loss
from graphfuse.nn.pooling import pool
from graphfuse.nn.retrieval import retrieval_metrics
from graphfuse.tasks.classification import Classification
from graphfuse.training.agreement import drawn_modality, with_agreement
from graphfuse.training.network import build_network, load_weights

BOTH = replace(SETTINGS, contrast=0.5, consistency=2.0)
TYPES = ("text_span", "image_region")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return made_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def network(store):
    torch.manual_seed(0)
    return build_network(ToyFusion(), store.schema, Classification(), store.target).eval()


@pytest.fixture
def batch(store):
    return store.batch(np.arange(24))


def has(batch):
    return {name: torch.bincount(batch[name].batch, minlength=batch.num_graphs) > 0 for name in TYPES}


def without(batch, *gone, samples=None):
    """Return weights that remove node types, in some samples or in all."""
    return {name: (torch.zeros(batch[name].num_nodes) if samples is None else (~samples[batch[name].batch]).float()) for name in gone}


def added(network, batch, settings, weights=None):
    output = network(batch, None, weights)
    return output, with_agreement(output, network, batch, weights, settings, 0, 1)


def test_off_it_adds_nothing_and_asks_the_network_nothing(network, batch):
    output = network(batch)
    network.forward = None  # would fail if it were called
    assert with_agreement(output, network, batch, None, SETTINGS, 0, 1) is output


def test_contrast_compares_embeddings_of_one_modality_at_a_time(network, batch):
    _, found = added(network, batch, BOTH)
    text, image = (network(batch, None, without(batch, gone)).embedding for gone in ("image_region", "text_span"))
    there = has(batch)
    assert 2 <= int((there["text_span"] & there["image_region"]).sum()) < 24
    expected = info_nce(text, image, SETTINGS.contrast_temperature, there["text_span"] & there["image_region"])
    torch.testing.assert_close(found.penalties["contrast"], 0.5 * expected)


class Viewed(FusionModule):
    """A body with views, whose embedding says nothing."""

    out_channels = 2

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.layers = torch.nn.ModuleDict({"text_span": torch.nn.Linear(4, 5), "image_region": torch.nn.Linear(3, 5)})

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        self.calls += 1
        views = {name: self.layers[name](part.mean) for name, part in pool(batch, TYPES, node_weight_dict).items()}
        return FusionOutput(embedding=torch.zeros(batch.num_graphs, 2), views=views)


def test_contrast_takes_the_views_that_a_model_gives(store, batch):
    body = Viewed()
    output, found = added(FusionNetwork(body, 2, schema=store.schema, target=store.target), batch, replace(SETTINGS, contrast=1.0))
    there = has(batch)
    expected = info_nce(*output.views.values(), 0.1, there["text_span"] & there["image_region"])
    torch.testing.assert_close(found.penalties["contrast"], expected)
    assert body.calls == 1


def test_what_modality_dropout_removed_takes_no_part_in_contrast(network, batch):
    there, odd = has(batch), torch.arange(24) % 2 == 1
    weights = without(batch, "image_region", samples=odd)
    _, found = added(network, batch, BOTH, weights)
    text, image = (network(batch, None, {**weights, **without(batch, gone)}).embedding for gone in ("image_region", "text_span"))
    keep = there["text_span"] & there["image_region"] & ~odd
    torch.testing.assert_close(found.penalties["contrast"], 0.5 * info_nce(text, image, 0.1, keep))


def test_consistency_compares_with_the_prediction_without_one_modality_of_each_sample(network, batch):
    output, found = added(network, batch, BOTH)
    lost = drawn_modality(torch.stack(list(has(batch).values())), 0, 1, batch)
    weights = {name: (lost != number).float()[batch[name].batch] for number, name in enumerate(TYPES)}
    expected = disagreement(network(batch, None, weights).logits, output.logits, "classification", lost >= 0)
    torch.testing.assert_close(found.penalties["consistency"], 2 * expected)
    assert expected > 0


def test_a_sample_loses_one_modality_that_it_has_and_never_its_last(store):
    batch = store.batch(np.arange(48))
    there = torch.stack([*has(batch).values(), torch.arange(48) % 3 == 0])
    lost = drawn_modality(there, 0, 1, batch)
    assert torch.equal(lost >= 0, there.sum(dim=0) >= 2)
    for sample in (lost >= 0).nonzero().flatten().tolist():
        assert there[lost[sample], sample]
    assert set(lost.tolist()) == {-1, 0, 1, 2}


def test_the_draw_depends_on_seed_epoch_and_position_only(store):
    whole, turned = store.batch(np.arange(48)), store.batch(np.arange(48)[::-1].copy())
    all_there = torch.ones(2, 48, dtype=torch.bool)
    lost = drawn_modality(all_there, 0, 1, whole)
    assert torch.equal(drawn_modality(all_there, 0, 1, turned).flip(0), lost)
    assert 12 < int(lost.sum()) < 36
    for seed, epoch in ((1, 1), (0, 2)):
        assert not torch.equal(drawn_modality(all_there, seed, epoch, whole), lost)


@pytest.mark.parametrize("name", ["concat", "relational_attention", "two_tower", "hybrid", "multimodal_vae", "average"])
def test_any_model_learns_by_both(store, batch, name):
    torch.manual_seed(0)
    task = Classification()
    network = build_network(build("models", {"name": name}, "model"), store.schema, task, store.target).train()
    output, found = added(network, batch, BOTH)
    assert {"contrast", "consistency"} <= set(found.penalties)
    assert all(penalty.isfinite() and penalty > 0 for key, penalty in found.penalties.items() if key in ("contrast", "consistency"))
    criterion = task.criterion(store.target)
    more = training_loss(found, batch.y, criterion) - training_loss(output, batch.y, criterion)
    torch.testing.assert_close(more, found.penalties["contrast"] + found.penalties["consistency"])
    more.backward()
    slopes = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert slopes and all(slope.isfinite().all() for slope in slopes)


def test_contrast_teaches_partners_to_find_each_other(store, batch):
    torch.manual_seed(0)
    network = FusionNetwork(Viewed(), 2, schema=store.schema, target=store.target)
    together = batch.clone()
    together["image_region"].x = together["text_span"].x[:, :3].clone()
    together["image_region"].batch = together["text_span"].batch
    keep, settings = has(together)["text_span"], replace(SETTINGS, contrast=1.0)
    optimizer, found = torch.optim.Adam(network.parameters(), lr=0.02), []
    for _ in range(150):
        output, more = added(network, together, settings)
        found.append(retrieval_metrics(*(view[keep] for view in output.views.values()))["recall_at_1"])
        optimizer.zero_grad()
        more.penalties["contrast"].backward()
        optimizer.step()
    assert found[0] < 0.4
    assert found[-1] > 0.8


class Voting(FusionModule):
    """One expert per modality, and a decision that is no function of parameters."""

    out_channels = 2
    decides = True

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleDict({"text_span": torch.nn.Linear(4, 2), "image_region": torch.nn.Linear(3, 2)})

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        pooled = pool(batch, TYPES, node_weight_dict)
        experts = {name: self.layers[name](part.mean) for name, part in pooled.items()}
        votes = sum(pooled[name].has * logits.sign() for name, logits in experts.items()).detach()
        return FusionOutput(embedding=votes, logits=votes, experts=experts)


def test_experts_under_a_vote_agree_with_it_where_the_others_are_lost(store, batch):
    torch.manual_seed(0)
    network = FusionNetwork(Voting(), 2, schema=store.schema, target=store.target)
    output, found = added(network, batch, replace(SETTINGS, consistency=1.0))
    there = has(batch)
    lost = drawn_modality(torch.stack(list(there.values())), 0, 1, batch)
    terms = [disagreement(output.experts[name], output.logits, "classification", lost == 1 - number) for number, name in enumerate(TYPES)]
    torch.testing.assert_close(found.penalties["consistency"], sum(terms) / 2)
    found.penalties["consistency"].backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in network.body.layers.values())


def test_views_that_are_not_learned_leave_contrast_to_the_embeddings(network, batch):
    output = network(batch)
    fixed = replace(output, views={name: torch.ones(24, 3) for name in TYPES})
    settings = replace(SETTINGS, contrast=1.0)
    found = [with_agreement(given, network, batch, None, settings, 0, 1).penalties["contrast"] for given in (fixed, output)]
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("name", ["toy_training:ToyFusion", "two_tower"])
def test_with_both_a_killed_run_resumes_to_the_same_bytes(store, tmp_path, name):
    settings = replace(BOTH, seeds=(0,))
    model = ToyFusion() if ":" in name else build("models", {"name": name}, "model")
    experiment = {**EXPERIMENT, "model": {"name": name}}
    train(store, tmp_path / "whole", settings, model=model, experiment=experiment)

    def kill(done, total, label):
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        train(store, tmp_path / "run", settings, model=model, experiment=experiment, progress=kill)
    train(store, tmp_path / "run", settings, model=model, experiment=experiment, resume=True)
    assert contents(tmp_path / "run") == contents(tmp_path / "whole")
    assert read_json(tmp_path / "run" / "inputs.json")["train"]["contrast"] == 0.5


def test_consistency_makes_predictions_hold_without_a_modality(store, tmp_path):
    gaps = {}
    for weight in (0.0, 5.0):
        settings = replace(
            SETTINGS, consistency=weight, modality_dropout={}, epochs=20, patience=0, keep="last", seeds=(0,), learning_rate=0.05
        )
        out = tmp_path / f"run-{weight}"
        train(store, out, settings)
        torch.manual_seed(0)
        network = build_network(ToyFusion(), store.schema, Classification(), store.target)
        load_weights(out / "seed-0", network)
        batch = store.batch(np.arange(24))
        with torch.no_grad():
            all_there, less = network(batch).logits, network(batch, None, without(batch, "image_region")).logits
        gaps[weight] = disagreement(less, all_there, "classification").item()
    assert gaps[5.0] < 0.7 * gaps[0.0]
