"""Atomic writes: a file or a folder is there whole or not at all, whatever happens while it is written."""

import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


# What the system says of a full disk, a full quota and a limit on the size of files.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_write(path: str | Path, temporary: Path | None = None) -> Iterator[Path]:
    """A temporary file to write: fsynced and renamed to `path` at the end, as is the folder; removed after an error.

    It lies beside path, in a folder that is made, and has its suffix and a new name for every writer: of two at once
    the later wins. temporary: a fixed name instead, where only one process writes, so that the next write replaces
    what a killed one left. Raises OSError that names the file for a full disk, whatever the writer makes of it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary or path.with_name(f".{path.stem}.{uuid.uuid4().hex}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut could leave the name without the bytes
        os.replace(temporary, path)
        _fsync_folder(path.parent)
    except Exception as error:
        if (full := no_room(error)) is None or full.filename:
            raise
        text = f"{full.strerror}: make room, or write elsewhere"
        raise OSError(full.errno, text, os.fspath(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _fsync_folder(folder: Path) -> None:
    """Makes a rename last, so that what is removed after it does not go first; Windows opens no folders."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def no_room(error: BaseException | None) -> OSError | None:
    """The OSError of a full disk that `error` is or came from; torch.save raises a RuntimeError after it."""
    while error is not None and not (isinstance(error, OSError) and error.errno in NO_ROOM):
        error = error.__context__
    return error


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """A temporary folder to fill: renamed to `path` at the end, removed after an error.

    Of two processes at once the first to finish wins. A killed process leaves its temporary folder; the next one for
    the same path removes it. The files in it are not fsynced: a power cut soon after may leave some of them empty.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    temporary.mkdir()
    lock = _lock(temporary)
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError:
            if not path.is_dir():  # else another process was faster
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def being_written(path: str | Path) -> bool:
    """Whether a living process, this one included, fills `path` by `atomic_folder`; False where nobody can tell."""
    for folder in _temporaries(Path(path)):
        with suppress(OSError):  # renamed or removed meanwhile, or a file system without locks
            handle = os.open(folder, os.O_RDONLY)
            try:
                if fcntl is not None and any(folder.iterdir()):
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(handle)
    return False


def _lock(folder: Path) -> int | None:
    """Locks a folder until the handle is closed or the process ends, however it ends; None if that is impossible."""
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _remove_leftovers(path: Path) -> None:
    """Removes the temporary folders of `path` that no living process has locked."""
    for folder in _temporaries(path):
        with suppress(OSError):  # another process removes them, too
            # An empty one may be so new that its lock is still to come.
            if any(folder.iterdir()) and (lock := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)


def _temporaries(path: Path) -> Iterator[Path]:
    return path.parent.glob(f".{glob.escape(path.name)}.*.part")
