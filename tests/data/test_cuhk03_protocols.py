"""CUHK03's protocols: the new one's file and its faults, and the 20 classic splits of the release."""

import re

import h5py
import numpy as np
import pytest
from helpers import tiny_cuhk03 as tiny

from rga.data import cuhk03


@pytest.fixture
def release(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


# ---------------------------------------------------------------- new


def test_classes_follow_the_order_of_the_labels(release):
    tiny.write_protocol(release, labels=700 - 70 * tiny.protocol()["labels"].astype(int))
    classes = {sample.path.stem[:5]: sample.label for sample in cuhk03.load(release).train}
    assert classes == {"5_001": 0, "2_002": 1, "1_004": 2, "1_003": 3, "1_001": 4}


def test_protocol_file_missing(release):
    (release / "cuhk03_new_protocol_config_labeled.mat").unlink()
    with pytest.raises(FileNotFoundError, match="protocol file cuhk03_new_protocol_config_labeled.mat"):
        cuhk03.load(release)
    assert not (release / "images_labeled").exists(), "checked before the long extraction"


@pytest.mark.parametrize("length", [0, 10, 200, 600])
def test_protocol_file_cut_short(release, length):
    path = release / "cuhk03_new_protocol_config_labeled.mat"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="protocol file .*copy it again"):
        cuhk03.load(release)


def test_protocol_file_that_is_another_file(release):
    (release / "cuhk03_new_protocol_config_labeled.mat").write_bytes(b"404: Not Found" * 50)
    with pytest.raises(ValueError, match="protocol file cannot be read .*copy it again"):
        cuhk03.load(release)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"query_idx": None, "labels": None}, "lacks labels, query_idx"),
        ({"labels": np.ones((5, 1))}, r"differ in length: .*'filelist': 36, 'labels': 5"),
        ({"train_idx": np.array([[1], [37]])}, "train_idx runs from 1 to 37, but it names images 1 to 36"),
        ({"gallery_idx": np.array([[0], [7]])}, "gallery_idx runs from 0 to 7, but it names images 1 to 36"),
    ],
    ids=["keys", "lengths", "too large", "counted from 0"],
)
def test_protocol_that_contradicts_itself(release, changes, message):
    tiny.write_protocol(release, **changes)
    with pytest.raises(ValueError, match=message + ".*copy it again"):
        cuhk03.load(release)


# ---------------------------------------------------------------- classic


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_classic_splits_test_the_people_of_the_release(release, boxes):
    numbers = {name[:5]: number for number, name in enumerate(dict.fromkeys(s[:5] for s in tiny.stems()), 1)}
    for split in range(20):
        splits = cuhk03.load(release, boxes, protocol="classic", split=split)
        tested = [f"{pair}_{person:03d}" for pair, person in tiny.TESTED[split]]
        names = {test: [s for s in tiny.stems(boxes) if (s[:5] in tested) == test] for test in (True, False)}
        assert [sample.path.stem for sample in splits.train] == names[False]
        assert [sample.path.stem for sample in splits.query] == names[True]
        assert splits.query == splits.gallery
        assert {sample.pid for sample in splits.query} == {numbers[name] for name in tested}
        assert splits.train_pids == tuple(n for name, n in numbers.items() if name not in tested)
        assert all(splits.train_pids[s.label] == numbers[s.path.stem[:5]] for s in splits.train)
        assert all(s.camid == int(s.path.stem[6]) for s in splits.train + splits.query)
        assert splits.single_shot
        assert splits.name == f"CUHK03 ({boxes}, classic protocol, split {split})"
        assert f"split {split} of 0 … 19" in str(splits)


def test_classic_numbers_people_as_the_new_protocol(release):
    new, classic = cuhk03.load(release), cuhk03.load(release, protocol="classic")
    numbers = {s.path.stem[:5]: s.pid for s in new.query} | {
        s.path.stem[:5]: new.train_pids[s.label] for s in new.train
    }
    assert all(numbers[s.path.stem[:5]] == s.pid for s in classic.query)
    assert all(numbers[s.path.stem[:5]] == classic.train_pids[s.label] for s in classic.train)


def test_classic_needs_no_protocol_file(release):
    (release / "cuhk03_new_protocol_config_labeled.mat").unlink()
    assert len(cuhk03.load(release, protocol="classic").train) == 28


def test_classic_without_the_release_says_what_it_is_needed_for(release):
    cuhk03.load(release)
    (release / "cuhk-03.mat").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"(?s)`testsets`.*extracted before: put it there.*Multimedia Laboratory"
    ):
        cuhk03.load(release, protocol="classic")


def _other_person(file, pair, person):
    file[file["testsets"][0, 3]][:, 0] = pair, person


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.pop("testsets"), "testsets"),
        (lambda file: _other_person(file, 2, 3), "test set 4 names person 3 of pair 2, who is not there"),
        (lambda file: _other_person(file, 6, 1), "test set 4 names person 1 of pair 6, who is not there"),
        (lambda file: _other_person(file, 0, 1), "test set 4 names person 1 of pair 0, who is not there"),
        (lambda file: file.move("labeled", "testsets2"), "labeled"),
    ],
    ids=["none", "person", "pair", "counted from 0", "no labeled"],
)
def test_test_sets_with_another_layout(release, damage, message):
    with h5py.File(release / "cuhk-03.mat", "r+") as file:
        damage(file)
    with pytest.raises(ValueError, match=re.escape(message) + ".*a cell `testsets` of 20 lists of people"):
        cuhk03.load(release, protocol="classic", split=3)
    assert not [path for path in release.iterdir() if path.is_dir()], "checked before the long extraction"


def test_test_sets_turned_round(release):
    with h5py.File(release / "cuhk-03.mat", "r+") as file:
        turned = file["testsets"][()].T
        del file["testsets"]
        file["testsets"] = turned
    with pytest.raises(ValueError, match=r"testsets has shape \(20, 1\), not \(1, 20\)"):
        cuhk03.load(release, protocol="classic")
