"""Where relative paths start, and data/ and runs/ lie."""

from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parent.parent
# The repository, wherever a notebook is started from. Where rga is installed without it, among other packages and
# perhaps not to be written to, the folder that Python was started in.
ROOT = _REPOSITORY if (_REPOSITORY / "notebooks").is_dir() else Path.cwd()
