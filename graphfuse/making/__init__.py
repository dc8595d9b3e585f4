"""Made posts, whose label lies in a known place."""
