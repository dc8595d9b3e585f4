"""Trained network + batches -> scores, one analysis per file."""
