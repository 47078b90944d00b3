"""A folder that appears when it is whole: what a killed run or a full disk leaves is never taken for a release."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def new_folder(root: Path, whole: str) -> Iterator[Path]:
    """A hidden folder beside root to write into; it becomes root when the block ends, and goes when the block fails.

    whole: a file that every such folder holds. If another process has made root meanwhile, root stays as it is.
    A process that is killed leaves its hidden folder behind: the next one for the same root removes it.
    """
    root.parent.mkdir(parents=True, exist_ok=True)
    _sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".part", dir=root.parent))
    claim = _claim(folder)
    try:
        folder.chmod(0o755)
        yield folder
        try:
            os.replace(folder, root)
        except OSError:
            if not (root / whole).is_file():
                raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if claim is not None:
            os.close(claim)


def _claim(folder: Path) -> int | None:
    """Locks the folder until the handle is closed or its process ends, however that ends; None if it cannot be had."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _sweep(root: Path) -> None:
    """Removes the hidden folders beside root that no living process claims."""
    for folder in root.parent.glob(f".{glob.escape(root.name)}.*.part"):
        with suppress(FileNotFoundError):  # another process sweeps, too
            if not any(folder.iterdir()):
                continue  # perhaps so new that it is not claimed yet
            if (claim := _claim(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(claim)


class Disk(FileIO):
    """A file for h5py. When a write fails, HDF5 takes the process down: it hears of none, and `check` raises it."""

    error: OSError | None = None

    def write(self, data) -> int:
        data = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(data) and self.error is None:
                done += super().write(data[done:])
        except OSError as error:
            self.error = error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = error
            return size

    def check(self) -> None:
        """Raises the OSError of the first write that failed."""
        if self.error is not None:
            raise self.error
