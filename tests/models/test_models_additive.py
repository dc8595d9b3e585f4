"""What late methods and sums of kernels can find, and what no sum over modalities can."""

import pytest
from toy_late import made_world, trained

from graphfuse.core.registry import load, names

ADDITIVE = [name for name in names("models") if load("models", name).stage in ("late", "kernel")]


def accuracy(name, rule):
    """Return the share of right decisions on new rows."""
    network, batch = trained(name, rule), made_world(rule, seed=2, rows=400)
    return (network(batch).logits.argmax(dim=1) == batch.y).float().mean().item()


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_one_modality_knows_is_found(name) -> None:
    assert accuracy(name, lambda a, b: a) > 0.85
    assert accuracy(name, lambda a, b: b) > 0.85


@pytest.mark.parametrize("name", ADDITIVE)
def test_what_only_both_together_know_stays_at_chance(name) -> None:
    """The label is whether two signs are alike: each modality alone sees both labels equally often behind each of its values."""
    assert abs(accuracy(name, lambda a, b: a * b) - 0.5) < 0.1
