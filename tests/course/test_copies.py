"""Working copies start without outputs and are never overwritten; a handout gives no solution away."""

import re

import nbformat
import pytest

from rga.course.copies import MAP, STORED, handout, main, work

NAMES = sorted(path.name for path in STORED.glob("*.ipynb"))
GIVEN_AWAY = re.compile(r"<summary>\s*Answer|Solution to")


def code(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def prose(path):
    cells = nbformat.read(path, as_version=4).cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_working_copies_lack_outputs_but_keep_text_and_solutions(tmp_path):
    assert work(tmp_path) == []
    for name in NAMES:
        assert not any(cell.outputs or cell.execution_count for cell in code(tmp_path / name))
        assert prose(tmp_path / name) == prose(STORED / name)
        nbformat.validate(nbformat.read(tmp_path / name, as_version=4))
    assert (tmp_path / MAP).read_text() == (STORED / MAP).read_text()


@pytest.fixture
def stored(tmp_path):
    """A course of one notebook."""
    folder = tmp_path / "stored"
    folder.mkdir()
    (folder / MAP).write_text("the map")
    store(folder, "1 + 1")
    return folder


def store(folder, source):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, id="one")])
    nbformat.write(notebook, folder / "01_sum.ipynb")


def test_a_copy_is_never_overwritten(stored, tmp_path):
    mine = tmp_path / "work" / "01_sum.ipynb"
    assert work(tmp_path / "work", stored) == []
    mine.write_text(mine.read_text().replace("1 + 1", "1 + 2"))  # somebody's work
    mine.with_name(MAP).write_text("my notes")
    before = mine.read_bytes()
    assert [line.split()[0] for line in work(tmp_path / "work", stored)] == ["README.md,"]
    store(stored, "2 + 2")
    told = work(tmp_path / "work", stored)
    assert (
        told[0] == f"01_sum.ipynb has changed since you copied it. For a fresh one, rename or delete {mine}."
    )
    assert mine.read_bytes() == before and mine.with_name(MAP).read_text() == "my notes"
    mine.unlink()
    work(tmp_path / "work", stored)
    assert code(mine)[0].source == "2 + 2"


def test_a_copy_that_is_no_notebook_any_more_is_kept_too(stored, tmp_path):
    mine = tmp_path / "work" / "01_sum.ipynb"
    work(tmp_path / "work", stored)
    mine.write_text("")
    assert len(work(tmp_path / "work", stored)) == 1 and mine.read_text() == ""


def test_new_outputs_alone_make_no_newer_notebook(stored, tmp_path):
    work(tmp_path / "work", stored)
    notebook = nbformat.read(stored / "01_sum.ipynb", as_version=4)
    notebook.cells[0].outputs = [nbformat.v4.new_output("stream", text="2")]
    nbformat.write(notebook, stored / "01_sum.ipynb")
    assert work(tmp_path / "work", stored) == []


def test_a_handout_gives_nothing_away_and_its_code_is_what_the_tests_run(tmp_path):
    paths = handout(tmp_path / "class")
    assert [path.name for path in paths] == NAMES and (tmp_path / "class" / MAP).exists()
    for path in paths:
        assert not GIVEN_AWAY.search(path.read_text(encoding="utf-8")), path.name
        assert not any(cell.outputs for cell in code(path))
        nbformat.validate(nbformat.read(path, as_version=4))
        # nbval runs these cells to the end: stubs included, which say "not written yet".
        assert [cell.source for cell in code(path)] == [cell.source for cell in code(STORED / path.name)]


def test_a_handout_is_written_whole_or_not_at_all(stored, tmp_path, capsys):
    (stored / "02_broken.ipynb").write_text("{")
    with pytest.raises(Exception, match="Notebook|JSON"):
        handout(tmp_path / "class", stored)
    assert not (tmp_path / "class").exists()
    (tmp_path / "class").mkdir()
    assert main(["handout", str(tmp_path / "class")]) == 1
    assert "exists. Remove it, or name another folder." in capsys.readouterr().err
