"""CUHK03 (Li et al., CVPR 2014): `reader.load` finds the images and makes the splits, by the other files' help."""

from rga.data.cuhk03.reader import PROTOCOLS, load

__all__ = ["PROTOCOLS", "load"]
