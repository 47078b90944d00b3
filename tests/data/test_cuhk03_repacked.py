"""CUHK03-NP: found in all its places, read by its names, and one clear error for each fault."""

import shutil

import pytest
from helpers import tiny_cuhk03 as tiny

from rga.data import cuhk03


def ids_and_cameras(samples):
    return sorted((sample.pid, sample.camid) for sample in samples)


@pytest.mark.parametrize("place", [".", "CUHK03-NP"])
@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_splits_are_those_of_the_protocol(tmp_path, place, boxes):
    release = tiny.write_all(tmp_path / "release")
    for kind in ("labeled", "detected"):
        tiny.write_repacked(tmp_path / "np" / place / kind, kind)
    splits, expected = cuhk03.load(tmp_path / "np", boxes), cuhk03.load(release, boxes)
    for subset in ("train", "query", "gallery"):
        assert ids_and_cameras(getattr(splits, subset)) == ids_and_cameras(getattr(expected, subset))
        assert all(boxes in sample.path.parts for sample in getattr(splits, subset))
    for same in ("name", "train_pids", "published", "single_shot", "num_pids"):
        assert getattr(splits, same) == getattr(expected, same)


@pytest.mark.parametrize("name", ["labeled", "cuhk-label", "CUHK03_labeled"])
def test_folder_of_the_boxes_itself(tmp_path, name):
    assert len(cuhk03.load(tiny.write_repacked(tmp_path / name)).train) == 20


@pytest.mark.parametrize("given", ["folder", "archive"])
def test_archive(tmp_path, given):
    tiny.write_repacked(tmp_path / "packed" / "labeled")
    archive = tiny.write_zip(tmp_path / "CUHK03-NP.zip", tmp_path / "packed")
    shutil.rmtree(tmp_path / "packed")
    assert len(cuhk03.load(archive if given == "archive" else tmp_path).gallery) == 8


def test_the_release_beside_it_serves_the_classic_protocol(tmp_path):
    tiny.write_repacked(tmp_path / "cuhk03-np" / "labeled")
    with pytest.raises(FileNotFoundError, match="cuhk-03.mat is not in"):
        cuhk03.load(tmp_path, protocol="classic")
    tiny.write_release(tmp_path / "cuhk-03.mat")
    assert len(cuhk03.load(tmp_path, protocol="classic").train) == 28


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("name", ["detected", "Market-1501"])
def test_other_folders_with_these_three_are_not_taken(tmp_path, name):
    tiny.write_repacked(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="Neither cuhk-03.mat nor a folder of CUHK03's labeled crops"):
        cuhk03.load(tmp_path)


def test_names_of_another_form(tmp_path):
    folder = tiny.write_repacked(tmp_path / "labeled")
    image = next((folder / "query").iterdir())
    image.rename(image.with_name("0003_c7_1.png"))
    with pytest.raises(ValueError, match=r"1 of the 8 images .* 0003_c7_1\.png.*0001_c1_"):
        cuhk03.load(tmp_path)


def test_folders_without_images(tmp_path):
    folder = tiny.write_repacked(tmp_path / "labeled")
    for image in (folder / "query").iterdir():
        image.unlink()
    with pytest.raises(ValueError, match="No images are in .*query: copy CUHK03-NP again"):
        cuhk03.load(tmp_path)
