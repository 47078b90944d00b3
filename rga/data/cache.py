"""The image cache: images are read and resized once, into memory or into files that later runs use too."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import numpy as np
import PIL
import torch
from torch import Tensor

from rga.data.images import read_image
from rga.data.transforms import Size, resize
from rga.io.atomic_write import atomic_write
from rga.io.bars import tqdm

# Other versions may round a pixel differently; the first number counts up when this package does.
VERSION = f"1, torch {torch.__version__}, Pillow {PIL.__version__}"
AHEAD = 256  # images that threads prefetch


class Mapped:
    """The images of one size in a memory-mapped .npy file: `mapped[index]` is (3, height, width) uint8.

    Given to another process, it opens the file there, so that all of them share one copy.
    """

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def array(self) -> np.ndarray:
        # Private and writable (c): torch warns of read-only arrays.
        return np.lib.format.open_memmap(self.path, mode="c")

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(self.array[index]).permute(2, 0, 1)

    def __reduce__(self):
        return Mapped, (self.path,)


def resized_images(
    paths: Sequence[str | Path], sizes: Sequence[Size], keep: bool | str | Path
) -> dict[Size, Tensor | Mapped]:
    """{size: N images, each (3, height, width) uint8, bit for bit `resize(read_image(path), size)`}.

    keep: True for memory, or a folder, in which each size is one file, written atomically and named after it and after
    a fingerprint of the paths, sizes and times of change of the images. A file of other images is neither used nor
    removed; remove what nobody trains from as you like, and hidden files called .….part.npy when nobody writes: killed
    runs left them. Three bytes a pixel: for training at 256 × 128, where the enlarged images are cached too, 222 KB an
    image and 1.6 GB for CUHK03.

    Raises FileNotFoundError if an image is not there, and ValueError if one cannot be read or the folder cannot be
    written.
    """
    if keep is True:
        return _in_memory(paths, sizes)
    folder, name = Path(keep).expanduser(), _fingerprint(paths)
    files = {size: folder / f"{size[0]}x{size[1]}-{name}.npy" for size in sizes}
    lacking = [size for size in sizes if not _is_whole(files[size], (len(paths), *size, 3))]
    if lacking:
        try:
            _write({size: files[size] for size in lacking}, paths)
        except FileNotFoundError:
            raise
        except OSError as error:
            room = len(paths) * sum(3 * height * width for height, width in lacking)
            raise ValueError(
                f"The cache of {len(paths)} images cannot be written to {folder} ({error}). Make the folder "
                f"writable with {room / 1e9:.2f} GB of room, or choose another folder, cache=True to cache the "
                "images in memory, or cache=False."
            ) from error
    return {size: Mapped(file) for size, file in files.items()}


def _in_memory(paths: Sequence[str | Path], sizes: Sequence[Size]) -> dict[Size, Tensor]:
    cached = {size: torch.empty(len(paths), *size, 3, dtype=torch.uint8) for size in sizes}
    for index, images in enumerate(_read(paths, sizes)):
        for size, image in zip(sizes, images, strict=True):
            cached[size][index] = image
    return {size: images.permute(0, 3, 1, 2) for size, images in cached.items()}


def _write(files: dict[Size, Path], paths: Sequence[str | Path]) -> None:
    with ExitStack() as stack:
        temporary = [stack.enter_context(atomic_write(file)) for file in files.values()]
        outputs = [stack.enter_context(path.open("wb")) for path in temporary]
        for output, size in zip(outputs, files, strict=True):
            header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *size, 3)}
            np.lib.format.write_array_header_1_0(output, header)
        for images in _read(paths, list(files)):
            for output, image in zip(outputs, images, strict=True):
                output.write(image.numpy())


def _read(paths: Sequence[str | Path], sizes: Sequence[Size]) -> Iterator[list[Tensor]]:
    """Of each image in turn, (height, width, 3) uint8 in every size; threads prefetch some of them."""

    def read(path):
        image = read_image(path)
        return [resize(image, size).permute(1, 2, 0).contiguous() for size in sizes]

    torch_threads = torch.get_num_threads()
    # Else each thread of the pool starts as many for its resize, and all take four times as long.
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor() as pool, tqdm(total=len(paths), desc="reading images", delay=3) as bar:
            for start in range(0, len(paths), AHEAD):
                for images in pool.map(read, paths[start : start + AHEAD]):
                    yield images
                    bar.update()
    finally:
        torch.set_num_threads(torch_threads)


def _fingerprint(paths: Sequence[str | Path]) -> str:
    digest = hashlib.sha256(VERSION.encode())
    for path in paths:
        state = os.stat(path)
        entry = f"{os.path.abspath(path)}\0{state.st_size}\0{state.st_mtime_ns}\0"
        digest.update(os.fsencode(entry))
    return digest.hexdigest()[:16]


def _is_whole(file: Path, shape: tuple[int, ...]) -> bool:
    """Whether the file holds such an array; one cut short is shorter than its header says, so numpy refuses it."""
    try:
        array = np.lib.format.open_memmap(file, mode="r")
    except Exception:  # numpy raises whatever a broken header leads it into
        return False
    return array.shape == shape and array.dtype == np.uint8
