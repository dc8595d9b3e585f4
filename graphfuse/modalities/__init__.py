"""A chunk of the manifest -> nodes, one modality per file."""
