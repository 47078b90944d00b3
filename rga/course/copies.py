"""Copies of the notebooks and their map: to work in, without outputs; to hand out, without solutions and answers too.

python -m rga.course.copies work              # what `make lab` does first
python -m rga.course.copies handout handout   # make handout
"""

import argparse
import copy
import hashlib
import shutil
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from rga.course import solutions
from rga.io.atomic_write import atomic_folder, atomic_write
from rga.io.paths import ROOT

STORED = ROOT / "notebooks"
WORK = ROOT / "work"  # at the depth of notebooks/, so that ../docs means the same
MAP = "README.md"


def work(folder: str | Path = WORK, stored: str | Path = STORED) -> list[str]:
    """Copy the notebooks without outputs, and the map, to where there is no copy yet. Returns what to tell.

    A copy holds somebody's work and is never written again. One whose stored notebook has changed since gets a line.
    """
    folder, told = Path(folder), []
    for path in sorted(Path(stored).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        mine, version = folder / path.name, _version(notebook)
        if not mine.exists():
            _write(_without_outputs(notebook, version), mine)
        elif _copied_version(mine) != version:
            told.append(
                f"{path.name} has changed since you copied it. For a fresh one, rename or delete {mine}."
            )
    mine, newest = folder / MAP, (Path(stored) / MAP).read_text(encoding="utf-8")
    if not mine.exists():
        with atomic_write(mine) as temporary:
            temporary.write_text(newest, encoding="utf-8")
    elif mine.read_text(encoding="utf-8", errors="replace") != newest:
        told.append(
            f"{MAP}, the map, differs from your copy. For a fresh one, rename or delete {folder / MAP}."
        )
    return told


def handout(folder: str | Path, stored: str | Path = STORED) -> list[Path]:
    """Write the notebooks without solutions, answers and outputs, and the map, into a new folder; all or nothing.

    Raises FileExistsError where there is something already.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists. Remove it, or name another folder.")
    with atomic_folder(folder) as temporary:
        paths = sorted(Path(stored).glob("*.ipynb"))
        for path in paths:
            notebook = nbformat.read(path, as_version=4)
            nbformat.write(_marked(solutions.strip(notebook), _version(notebook)), temporary / path.name)
        shutil.copyfile(Path(stored) / MAP, temporary / MAP)
    return [folder / path.name for path in paths]


def _without_outputs(notebook: NotebookNode, version: str) -> NotebookNode:
    bare = copy.deepcopy(notebook)
    for cell in bare.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return _marked(bare, version)


def _marked(notebook: NotebookNode, version: str) -> NotebookNode:
    notebook.metadata["rga"] = {"copied_from": version}
    return notebook


def _version(notebook: NotebookNode) -> str:
    """What is written in the cells, whatever they put out."""
    return hashlib.sha256("\0".join(cell.source for cell in notebook.cells).encode()).hexdigest()[:16]


def _copied_version(path: Path) -> str | None:
    try:
        return nbformat.read(path, as_version=4).metadata["rga"]["copied_from"]
    except Exception:  # whatever somebody made of his copy
        return None


def _write(notebook: NotebookNode, path: Path) -> None:
    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["work", "handout"])
    parser.add_argument("folder", nargs="?", type=Path, help="default: work/ or handout/ of the repository")
    options = parser.parse_args(arguments)
    folder = options.folder or ROOT / options.kind
    try:
        told = work(folder) if options.kind == "work" else handout(folder)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    for line in told:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
