"""The code of the experts' decisions: of any subset of them."""

import pytest
import torch
from toy_late import fusion, made_batch, trained

SETTINGS = {"hidden_channels": 16, "code_channels": 5}
ABSENT = torch.full((1, 2), torch.nan)
PAIR = torch.tensor([[1.0, -1.0, 2.0]]), torch.tensor([[0.5, -2.0]])


def test_the_code_is_the_mean_of_what_the_experts_contribute() -> None:
    fused = fusion("decision_autoencoder", **SETTINGS)
    told = torch.randn(3, 2, 3)
    parts = [encode(told[:, number]) for number, encode in enumerate(fused.encode.values())]
    torch.testing.assert_close(fused.code(told, torch.ones(3, 2)), (parts[0] + parts[1]) / 2)
    torch.testing.assert_close(fused.code(told, torch.tensor([[0.0, 1.0]]).expand(3, 2)), parts[1])


def test_the_decision_is_linear_in_the_code() -> None:
    fused = fusion("decision_autoencoder", **SETTINGS)
    output = fused(made_batch(torch.randn(3, 3), torch.randn(3, 2)))
    assert output.embedding.shape == (3, 5)
    torch.testing.assert_close(output.logits, fused.prior + fused.read(output.embedding))


def test_a_sample_without_anything_has_a_code_of_its_own_and_the_prior() -> None:
    fused = fusion("decision_autoencoder", **SETTINGS)
    torch.nn.init.normal_(fused.nothing)
    output = fused(made_batch(torch.full((1, 3), torch.nan), ABSENT))
    torch.testing.assert_close(output.embedding[0], fused.nothing)
    torch.testing.assert_close(output.logits[0], fused.prior)


def test_the_penalty_is_the_error_of_the_guesses_of_those_that_are_there() -> None:
    fused = fusion("decision_autoencoder", reconstruction=2.0)
    output = fused(made_batch(torch.randn(1, 3), ABSENT))
    told = output.experts["text_span"].log_softmax(dim=1) - fused.prior
    guess = fused.decode["text_span"](output.embedding)
    torch.testing.assert_close(output.penalties["reconstruction"], 2 * (guess - told).square().mean())


def test_in_training_experts_are_hidden_but_never_all_of_a_sample() -> None:
    fused, batch = fusion("decision_autoencoder", hidden_experts=0.5, dropout=0.0, input_dropout=0.0), made_batch(*PAIR)
    text, image = (encode(told_by(fused, batch)[:, number]) for number, encode in enumerate(fused.encode.values()))
    codes = torch.stack([fused.train()(batch).embedding[0] for _ in range(40)])
    which = [bool(torch.isclose(codes, code[0], atol=1e-6).all(dim=1).any()) for code in ((text + image) / 2, text, image)]
    assert which == [True, True, True]
    assert not torch.isclose(codes, fused.nothing, atol=1e-6).all(dim=1).any()


def test_the_autoencoder_takes_decisions_as_they_are() -> None:
    fused = fusion("decision_autoencoder").train()
    output = fused(made_batch(torch.randn(4, 3), torch.randn(4, 2)))
    (output.penalties["reconstruction"] + output.logits.square().sum()).backward()
    assert fused.decide["text_span"].weight.grad is None
    assert fused.read.weight.grad.abs().sum() > 0


def test_it_learns_to_guess_what_the_experts_decide() -> None:
    fused = trained("decision_autoencoder", lambda a, b: a, steps=60).body
    batch = made_batch(torch.randn(40, 3), torch.randn(40, 2))
    assert fused(batch).penalties["reconstruction"].item() < 0.5 * told_by(fused, batch).square().mean()


def told_by(fused, batch):
    """Return what each expert adds to the prior."""
    return torch.stack(list(fused(batch).experts.values()), dim=1).log_softmax(dim=2) - fused.prior


@pytest.mark.parametrize("hidden", [0.0, 0.5])
def test_it_decides_from_what_is_left(hidden) -> None:
    fused = fusion("decision_autoencoder", hidden_experts=hidden)
    text = torch.randn(2, 3)
    alone = fused(made_batch(text, ABSENT.expand(2, 2)))
    assert alone.logits.isfinite().all()
    assert not torch.allclose(alone.logits, fused.prior.expand(2, 3))
