"""A file is there when it is whole, and nothing is left where it could not be."""

import pytest

from rga.io.atomic_write import atomic_write


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_it_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as partial:
        partial.write_text("one")
        assert partial.suffix == ".txt" and not path.exists()
    assert path.read_text() == "one" and names(path.parent) == ["a.txt"]


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    with pytest.raises(KeyError), atomic_write(path) as partial:
        partial.write_text("half")
        raise KeyError
    assert path.read_text() == "one" and names(tmp_path) == ["a.txt"]


def test_two_may_write_at_once(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" and names(tmp_path) == ["a.txt"]
