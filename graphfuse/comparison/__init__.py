"""Many methods, one protocol: which to choose for one's own data, and whether the graph helps."""
