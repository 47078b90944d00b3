"""Extraction of CUHK03's crops: exact, once, and whole whatever happens in the middle."""

import errno
import io
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock

import numpy as np
import pytest
from helpers import tiny_cuhk03 as tiny
from PIL import Image

from rga.data import cuhk03
from rga.data.cuhk03 import extraction
from rga.data.images import read_image


@pytest.fixture
def release(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


def folders_in(root):
    return {path.name for path in root.iterdir() if path.is_dir()}


def assert_whole(root, boxes="labeled"):
    """All crops are there, exact, with nothing beside them."""
    folder = root / f"images_{boxes}"
    assert sorted(os.listdir(folder)) == sorted(f"{stem}.png" for stem in tiny.stems(boxes))
    for stem in tiny.stems(boxes):
        image = read_image(folder / f"{stem}.png")
        np.testing.assert_array_equal(image.permute(1, 2, 0), tiny.crop(stem, boxes))
    assert folders_in(root) == {f"images_{boxes}"}


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_extraction_is_exact_and_only_of_the_boxes_asked_for(release, boxes):
    cuhk03.load(release, boxes)
    assert_whole(release, boxes)


def test_progress_of_the_extraction_counts_all_images(release, capsys):
    cuhk03.load(release)
    assert "extracting labeled crops: 100%" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (300, 100), (259, 131)])
def test_png_is_what_other_readers_expect(size):
    crop = np.random.default_rng(0).integers(0, 256, (3, *size[::-1]), dtype=np.uint8).T  # as HDF5 gives it
    data = extraction.png(crop)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()  # the checksums
    with Image.open(io.BytesIO(data)) as image:
        assert (image.mode, image.format) == ("RGB", "PNG")
        np.testing.assert_array_equal(np.asarray(image), crop)


def test_few_crops_are_in_memory(release, monkeypatch):
    monkeypatch.setattr(extraction, "IN_FLIGHT", 5)
    save, crops_in, read, saved, most, lock = extraction._save, extraction.crops_in, [], [], [], Lock()

    def counted(*arguments):
        for item in crops_in(*arguments):
            read.append(item[0])
            yield item

    def slow(crop, path):
        with lock:
            most.append(len(read) - len(saved))
        time.sleep(0.002)
        save(crop, path)
        with lock:
            saved.append(path)

    monkeypatch.setattr(extraction, "crops_in", counted)
    monkeypatch.setattr(extraction, "_save", slow)
    cuhk03.load(release)
    assert 2 <= max(most) <= 6 and len(saved) == 36


def test_an_interrupted_extraction_leaves_nothing_and_starts_again(release, monkeypatch):
    def interrupted(*_):
        yield "1_001_1_01", tiny.crop("1_001_1_01")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(extraction, "crops_in", interrupted)
        cuhk03.load(release)
    assert folders_in(release) == set()
    cuhk03.load(release)
    assert_whole(release)


def test_disk_full_in_the_middle(release, monkeypatch):
    write, written = Path.write_bytes, []

    def full(path, data):
        written.append(path)
        if len(written) > 10:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        ValueError, match="could not be written.*36 crops need about 3 MB.*MB are free.*load again"
    ):
        cuhk03.load(release)
    assert folders_in(release) == set()


def test_root_that_cannot_be_written(release, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        ValueError, match=r"images_labeled.*could not be written.*Permission denied.*writable"
    ):
        cuhk03.load(release)


def test_a_file_in_the_way(release):
    (release / "images_labeled").write_text("notes")
    with pytest.raises(ValueError, match="images_labeled, and this could not be written"):
        cuhk03.load(release)


def test_two_processes_at_once(release):
    code = f"""if True:
        import time
        from pathlib import Path
        from rga.data import cuhk03
        root = Path({str(release)!r})
        (root.parent / "ready").touch()
        while not (root.parent / "go").exists():
            time.sleep(0.001)
        assert len(cuhk03.load(root).train) == 20
    """
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])
    while not (release.parent / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    (release.parent / "go").touch()
    assert len(cuhk03.load(release).train) == 20
    assert process.wait() == 0
    assert_whole(release)
