"""The gated multimodal unit, by hand."""

import numpy as np
import torch
from unit_batches import DECISION, batch_of, random, schema

from graphfuse.models.gated_unit import GatedUnit, GatedUnitModel


def test_it_is_the_sum_of_gates_times_what_the_modalities_say() -> None:
    torch.manual_seed(0)
    unit = GatedUnit(("word", "region"), in_channels=3, out_channels=2)
    vectors = {"word": random(4, 3), "region": random(4, 3, seed=1)}
    present = {"word": torch.ones(4, 1), "region": torch.tensor([[1.0], [1.0], [0.5], [0.0]])}
    weights = {name: parameter.detach().numpy() for name, parameter in unit.named_parameters()}
    x = {name: vector.numpy() for name, vector in vectors.items()}
    seen, expected = np.hstack([x["word"], x["region"]]), np.zeros((4, 2))
    for name, vector in x.items():
        says = np.tanh(vector @ weights[f"says.{name}.weight"].T + weights[f"says.{name}.bias"])
        gate = 1 / (1 + np.exp(-(seen @ weights[f"gate.{name}.weight"].T + weights[f"gate.{name}.bias"])))
        expected += present[name].numpy() * gate * says
    np.testing.assert_allclose(unit(vectors, present).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_modality_that_is_not_there_adds_nothing_but_the_gates_know() -> None:
    model = GatedUnitModel(hidden_channels=4).module(schema("word", "region"), DECISION).eval()
    whole = batch_of(("word", "region"), [(2, 0)])
    before = model(whole).embedding
    with torch.no_grad():
        model.unit.says["region"].weight.normal_()
        model.unit.gate["region"].weight.normal_()
    torch.testing.assert_close(model(whole).embedding, before)
    with torch.no_grad():
        model.unit.gate["word"].bias.add_(1)
        model.inputs.absent["region"].add_(1)
    assert not torch.allclose(model(whole).embedding, before)
