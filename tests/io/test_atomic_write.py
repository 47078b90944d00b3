"""Files and folders appear when they are whole, and nothing is left where they could not be."""

import errno
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from rga.io.atomic_write import atomic_folder, atomic_write, being_written


def names(folder):
    return [path.name for path in folder.iterdir()]


def test_a_file_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with atomic_write(path) as temporary:
        temporary.write_text("one")
        assert temporary.suffix == ".txt" and not path.exists()
    assert path.read_text() == "one" and names(path.parent) == ["a.txt"]


def test_an_error_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one")
    with pytest.raises(KeyError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "one" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_told_of_with_the_name_of_the_file(tmp_path):
    """As torch.save does, whose own error comes after that of the disk."""
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match=r"No space left on device: make room, .*a\.txt") as raised:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            try:
                raise OSError(errno.ENOSPC, "No space left on device")
            finally:
                raise RuntimeError("unexpected pos 128 vs 0")
    assert raised.value.errno == errno.ENOSPC and names(tmp_path) == []


def test_of_two_files_at_once_the_later_wins(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first" and names(tmp_path) == ["a.txt"]


def test_a_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_anything_else(
    tmp_path, monkeypatch
):
    path, done = tmp_path / "a.txt", []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda *file: done.append("fsync") or fsync(*file))
    monkeypatch.setattr(os, "replace", lambda *paths: done.append("replace") or replace(*paths))
    with atomic_write(path) as temporary:
        temporary.touch()
    assert done == ["fsync", "replace", "fsync"]  # the last is of the folder


def test_a_fixed_temporary_name_is_used_again(tmp_path):
    path, left = tmp_path / "a.txt", tmp_path / ".a.part"
    left.write_text("what a kill left")
    with atomic_write(path, temporary=left) as temporary:
        temporary.write_text("one")
    assert path.read_text() == "one" and names(tmp_path) == ["a.txt"]


def test_a_folder_appears_at_the_end(tmp_path):
    path = tmp_path / "new" / "a"
    with atomic_folder(path) as temporary:
        (temporary / "1").touch()
        assert not path.exists()
    assert names(path) == ["1"] and names(path.parent) == ["a"]


def test_an_error_leaves_no_folder(tmp_path):
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "a") as temporary:
        (temporary / "1").touch()
        raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_of_two_folders_at_once_the_first_wins(tmp_path):
    path = tmp_path / "a"
    with ExitStack() as stack:
        for name in ("second", "first"):
            (stack.enter_context(atomic_folder(path)) / name).touch()
    assert names(path) == ["first"] and names(tmp_path) == ["a"]


def test_a_file_in_the_way_of_a_folder(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(NotADirectoryError), atomic_folder(tmp_path / "a"):
        pass
    assert names(tmp_path) == ["a"]


def test_a_killed_process_leaves_a_folder_that_the_next_removes(tmp_path):
    """While the process lives, its folder is left alone."""
    code = "import sys, time; sys.path.append(sys.argv[1]); from atomic_write import atomic_folder\n"
    code += "with atomic_folder(sys.argv[2]) as folder: (folder / '1').touch(); time.sleep(600)"
    module = Path(__file__).parents[2] / "rga/io"  # the file alone: all of rga takes seconds
    child = subprocess.Popen([sys.executable, "-c", code, module, tmp_path / "a"])
    while not list(tmp_path.glob(".a.*/1")):
        assert child.poll() is None
        time.sleep(0.01)
    (left,) = names(tmp_path)
    with atomic_folder(tmp_path / "b"), atomic_folder(tmp_path / "a"):
        assert left in names(tmp_path)
    (tmp_path / "a").rmdir()
    assert being_written(tmp_path / "a") and not being_written(tmp_path / "b")
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert left in names(tmp_path) and not being_written(tmp_path / "a")
    with atomic_folder(tmp_path / "a"):
        assert left not in names(tmp_path)


def test_a_folder_left_empty_by_a_killed_process_is_not_waited_for(tmp_path):
    (tmp_path / ".a.0.part").mkdir()
    assert not being_written(tmp_path / "a")
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "1").touch()
        assert being_written(tmp_path / "a")
    assert not being_written(tmp_path / "a")
