"""Data sets by name: the table, and errors that list what there is."""

import inspect

import pytest
from helpers import tiny_cuhk03 as tiny

from rga import data


def test_a_data_set_is_loaded_by_name(tmp_path):
    root = tiny.write_all(tmp_path / "cuhk03")
    splits = data.load("cuhk03", root, boxes="detected", protocol="new")
    assert splits == data.cuhk03.load(root, "detected")
    assert isinstance(splits.train[0], data.TrainSample) and isinstance(splits.query[0], data.Sample)


def test_every_data_set_is_a_function_of_its_root():
    for reader in data.DATASETS.values():
        assert next(iter(inspect.signature(reader).parameters)) == "root"


def test_what_is_loaded_is_examined(tmp_path, caplog):
    root = tiny.write_all(tmp_path / "cuhk03")
    data.load("cuhk03", root)
    assert "counts differ from the published ones" in caplog.text
    next((root / "images_labeled").iterdir()).write_bytes(b"")
    with pytest.raises(ValueError, match="files that are not there or are empty: 1"):
        data.load("cuhk03", root)
    assert data.read("cuhk03", root).num_pids == 5  # examined by who asked


def test_public_names_exist():
    assert all(hasattr(data, name) for name in data.__all__)


def test_unknown_names_list_the_choices():
    with pytest.raises(
        ValueError, match=r"no data set 'cuhk3'\. Choose from: cuhk03, market1501, msmt17, folder, synthetic"
    ):
        data.load("cuhk3")


def test_options_are_checked_by_the_data_set(tmp_path):
    with pytest.raises(ValueError, match="'cuhk03': .*'boxs'.* root, boxes, protocol, split, allow_missing;"):
        data.load("cuhk03", tmp_path, boxs="labeled")
    with pytest.raises(ValueError, match="'cuhk03': missing a required argument: 'root'"):
        data.load("cuhk03")
    with pytest.raises(ValueError, match="no boxes 'both'"):
        data.load("cuhk03", tmp_path, boxes="both")
