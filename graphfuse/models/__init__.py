"""Batch -> embedding, one fusion model per file."""
