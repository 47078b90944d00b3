"""Files: atomic writes, where they lie, and the provenance of numbers."""
