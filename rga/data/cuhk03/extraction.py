"""The release's crops as PNG files, written once, in parallel, into a folder that appears when all are there."""

import errno
import shutil
import struct
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from rga.data.cuhk03.release import crops_in
from rga.io.atomic_write import atomic_folder
from rga.io.bars import tqdm

WRITERS = 4  # threads beside the one that reads: HDF5 reads in one thread only
IN_FLIGHT = 128  # crops read but not yet written, of 0.2 MB at most
CROP = 88_000  # bytes of the real set's mean crop


def extract(release: Path, target: Path, boxes: str, total: int) -> None:
    """Write the release's crops, `total` of them, as PNG files into the folder `target`; it appears when it is whole.

    Two processes may do this at once. If one is killed, the next call removes what it left and starts again.

    Raises ValueError, and leaves no target, if the release is broken or crops cannot be written.
    """
    try:
        with atomic_folder(target) as folder:
            _write(release, folder, boxes, total)
    except OSError as error:
        raise ValueError(_advice(error, release, target, total)) from error


def _write(release: Path, folder: Path, boxes: str, total: int) -> None:
    in_flight = deque()
    with (
        tqdm(total=total, desc=f"extracting {boxes} crops", unit="crop", leave=False) as bar,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        for stem, crop in crops_in(release, boxes):
            in_flight.append(pool.submit(_save, crop, folder / f"{stem}.png"))
            if len(in_flight) == IN_FLIGHT:
                in_flight.popleft().result()
                bar.update()
        for writing in in_flight:
            writing.result()
            bar.update()
        bar.refresh()  # a bar that does not stay may miss its last step


def _save(crop: np.ndarray, path: Path) -> None:
    path.write_bytes(png(crop))


def png(crop: np.ndarray) -> bytes:
    """A uint8 (height, width, 3) crop as a PNG file without compression (PNG specification, W3C 2003).

    Pillow filters each row even at compression level 0. Unfiltered rows are written five times as fast, and read three
    times as fast in every epoch, and take as much room.
    """
    height, width, _ = crop.shape
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each begins with its filter: 0, none
    rows[:, 1:] = crop.reshape(height, 3 * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)  # 8 bits a channel, RGB
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, level=0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
        for kind, data in chunks
    )


def _advice(error: OSError, release: Path, target: Path, total: int) -> str:
    room = ""
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(target.parent).free
        room = f" {total} crops need about {total * CROP / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free."
    return (
        f"The crops of {release} are extracted once, into {target}, and this could not be written ({error}).{room} "
        f"Make {target.parent} writable, with room for the crops, and load again, or copy the release and the protocol "
        "files to a folder that is, and pass that as root."
    )
