"""CUHK03-NP: the set as the authors of the new protocol re-packed it, in folders like Market-1501's."""

import re
from collections.abc import Mapping
from pathlib import Path

from rga.data.file_names import as_classes, samples_in
from rga.data.samples import Splits

FOLDERS = ("bounding_box_train", "query", "bounding_box_test")
NAME = re.compile(r"(?P<pid>\d+)_c(?P<camid>[12])(?!\d)")
ADVICE = "CUHK03-NP's names begin with person and camera: 0001_c1_"


def holds(folder: Path, boxes: str) -> bool:
    """Whether these are the three folders, in one named after the boxes: by themselves they are like Market-1501's."""
    own = boxes.removesuffix("ed")  # some call it cuhk-label
    return own in folder.resolve().name.lower() and all((folder / part).is_dir() for part in FOLDERS)


def load(folder: Path, boxes: str, published: Mapping[str, tuple[int, int]]) -> Splits:
    """The new protocol's splits, from the three folders.

    Raises ValueError if there is an image with a name of another form, or a folder without images.
    """
    train, query, gallery = (samples_in(folder / part, NAME, ADVICE) for part in FOLDERS)
    if not (train and query and gallery):
        empty = [part for part, samples in zip(FOLDERS, (train, query, gallery), strict=True) if not samples]
        raise ValueError(
            f"No images are in {', '.join(str(folder / part) for part in empty)}: copy CUHK03-NP again."
        )
    train, train_pids = as_classes(train)
    return Splits(
        f"CUHK03 ({boxes}, new protocol)", train, query, gallery, train_pids=train_pids, published=published
    )
