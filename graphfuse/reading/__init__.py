"""Raw files -> a manifest: read, join, split, and count what cannot be used."""
