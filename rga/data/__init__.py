"""Data sets by name: each is a function root -> Splits."""

import inspect
from pathlib import Path

from rga.data import cuhk03, doctor, folder, market1501, msmt17, synthetic
from rga.data import file_names as names  # noqa: F401  an old name, see rga/old_names.py
from rga.data import samples as core  # noqa: F401  as well
from rga.data.boxes import crop_boxes
from rga.data.images import read_image, stack_images
from rga.data.loaders import Batch, ReIDDataset, network_input, test_loader, train_loader
from rga.data.samples import Sample, Splits, TrainSample
from rga.data.transforms import denormalise, normalise

__all__ = [
    "DATASETS",
    "Batch",
    "ReIDDataset",
    "Sample",
    "Splits",
    "TrainSample",
    "crop_boxes",
    "denormalise",
    "load",
    "network_input",
    "normalise",
    "read",
    "read_image",
    "stack_images",
    "test_loader",
    "train_loader",
]

DATASETS = {
    "cuhk03": cuhk03.load,
    "market1501": market1501.load,
    "msmt17": msmt17.load,
    "folder": folder.load,
    "synthetic": synthetic.load,
}


def load(name: str, root: str | Path | None = None, **options) -> Splits:
    """The data set called `name`, a key of DATASETS, in folder `root`; options are those of its own `load`.

    `load("cuhk03", root, boxes="labeled", protocol="new")`; `load("synthetic")` draws its people. What comes out is
    examined (`rga.data.doctor`, no image is decoded): its warnings are logged to "rga.data".

    Raises ValueError for faults that would make training or evaluation wrong; and what `read` raises.
    """
    splits = read(name, root, **options)
    doctor.check(splits)
    return splits


def read(name: str, root: str | Path | None = None, **options) -> Splits:
    """As `load`, for those who examine the set themselves.

    Raises ValueError for a name that is none of these and an option that the data set does not have; and what its own
    `load` raises.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}. Choose from: {', '.join(DATASETS)}.")
    if root is not None:
        options["root"] = root
    signature = inspect.signature(DATASETS[name])
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ValueError(
            f"Data set {name!r}: {error}. Its options are {', '.join(signature.parameters)}; "
            f"rga.data.{name}.load explains them."
        ) from None
    return DATASETS[name](**options)
