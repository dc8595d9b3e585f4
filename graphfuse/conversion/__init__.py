"""Manifest -> store: fit on train rows, then map chunks."""
