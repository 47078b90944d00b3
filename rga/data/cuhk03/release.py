"""What cuhk-03.mat holds, read lazily, object by object: crops of two kinds of boxes, and the classic test sets.

The file is MATLAB v7.3, which is HDF5, and h5py shows MATLAB's arrays transposed. `labeled` and `detected` are
cells of five camera pairs, each a cell of P people by 10 images (the first five by the pair's first camera), each
image uint8 and, so shown, (3, width, height). `testsets` is a cell of 20 arrays of people as (pair, person), from 1.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

LARGEST = 2**24  # bytes of a crop or a table: the real set's mean crop has 88,000


@contextmanager
def opened(release: Path, boxes: str) -> Iterator[h5py.File]:
    """The release, open to be read; any error in reading it becomes one clear ValueError."""
    try:
        with h5py.File(release) as file:
            yield file
    except Exception as error:  # h5py raises whatever broken bytes lead it into
        raise ValueError(
            f"{release} cannot be read as the release of CUHK03 ({error}). It must be HDF5 (MATLAB v7.3) "
            f"with a cell `{boxes}` of five camera pairs, each a cell of P people by 10 images, and a cell `testsets` "
            "of 20 lists of people. The file is another one or was cut short in copying: compare its size with the "
            "original's and copy it again."
        ) from error


def pairs_in(file: h5py.File, boxes: str) -> list[np.ndarray]:
    """References to the images of each camera pair, (P, 10)."""
    return [_expect(file[cell], (10, None))[()].T for cell in _expect(_named(file, boxes), (1, 5))[0]]


def images_in(file: h5py.File, boxes: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """Official stem and dataset of each image, pair by pair."""
    for pair, people in enumerate(pairs_in(file, boxes), 1):
        for person, images in enumerate(people, 1):
            for index, image in enumerate(images, 1):
                stem = f"{pair}_{person:03d}_{1 if index <= 5 else 2}_{index:02d}"
                # MATLAB's empty array, shape (2,), stands for an absent image.
                if (data := file[image]).ndim == 3:
                    if data.dtype != np.uint8:
                        raise ValueError(f"{data.name} holds {data.dtype}, not uint8")
                    yield stem, _expect(data, (3, None, None))


def crops_in(release: Path, boxes: str) -> Iterator[tuple[str, np.ndarray]]:
    """Stem and uint8 (height, width, 3) crop of each image in the release, read lazily.

    Raises ValueError if the file is cut short, is not HDF5 or is laid out differently.
    """
    with opened(release, boxes) as file:
        for stem, data in images_in(file, boxes):
            yield stem, data[()].T


def testset(file: h5py.File, split: int, people: list[int]) -> set[tuple[int, int]]:
    """The people that a classic split tests, as (pair, person) from 1; `people` are the pairs' numbers of people."""
    testsets = _expect(_named(file, "testsets"), (1, 20))
    chosen = _expect(file[testsets[0, split]], (2, None))[()].T.astype(int).tolist()
    for pair, person in chosen:
        if not (1 <= pair <= len(people) and 1 <= person <= people[pair - 1]):
            raise ValueError(f"test set {split + 1} names person {person} of pair {pair}, who is not there")
    return {(pair, person) for pair, person in chosen}


def _named(file: h5py.File, name: str) -> h5py.Dataset:
    if isinstance(file.get(name, getlink=True), h5py.ExternalLink):
        raise ValueError(f"{name} is a link to another file, which is not opened")
    return file[name]


def _expect(data: h5py.Dataset, shape: tuple[int | None, ...]) -> h5py.Dataset:
    """The data, if they have this shape, lie in this file, and are no more than they can be in the release."""
    if len(shape) != data.ndim or any(s not in (None, n) for s, n in zip(shape, data.shape, strict=True)):
        raise ValueError(f"{data.name} has shape {data.shape}, not {shape}".replace("None", "…"))
    if data.nbytes > LARGEST:  # a few bytes can claim any shape
        raise ValueError(f"{data.name} has {data.nbytes:,} bytes, more than {LARGEST:,}")
    if data.is_virtual or data.external:
        raise ValueError(f"{data.name} is kept in another file, which is not opened")
    return data
