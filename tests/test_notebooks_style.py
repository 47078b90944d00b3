"""What every notebook must be before anybody runs it, and the normal form in which it is stored."""

import copy
import re

import nbformat
import pytest
from helpers.notebook_rules import RULES, code, complaints, prose, text
from store_notebooks import FOLDER, WIDGET, normalise

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
GOOD = FOLDER / "05_ablation.ipynb"
new = nbformat.v4


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_rules_are_kept(path, rule):
    assert complaints(path, nbformat.read(path, as_version=4), [rule]) == []


def replace(old, by="", cells=None, pattern=False):
    """A break: in all cells, or those of an index, one text is replaced by another."""

    def change(notebook):
        chosen = notebook.cells if cells is None else [notebook.cells[cells]]
        for cell in chosen:
            cell.source = re.sub(old, by, cell.source) if pattern else cell.source.replace(old, by)

    return change


def append(source, **metadata):
    def change(notebook):
        notebook.cells.append(new.new_code_cell(source, metadata=metadata))

    return change


def output(kind, **fields):
    def change(notebook):
        code(notebook)[5].outputs.append(new.new_output(kind, **fields))

    return change


def swap_first_cells(notebook):
    notebook.cells[0], notebook.cells[1] = notebook.cells[1], notebook.cells[0]


def answer_in_the_question(notebook):
    cell = next(cell for cell in prose(notebook) if "**Predict.**" in cell.source)
    cell.source += "\n<details><summary>Answer</summary>\n\n(a)\n</details>"


def stored_solved(notebook):
    cell = next(cell for cell in code(notebook) if "NotImplementedError" in cell.source)
    cell.outputs = [new.new_output("execute_result", {"text/plain": "all stages passed"}, execution_count=1)]


def solved_in_the_cell(notebook):
    cell = next(cell for cell in code(notebook) if "NotImplementedError" in cell.source)
    cell.source = cell.source.replace("raise NotImplementedError", "return 0, 1")


def two_of_one_id(notebook):
    notebook.cells[4].id = notebook.cells[3].id


def no_tag(notebook):
    for cell in code(notebook):
        cell.metadata["tags"] = [tag for tag in cell.metadata.get("tags", []) if tag != "nbval-check-output"]


def nothing_to_compare(notebook):
    next(c for c in code(notebook) if "nbval-check-output" in c.metadata.get("tags", [])).outputs = []


PLANTED = {
    "the first cell begins with the title": swap_first_cells,
    "the first cell lacks a promise": replace("**", "", cells=0),
    "the first cell lacks a table": replace("You need", "", cells=0),
    "lacks the time of the quick profile": replace("minute", "", cells=0),
    "lacks the time of the full profile": replace("`full`", "", cells=0),
    "lacks links to the notebooks": replace(r"(Previous|Next): \[", "[", cells=0, pattern=True),
    "tagged parameters": append("x: int = 1  # what", tags=["parameters"]),
    "begin as the cell that papermill injects": replace("import os", "# Parameters\nimport os", cells=1),
    "profile is taken from": replace('"quick"', '"full"', cells=1),
    "a parameter has a type": replace(r": \w+ = None", " = None", cells=1, pattern=True),
    "a default and a comment": replace(r"  # .*", "", cells=1, pattern=True),
    "the third cell imports": replace("notebook.setup(", "set_up(", cells=2),
    "at most 25": append("x = 1\n" * 26),
    "shell or magic": append("!pip install rga"),
    "magic: %": append("%matplotlib inline"),
    "nbval ignores the semicolon": append("plot(1);"),
    "needs a network": append("import urllib.request"),
    "no Python": append("for"),
    "papermill ignores raises-exception": append("1 / 0", tags=["raises-exception"]),
    "predictions: at least": replace("**Predict.**", "Guess."),
    "a prediction without options": replace("- (a) ", "- "),
    "in the question's own cell": answer_in_the_question,
    "no folded answer": replace("<summary>Answer", "<summary>Remark"),
    "has no folded solution": replace("<summary>Solution", "<summary>Remark"),
    "does not end with its checker": replace("exercises.check_share(share)", "pass"),
    "is stored solved": stored_solved,
    "an exercise that is not empty": solved_in_the_cell,
    "no recap": replace("## Recap", "## End"),
    "holds no self-test": replace("**Self-test.**", ""),
    "links to no other notebook": replace(r"(Previous|Next): \[", "[", cells=-1, pattern=True),
    "not run from top to bottom": lambda notebook: notebook.cells.remove(code(notebook)[7]),
    "two cells of one id": two_of_one_id,
    "an error is stored": output("error", ename="ValueError", evalue="no", traceback=[]),
    "stderr is stored": output("stream", name="stderr", text="tqdm"),
    "stored as": output("display_data", data={"image/svg+xml": "<svg/>"}),
    "stored as {'application/vnd.jupyter.widget": output("display_data", data={WIDGET: {}}),
    "a path of this machine": output("stream", name="stdout", text="/home/me/rga"),
    "not in normal form": lambda notebook: notebook.metadata.update(papermill={"duration": 3}),
    "nbval compares 0 cells": no_tag,
    "no text to compare": nothing_to_compare,
    "a comment for nbval": append("# NBVAL_CHECK_OUTPUT\n1"),
    "broken link": replace("](../README.md)", "](../READ_ME.md)"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good():
    return nbformat.read(GOOD, as_version=4)


@pytest.mark.parametrize("said", PLANTED)
def test_a_planted_break_is_caught(said, good):
    planted = copy.deepcopy(good)
    PLANTED[said](planted)
    found = complaints(GOOD, planted)
    assert any(said in complaint for complaint in found), found


def test_a_notebook_that_is_too_large_is_caught(good, tmp_path):
    large = copy.deepcopy(good)
    large.cells[0].source += "x" * 400 * 1024
    nbformat.write(large, tmp_path / GOOD.name)
    assert any("bytes: at most" in said for said in complaints(tmp_path / GOOD.name, large, ["stored"]))


def run_like(**outputs):
    """A notebook of one cell as a front end leaves it."""
    stderr = new.new_output("stream", name="stderr", text="tqdm")
    cell = new.new_code_cell("1", execution_count=7, metadata={"execution": {"iopub.execute_input": "2026"}})
    cell.outputs = [stderr, *(new.new_output(kind, **fields) for kind, fields in outputs["outputs"])]
    return new.new_notebook(cells=[cell], metadata={"widgets": {}, "papermill": {"duration": 3}})


def test_normal_form():
    stored = normalise(
        run_like(
            outputs=[
                ("stream", {"name": "stdout", "text": "a\n"}),
                ("stream", {"name": "stdout", "text": "b\n"}),
                ("display_data", {"data": {WIDGET: {}, "text/plain": "0%"}}),
                ("execute_result", {"data": {"text/plain": "1"}, "execution_count": 7}),
            ]
        )
    )
    (cell,) = stored.cells
    assert [text(output) for output in cell.outputs] == ["a\nb\n", "1"]
    assert cell.execution_count == cell.outputs[1].execution_count == 1
    assert cell.metadata == {} and set(stored.metadata) == {"kernelspec", "language_info"}
    assert normalise(stored) == stored


def test_a_failed_cell_is_not_stored():
    with pytest.raises(ValueError, match="cell 1 failed: ValueError: no"):
        normalise(run_like(outputs=[("error", {"ename": "ValueError", "evalue": "no", "traceback": []})]))
