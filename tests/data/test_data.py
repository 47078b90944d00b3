"""Data sets by name: the table, and errors that list what there is."""

import inspect

import pytest
import tiny_cuhk03 as tiny

from rga import data


def test_a_data_set_is_loaded_by_name(tmp_path):
    root = tiny.write_all(tmp_path / "cuhk03")
    splits = data.load("cuhk03", root, boxes="detected", protocol="new")
    assert splits == data.cuhk03.load(root, "detected")
    assert isinstance(splits.train[0], data.Sample)


def test_every_data_set_takes_the_same_three_arguments_first():
    for reader in data.DATASETS.values():
        assert list(inspect.signature(reader).parameters)[:3] == ["root", "boxes", "protocol"]


def test_public_names_exist():
    assert all(hasattr(data, name) for name in data.__all__)


def test_unknown_names_list_the_choices():
    with pytest.raises(ValueError, match=r"no data set 'cuhk3'\. Choose from: cuhk03, synthetic"):
        data.load("cuhk3")


def test_options_are_checked_by_the_data_set(tmp_path):
    with pytest.raises(ValueError, match="'cuhk03': .*'boxs'.* root, boxes, protocol, allow_missing;"):
        data.load("cuhk03", tmp_path, boxs="labeled")
    with pytest.raises(ValueError, match="'cuhk03': missing a required argument: 'root'"):
        data.load("cuhk03")
    with pytest.raises(ValueError, match="no boxes 'both'"):
        data.load("cuhk03", tmp_path, boxes="both")
