"""The CUHK03 reader: the release, crops and CUHK03-NP in all places, as folders and archives; missing images."""

import shutil

import h5py
import numpy as np
import pytest
from helpers import tiny_cuhk03 as tiny
from torchvision.datasets.folder import IMG_EXTENSIONS

from rga.data import cuhk03
from rga.data.samples import TrainSample


@pytest.fixture
def release(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


def stems_of(samples):
    return [sample.path.stem for sample in samples]


def folders_in(root):
    return {path.name for path in root.iterdir() if path.is_dir()}


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_release_gives_the_protocols_splits(release, boxes):
    splits = cuhk03.load(release, boxes)
    columns = tiny.protocol(boxes)
    names = [name[:-4] for name in columns["filelist"].ravel()]
    for subset in ("train", "query", "gallery"):
        expected = [names[i - 1] for i in columns[f"{subset}_idx"].ravel()]
        assert stems_of(getattr(splits, subset)) == expected
    assert splits.num_pids == 5 and splits.train_pids == tiny.TRAIN
    assert sorted({s.label for s in splits.train}) == [0, 1, 2, 3, 4]
    assert {s.pid for s in splits.query} == {s.pid for s in splits.gallery} == {2, 5, 7, 8}
    assert {s.camid for s in splits.train} == {1, 2}
    assert all(s.camid == int(s.path.stem[6]) for s in splits.train + splits.query + splits.gallery)
    assert splits.missing == () and not splits.single_shot
    assert splits.name == f"CUHK03 ({boxes}, new protocol)"


@pytest.mark.parametrize(("boxes", "total"), [("labeled", 14096), ("detected", 14097)])
def test_published_counts_are_those_of_the_protocols_authors(release, boxes, total):
    published = cuhk03.load(release, boxes).published
    assert [ids for ids, _ in published.values()] == [767, 700, 700]
    assert sum(images for _, images in published.values()) == total
    assert cuhk03.load(release, boxes, "classic").published == {}


def test_extraction_happens_once(release, monkeypatch):
    first = cuhk03.load(release)
    monkeypatch.setattr(cuhk03.reader, "extract", None)
    assert cuhk03.load(release) == first


def test_release_in_the_folder_its_archive_unpacks_to(release):
    inner = release / "cuhk03_release"
    inner.mkdir()
    (release / "cuhk-03.mat").rename(inner / "cuhk-03.mat")
    assert len(cuhk03.load(release).train) == 20


def test_released_codes_tree(release):
    """cuhk-03.mat in a folder of its own, crops and protocol files above it, as the released code and torchreid."""
    (release / "cuhk03_release").mkdir()
    (release / "cuhk-03.mat").rename(release / "cuhk03_release" / "cuhk-03.mat")
    tiny.write_crops(release / "images_labeled", tiny.stems())
    for root in (release, release.parent):
        for protocol in cuhk03.PROTOCOLS:
            splits = cuhk03.load(root, protocol=protocol)
            assert {sample.path.parent for sample in splits.train} == {release / "images_labeled"}
    assert folders_in(release / "cuhk03_release") == set()


@pytest.mark.parametrize("protocol", cuhk03.PROTOCOLS)
def test_what_lies_beside_root_is_another_set(release, protocol):
    tiny.write_crops(release.parent / "images_labeled", tiny.stems())
    splits = cuhk03.load(release, protocol=protocol)
    assert {sample.path.parent for sample in splits.train} == {release / "images_labeled"}
    name = "cuhk03_new_protocol_config_labeled.mat"
    (release / name).rename(release.parent / name)
    with pytest.raises(FileNotFoundError, match="The protocol file"):
        cuhk03.load(release)


@pytest.mark.parametrize("protocol", cuhk03.PROTOCOLS)
@pytest.mark.parametrize("name", ["cuhk03_release.zip", "CUHK03.ZIP"])
@pytest.mark.parametrize("given", ["folder", "archive"])
def test_release_as_downloaded(tmp_path, protocol, name, given):
    tiny.write_release(tiny.write_protocol(tmp_path).parent / "cuhk-03.mat")
    (tmp_path / "packed").mkdir()
    (tmp_path / "cuhk-03.mat").rename(tmp_path / "packed" / "cuhk-03.mat")
    archive = tiny.write_zip(tmp_path / name, tmp_path / "packed", "cuhk03_release")
    shutil.rmtree(tmp_path / "packed")
    root = archive if given == "archive" else tmp_path
    splits = cuhk03.load(root, protocol=protocol)
    assert len(splits.train) == {"new": 20, "classic": 28}[protocol]
    archive.write_bytes(b"")  # unpacked once
    assert cuhk03.load(tmp_path, protocol=protocol) == splits


def test_archive_of_crops(tmp_path):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / "packed", tiny.stems())
    tiny.write_zip(tmp_path / "my_cuhk03.zip", tmp_path / "packed", "some/where/below")
    tiny.write_zip(
        tmp_path / "other.zip", tmp_path / "packed"
    )  # is none of CUHK03's by its name: it stays packed
    shutil.rmtree(tmp_path / "packed")
    assert len(cuhk03.load(tmp_path).train) == 20
    assert folders_in(tmp_path) == {"my_cuhk03"}


