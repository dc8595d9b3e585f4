"""Gates: what a pair score sees, and the hard concrete distribution against its closed forms."""

import pytest
import torch

from graphfuse.nn.gates import HIGH, LOW, TEMPERATURE, PairScore, hard_concrete, open_probability


def test_a_pair_score_is_a_network_over_both_ends_and_their_product() -> None:
    torch.manual_seed(0)
    score, left, right = PairScore(4, bias=0.5), torch.randn(3, 4), torch.randn(2, 4)
    edge_index = torch.tensor([[0, 2, 1], [1, 0, 0]])
    found = score(left, right, edge_index)
    for edge, (source, destination) in enumerate(edge_index.T.tolist()):
        a = score.source.weight @ left[source] + score.source.bias
        b = score.destination.weight @ right[destination] + score.destination.bias
        hidden = (a + b + score.product.weight @ (a * b) + score.product.bias).relu()
        torch.testing.assert_close(found[edge], hidden @ score.score.weight[0] + 0.5)


def test_a_pair_score_sees_a_match() -> None:
    """Any sum f(a) + g(b) closes this parallelogram; the product does not."""
    torch.manual_seed(0)
    score, x = PairScore(4), torch.randn(2, 4)
    same, other = score(x, x, torch.tensor([[0, 1], [0, 1]])), score(x, x, torch.tensor([[0, 1], [1, 0]]))
    assert (same.sum() - other.sum()).abs() > 1e-2


@pytest.mark.parametrize("logit", [-2.0, -0.3, 0.0, 1.5])
def test_the_chance_of_an_open_gate_is_how_often_a_drawn_one_is_open(logit: float) -> None:
    torch.manual_seed(0)
    gates = hard_concrete(torch.full((40_000,), logit), training=True)
    assert ((gates >= 0) & (gates <= 1)).all()
    expected = open_probability(torch.tensor(logit))
    torch.testing.assert_close((gates > 0).float().mean(), expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("logit", [-1.0, 0.5])
def test_drawn_gates_follow_the_distribution_of_the_paper(logit: float) -> None:
    """P(gate <= z) = sigmoid(temperature * logit of z in the stretched interval - logit of the gate)."""
    torch.manual_seed(1)
    gates = hard_concrete(torch.full((40_000,), logit), training=True)
    for z in (0.0, 0.25, 0.5, 0.9):
        inside = torch.tensor((z - LOW) / (HIGH - LOW))
        expected = (TEMPERATURE * (inside / (1 - inside)).log() - logit).sigmoid()
        torch.testing.assert_close((gates <= z).float().mean(), expected, rtol=0, atol=0.01)


def test_without_training_a_gate_is_the_same_every_time() -> None:
    logit = torch.tensor([-4.0, 0.0, 4.0])
    torch.testing.assert_close(hard_concrete(logit, training=False), torch.tensor([0.0, 0.5, 1.0]))
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    hard_concrete(logit, training=False)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_extreme_logits_have_finite_gradients() -> None:
    logit = torch.tensor([-80.0, 80.0], requires_grad=True)
    (hard_concrete(logit, training=True).sum() + open_probability(logit).sum()).backward()
    assert logit.grad is not None
    assert logit.grad.isfinite().all()
