"""Data sets by name: each is a function root -> Splits."""

import inspect

from rga.data import cuhk03
from rga.data.core import Batch, ReIDDataset, Sample, Splits, read_image, test_loader, train_loader

__all__ = [
    "DATASETS",
    "Batch",
    "ReIDDataset",
    "Sample",
    "Splits",
    "load",
    "read_image",
    "test_loader",
    "train_loader",
]

DATASETS = {"cuhk03": cuhk03.load}


def load(name: str, root=None, **options) -> Splits:
    """The data set `name` (a key of DATASETS) in folder `root`; the options are those of its own `load`.

    `load("cuhk03", root, boxes="labeled", protocol="new")`, `load("synthetic")`.
    Raises ValueError for an unknown name or option, listing the valid ones.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}: choose one of {', '.join(DATASETS)}.")
    reader = DATASETS[name]
    if root is not None:
        options["root"] = root
    try:
        inspect.signature(reader).bind(**options)
    except TypeError as error:
        raise ValueError(f"Data set {name!r}: {error}. It takes {inspect.signature(reader)}.") from None
    return reader(**options)
