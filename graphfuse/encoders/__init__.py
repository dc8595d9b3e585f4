"""Texts and pictures -> vectors, one encoder per file."""
