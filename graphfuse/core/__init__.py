"""The nouns and the sockets; no torch."""
