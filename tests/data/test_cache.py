"""The cache: the same pixels as without it, and never a file that is cut short or is of other images."""

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from rga.data import cache
from rga.data.cache import resized_images
from rga.data.images import read_image
from rga.data.transforms import resize

SIZES = [(32, 16), (36, 18)]


@pytest.fixture
def paths(tmp_path):
    """Nine noisy images of different sizes, in a folder of their own."""
    rng, folder = np.random.default_rng(0), tmp_path / "images"
    folder.mkdir()
    made = [folder / f"{i} ä.png" for i in range(9)]
    for i, path in enumerate(made):
        Image.fromarray(rng.integers(0, 256, (20 + 5 * i, 12 + i, 3), dtype=np.uint8)).save(path)
    return made


@pytest.fixture
def reads(monkeypatch):
    """The paths that were read."""
    seen = []
    monkeypatch.setattr(cache, "read_image", lambda path: seen.append(path) or read_image(path))
    return seen


def check(images, paths):
    assert list(images) == SIZES
    for size in SIZES:
        for index, path in enumerate(paths):
            image = images[size][index]
            assert image.dtype == torch.uint8 and torch.equal(image, resize(read_image(path), size))


def files(folder):
    return sorted(folder.iterdir()) if folder.exists() else []


def test_in_memory(paths, reads):
    threads = torch.get_num_threads()
    check(resized_images(paths, SIZES, True), paths)
    assert sorted(reads) == paths, "each image is read once for both sizes"
    assert torch.get_num_threads() == threads


def test_more_images_than_are_read_ahead(paths, monkeypatch):
    monkeypatch.setattr(cache, "AHEAD", 4)
    check(resized_images(paths, SIZES, True), paths)


def test_on_disk_and_used_again(paths, reads, tmp_path):
    folder = tmp_path / "a" / "cache"
    check(resized_images(paths, SIZES, folder), paths)
    assert sorted(reads) == paths
    written = files(folder)
    assert [file.name[:6] for file in written] == ["32x16-", "36x18-"]
    check(resized_images(paths, SIZES, str(folder)), paths)
    assert len(reads) == 9 and files(folder) == written


def test_a_size_that_lacks_is_added(paths, reads, tmp_path):
    resized_images(paths, SIZES[:1], tmp_path / "cache")
    before = files(tmp_path / "cache")[0].stat().st_mtime_ns
    check(resized_images(paths, SIZES, tmp_path / "cache"), paths)
    assert files(tmp_path / "cache")[0].stat().st_mtime_ns == before and len(reads) == 18


@pytest.mark.parametrize("change", ["pixels", "order", "fewer", "time"])
def test_other_images_are_another_cache(paths, tmp_path, change):
    resized_images(paths, SIZES, tmp_path / "cache")
    if change == "pixels":
        Image.new("RGB", (50, 60), (1, 2, 3)).save(paths[4])
    elif change == "order":
        paths.reverse()
    elif change == "fewer":
        paths.pop()
    else:
        os.utime(paths[4], ns=(0, 0))
    check(resized_images(paths, SIZES, tmp_path / "cache"), paths)
    assert len(files(tmp_path / "cache")) == 4


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_not_used(paths, tmp_path, part):
    resized_images(paths, SIZES, tmp_path / "cache")
    first = files(tmp_path / "cache")[0]
    data = first.read_bytes()
    first.write_bytes(data[: int(part * len(data))])
    check(resized_images(paths, SIZES, tmp_path / "cache"), paths)
    assert first.read_bytes() == data


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_of_a_run_that_was_stopped(paths, tmp_path, monkeypatch, stop):
    def read(path):
        if path == paths[5]:
            raise stop
        return read_image(path)

    with monkeypatch.context() as patch, pytest.raises(stop):
        patch.setattr(cache, "read_image", read)
        resized_images(paths, SIZES, tmp_path / "cache")
    assert files(tmp_path / "cache") == []
    check(resized_images(paths, SIZES, tmp_path / "cache"), paths)


def test_a_full_disk(paths, tmp_path):
    """A limit on the size of files stands for it: the write fails in the middle, as on a full disk."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limits[1]))
    try:
        with pytest.raises(
            ValueError, match=r"cache of 9 images cannot be written .*0\.00 GB of room, .*cache=True"
        ):
            resized_images(paths, SIZES, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files(tmp_path / "cache") == []


def test_a_folder_that_cannot_be_written(paths, tmp_path, monkeypatch, reads):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot be written to .*file.*choose another folder"):
        resized_images(paths, SIZES, tmp_path / "file")

    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(cache, "atomic_write", refuse)
    with pytest.raises(ValueError, match="Read-only file system"):
        resized_images(paths, SIZES, tmp_path / "cache")
    assert reads == [], "it fails before the images are read"


def test_images_that_are_not_there_or_broken(paths, tmp_path):
    paths[3].write_bytes(paths[3].read_bytes()[:50])
    for keep in (True, tmp_path / "cache"):
        with pytest.raises(ValueError, match=r"3 ä\.png cannot be read as an image"):
            resized_images(paths, SIZES, keep)
    paths[3].unlink()
    for keep in (True, tmp_path / "cache"):
        with pytest.raises(FileNotFoundError, match=r"3 ä\.png"):
            resized_images(paths, SIZES, keep)
    assert files(tmp_path / "cache") == []
