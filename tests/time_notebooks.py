"""Measure how long each notebook runs, in the order of the course, as after cloning: results/notebook_times.json.

--check measures, writes nothing and fails where a notebook took more than twice its time, if the machine was quiet.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from rga.io.json_files import write_json
from rga.io.paths import ROOT
from rga.io.provenance import provenance

FILE = Path(__file__).resolve().parent.parent / "results" / "notebook_times.json"
QUIET = 0.5  # load average of the last minute; above it other programs take part of the time
TOO_SLOW = 2.0


def measure(path: Path) -> tuple[float, float | None]:
    """Run a notebook in its folder. Returns its seconds, with the kernel's start, and those to its first picture."""
    notebook, pictures, start = nbformat.read(path, as_version=4), [], time.perf_counter()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []

    def note(cell, cell_index, execute_reply):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            pictures.append(time.perf_counter() - start)

    where = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=None, resources=where, on_cell_executed=note
    )
    client.execute()
    return time.perf_counter() - start, pictures[0] if pictures else None


def measure_all(names: list[str]) -> dict:
    """Of a fresh clone of the last commit, where nothing is drawn or trained yet."""
    os.environ["RGA_PROFILE"] = "quick"
    times: dict = {"seconds": {}, "first_picture": {}}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, f"{folder}/rga"], check=True)
        os.environ["PYTHONPATH"] = f"{folder}/rga"  # else the kernels import the package from here
        for path in sorted(Path(folder, "rga/notebooks").glob("*.ipynb")):
            if not names or path.stem in names:
                seconds, picture = measure(path)
                times["seconds"][path.stem] = round(seconds, 1)
                if picture is not None:
                    times["first_picture"][path.stem] = round(picture, 1)
                print(f"{path.stem}: {seconds:.0f} s, first picture after {picture or 0:.0f} s", flush=True)
    return times | {"provenance": provenance("cpu")}


def too_slow(stated: dict[str, float], measured: dict[str, float]) -> list[str]:
    """A line for every notebook that took more than twice its time."""
    return [
        f"{name}: {seconds:.0f} s, stated {stated[name]:.0f} s"
        for name, seconds in measured.items()
        if seconds > TOO_SLOW * stated[name]
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="such as 03_train, with --check; all without"
    )
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    if arguments.names and not arguments.check:
        parser.error("the file holds one measurement of all notebooks: give names only with --check")
    load = os.getloadavg()[0]
    times = measure_all(arguments.names)
    if not arguments.check:
        write_json(FILE, times | {"load_before": round(load, 2)})
        print(
            f"{FILE.relative_to(ROOT)} written. Now: python tests/store_map.py, and the tests say what differs"
        )
        return 0
    slow = too_slow(json.loads(FILE.read_text(encoding="utf-8"))["seconds"], times["seconds"])
    print("\n".join(slow) or "No notebook took more than twice its time.")
    if slow and load >= QUIET:
        print(f"Not judged: other programs were running (load average {load:.1f}, quiet is below {QUIET}).")
    return 1 if slow and load < QUIET else 0


if __name__ == "__main__":
    sys.exit(main())
