"""The notebooks' helpers and exercises.

The project's own: unlike the modules of docs/api, names here may change in any version.
"""
