"""Linear networks trained by the loss of deep CCA reach the correlation of linear CCA."""

import numpy as np
import pytest
import torch
from early_rows import TYPES, fitted, standardised, train_rows

from graphfuse.models.deep_cca import DeepCcaModel, RunningAlignment
from graphfuse.nn.correlation import cca, total_correlation

LINEAR = DeepCcaModel(num_components=2, encoder_layers=0, ridge=1e-6, dropout=0.0, input_dropout=0.0)


def test_linear_networks_reach_the_correlations_of_linear_cca() -> None:
    rows = train_rows(gone=["author"])
    (batch,) = rows()
    network = fitted(LINEAR, rows).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    for _ in range(300):
        loss = network(batch).penalties["correlation"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    x = standardised(train_rows())
    expected = cca(x["text_span"], x["image_region"], 2).strengths
    # three pairs, two of which have nobody in them
    assert 1 - 3 * (1 - 1 / 3) < loss.item() < 1
    views = network.eval()(batch).views
    found = [np.corrcoef(views["text_span"][:, i].detach(), views["image_region"][:, i].detach())[0, 1] for i in range(2)]
    np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (np.array(found) <= expected.numpy() + 1e-6).all(), "linear CCA is the best that is linear"


def test_the_loss_is_one_less_the_mean_correlation_of_all_pairs() -> None:
    rows = train_rows()
    (batch,) = rows()
    network = fitted(LINEAR, rows).train()
    penalty = network(batch).penalties["correlation"]
    x = {name: part.mean for name, part in network.inputs(batch).items()}
    outputs = [network.encoders[name](x[name]) for name in TYPES]
    pairs = [total_correlation(outputs[i], outputs[j], ridge=1e-6) for i, j in ((0, 1), (0, 2), (1, 2))]
    torch.testing.assert_close(penalty, 1 - torch.stack(pairs).mean() / 2)


def test_reconstruction_is_of_the_modalities_that_are_there() -> None:
    rows = train_rows(40, absent=0.4)
    (batch,) = rows()
    model = DeepCcaModel(reconstruction=0.5, dropout=0.0, input_dropout=0.0)
    network = fitted(model, rows).train()
    pooled = network.inputs(batch)
    errors = []
    for name, part in pooled.items():
        there = part.has.squeeze(1) > 0
        made = network.decoders[name](network.encoders[name](part.mean[there]))
        errors += (made - part.mean[there]).square().mean(1).tolist()
    assert network(batch).penalties["reconstruction"].item() == pytest.approx(0.5 * np.mean(errors), rel=1e-4)


def test_nothing_is_learned_from_what_is_only_looked_at() -> None:
    rows = train_rows(40)
    (batch,) = rows()
    network = fitted(LINEAR, rows)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    output = network(batch)
    assert not output.penalties
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_alignment_undoes_whatever_linear_maps_the_outputs_went_through() -> None:
    draw = torch.Generator().manual_seed(0)
    common = torch.randn(500, 3, generator=draw)
    outputs = [(common + 0.1 * torch.randn(500, 3, generator=draw)) @ torch.randn(3, 3, generator=draw) + 4 for _ in range(2)]
    has = torch.ones(500, 2)
    has[::5, 0], has[1::5, 1] = 0, 0
    align = RunningAlignment(2, 3, ridge=1e-6).train()
    align([output * has[:, [i]] for i, output in enumerate(outputs)], has)
    for _ in range(100):
        align([output * has[:, [i]] for i, output in enumerate(outputs)], has)
    first, second = align.eval()(outputs, torch.ones(500, 2))
    assert (torch.nn.functional.cosine_similarity(first, second) > 0.9).float().mean() > 0.9