def test_archives_stay_packed_if_the_images_are_there(release):
    (release / "cuhk03_release.zip").write_bytes(b"not looked at")
    assert len(cuhk03.load(release).train) == 20


def test_crops_need_no_release_file_and_may_have_any_suffix(release):
    (release / "cuhk-03.mat").unlink()
    for i, stem in enumerate(tiny.stems()):
        suffix = IMG_EXTENSIONS[i % len(IMG_EXTENSIONS)]
        tiny.write_crops(release / "images_labeled", [stem], suffix.upper() if i % 2 else suffix)
    splits = cuhk03.load(str(release))
    assert len(splits.train) == 20 and splits.missing == ()
    assert splits.train[0] == TrainSample(release / "images_labeled" / "1_001_1_01.jpg", 0, 1)


@pytest.mark.parametrize("place", ["images_labeled", "labeled", "crops", "some/where/below", "."])
def test_crops_are_found_below_root(tmp_path, place):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / place, tiny.stems())
    # Neither the other boxes nor part maps, masks and half-written folders bear other names than the crops.
    for trap in ("images_detected", "detected/png", "parts_labeled", "masks", ".images_labeled.abc"):
        tiny.write_crops(tmp_path / trap, tiny.stems())
    splits = cuhk03.load(tmp_path)
    assert {sample.path.parent for sample in splits.train} == {tmp_path / place}


def test_protocol_beside_the_crops(tmp_path):
    folder = tiny.write_crops(tmp_path / "a" / "labeled", tiny.stems())
    tiny.write_protocol(folder.parent)
    assert len(cuhk03.load(tmp_path).train) == 20


def test_crops_with_a_root_that_is_relative(tmp_path, monkeypatch):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / "crops", tiny.stems())
    monkeypatch.chdir(tmp_path)
    assert len(cuhk03.load(".").train) == 20


def test_missing_images_are_left_out_when_allowed(tmp_path):
    tiny.write_protocol(tmp_path)
    gone = [stem for stem in tiny.stems() if stem.startswith(("1_003", "5"))] + ["1_002_2_10"]
    tiny.write_crops(tmp_path / "images_labeled", set(tiny.stems()) - set(gone))
    splits = cuhk03.load(tmp_path, allow_missing=True)
    assert sorted(splits.missing) == sorted(gone)
    assert splits.num_pids == 3 and {s.label for s in splits.train} == {0, 1, 2}
    assert not set(stems_of(splits.train + splits.query + splits.gallery)) & set(gone)
    assert "9 images" in str(splits)


@pytest.mark.parametrize("protocol", cuhk03.PROTOCOLS)
def test_missing_images_of_both_protocols(release, protocol):
    tiny.write_crops(release / "images_labeled", set(tiny.stems()) - {"1_001_1_05", "3_001_1_01"})
    splits = cuhk03.load(release, protocol=protocol, allow_missing=True)
    assert sorted(splits.missing) == ["1_001_1_05", "3_001_1_01"]
    with pytest.raises(ValueError, match="2 of the 36 images .* 1_001_1_05, 3_001_1_01"):
        cuhk03.load(release, protocol=protocol)


def test_a_query_that_lost_its_matches_stays(tmp_path):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / "images_labeled", [s for s in tiny.stems() if not s.startswith("1_002_2")])
    splits = cuhk03.load(tmp_path, allow_missing=True)
    assert "1_002_1_01" in stems_of(splits.query)
    assert {s.camid for s in splits.gallery if s.pid == 2} == {1}


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("option", "choices"), [("boxes", "labeled, detected"), ("protocol", "new, classic")]
)
def test_unknown_names_list_the_choices(release, option, choices):
    with pytest.raises(ValueError, match=rf"no {option} 'old'\. Choose from: {choices}\."):
        cuhk03.load(release, **{option: "old"})


@pytest.mark.parametrize(
    ("protocol", "split", "last"), [("new", 1, 0), ("classic", 20, 19), ("classic", -1, 19)]
)
def test_unknown_splits_list_the_choices(release, protocol, split, last):
    with pytest.raises(
        ValueError, match=rf"{protocol} protocol has no split {split}\. Choose from: 0 … {last}\."
    ):
        cuhk03.load(release, protocol=protocol, split=split)


