"""Files: atomic writes, where they lie, and the provenance of numbers.

The project's own: unlike the modules of docs/api, names here may change in any version.
"""
