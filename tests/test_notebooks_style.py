"""What every notebook must be before anybody runs it, and the normal form in which it is stored."""

import ast
import re
import statistics

import nbformat
import papermill
import pytest
from store_notebooks import FOLDER, WIDGET, normalise

CHECKED_CELLS = 3  # nbval compares nothing but these
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
ROOT = FOLDER.parent


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def text(output):
    return output.text if output.output_type == "stream" else output.data.get("text/plain", "")


def words(output):
    """All that is not a picture: a cell may put out HTML beside its text."""
    data = output.get("data", {})
    return text(output) + "".join(str(data[kind]) for kind in data if kind.startswith("text/"))


def test_name_and_order_of_the_first_cells(path, notebook):
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem)
    first, second, third = notebook.cells[:3]
    assert first.cell_type == "markdown" and first.source.startswith("# "), "first cell: title and promise"
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert tagged == [second], "the second cell, and no other, is tagged parameters"
    assert not second.source.startswith("# Parameters"), "so begins the cell that papermill injects"
    assert "notebook.setup(" in third.source, "third cell: imports and one set-up call"


def test_parameters_are_typed_and_commented_for_papermill_help(path):
    found = papermill.inspect_notebook(str(path))
    assert "profile" in found
    for name, parameter in found.items():
        assert parameter["inferred_type_name"] != "None", f"{name} has no type"
        assert parameter["help"], f"{name} has no comment"


def test_cells_are_short(notebook):
    rest = [cell for cell in code(notebook) if "parameters" not in cell.metadata.get("tags", [])]
    lines = [len(cell.source.splitlines()) for cell in rest]
    assert max(lines) <= 25
    assert statistics.median(lines) <= 7, "the median should be about 5"


def test_code_says_nothing_that_a_reader_cannot_run(notebook):
    for cell in code(notebook):
        assert not re.search(r"^\s*[!%]", cell.source, re.MULTILINE), f"shell or magic in: {cell.source}"
        assert not re.search(r";\s*$", cell.source, re.MULTILINE), (
            f"nbval ignores the semicolon in: {cell.source}"
        )
        ast.parse(cell.source)


def test_stored_outputs_are_whole_and_tell_nothing_of_the_machine(path, notebook):
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "make store"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for output in (output for cell in cells for output in cell.outputs):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        assert not set(output.get("data", {})) & {WIDGET, "image/jpeg", "image/svg+xml"}
        paths = re.search(r"(?<!\w)(/(home|root|work|tmp|Users|usr|var|opt)/|[A-Z]:\\)", words(output))
        assert not paths, f"a path of this machine in: {words(output)}"
    assert path.stat().st_size <= 400 * 1024
    assert normalise(notebook) == notebook, "not in normal form: make store"


def is_checked(cell):
    return "nbval-check-output" in cell.metadata.get("tags", [])


def test_nbval_has_something_to_compare(notebook):
    checked = [cell for cell in code(notebook) if is_checked(cell)]
    assert len(checked) >= CHECKED_CELLS
    for cell in checked:
        assert any(text(output) for output in cell.outputs), f"no text to compare: {cell.source}"


def test_links_exist(notebook):
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"https?://|#|attachment:", target):
            assert (FOLDER / target.split("#")[0]).exists(), f"broken link: {target}"


def run_like(**outputs):
    """A notebook of one cell as a front end leaves it."""
    v4 = nbformat.v4
    stderr = v4.new_output("stream", name="stderr", text="tqdm")
    cell = v4.new_code_cell("1", execution_count=7, metadata={"execution": {"iopub.execute_input": "2026"}})
    cell.outputs = [stderr, *(v4.new_output(kind, **fields) for kind, fields in outputs["outputs"])]
    return v4.new_notebook(cells=[cell], metadata={"widgets": {}, "papermill": {"duration": 3}})


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
