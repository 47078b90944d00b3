"""The Market-1501 reader, on trees with its names and noise instead of people."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rga.data import market1501
from rga.data.samples import Sample, TrainSample

FILES = {
    "bounding_box_train": [
        "0002_c1s1_000451_03",
        "0002_c6s2_000801_01",
        "1500_c3s1_000001_00",
        "0007_c2s3_070952_01",
    ],
    "bounding_box_test": [
        "-1_c1s1_000401_03",
        "0000_c4s1_000401_02",
        "0001_c2s1_000301_00",
        "-1_c6s4_000002_04",
    ],
    "query": ["0001_c1s1_001051_00"],
    "gt_bbox": ["0001_c1s1_001051_00", "0001_c1s1_001076_00", "0001_c2s1_000301_00", "0002_c1s1_000451_00"],
}


@pytest.fixture
def market(tmp_path):
    rng = np.random.default_rng(0)
    for folder, names in FILES.items():
        place = tmp_path / "Market-1501-v15.09.15" / folder
        place.mkdir(parents=True)
        for name in names:
            noise = Image.fromarray(rng.integers(0, 256, (16, 8, 3), dtype=np.uint8))
            noise.save(place / f"{name}.jpg")
        (place / "Thumbs.db").touch()
    return tmp_path / "Market-1501-v15.09.15"


def test_the_subsets(market):
    splits = market1501.load(market)
    train = market / "bounding_box_train"
    assert splits.train == (
        TrainSample(train / "0002_c1s1_000451_03.jpg", 0, 1),
        TrainSample(train / "0002_c6s2_000801_01.jpg", 0, 6),
        TrainSample(train / "0007_c2s3_070952_01.jpg", 1, 2),
        TrainSample(train / "1500_c3s1_000001_00.jpg", 2, 3),
    )
    assert splits.train_pids == (2, 7, 1500)
    assert splits.query == (Sample(market / "query" / "0001_c1s1_001051_00.jpg", 1, 1),)
    assert splits.published == {"train": (751, 12936), "query": (750, 3368), "gallery": (751, 15913)}


def test_junk_goes_and_distractors_stay(market):
    splits = market1501.load(market)
    assert [(sample.pid, sample.camid) for sample in splits.gallery] == [(0, 4), (1, 2)]
    assert splits.counts()["gallery"] == (2, 2, 2)  # pid 0 counts, as in what is published
    assert "4 files, less 2 of junk (pid -1), give 2 images, of which 1 are distractors" in str(splits)


def test_multi_query_is_of_the_queries_people_and_cameras(market):
    splits = market1501.load(market)
    assert [sample.path.name[:-4] for sample in splits.multi_query] == FILES["gt_bbox"][:2]
    assert splits.counts()["multi_query"] == (1, 2, 1)
    shutil.rmtree(market / "gt_bbox")
    without = market1501.load(market)
    assert without.multi_query == () and "multi_query" not in str(without)


def test_root_may_be_the_folder_around_it_or_the_archive(market):
    expected = market1501.load(market)
    assert market1501.load(market.parent) == expected
    archive = shutil.make_archive(
        market.parent / "download" / "Market-1501-v15.09.15", "zip", market.parent, market.name
    )
    shutil.rmtree(market)
    for root in (archive, market.parent / "download"):
        splits = market1501.load(root)
        assert splits.counts() == expected.counts()
        assert all(sample.path.is_file() for sample in splits.train + splits.query + splits.gallery)


def test_an_absent_folder_is_named(market):
    shutil.rmtree(market / "bounding_box_train")
    with pytest.raises(
        FileNotFoundError, match=r"(?s)has no folder bounding_box_train\. Expected is.*zheng-lab"
    ) as error:
        market1501.load(market)
    assert "\n    Market-1501-v15.09.15/\n" in str(error.value)


def test_another_set_with_the_same_folders_is_passed_over(market):
    other = market.parent / "0_other"
    for folder in ("bounding_box_train", "bounding_box_test", "query"):
        (other / folder).mkdir(parents=True)
        (other / folder / "0005_c2_f0046985.jpg").touch()
    assert market1501.load(market.parent) == market1501.load(market)
    with pytest.raises(ValueError, match=r"images in .*0_other.* are not named as expected"):
        market1501.load(other)


def test_an_archive_whose_folder_is_there_is_named(tmp_path):
    (tmp_path / "Market.zip").touch()
    (tmp_path / "Market").mkdir()
    with pytest.raises(FileNotFoundError, match=r"Market\.zip counts as unpacked, .*remove the folder"):
        market1501.load(tmp_path)


@pytest.mark.parametrize("root", ["", "nowhere"])
def test_no_market_there(tmp_path, root):
    with pytest.raises(FileNotFoundError, match="(?s)Market-1501 is not in .*Get it from"):
        market1501.load(tmp_path / root)


@pytest.mark.parametrize("name", ["0005_c2_f0046985.jpg", "0002_c7s1_000451_03.jpg", "1_001_1_01.png"])
def test_a_name_of_another_form(market, name):
    (market / "query" / name).touch()
    with pytest.raises(ValueError, match=rf"1 of the 2 images in .*query .*{name}.*0002_c1s1_000451_03\.jpg"):
        market1501.load(market)
