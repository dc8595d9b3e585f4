"""Multilayer perceptrons: linear layers, each rectified, with dropout after it."""

from torch import nn

from graphfuse.nn.dropout import Dropout


def hidden_layers(in_channels: int, channels: int, num_layers: int, dropout: float) -> list[nn.Module]:
    """Return layers [n, in_channels] -> [n, channels]; none if `num_layers` is 0, so that nothing changes."""
    layers: list[nn.Module] = []
    for number in range(num_layers):
        layers += [nn.Linear(channels if number else in_channels, channels), nn.ReLU(), Dropout(dropout)]
    return layers


def perceptron(in_channels: int, channels: int, dropout: float) -> nn.Sequential:
    """Return two hidden layers, [n, in_channels] -> [n, channels]."""
    return nn.Sequential(*hidden_layers(in_channels, channels, 2, dropout))
