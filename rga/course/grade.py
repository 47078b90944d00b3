"""Grade handed-in notebooks: FOLDER/student/NN_name.ipynb, or files that have NN_name in their names -> a CSV.

    python -m rga.course.grade FOLDER --out grades.csv

Their code is not trusted. Of a notebook only the cells that define the exercises run (a cell must hold what it needs:
imports, helpers), in processes without network, privileges, other processes or files to write, with limits of time and
memory; nothing of theirs is put into a cell of the table that a spreadsheet would take for a formula.

What is not promised. A checker runs beside the code that it checks: somebody who attacks the checker, instead of
solving the exercise, can forge "passed". Solutions lie in this repository for the code to read, as does what else you
can read on this machine; without network it has no way out but a message in your table. So read answers that look odd.
Processor faults and errors in the system's kernel are not guarded against either: that is a virtual machine's task.
"""

import argparse
import csv
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from rga.course import sandbox, solutions
from rga.io.atomic_write import atomic_write
from rga.io.paths import ROOT

STORED = ROOT / "notebooks"
COLUMNS = ["file", "exercise", "verdict", "message", "seconds"]
FILE_BYTES = 20 * sandbox.MIB
SETUP_SECONDS = 300
MESSAGE = 1000  # characters


def grade(
    folder: str | Path,
    seconds: float = 60,
    memory: int = 4 * 2**30,
    isolated: bool = True,
    stored: str | Path = STORED,
) -> Iterator[dict[str, str]]:
    """A row, {column: text}, for every exercise of every notebook, or one for a file that cannot be graded.

    Args:
        folder: where the notebooks were handed in, at any depth.
        seconds: of each exercise, on the clock and of the processor.
        memory: bytes of each exercise, beyond PyTorch's own.
        isolated: False goes on without namespaces: with your rights to write files, and with the network.
        stored: the course's own notebooks, which say what the exercises are.

    Raises:
        FileNotFoundError: there is no such folder.
        RuntimeError: this machine cannot isolate.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder.")
    if isolated and (reason := sandbox.missing()):
        raise RuntimeError(reason)
    course = {path.stem: nbformat.read(path, as_version=4) for path in sorted(Path(stored).glob("*.ipynb"))}
    for path in _notebooks(folder):
        try:
            name = next(name for name in [*course, None] if name is None or name in path.stem)
            if name is None:
                raise ValueError(
                    f"no notebook of the course: the name must have one of {', '.join(course)} in it"
                )
            job = _job(course[name], _code_cells(path), folder, seconds, memory, isolated)
            rows = _run(job)
        except (ValueError, OSError) as error:
            rows = [{"exercise": "", "verdict": "error", "message": str(error), "seconds": ""}]
        for row in rows:
            yield {key: _text(value) for key, value in {"file": path.relative_to(folder), **row}.items()}


def _notebooks(folder: Path) -> list[Path]:
    """Every file .ipynb, without what JupyterLab keeps for itself; links to folders are not followed."""
    found = []
    for here, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [Path(here, name) for name in names if name.endswith(".ipynb") and not name.startswith(".")]
    return sorted(found)


def _code_cells(path: Path) -> list[str]:
    """The sources of the code cells. Raises ValueError for what is no notebook, in one line."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("a link or no ordinary file: not opened")
    with path.open("rb") as file:
        content = file.read(FILE_BYTES + 1)
    if len(content) > FILE_BYTES:
        raise ValueError(f"larger than {FILE_BYTES // sandbox.MIB} MiB: not opened. Clear its outputs")
    if not content.strip():
        raise ValueError("empty file")
    try:
        cells = json.loads(content)["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no notebook: {type(error).__name__}: {error}") from error


def _job(notebook, cells: list[str], folder: Path, seconds: float, memory: int, isolated: bool) -> dict:
    hidden = folder.resolve()  # from one another's answers; but not where it holds what the code needs
    needed = [ROOT, Path(sys.prefix), Path(sys.base_prefix), Path(tempfile.gettempdir())]
    return {
        "setup": [cell.source for cell in notebook.cells[:3] if cell.cell_type == "code"],
        "exercises": {name: cell.source for name, cell in solutions.stubs(notebook).items()},
        "cells": cells,
        "seconds": seconds,
        "memory": memory,
        "isolated": isolated,
        "hidden": None if any(path.resolve().is_relative_to(hidden) for path in needed) else str(hidden),
    }


def _run(job: dict) -> list[dict]:
    """A row for each exercise, from a process that is shut in."""
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "RGA_PROFILE": "quick",
            "OMP_NUM_THREADS": "1",  # a child of fork has none but its first
            "MALLOC_ARENA_MAX": "1",  # else every thread reserves 64 MiB
            "MPLBACKEND": "agg",
            "LANG": "C.UTF-8",
        } | dict.fromkeys(["HOME", "TMPDIR", "MPLCONFIGDIR"], scratch)
        python = [sys.executable, "-s", "-P", "-m", "rga.course.exercise_runner"]
        names, limit = list(job["exercises"]), SETUP_SECONDS + len(job["exercises"]) * (job["seconds"] + 5)
        try:
            ran = subprocess.run(
                [*(sandbox.UNSHARE if job["isolated"] else []), *python],
                input=json.dumps(job | {"scratch": scratch}),
                capture_output=True,
                text=True,
                cwd=scratch,
                env=environment,
                timeout=limit,
                start_new_session=True,
            )
            rows, why = [json.loads(line) for line in ran.stdout.splitlines()], ran.stderr[-MESSAGE:]
        except subprocess.TimeoutExpired:
            rows, why = [], f"the set-up took more than {limit:g} s"
    done = {row["exercise"] for row in rows}
    unknown = f"the process that runs exercises ended. {why}".strip()
    return rows + [
        {"exercise": name, "verdict": "error", "message": unknown, "seconds": ""}
        for name in names
        if name not in done
    ]


def _text(value: object) -> str:
    """One printable line that no spreadsheet takes for a formula, nor a terminal for a command."""
    line = re.sub(r"\s+", " ", str(value)).strip()[:MESSAGE]
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return f"'{line}" if line[:1] in tuple("=+-@") else line


def write(rows: list[dict[str, str]], path: str | Path) -> None:
    """Atomically, as UTF-8 with the mark by which spreadsheets know it."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of handed-in notebooks")
    parser.add_argument(
        "--out", type=Path, default=Path("grades.csv"), help="the table (default: grades.csv)"
    )
    parser.add_argument("--seconds", type=float, default=60, help="for each exercise (default: 60)")
    parser.add_argument("--memory", type=float, default=4, help="GiB for each exercise (default: 4)")
    parser.add_argument(
        "--without-isolation",
        action="store_true",
        help="go on where the system cannot isolate: their code may then use the network and write your files",
    )
    options = parser.parse_args(arguments)
    rows = []
    try:
        for row in grade(
            options.folder, options.seconds, int(options.memory * 2**30), not options.without_isolation
        ):
            rows.append(row)
            print(" · ".join(row[column] for column in COLUMNS[:3] if row[column]), flush=True)
    except (FileNotFoundError, RuntimeError) as error:
        print(f"{error}. See --help, --without-isolation.", file=sys.stderr)
        return 2
    write(rows, options.out)
    passed = sum(row["verdict"] == "passed" for row in rows)
    print(f"{passed} of {len(rows)} passed; {options.out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
