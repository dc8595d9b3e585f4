"""Toy samples of one text and one picture, and decisions without networks, for the tests of late and kernel methods."""

import torch
from torch_geometric.data import Batch, HeteroData

from graphfuse.core.build import build
from graphfuse.core.registry import load
from graphfuse.core.schema import GraphSchema, TargetSchema
from graphfuse.models._late import Decisions
from graphfuse.nn.fusion import Decision, FusionNetwork, training_loss

SCHEMA = GraphSchema(
    channels_by_node_type={"text_span": 3, "image_region": 2},
    modality_by_node_type={"text_span": "text", "image_region": "image"},
    edge_types=(),
)
TARGETS = {
    "classes": TargetSchema(kind="classification", columns=("mood",), classes=("a", "b", "c"), class_counts=(10, 20, 30)),
    "two classes": TargetSchema(kind="classification", columns=("mood",), classes=("no", "yes"), class_counts=(20, 20)),
    "labels": TargetSchema(kind="multilabel", columns=("p", "q"), classes=("p", "q"), class_counts=(10, 20), known_counts=(40, 40)),
    "values": TargetSchema(kind="regression", columns=("u", "v"), mean=(1.0, -1.0), std=(2.0, 0.5)),
}
WIDTH = {"classes": 3, "two classes": 2, "labels": 2, "values": 2}


def decision(target):
    """Return what has to be decided."""
    schema = TARGETS[target]
    return Decision(target=schema, num_logits=WIDTH[target], criterion=build("tasks", {"name": schema.kind}, "task").criterion(schema))


def fusion(name, target="classes", schema=SCHEMA, **settings):
    """Return a method that has learned nothing yet."""
    torch.manual_seed(0)
    return load("models", name)(**settings).module(schema, decision(target)).eval()


def said(logits, has=None):
    """Return decisions of experts [batch_size, num_experts, num_logits], all there unless told otherwise."""
    logits = torch.as_tensor(logits, dtype=torch.get_default_dtype())
    has = torch.ones(logits.shape[:2]) if has is None else torch.as_tensor(has, dtype=logits.dtype)
    return Decisions(logits=logits, has=has, hidden=torch.zeros(*logits.shape[:2], 1))


def says(fused, monkeypatch, logits, y, has=None):
    """Fit on validation rows of which the experts say this."""
    monkeypatch.setattr(fused, "decided_rows", lambda rows: (said(logits, has), torch.as_tensor(y)))
    fused.fit_validation(None)


def logit(probability):
    """Return the log-odds of a probability."""
    return torch.logit(torch.as_tensor(probability, dtype=torch.get_default_dtype()))


def made_batch(text, image, y=None):
    """Return samples of one text [n, 3] and one picture [n, 2] each; a row of NaN is absent."""
    data = []
    for number in range(len(text)):
        sample = HeteroData()
        for name, x in (("text_span", text[number]), ("image_region", image[number])):
            sample[name].x = x[None][~x.isnan().any()[None]]
        data.append(sample)
    batch = Batch.from_data_list(data)
    if y is not None:
        batch.y = y
    return batch


def made_world(rule, seed=0, rows=240):
    """Return samples whose class follows from a number in the text and a number in the picture, each sign equally often."""
    draw = torch.Generator().manual_seed(seed)
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]).repeat(rows // 4, 1)
    a, b = (signs * (0.5 + torch.rand(rows, 2, generator=draw))).unbind(dim=1)
    text = torch.cat([a[:, None], torch.randn(rows, 2, generator=draw)], dim=1)
    image = torch.cat([b[:, None], torch.randn(rows, 1, generator=draw)], dim=1)
    return made_batch(text, image, (rule(a, b) > 0).long())


def trained(name, rule, steps=40):
    """Return a network that has seen one made world, all rows at each step."""
    body, wanted = fusion(name, "two classes"), decision("two classes")
    network, batch = FusionNetwork(body, wanted.num_logits).train(), made_world(rule)
    body.fit_train(lambda: [batch])
    if list(network.parameters()):
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(steps):
            optimizer.zero_grad()
            training_loss(network(batch), batch.y, wanted.criterion).backward()
            optimizer.step()
    body.eval()
    body.fit_validation(lambda: [made_world(rule, seed=1)])
    return network.eval()
