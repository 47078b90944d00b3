"""The commands of python -m rga: each is two functions, one that says what it takes and one that does it.

The project's own: unlike the modules of docs/api, names here may change in any version.
"""
