"""A product of experts over the modalities that are there, and what it gives back."""

import pytest
import torch
from unit_batches import DECISION, batch_of, schema

from graphfuse.models.multimodal_vae import MultimodalVAEFusion, MultimodalVAEModel
from graphfuse.nn.pooling import pool

NAMES = ("word", "region", "author")
SIZES = ((2, 3, 1), (1, 0, 1), (0, 0, 0), (0, 2, 0))
STILL = MultimodalVAEModel(hidden_channels=8, latent_channels=4, dropout=0, input_dropout=0, warmup_steps=0)


def network(model: MultimodalVAEModel = STILL) -> MultimodalVAEFusion:
    torch.manual_seed(0)
    fusion = model.module(schema(*NAMES), DECISION)
    fusion.fit_train(lambda: [labelled(seed) for seed in range(5)])
    return fusion


def labelled(seed: int = 0):
    whole = batch_of(NAMES, SIZES, seed)
    whole.y = torch.zeros(len(SIZES), dtype=torch.long)
    return whole


def test_the_embedding_is_the_precision_weighted_mean_of_prior_and_experts() -> None:
    fusion = network().eval()
    pooled = pool(labelled(), NAMES)
    experts = fusion.experts(pooled)
    precision = 1 + sum(pooled[name].has * experts[name].precision for name in NAMES)
    mean = sum(pooled[name].has * experts[name].precision * experts[name].mean for name in NAMES) / precision
    torch.testing.assert_close(fusion(labelled()).embedding, mean)


def test_any_subset_has_a_posterior_and_nothing_has_the_prior() -> None:
    fusion = network().eval()
    pooled = pool(labelled(), NAMES)
    posterior = fusion.posterior(fusion.experts(pooled), pooled, NAMES)
    assert torch.equal(posterior.mean[2], torch.zeros(4))
    assert torch.equal(posterior.precision[2], torch.ones(4))
    # the fewer experts, the less sure
    assert (posterior.precision[0] > posterior.precision[1]).float().mean() > 0.5
    assert torch.equal(fusion(labelled()).embedding[2], torch.zeros(4))


def test_in_training_it_draws_and_adds_the_lower_bounds_of_all_and_of_each_modality() -> None:
    fusion = network().train()
    torch.manual_seed(3)
    output = fusion(labelled())
    pooled = pool(labelled(), NAMES)
    experts = fusion.experts(pooled)
    torch.manual_seed(3)
    misfit, divergence = torch.zeros(4), torch.zeros(4)
    for names in (NAMES, *((name,) for name in NAMES)):
        posterior = fusion.posterior(experts, pooled, names)
        latent = posterior.sample()
        if names == NAMES:
            torch.testing.assert_close(output.embedding, latent)
        divergence += posterior.divergence()
        for name in names:
            wanted = (pooled[name].mean - fusion.standardize[name].center) / fusion.standardize[name].scale
            normal = torch.distributions.Normal(fusion.decode[name](latent), 1.0)
            constant = normal.log_prob(normal.mean).sum(dim=1)
            misfit += pooled[name].has[:, 0] * (constant - normal.log_prob(wanted).sum(dim=1))
    values = 5 + 3 + 4
    torch.testing.assert_close(output.penalties["reconstruction"], STILL.reconstruction * misfit.mean() / values)
    torch.testing.assert_close(output.penalties["divergence"], STILL.reconstruction * divergence.mean() / values)


def test_the_divergence_warms_up_and_goes_on_where_a_state_dict_left_it() -> None:
    model = MultimodalVAEModel(hidden_channels=8, latent_channels=4, dropout=0, input_dropout=0, warmup_steps=4)
    fusion = network(model).train()
    found = [fusion(labelled()).penalties["divergence"].item() for _ in range(5)]
    assert [value / found[-1] for value in found] == pytest.approx([0.25, 0.5, 0.75, 1, 1])
    other = network(model).train()
    other.load_state_dict(fusion.state_dict())
    assert other(labelled()).penalties["divergence"].item() == pytest.approx(found[-1])


def test_no_bound_is_computed_where_it_weighs_nothing() -> None:
    assert network(MultimodalVAEModel(reconstruction=0)).train()(labelled()).penalties == {}


def test_it_learns_to_give_back_one_modality_from_the_other() -> None:
    torch.manual_seed(0)
    fusion = MultimodalVAEModel(latent_channels=4, dropout=0, input_dropout=0, reconstruction=1, beta=0.05).module(
        schema("word", "region"), DECISION
    )
    whole = batch_of(("word", "region"), [(1, 1)] * 64)
    whole["region"].x = whole["word"].x[:, :3].clone()
    whole.y = torch.zeros(64, dtype=torch.long)
    fusion.fit_train(lambda: [whole])
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        sum(fusion.train()(whole).penalties.values()).backward()
        optimizer.step()
    fusion.eval()
    words_only = fusion(whole, None, {"region": torch.zeros(64)}).embedding
    given = fusion.decode["region"](words_only)
    wanted = fusion.standardize["region"](whole["region"].x)
    assert (given - wanted).square().mean() < 0.5 * wanted.square().mean()
