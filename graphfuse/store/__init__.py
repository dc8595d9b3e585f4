"""Tables <-> disk <-> batches."""
