"""One verb per file: parse, call the pipeline, print."""
