"""The MSMT17 reader, on trees with its names and lists and noise instead of people."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rga.data import msmt17
from rga.data.samples import Sample, TrainSample

LISTS = {
    "train": ["0000/0000_045_12_0303morning_0006_2.jpg 0", "0007/0007_000_01_0303morning_0008_0_ex.jpg 7"],
    "val": ["0000/0000_013_04_0303morning_0020_2.jpg 0"],
    "query": ["0000/0000_000_01_0303morning_0015_0.jpg 0"],
    "gallery": ["0000/0000_008_15_0303morning_0019_2.jpg 0", "0001/0001_021_07_0303noon_0021_0.jpg 1"],
}


def write(folder, train, test):
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for name, lines in LISTS.items():
        (folder / f"list_{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        for line in lines:
            path = folder / (train if name in ("train", "val") else test) / line.split()[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 8, 3), dtype=np.uint8)).save(path)
    return folder


@pytest.fixture
def msmt(tmp_path):
    return write(tmp_path / "MSMT17_V1", "train", "test")


def test_the_subsets(msmt):
    splits = msmt17.load(msmt)
    assert splits.train == (
        TrainSample(msmt / "train/0000/0000_045_12_0303morning_0006_2.jpg", 0, 12),
        TrainSample(msmt / "train/0007/0007_000_01_0303morning_0008_0_ex.jpg", 1, 1),
        TrainSample(msmt / "train/0000/0000_013_04_0303morning_0020_2.jpg", 0, 4),
    )
    assert splits.query == (Sample(msmt / "test/0000/0000_000_01_0303morning_0015_0.jpg", 0, 1),)
    assert [(sample.pid, sample.camid) for sample in splits.gallery] == [(0, 15), (1, 7)]
    assert splits.train_pids == () and splits.missing == ()
    assert splits.published == {"train": (1041, 32621), "query": (3060, 11659), "gallery": (3060, 82161)}
    assert splits.name == "MSMT17 V1"


def test_version_2_has_other_folders(tmp_path):
    splits = msmt17.load(write(tmp_path / "MSMT17_V2", "mask_train_v2", "mask_test_v2"))
    assert splits.name == "MSMT17 V2"
    assert splits.counts() == {"train": (2, 3, 3), "query": (1, 1, 1), "gallery": (2, 2, 2)}
    assert (
        splits.train[0].path.parts[-3] == "mask_train_v2" and splits.query[0].path.parts[-3] == "mask_test_v2"
    )


def test_root_may_be_the_folder_around_it_or_the_archive(msmt):
    expected = msmt17.load(msmt)
    assert msmt17.load(msmt.parent) == expected
    archive = shutil.make_archive(msmt.parent / "download" / "MSMT17_V1", "gztar", msmt.parent, msmt.name)
    shutil.rmtree(msmt)
    for root in (archive, msmt.parent / "download"):
        assert msmt17.load(root).counts() == expected.counts()


def test_missing_images_are_an_error_unless_allowed(msmt):
    (msmt / "test/0001/0001_021_07_0303noon_0021_0.jpg").unlink()
    with pytest.raises(
        ValueError, match=r"1 of the 6 images .* 0001/0001_021_07_0303noon_0021_0\.jpg.*allow_missing"
    ):
        msmt17.load(msmt)
    splits = msmt17.load(msmt, allow_missing=True)
    assert splits.missing == ("0001_021_07_0303noon_0021_0",)
    assert len(splits.gallery) == 1


def test_no_image_at_all_is_an_error_always(msmt):
    for place in ("train", "test"):
        shutil.rmtree(msmt / place)
        (msmt / place).mkdir()
    with pytest.raises(ValueError, match="6 of the 6 images"):
        msmt17.load(msmt, allow_missing=True)


def test_lists_that_are_not_there_are_named(msmt):
    (msmt / "list_val.txt").unlink()
    (msmt / "list_query.txt").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"(?s)has no list_val\.txt, list_query\.txt\. Expected is.*pkuvmc"
    ):
        msmt17.load(msmt)


def test_another_set_with_folders_train_and_test_is_passed_over(msmt):
    for name in ("train", "test"):
        (msmt.parent / "0_other" / name).mkdir(parents=True)
    assert msmt17.load(msmt.parent) == msmt17.load(msmt)
    with pytest.raises(FileNotFoundError, match="0_other has no list_train"):
        msmt17.load(msmt.parent / "0_other")


def test_an_archive_whose_folder_is_there_is_named(tmp_path):
    (tmp_path / "MSMT17.tar").touch()
    (tmp_path / "MSMT17").mkdir()
    with pytest.raises(FileNotFoundError, match=r"MSMT17\.tar counts as unpacked, .*remove the folder"):
        msmt17.load(tmp_path)


def test_no_msmt_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="(?s)MSMT17 is not in .*Ask its authors"):
        msmt17.load(tmp_path)


@pytest.mark.parametrize(
    "line", ["0000/0000_000.jpg 0", "0000/0000_000_01_0303morning_0015_0.jpg", "\x89PNG"]
)
def test_a_line_of_another_form_is_named(msmt, line):
    (msmt / "list_query.txt").write_text(f"{LISTS['query'][0]}\n{line}\n", encoding="latin-1")
    with pytest.raises(ValueError, match=r"list_query\.txt, line 2: expected an image and its person"):
        msmt17.load(msmt)


def test_lists_from_windows_and_blank_lines(msmt):
    expected = msmt17.load(msmt)
    lines = "\r\n".join(LISTS["gallery"]) + "\r\n\r\n"
    (msmt / "list_gallery.txt").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    assert msmt17.load(msmt) == expected
