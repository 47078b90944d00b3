"""The reader of drawn people: a release is drawn where there is none, and read as CUHK03 with its truth beside it."""

import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rga.data import synthetic
from rga.drawn_people import release
from rga.io.atomic_write import atomic_folder

KNOBS = {"identities": (6, 6), "images_per_camera": 2, "lookalikes": 0.5}
SMALLEST = {"identities": (2, 2), "images_per_camera": 2}


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return synthetic.draw_release(tmp_path_factory.mktemp("drawn") / "people", **KNOBS, workers=1)


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_read_back_with_the_cuhk03_reader(root, boxes):
    splits = synthetic.load(root, boxes, **KNOBS)
    assert splits.num_pids == 6
    assert [len(subset) for subset in (splits.train, splits.query, splits.gallery)] == [24, 12, 12]
    for sample in splits.train + splits.query + splits.gallery:
        with Image.open(sample.path) as image:
            width, height = image.size
        parts = synthetic.read_parts(root, sample.path.name, boxes)
        assert parts.shape == (height, width) and parts.dtype == np.uint8
        assert 40 <= width <= 110 and 100 <= height <= 300


def test_people_by_label(root):
    assert [person["label"] for person in synthetic.read_people(root)] == list(range(1, 13))


def test_classic_splits(root):
    first, last = (synthetic.load(root, protocol="classic", split=split, **KNOBS) for split in (0, 19))
    assert first.single_shot and first.published == {} and first.name.startswith("Drawn people")
    for splits in (first, last):
        tested = {s.pid for s in splits.query}
        assert len(tested) == 4 and splits.num_pids == 8 and tested == {s.pid for s in splits.gallery}
    assert {s.pid for s in first.query} != {s.pid for s in last.query}


def test_without_a_root_they_are_drawn_where_data_lies(tmp_path, monkeypatch):
    monkeypatch.setattr(synthetic, "ROOT", tmp_path)
    splits = synthetic.load(**SMALLEST, workers=1)
    assert splits.train[0].path.parts[-3].startswith("synthetic-2x2-seed0-")
    assert splits.train[0].path.parents[2] == tmp_path / "data"


def test_people_whom_another_process_draws_are_waited_for(root, tmp_path, monkeypatch, capsys):
    begun = threading.Event()

    def draw():
        with atomic_folder(tmp_path / "people") as folder:
            shutil.copytree(root, folder, dirs_exist_ok=True)
            begun.set()
            time.sleep(1)

    monkeypatch.setattr(release, "write", None)
    other = threading.Thread(target=draw)
    other.start()
    begun.wait()
    assert synthetic.load(tmp_path / "people", **KNOBS).num_pids == 6
    other.join()
    assert "another process draws these people" in capsys.readouterr().err


def test_the_folder_is_named_after_the_settings():
    usual = release.knobs((150, 70), 5, 0, 0.2, 0.0, 0.25, 1.0, 0.0, False)
    turned = release.knobs((150, 70), 5, 0, 0.2, 0.5, 0.25, 1.0, 0.0, False)
    assert synthetic._folder(usual) == "synthetic-150x70-seed0-bf872c51"
    assert synthetic._folder(turned) != synthetic._folder(usual)


def test_a_release_with_other_settings_is_not_read(root):
    with pytest.raises(ValueError, match="other settings: seed = 0, asked for 1"):
        synthetic.load(root, **KNOBS, seed=1)


def test_part_maps_of_other_sets(tmp_path):
    with pytest.raises(FileNotFoundError, match="part maps exist for drawn people only"):
        synthetic.read_parts(tmp_path, "1_001_1_01.png")
