"""The gate's shares, held against the formula of a mixture of experts."""

import torch
from toy_late import decision, fusion, made_batch, trained

from graphfuse.nn.fusion import FusionNetwork, training_loss


def opened(target="classes"):
    """Return a gate that already prefers somebody."""
    gate = fusion("expert_gate", target)
    for part in gate.gate.values():
        torch.nn.init.normal_(part[-1].weight)
    return gate


def test_the_decision_is_the_mixture_of_the_experts() -> None:
    gate, batch = opened(), made_batch(torch.randn(5, 3), torch.randn(5, 2))
    output, hidden = gate(batch), gate.experts_decide(batch).hidden
    share = torch.cat([gate.gate["text_span"](hidden[:, 0]), gate.gate["image_region"](hidden[:, 1])], dim=1).softmax(dim=1)
    text, image = (output.experts[name].softmax(dim=1) for name in ("text_span", "image_region"))
    torch.testing.assert_close(output.logits.exp(), share[:, :1] * text + share[:, 1:] * image)


def test_it_starts_as_the_average() -> None:
    batch = made_batch(torch.randn(5, 3), torch.randn(5, 2))
    torch.testing.assert_close(fusion("expert_gate")(batch).logits, fusion("average")(batch).logits)


def test_an_absent_modality_does_not_bid() -> None:
    gate, text = opened(), torch.randn(1, 3)
    alone = gate(made_batch(text, torch.full((1, 2), torch.nan)))
    torch.testing.assert_close(alone.logits, alone.experts["text_span"].log_softmax(dim=1))


def test_the_common_decision_trains_the_gate_and_leaves_the_experts_alone() -> None:
    gate, batch = opened().train(), made_batch(torch.randn(4, 3), torch.randn(4, 2))
    gate(batch).logits[:, 0].sum().backward()
    assert gate.gate["text_span"][0].weight.grad.abs().sum() > 0
    assert gate.decide["image_region"].weight.grad is None


def test_it_learns_whom_to_ask() -> None:
    """The third number of the text says which modality is right: no fixed weights can do that."""
    draw = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (400, 3), generator=draw) * 2.0 - 1
    text = torch.stack([signs[:, 0], torch.zeros(400), signs[:, 2]], dim=1)
    image = torch.stack([signs[:, 1], torch.zeros(400)], dim=1)
    y = (torch.where(signs[:, 2] > 0, signs[:, 0], signs[:, 1]) > 0).long()
    wanted, batch = decision("two classes"), made_batch(text, image, y)

    def loss(name):
        body = fusion(name, "two classes")
        network = FusionNetwork(body, 2).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            training_loss(network(batch), y, wanted.criterion).backward()
            optimizer.step()
        return wanted.criterion(network.eval()(batch).logits, y).item()

    assert loss("expert_gate") < 0.5 * loss("average")


def test_it_trusts_the_modality_that_knows() -> None:
    network = trained("expert_gate", lambda a, b: b)
    body = network.body
    batch = made_batch(torch.randn(50, 3), torch.randn(50, 2))
    output = body(batch)
    text, image = (output.experts[name].softmax(dim=1)[:, 1] for name in ("text_span", "image_region"))
    mixed = output.logits.softmax(dim=1)[:, 1]
    assert (mixed - image).abs().mean() < (mixed - text).abs().mean()
