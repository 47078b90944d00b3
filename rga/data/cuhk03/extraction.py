"""The release's crops as PNG files, written once: in parallel, resumable, and visible only when all are there."""

import errno
import os
import shutil
import struct
import uuid
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from rga.data.cuhk03.folders import scan
from rga.data.cuhk03.release import crops_in

WRITERS = 4  # threads beside the one that reads: HDF5 is read by one at a time
IN_FLIGHT = 128  # crops read but not yet written, of 0.2 MB at most
CROP = 88_000  # bytes of the real set's mean crop


def extract(release: Path, target: Path, boxes: str, total: int) -> None:
    """Write the release's crops, `total` of them, as PNG files into the folder `target`; it appears when it is whole.

    Until then they gather in the hidden folder .{target}.part beside it. If the process is killed or the disk is full,
    the next call goes on from there. Two processes may do this at once.

    Raises ValueError, and leaves no target, if the release is broken or crops cannot be written.
    """
    about = release.stat()
    scratch = target.with_name(f".{target.name}.part")
    tree = scratch / f"{about.st_size}-{about.st_mtime_ns}"  # never mixed with crops of another release
    try:
        tree.mkdir(parents=True, exist_ok=True)
        _write(release, tree, boxes, total)
        os.replace(tree, target)
    except OSError as error:
        if not scan(target):  # else another process was faster, and its folder is whole too
            raise ValueError(_advice(error, release, target, total - len(scan(tree)))) from error
    except ValueError:  # a broken release: nothing of it may be gone on with
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


def _write(release: Path, tree: Path, boxes: str, total: int) -> None:
    done = {
        stem for stem, path in scan(tree).items() if path.stat().st_size
    }  # a power cut leaves empty files
    crops = crops_in(release, boxes, skip=done)
    under_way = deque()
    with (
        tqdm(total=total, initial=len(done), desc=f"extracting {boxes} crops", unit="crop") as bar,
        ThreadPoolExecutor(WRITERS) as pool,
    ):
        for stem, crop in crops:
            under_way.append(pool.submit(_save, crop, tree / f"{stem}.png"))
            if len(under_way) == IN_FLIGHT:
                under_way.popleft().result()
                bar.update()
        for writing in under_way:
            writing.result()
            bar.update()


def _save(crop: np.ndarray, path: Path) -> None:
    # Beside the tree, so that it never gets into the target.
    unfinished = path.parent.with_name(f"{uuid.uuid4().hex}.tmp")
    try:
        unfinished.write_bytes(png(crop))
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


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


def _advice(error: OSError, release: Path, target: Path, left: int) -> str:
    room = ""
    if error.errno == errno.ENOSPC:
        free = shutil.disk_usage(target.parent).free
        room = (
            f" {left} crops are left, which need about {left * CROP / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free."
            " Make room and load again: it goes on where it stopped."
        )
    return (
        f"The crops of {release} are extracted once, into {target}, and this could not be written ({error}).{room} "
        f"Make {target.parent} writable, with room for the crops, or copy the release and the protocol files to a "
        "folder that is, and pass that as root."
    )
