"""The code is one from which every modality can be made, also the ones that were not seen."""

import pytest
import torch
from early_rows import TYPES, fitted, train_rows, trained

from graphfuse.models.autoencoder import AutoencoderModel

PLAIN = AutoencoderModel(dropout=0.0, input_dropout=0.0, hide=0.0)


def test_the_penalty_is_the_mean_squared_error_of_the_modalities_that_are_there() -> None:
    rows = train_rows(40, absent=0.4)
    (batch,) = rows()
    network = fitted(PLAIN, rows).train()
    output, pooled = network(batch), network.inputs(batch)
    made = network.reconstruct(output.embedding)
    there = {name: part.has.squeeze(1) > 0 for name, part in pooled.items()}
    errors = torch.cat([(made[name] - part.mean).square().mean(1)[there[name]] for name, part in pooled.items()])
    assert output.penalties["reconstruction"].item() == pytest.approx(errors.mean().item(), rel=1e-5)


def test_a_modality_can_be_made_from_the_others() -> None:
    network = trained(AutoencoderModel(input_dropout=0.0, reconstruction=5.0), train_rows(400), steps=150).body
    (whole,), (less,) = train_rows(seed=1)(), train_rows(gone=["image_region"], seed=1)()
    wanted = network.inputs(whole)["image_region"].mean
    made = network.reconstruct(network(less).embedding)["image_region"]
    assert (made - wanted).square().mean() < 0.4 * wanted.square().mean()


def test_some_modality_of_every_sample_is_always_seen() -> None:
    rows = train_rows(200, absent=0.5)
    (batch,) = rows()
    network = fitted(AutoencoderModel(hide=1.0), rows)
    has = torch.cat([part.has for part in network.inputs(batch).values()], dim=1)
    torch.manual_seed(0)
    seen = network._kept(has) * has
    assert (seen.sum(1) == has.sum(1).clamp(max=1)).all()
    assert all(seen[:, i].sum() > 20 for i in range(len(TYPES))), "each is the one that stays for some"
    assert (fitted(PLAIN, rows)._kept(has) == 1).all()


def test_a_hidden_modality_looks_like_an_absent_one() -> None:
    network = fitted(PLAIN, train_rows())
    (whole,), (less,) = train_rows(20, seed=1)(), train_rows(20, gone=["author"], seed=1)()
    hidden = network.encode(network.inputs(whole), torch.tensor([[1.0, 1.0, 0.0]]).expand(20, 3))
    torch.testing.assert_close(hidden, network(less).embedding)
