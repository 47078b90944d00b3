"""Where relative paths start, and data/ and runs/ lie; which names lead to one place."""

import os
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]
# The repository, wherever a notebook is started from. Where rga is installed without it, among other packages and
# perhaps not to be written to, the folder that Python was started in.
ROOT = _REPOSITORY if (_REPOSITORY / "notebooks").is_dir() else Path.cwd()


def file_key(path: str | Path, state: os.stat_result) -> tuple[int, int] | str:
    """The same for all names, links among them, of one file or folder. state: what os.stat says of the path."""
    # Not every file system numbers its files.
    return (state.st_dev, state.st_ino) if state.st_ino else os.path.realpath(path)
