"""The renderer of drawn people: who they are, how an image of them is drawn, and the release that is written.

The project's own: unlike the modules of docs/api, names here may change in any version.
"""
