"""The folder of notebook 06 is an ordinary one, and its two cells are as short as they say."""

import re

import nbformat
import numpy as np
import pytest
from sklearn.manifold import TSNE
from store_notebooks import FOLDER

from rga import data
from rga.course import own_people, solutions

NOTEBOOK = nbformat.read(FOLDER / "06_transfer.ipynb", as_version=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    drawn, load = tmp_path_factory.mktemp("drawn"), own_people.synthetic.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            own_people.synthetic,
            "load",
            lambda **options: load(drawn / "set", images_per_camera=2, **options),
        )
        yield own_people.write_folder(drawn / "visitors", identities=(2, 2))


def test_every_drawn_picture_is_there_under_a_name_that_the_folder_reader_reads(folder):
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg")}
    assert names and all(re.match(own_people.PATTERN, name) for name in names)
    assert {name.split("/")[0] for name in names} == {f"visitor {i:02d}" for i in range(1, 5)}
    splits = data.load("folder", folder, pattern=own_people.PATTERN)
    assert len(splits.train) + len(splits.query) + len(splits.gallery) == len(names)
    assert set(splits.names.values()) <= {f"visitor {i:02d}" for i in range(1, 5)}


def test_a_folder_that_is_there_is_left_alone(tmp_path):
    assert own_people.write_folder(tmp_path) == tmp_path and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("begins", "lines"), [("# A folder to a search", 10), ("# A folder to a trained", 20)]
)
def test_ten_lines_and_twenty(begins, lines):
    (cell,) = [cell for cell in NOTEBOOK.cells if cell.source.startswith(begins)]
    assert len([line for line in cell.source.splitlines() if not line.startswith("#")]) <= lines


def test_the_solution_of_the_projector_runs():
    code = solutions.solutions(NOTEBOOK)["project"]
    space = {}
    exec(code, space)
    points = space["project"](np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32), perplexity=3)
    assert points.shape == (12, 2) and space["TSNE"] is TSNE
