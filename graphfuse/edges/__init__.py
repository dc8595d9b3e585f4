"""Node tables -> edges, one builder per file."""
