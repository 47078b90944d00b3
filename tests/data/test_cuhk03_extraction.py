"""Extraction of CUHK03's crops: exact, once, and whole whatever happens in the middle."""

import errno
import io
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from threading import Barrier, Lock, Thread

import h5py
import numpy as np
import pytest
from helpers import tiny_cuhk03 as tiny
from PIL import Image

from rga.data import cuhk03
from rga.data.cuhk03 import extraction
from rga.data.images import read_image

HERE = Path(__file__).resolve()


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
    assert not [path for path in root.iterdir() if path.name.startswith(".")]


def stop_after(monkeypatch, number, error=KeyboardInterrupt):
    """Reading the release stops with an error after some crops."""
    crops_in = extraction.crops_in

    def stopping(*arguments, **options):
        for i, item in enumerate(crops_in(*arguments, **options)):
            if i == number:
                raise error
            yield item

    monkeypatch.setattr(extraction, "crops_in", stopping)


def count_reads(monkeypatch):
    read = []
    crops_in = extraction.crops_in

    def counting(*arguments, **options):
        for item in crops_in(*arguments, **options):
            read.append(item[0])
            yield item

    monkeypatch.setattr(extraction, "crops_in", counting)
    return read


# ---------------------------------------------------------------- what is written


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_extraction_is_exact_and_only_of_the_boxes_asked_for(release, boxes):
    cuhk03.load(release, boxes)
    assert_whole(release, boxes)
    assert folders_in(release) == {f"images_{boxes}"}


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
    save, read, saved, most, lock = extraction._save, count_reads(monkeypatch), [], [], Lock()

    def slow(crop, path):
        with lock:
            most.append(len(read) - len(saved))
        time.sleep(0.002)
        save(crop, path)
        with lock:
            saved.append(path)

    monkeypatch.setattr(extraction, "_save", slow)
    cuhk03.load(release)
    assert 2 <= max(most) <= 6 and len(saved) == 36


# ---------------------------------------------------------------- stopped in the middle


def test_interrupted_extraction_goes_on(release, monkeypatch):
    stop_after(monkeypatch, 7)
    with pytest.raises(KeyboardInterrupt):
        cuhk03.load(release)
    assert folders_in(release) == {".images_labeled.part"}
    monkeypatch.undo()
    read = count_reads(monkeypatch)
    assert len(cuhk03.load(release).train) == 20
    assert read == tiny.stems()[7:]
    assert_whole(release)


def test_an_empty_file_is_no_whole_crop(release, monkeypatch):
    stop_after(monkeypatch, 18)
    with pytest.raises(KeyboardInterrupt):
        cuhk03.load(release)
    monkeypatch.undo()
    next(release.glob(".images_labeled.part/*/*.png")).write_bytes(b"")
    cuhk03.load(release)
    assert_whole(release)


def test_progress_goes_on_too(release, monkeypatch, capsys):
    stop_after(monkeypatch, 18)
    with pytest.raises(KeyboardInterrupt):
        cuhk03.load(release)
    monkeypatch.undo()
    capsys.readouterr()
    cuhk03.load(release)
    assert "extracting labeled crops:  50%" in capsys.readouterr().err


def test_crops_of_another_release_are_not_gone_on_with(release, monkeypatch):
    stop_after(monkeypatch, 18)
    with pytest.raises(KeyboardInterrupt):
        cuhk03.load(release)
    monkeypatch.undo()
    crop = tiny.crop("1_001_1_01") ^ 255
    with h5py.File(release / "cuhk-03.mat", "r+") as file:
        file[file[file["labeled"][0, 0]][0, 0]][...] = crop.T
    os.utime(release / "cuhk-03.mat", (1, 1))
    cuhk03.load(release)
    image = read_image(release / "images_labeled" / "1_001_1_01.png")
    np.testing.assert_array_equal(image.permute(1, 2, 0), crop)
    assert folders_in(release) == {"images_labeled"}


