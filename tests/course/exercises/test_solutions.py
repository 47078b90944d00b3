"""Every exercise starts empty, is answered "not written yet", and is solved by what is folded away below it."""

import re

import nbformat
import papermill
import pytest
from store_notebooks import FOLDER

from rga.course import solutions
from rga.course.exercises.verdict import NOT_WRITTEN, PASSED

NOTEBOOKS = {path.stem: nbformat.read(path, as_version=4) for path in sorted(FOLDER.glob("*.ipynb"))}
EXERCISES = [(stem, name) for stem, notebook in NOTEBOOKS.items() for name in solutions.stubs(notebook)]
AT_LEAST = {"02_rga_module": 4}  # three in every other


def said(cell):
    outputs = [
        output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs
    ]
    return "".join(outputs)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_there_are_enough_exercises_with_difficulty_and_minutes(stem):
    names = solutions.stubs(NOTEBOOKS[stem])
    assert len(names) >= AT_LEAST.get(stem, 3), names
    prose = "\n".join(cell.source for cell in NOTEBOOKS[stem].cells if cell.cell_type == "markdown")
    assert len(re.findall(r"\*\*Exercise \d+ \((easy|medium|hard), \d+ minutes\)\.\*\*", prose)) >= len(names)


@pytest.mark.parametrize(("stem", "name"), EXERCISES)
def test_it_starts_empty_and_the_checker_says_what_is_asked(stem, name):
    cell = solutions.stubs(NOTEBOOKS[stem])[name]
    assert said(cell).startswith(NOT_WRITTEN)


@pytest.mark.parametrize("stem", NOTEBOOKS)
def test_the_printed_solutions_pass_in_the_notebook(stem, tmp_path):
    """Only the set-up and the exercises: they need nothing of what the notebook does in between."""
    solved = solutions.solve(NOTEBOOKS[stem])
    wanted = [
        *solved.cells[:3],
        *(solved.cells[NOTEBOOKS[stem].cells.index(cell)] for cell in _stub_cells(stem)),
    ]
    solved.cells = wanted
    nbformat.write(solved, tmp_path / "solved.ipynb")
    ran = papermill.execute_notebook(
        tmp_path / "solved.ipynb",
        tmp_path / "ran.ipynb",
        kernel_name="python3",
        cwd=FOLDER,
        progress_bar=False,
    )
    for cell in ran.cells[3:]:
        assert PASSED in said(cell), cell.source


def _stub_cells(stem):
    return solutions.stubs(NOTEBOOKS[stem]).values()
