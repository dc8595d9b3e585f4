"""Votes counted by hand."""

import numpy as np
import torch
from toy_late import fusion, logit, made_batch, said

from graphfuse.models.vote import weighted_median

YES, NO = 2.0, -2.0


def test_the_class_with_most_votes_wins_against_a_surer_minority() -> None:
    vote = fusion("vote")
    logits = vote.combine(said([[[0.1, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 9.0, 0.0]]]))
    assert logits.argmax() == 0
    mean = torch.tensor([[0.1, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 9.0, 0.0]]).softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(logits.exp()[0], (torch.tensor([2.0, 1.0, 0.0]) + 0.5 * mean) / 3.5)


def test_shares_of_votes_sum_to_one() -> None:
    torch.manual_seed(0)
    logits = fusion("vote").combine(said(torch.randn(5, 2, 3)))
    torch.testing.assert_close(logits.exp().sum(dim=1), torch.ones(5))


def test_a_tie_goes_to_the_higher_mean_probability() -> None:
    vote = fusion("vote")
    assert vote.combine(said([[[1.0, 0.0, -9.0], [0.0, 3.0, -9.0]]])).argmax() == 1
    assert vote.combine(said([[[3.0, 0.0, -9.0], [0.0, 1.0, -9.0]]])).argmax() == 0


def test_an_absent_expert_has_no_vote() -> None:
    vote = fusion("vote")
    both = [[[9.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    assert vote.combine(said(both)).argmax() == 0
    alone = vote.combine(said(both, [[0, 1]]))
    torch.testing.assert_close(alone, vote.combine(said([[[0.0, 1.0, 0.0]]])))


def test_each_label_is_voted_on_its_own() -> None:
    votes = fusion("vote", "labels").combine(said([[[YES, NO], [YES, NO], [NO, YES]]]))
    mean = torch.tensor([[YES, NO], [YES, NO], [NO, YES]]).sigmoid().mean(dim=0)
    torch.testing.assert_close(votes.sigmoid()[0], (torch.tensor([2.0, 1.0]) + 0.5 * mean) / 3.5)
    assert (votes > 0).tolist() == [[True, False]]


def test_a_tied_label_follows_the_mean_probability() -> None:
    odds = logit([[[0.9], [0.3]], [[0.6], [0.1]]]).expand(-1, -1, 2)
    assert (fusion("vote", "labels").combine(said(odds)) > 0)[:, 0].tolist() == [True, False]


def test_values_are_the_median_of_those_that_are_there() -> None:
    torch.manual_seed(1)
    values = torch.randn(6, 5, 2)
    has = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 0, 0, 1, 0], [1, 0, 1, 0, 1]])
    median = fusion("vote", "values").combine(said(values, has))
    for row in range(6):
        expected = np.median(values[row][has[row] > 0].numpy(), axis=0)
        np.testing.assert_allclose(median[row], expected, rtol=1e-6)


def test_half_a_weight_counts_half_in_the_median() -> None:
    values = torch.tensor([[[1.0], [2.0], [4.0]]])
    assert weighted_median(values, torch.tensor([[0.25, 0.25, 1.0]])).item() == 4.0
    assert weighted_median(values, torch.tensor([[0.5, 0.5, 1.0]])).item() == 3.0


def test_a_sample_without_anything_gets_the_frequencies_of_the_train_rows() -> None:
    nothing = made_batch(torch.full((1, 3), torch.nan), torch.full((1, 2), torch.nan))
    torch.testing.assert_close(fusion("vote")(nothing).logits.exp()[0], torch.tensor([10.0, 20.0, 30.0]) / 60)
    torch.testing.assert_close(fusion("vote", "labels")(nothing).logits.sigmoid()[0], torch.tensor([10.5, 20.5]) / 41)
    assert fusion("vote", "values")(nothing).logits.tolist() == [[0.0, 0.0]]