def child(code, *arguments, shell=()):
    """A process that runs the code after `from rga.data import cuhk03`."""
    header = """
        import os, sys, time
        from pathlib import Path
        from rga.data import cuhk03
        from rga.data.cuhk03 import extraction
    """
    path = os.pathsep.join((str(HERE.parents[2]), str(HERE.parents[1])))
    return subprocess.Popen(
        [*shell, sys.executable, "-c", textwrap.dedent(header) + textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_extraction_goes_on(release, monkeypatch):
    code = """
        png, made = extraction.png, []
        def slower(crop):
            made.append(1)
            if len(made) > 9:
                time.sleep(600)  # with nothing of this crop written, or half of it, in each of the threads
            return png(crop)
        def half(path, data, write=Path.write_bytes):
            if len(made) > 7:
                write(path, data[: len(data) // 2])
                time.sleep(600)
            write(path, data)
        extraction.png, Path.write_bytes = slower, half
        cuhk03.load(sys.argv[1])
    """
    process = child(code, release)
    for _ in range(600):
        if len(list(release.glob(".images_labeled.part/*.tmp"))) >= 2 or process.poll() is not None:
            break
        time.sleep(0.1)
    time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert folders_in(release) == {".images_labeled.part"}
    written = {path.stem for path in release.glob(".images_labeled.part/*/*.png")}
    assert 0 < len(written) < 10
    read = count_reads(monkeypatch)
    cuhk03.load(release)
    assert sorted([*written, *read]) == sorted(tiny.stems())
    assert_whole(release)


def test_disk_full_in_the_middle(release, monkeypatch):
    write = Path.write_bytes
    written = []

    def full(path, data):
        written.append(path)
        if len(written) > 10:
            write(path, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ValueError) as caught:
        cuhk03.load(release)
    for part in (
        "could not be written",
        "26 crops are left",
        "about 2 MB",
        "MB are free",
        "Make room and load again",
    ):
        assert part in str(caught.value)
    assert folders_in(release) == {".images_labeled.part"}
    assert not list(release.glob(".images_labeled.part/*.tmp")), "half a crop only takes room"
    monkeypatch.undo()
    read = count_reads(monkeypatch)
    cuhk03.load(release)
    assert len(read) == 26
    assert_whole(release)


@pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode != 0,
    reason="needs Linux namespaces, to mount a disk of its own",
)
def test_disk_that_is_read_only_then_full_then_has_room(release):
    code = """
        import shutil, subprocess
        source, disk = Path(sys.argv[1]), Path(sys.argv[2])
        def mount(options):
            subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", disk], check=True)
        def error():
            try:
                cuhk03.load(disk)
            except ValueError as error:
                assert not (disk / "images_labeled").exists()
                return str(error)
            raise AssertionError("all could be written")
        mount(f"size={20 * 4096 + sum(-(-path.stat().st_size // 4096) * 4096 for path in source.iterdir())}")
        for path in source.iterdir():
            shutil.copy(path, disk)
        mount("remount,ro")
        assert "Read-only file system" in (said := error()) and f"Make {disk} writable" in said, said
        mount("remount,rw")
        assert "No space left on device" in (said := error()) and "and 0 MB are free" in said, said
        times = {path.name: path.stat().st_mtime_ns for path in disk.glob(".images_labeled.part/*/*.png")}
        mount("remount,size=10m")
        assert len(cuhk03.load(disk).train) == 20
        assert times and all((disk / "images_labeled" / name).stat().st_mtime_ns == times[name] for name in times)
        shutil.copytree(disk / "images_labeled", source / "images_labeled")
    """
    disk = release.parent / "disk"
    disk.mkdir()
    process = child(code, release, disk, shell=["unshare", "-rm"])
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_whole(release)


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


# ---------------------------------------------------------------- two at once


def test_another_process_finishes_just_before(release, monkeypatch):
    replace = os.replace

    def late(source, target):
        if Path(target).name == "images_labeled":
            monkeypatch.setattr(os, "replace", replace)
            cuhk03.load(release)
        replace(source, target)

    monkeypatch.setattr(os, "replace", late)
    assert len(cuhk03.load(release).train) == 20
    assert_whole(release)


def test_two_processes_at_once(release):
    code = """
        root = Path(sys.argv[1])
        (root.parent / "ready").touch()
        while not (root.parent / "go").exists():
            time.sleep(0.001)
        assert len(cuhk03.load(root).train) == 20
    """
    process = child(code, release)
    while not (release.parent / "ready").exists() and process.poll() is None:
        time.sleep(0.01)
    (release.parent / "go").touch()
    assert len(cuhk03.load(release).train) == 20
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert_whole(release)


def test_many_threads_at_once(release):
    for _ in range(10):
        barrier, results = Barrier(3), []

        def run(barrier=barrier, results=results):
            barrier.wait()
            results.append(cuhk03.load(release))

        threads = [Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 3
        assert_whole(release)
        shutil.rmtree(release / "images_labeled")
