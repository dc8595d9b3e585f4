"""Pages, pictures and graph exports."""