@pytest.mark.parametrize("protocol", cuhk03.PROTOCOLS)
def test_an_archive_whose_folder_is_there_is_named(tmp_path, protocol):
    (tmp_path / "cuhk03_release.zip").touch()
    (tmp_path / "cuhk03_release").mkdir()
    with pytest.raises(FileNotFoundError, match=r"release\.zip counts as unpacked, .*remove the folder"):
        cuhk03.load(tmp_path, protocol=protocol)


@pytest.mark.parametrize("exists", [True, False])
def test_no_images_shows_the_tree_and_where_to_ask(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match="Neither cuhk-03.mat nor a folder") as caught:
        cuhk03.load(root, "detected")
    for part in (
        f"{root}/\n",
        "cuhk03_release.zip",
        "images_detected/1_001_1_01.png",
        "detected/bounding_box_train/",
        "cuhk03_new_protocol_config_detected.mat",
        "Multimedia Laboratory, The Chinese University of Hong Kong",
        "zhunzhong07/person-re-ranking",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("other", ["images_detected", "detected", "cuhk03/Detected/all"])
def test_the_other_boxes_are_never_taken(tmp_path, other):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / other, tiny.stems())
    with pytest.raises(FileNotFoundError, match="CUHK03's labeled crops"):
        cuhk03.load(tmp_path)


def test_a_root_named_after_the_other_boxes_is_not_taken(tmp_path):
    root = tiny.write_crops(tmp_path / "images_detected", tiny.stems())
    tiny.write_protocol(root)
    with pytest.raises(FileNotFoundError, match="CUHK03's labeled crops"):
        cuhk03.load(root)


def test_crops_in_two_places_are_ambiguous(tmp_path):
    tiny.write_protocol(tmp_path)
    for name in ("one", "two"):
        tiny.write_crops(tmp_path / name, tiny.stems())
    with pytest.raises(ValueError, match="2 folders below .*one.*two|2 folders below .*two.*one"):
        cuhk03.load(tmp_path)


def test_a_crop_in_two_formats_is_ambiguous(tmp_path):
    tiny.write_protocol(tmp_path)
    folder = tiny.write_crops(tmp_path / "images_labeled", tiny.stems())
    tiny.write_crops(folder, ["1_003_1_01"], ".jpg")
    with pytest.raises(ValueError, match="1_003_1_01 twice"):
        cuhk03.load(tmp_path)


def test_missing_images_are_counted_and_named(tmp_path):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(
        tmp_path / "images_labeled", [s for s in tiny.stems() if not s.startswith(("1_001", "2"))]
    )
    message = r"12 of the 36 images .* 1_001_1_01, 1_001_1_05, 1_001_2_06, 1_001_2_10, 2_\d{3}_\d_\d\d\. "
    with pytest.raises(ValueError, match=message + ".*allow_missing=True"):
        cuhk03.load(tmp_path)


def test_a_protocol_of_other_images_is_an_error_even_if_missing_ones_are_allowed(tmp_path):
    tiny.write_protocol(tmp_path)
    tiny.write_crops(tmp_path / "images_labeled", ["3_099_1_01"])
    with pytest.raises(ValueError, match="36 of the 36 images"):
        cuhk03.load(tmp_path, allow_missing=True)


def test_a_protocol_that_names_images_the_release_lacks(release):
    names = tiny.protocol()["filelist"]
    names[3] = "1_001_2_09.png"
    tiny.write_protocol(release, filelist=names)
    with pytest.raises(ValueError, match=r"1 of the 36 images .* 1_001_2_09\. "):
        cuhk03.load(release)


def test_a_release_without_images(release):
    with h5py.File(release / "cuhk-03.mat", "r+") as file:
        empty = file.create_dataset("empty", data=np.zeros(2, np.uint64)).ref
        for people in file["labeled"][0]:
            for place in np.ndindex(file[people].shape):
                file[people][place] = empty
    with pytest.raises(
        ValueError, match=r"36 of the 36 images .* missing in cuhk-03\.mat, which holds 0 crops"
    ):
        cuhk03.load(release, allow_missing=True)


def test_damaged_archive(tmp_path):
    tiny.write_protocol(tmp_path)
    (tmp_path / "cuhk03_release.zip").write_bytes(b"PK\3\4 and then nothing")
    with pytest.raises(ValueError, match="cuhk03_release.zip .*download it again"):
        cuhk03.load(tmp_path)
    assert folders_in(tmp_path) == set()
