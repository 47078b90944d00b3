"""Who is for training, query and gallery: CUHK03's new protocol and its 20 classic splits."""

import os
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from rga.data.cuhk03.matlab import read_columns
from rga.data.cuhk03.release import images_in, opened, pairs_in, testset

COLUMNS = ("filelist", "labels", "camId")
SUBSETS = {"train": "train_idx", "query": "query_idx", "gallery": "gallery_idx"}


class Entry(NamedTuple):
    """An image that a protocol names: its official stem, person (1 … 1467 over all pairs) and camera."""

    stem: str
    pid: int
    camid: int


def read_new_protocol(path: Path) -> dict[str, tuple[Entry, ...]]:
    """The new protocol's three subsets, from its file.

    Raises ValueError if the file cannot be read, lacks a key or contradicts itself.
    """
    table = _read(path)
    stems = [os.path.splitext(name)[0] for name in table["filelist"]]
    entries = [Entry(*row) for row in zip(stems, table["labels"], table["camId"], strict=True)]
    return {subset: tuple(entries[i] for i in table[key]) for subset, key in SUBSETS.items()}


def _read(path: Path) -> dict[str, list]:
    """The file as lists: COLUMNS of n images each, and for each of SUBSETS indices into them from 0."""
    advice = (
        f"{path} must be the file of this name from the GitHub repository zhunzhong07/person-re-ranking, "
        "folder evaluation/data/CUHK03: copy it again."
    )
    try:
        table = read_columns(path)
    except Exception as error:  # whatever broken bytes lead to: struct.error, zlib.error, KeyError, …
        raise ValueError(f"The protocol file cannot be read ({error}). {advice}") from error
    keys = (*COLUMNS, *SUBSETS.values())
    if lacking := [key for key in keys if key not in table]:
        raise ValueError(f"The protocol file lacks {', '.join(lacking)}. {advice}")
    for key in keys:
        kind = str if key == "filelist" else int
        if not (isinstance(table[key], list) and all(isinstance(value, kind) for value in table[key])):
            raise ValueError(
                f"The protocol file's {key} must be {'texts' if kind is str else 'numbers'}. {advice}"
            )
    lengths = {key: len(table[key]) for key in COLUMNS}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The protocol file's columns differ in length: {lengths}. {advice}")
    n = lengths["filelist"]
    for key in SUBSETS.values():
        if table[key] and not (1 <= min(table[key]) and max(table[key]) <= n):
            raise ValueError(
                f"The protocol file's {key} runs from {min(table[key])} to {max(table[key])}, but "
                f"it names images 1 to {n}. {advice}"
            )
        table[key] = [index - 1 for index in table[key]]
    return table


def read_classic_protocol(release: Path, boxes: str, split: int) -> dict[str, tuple[Entry, ...]]:
    """The three subsets of a classic split 0 … 19, in the order of the release; query and gallery are the same.

    As in the released code and torchreid, all images of the test people are queries and gallery, of which the
    evaluation draws one a person, and everybody else trains: 1367 people of the real set. (Li et al. use the first
    three camera pairs only, 1360 people, and keep another 100 for validation.)

    Raises ValueError if the release is cut short, is not HDF5 or is laid out differently.
    """
    with opened(release, boxes) as file:
        people = [len(references) for references in pairs_in(file, boxes)]
        tested = testset(file, split, people)
        stems = [stem for stem, _ in images_in(file, boxes)]
    before = list(accumulate(people, initial=0))  # people in the earlier pairs
    train, test = [], []
    for stem in stems:
        pair, person, camera, _ = map(int, stem.split("_"))
        entry = Entry(stem, before[pair - 1] + person, camera)
        (test if (pair, person) in tested else train).append(entry)
    return {"train": tuple(train), "query": tuple(test), "gallery": tuple(test)}
