"""Samples from file names: what is read, in which order, and what does not match."""

import re

import pytest

from rga.data.file_names import Named, as_classes, images_in, names_in, samples_in
from rga.data.samples import Sample, TrainSample

PATTERN = re.compile(r"(?P<pid>-?\d+)_c(?P<camid>\d)")


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_samples_are_sorted_by_name_and_only_images(tmp_path):
    touch(
        tmp_path, "0007_c2_b.png", "0007_c2_a.JPG", "-1_c1_a.jpeg", "Thumbs.db", "list.txt", "._0007_c2_a.JPG"
    )
    touch(tmp_path, "deeper/0001_c1.jpg", "0009_c1_folder.jpg/notes.txt")
    assert samples_in(tmp_path, PATTERN) == (
        Sample(tmp_path / "-1_c1_a.jpeg", -1, 1),
        Sample(tmp_path / "0007_c2_a.JPG", 7, 2),
        Sample(tmp_path / "0007_c2_b.png", 7, 2),
    )


def test_folders_below_are_matched_by_their_path(tmp_path):
    touch(tmp_path, "Zoë B/hall/1 a.jpg", "anna/yard/2.jpg", ".cache/anna/yard/2.jpg")
    pattern = re.compile(r"(?P<pid>[^/]+)/(?P<camid>\w+)/")
    assert names_in(tmp_path, pattern, nested=True) == (
        Named(tmp_path / "Zoë B/hall/1 a.jpg", "Zoë B", "hall"),
        Named(tmp_path / "anna/yard/2.jpg", "anna", "yard"),
    )


def test_folders_that_are_links_are_entered(tmp_path):
    touch(tmp_path / "all", "0001/c1.jpg")
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "0001").symlink_to(tmp_path / "all" / "0001")
    assert list(images_in(tmp_path / "train", nested=True)) == ["0001/c1.jpg"]


def test_links_that_lead_back_repeat_nothing(tmp_path):
    touch(tmp_path / "train", "a/0001_c1.jpg", "b/0002_c1.jpg")
    (tmp_path / "train" / "self").symlink_to(tmp_path / "train")
    (tmp_path / "train" / "c").symlink_to(tmp_path / "train" / "b")
    assert sorted(images_in(tmp_path / "train", nested=True)) == ["a/0001_c1.jpg", "b/0002_c1.jpg"]


def test_names_of_another_form_are_listed(tmp_path):
    touch(tmp_path, "0001_c1.jpg", *(f"person{i}.jpg" for i in range(7)))
    with pytest.raises(
        ValueError, match=r"7 of the 8 images in .* person0\.jpg, .*person4\.jpg, ….*camid.* Do!$"
    ):
        samples_in(tmp_path, PATTERN, advice="Do!")


def test_a_folder_without_images_gives_none_and_no_folder_is_an_error(tmp_path):
    assert samples_in(touch(tmp_path, "README.md"), PATTERN) == ()
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        samples_in(tmp_path / "elsewhere", PATTERN)


def test_classes_are_in_the_order_of_the_pids():
    samples = [Sample("c", 1500, 1), Sample("a", 2, 1), Sample("d", 1500, 2), Sample("b", 7, 1)]
    assert as_classes(samples) == (
        (TrainSample("c", 2, 1), TrainSample("a", 0, 1), TrainSample("d", 2, 2), TrainSample("b", 1, 1)),
        (2, 7, 1500),
    )
