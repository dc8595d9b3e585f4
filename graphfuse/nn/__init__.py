"""Fused layers, readouts and losses: plain modules, usable without the rest."""
