"""Fused layers, readouts and losses: plain modules, usable without the rest."""

from graphfuse.nn.relational import RelationalAttention, RelationalMean

__all__ = ["RelationalAttention", "RelationalMean"]
