"""Raw files -> manifest, one data set per file."""
