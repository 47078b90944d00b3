"""cuhk-03.mat: what is read out of it, and one clear error for each fault."""

import h5py
import numpy as np
import pytest
from helpers import tiny_cuhk03 as tiny

from rga.data import cuhk03
from rga.data.cuhk03.release import crops_in


@pytest.fixture
def release(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
@pytest.mark.parametrize("compressed", [False, True])
def test_crops_have_their_official_names(tmp_path, boxes, compressed):
    """MATLAB compresses what it saves; either is read."""
    path = tiny.write_release(tmp_path / "cuhk-03.mat", compressed)
    crops = dict(crops_in(path, boxes))
    assert list(crops) == tiny.stems(boxes)
    for stem, crop in crops.items():
        np.testing.assert_array_equal(crop, tiny.crop(stem, boxes))


# ---------------------------------------------------------------- faults


def test_release_cut_short(release):
    path = release / "cuhk-03.mat"
    data = path.read_bytes()
    for length in (0, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r"cuhk-03.mat cannot be read .* cut short"):
            cuhk03.load(release)
        assert not (release / "images_labeled").exists()


def test_release_that_is_another_file(release):
    (release / "cuhk-03.mat").write_bytes(b"<html>Please log in</html>" * 100)
    with pytest.raises(ValueError, match="must be HDF5"):
        cuhk03.load(release)


def _transposed_pairs(file):
    file["turned"] = file["labeled"][()].T
    file.move("labeled", "old")
    file.move("turned", "labeled")


def _transposed_people(file):
    file["turned"] = file[file["labeled"][0, 2]][()].T
    pairs = file["labeled"][()]
    pairs[0, 2] = file["turned"].ref
    file["labeled"][...] = pairs


def _transposed_crop(file):
    people = file[file["labeled"][0, 1]]
    file["turned"] = file[people[0, 0]][()].T
    references = people[()]
    references[0, 0] = file["turned"].ref
    people[...] = references


def _numbers(file):
    del file["labeled"]
    file["labeled"] = np.zeros((1, 5))


def _dangling(file):
    people = file[file["labeled"][0, 0]]
    references = people[()]
    references[0, 0] = h5py.Reference()
    people[...] = references


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.pop("labeled"),
        _transposed_pairs,
        _transposed_people,
        _transposed_crop,
        _numbers,
        _dangling,
    ],
    ids=["no labeled", "pairs", "people", "crop", "numbers", "dangling"],
)
def test_release_with_another_layout(release, damage):
    with h5py.File(release / "cuhk-03.mat", "r+") as file:
        damage(file)
    with pytest.raises(ValueError, match="five camera pairs, each a cell of P people by 10 images"):
        cuhk03.load(release)
    assert sorted(path.name for path in release.iterdir() if path.is_dir()) == []
