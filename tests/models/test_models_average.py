"""Averages worked out by hand."""

import torch
from toy_late import fusion, logit, made_batch, said


def test_probabilities_of_classes_are_averaged() -> None:
    first, second = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.1, 0.3, 0.6])
    logits = fusion("average").combine(said(torch.stack([first, second])[None].log() + 5))
    torch.testing.assert_close(logits.exp()[0], torch.tensor([0.4, 0.25, 0.35]))


def test_probabilities_of_labels_are_averaged() -> None:
    logits = fusion("average", "labels").combine(said(logit([[[0.9, 0.2], [0.5, 0.1]]])))
    torch.testing.assert_close(logits.sigmoid()[0], torch.tensor([0.7, 0.15]))


def test_sure_labels_keep_their_size() -> None:
    logits = fusion("average", "labels").combine(said([[[40.0, -40.0], [40.0, -40.0]]]))
    torch.testing.assert_close(logits[0], torch.tensor([40.0, -40.0]))


def test_values_are_averaged_over_those_that_are_there() -> None:
    values = fusion("average", "values").combine(said([[[1.0, 2.0], [3.0, 6.0]], [[1.0, 2.0], [3.0, 6.0]]], [[1, 1], [0, 1]]))
    assert values.tolist() == [[2.0, 4.0], [3.0, 6.0]]


def test_a_half_removed_expert_counts_half() -> None:
    values = fusion("average", "values").combine(said([[[0.0, 0.0], [3.0, 6.0]]], [[1.0, 0.5]]))
    torch.testing.assert_close(values, torch.tensor([[1.0, 2.0]]))


def test_the_expert_that_is_left_decides_alone() -> None:
    average = fusion("average")
    batch = made_batch(torch.ones(1, 3), torch.full((1, 2), torch.nan))
    output = average(batch)
    torch.testing.assert_close(output.logits, output.experts["text_span"].log_softmax(dim=1))
    torch.testing.assert_close(output.experts["image_region"], average.prior[None])


def test_each_expert_learns_as_if_it_were_alone() -> None:
    average = fusion("average").train()
    output = average(made_batch(torch.randn(4, 3), torch.randn(4, 2)))
    assert not output.logits.requires_grad
    output.experts["text_span"].square().sum().backward()
    assert average.project["text_span"][1].weight.grad is not None
    assert not average.project["image_region"][1].weight.grad.any()


def test_in_evaluation_gradients_reach_the_weights_through_the_decision() -> None:
    batch = made_batch(torch.randn(4, 3), torch.randn(4, 2))
    weight = torch.ones(4, requires_grad=True)
    fusion("average")(batch, None, {"text_span": weight}).logits[:, 0].sum().backward()
    assert weight.grad.abs().sum() > 0
