"""A network that knows the rule of the made posts, for the tests of this folder."""

import torch

from graphfuse.nn.fusion import FusionModule, FusionNetwork, FusionOutput


class FirstWords(FusionModule):
    """Says yes where the words' first features add up to more than 0, as the labels do; without words, always `blind`."""

    out_channels, decides = 1, True

    def __init__(self, blind: int) -> None:
        super().__init__()
        self.blind = blind

    def forward(self, batch, edge_weight_dict=None, node_weight_dict=None):
        words = batch["text_span"]
        total = torch.zeros(batch.num_graphs).index_add(0, words.batch, words.x[:, 0])
        yes = torch.where(words.ptr.diff() > 0, (total > 0).long(), self.blind)
        logits = torch.nn.functional.one_hot(yes, 2).float()
        return FusionOutput(embedding=logits, logits=logits)


def network(blind=1):
    """Return the rule as a network."""
    return FusionNetwork(FirstWords(blind), 2)
