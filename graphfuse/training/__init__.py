"""Fit and predict, checkpoints, seeds."""
