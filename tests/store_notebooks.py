"""Run notebooks in the quick profile and store them in normal form; --check only looks at their form."""

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from rga.io.atomic_write import atomic_write

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
WIDGET = "application/vnd.jupyter.widget-view+json"


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy with what a reader sees, and nothing that tells one run from the next.

    Code cells are counted 1…n; stderr, widgets, timing and the metadata of front ends are left out. Raises
    ValueError if a cell failed.
    """
    copy = nbformat.from_dict(notebook)
    copy.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    count = 0
    for cell in copy.cells:
        cell.metadata = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = _normal_outputs(cell.outputs, count)
    return nbformat.from_dict(copy)


def _normal_outputs(outputs: list, count: int) -> list:
    kept = []
    for output in outputs:
        if output.output_type == "error":
            raise ValueError(f"cell {count} failed: {output.ename}: {output.evalue}")
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":  # nbclient begins a new one at each flush
                kept[-1].text += output.text
                continue
        elif WIDGET in output.data:
            continue
        if "metadata" in output:
            output.metadata = {}
        if output.output_type == "execute_result":
            output.execution_count = count
        kept.append(output)
    return kept


def run(path: Path) -> nbformat.NotebookNode:
    """Execute where JupyterLab and nbval would: in the notebook's folder, with this Python."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=None, resources=resources, record_timing=False
    )
    return client.execute()


def write(notebook: nbformat.NotebookNode, path: Path) -> None:
    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as 03_train; all without")
    parser.add_argument(
        "--check", action="store_true", help="run nothing; fail where the normal form is missing"
    )
    arguments = parser.parse_args()
    paths = [FOLDER / f"{Path(name).stem}.ipynb" for name in arguments.names] or sorted(
        FOLDER.glob("*.ipynb")
    )
    os.environ["RGA_PROFILE"] = "quick"
    failed = 0
    for path in paths:
        if arguments.check:
            stored = nbformat.read(path, as_version=4)
            if normalise(stored) != stored:
                print(f"{path.name}: not in normal form; store it again: make store ARGS={path.stem}")
                failed += 1
            continue
        write(normalise(run(path)), path)
        print(f"{path.name}: stored, {path.stat().st_size // 1024} KB")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
