"""Targets, losses, predictions and metrics, one task per file."""
