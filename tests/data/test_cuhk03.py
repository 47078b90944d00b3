"""The CUHK03 reader: the official release, folders of crops, and one clear error for each fault."""

import os
import tempfile

import h5py
import numpy as np
import pytest
import tiny_cuhk03 as tiny
from PIL import Image
from torchvision.datasets.folder import IMG_EXTENSIONS

from rga.data import cuhk03
from rga.data.core import Sample
from rga.data.images import read_image


@pytest.fixture
def release(tmp_path):
    return tiny.write_all(tmp_path / "cuhk03")


def write_crops(folder, stems, suffix=".png"):
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        Image.fromarray(tiny.crop(stem)).save(folder / f"{stem}{suffix}")
    return folder


def stems_of(samples):
    return [sample.path.stem for sample in samples]


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_release_gives_the_protocols_splits(release, boxes):
    splits = cuhk03.load(release, boxes)
    columns = tiny.protocol(boxes)
    names = [name[:-4] for name in columns["filelist"].ravel()]
    for subset in ("train", "query", "gallery"):
        expected = [names[i - 1] for i in columns[f"{subset}_idx"].ravel()]
        assert stems_of(getattr(splits, subset)) == expected
    assert splits.num_pids == 5
    assert sorted({s.pid for s in splits.train}) == [0, 1, 2, 3, 4]
    assert {s.pid for s in splits.query} == {s.pid for s in splits.gallery} == {2, 5, 7, 8}
    assert {s.camid for s in splits.train} == {1, 2}
    assert all(s.camid == int(s.path.stem[6]) for s in splits.train + splits.query + splits.gallery)
    assert splits.missing == ()


def test_classes_follow_the_order_of_the_labels(release):
    tiny.write_protocol(release, labels=700 - 70 * tiny.protocol()["labels"].astype(int))
    classes = {sample.path.stem[:5]: sample.pid for sample in cuhk03.load(release).train}
    assert classes == {"5_001": 0, "2_002": 1, "1_004": 2, "1_003": 3, "1_001": 4}


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_extraction_is_exact_and_only_of_the_boxes_asked_for(release, boxes):
    cuhk03.load(release, boxes)
    folder = release / f"images_{boxes}"
    assert sorted(os.listdir(folder)) == sorted(f"{stem}.png" for stem in tiny.stems(boxes))
    for stem in tiny.stems(boxes):
        np.testing.assert_array_equal(
            read_image(folder / f"{stem}.png").permute(1, 2, 0), tiny.crop(stem, boxes)
        )
    assert {path.name for path in release.iterdir() if path.is_dir()} == {folder.name}


def test_extraction_happens_once(release, monkeypatch):
    first = cuhk03.load(release)
    monkeypatch.setattr(cuhk03, "extract", None)
    assert cuhk03.load(release) == first


def test_release_in_the_folder_its_archive_unpacks_to(release):
    inner = release / "cuhk03_release"
    inner.mkdir()
    (release / "cuhk-03.mat").rename(inner / "cuhk-03.mat")
    assert len(cuhk03.load(release).train) == 20


def test_crops_need_no_release_file_and_may_have_any_suffix(release):
    (release / "cuhk-03.mat").unlink()
    for i, stem in enumerate(tiny.stems()):
        suffix = IMG_EXTENSIONS[i % len(IMG_EXTENSIONS)]
        write_crops(release / "images_labeled", [stem], suffix.upper() if i % 2 else suffix)
    splits = cuhk03.load(str(release))
    assert len(splits.train) == 20 and splits.missing == ()
    assert splits.train[0] == Sample(release / "images_labeled" / "1_001_1_01.jpg", 0, 1)


@pytest.mark.parametrize("place", ["images_labeled", "labeled", "crops", "some/where/below", "."])
def test_crops_are_found_below_root(tmp_path, place):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / place, tiny.stems())
    # Neither the other boxes nor part maps, masks and half-written folders bear other names than the crops.
    for trap in ("images_detected", "detected/png", "parts_labeled", "masks", ".images_labeled.abc"):
        write_crops(tmp_path / trap, tiny.stems())
    splits = cuhk03.load(tmp_path)
    assert {sample.path.parent for sample in splits.train} == {tmp_path / place}


def test_protocol_beside_the_crops(tmp_path):
    folder = write_crops(tmp_path / "a" / "labeled", tiny.stems())
    tiny.write_protocol(folder.parent)
    assert len(cuhk03.load(tmp_path).train) == 20


def test_crops_with_a_root_that_is_relative(tmp_path, monkeypatch):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / "crops", tiny.stems())
    monkeypatch.chdir(tmp_path)
    assert len(cuhk03.load(".").train) == 20


def test_missing_images_are_left_out_when_allowed(tmp_path):
    tiny.write_protocol(tmp_path)
    gone = [stem for stem in tiny.stems() if stem.startswith(("1_003", "5"))] + ["1_002_2_10"]
    write_crops(tmp_path / "images_labeled", set(tiny.stems()) - set(gone))
    splits = cuhk03.load(tmp_path, allow_missing=True)
    assert sorted(splits.missing) == sorted(gone)
    assert splits.num_pids == 3 and {s.pid for s in splits.train} == {0, 1, 2}
    assert not set(stems_of(splits.train + splits.query + splits.gallery)) & set(gone)
    assert "9 images" in str(splits)


def test_a_query_that_lost_its_matches_stays(tmp_path):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / "images_labeled", [s for s in tiny.stems() if not s.startswith("1_002_2")])
    splits = cuhk03.load(tmp_path, allow_missing=True)
    assert "1_002_1_01" in stems_of(splits.query)
    assert {s.camid for s in splits.gallery if s.pid == 2} == {1}


def test_progress_of_the_extraction_counts_all_images(release, capsys):
    cuhk03.load(release)
    assert "extracting labeled crops: 100%" in capsys.readouterr().err


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(("option", "choices"), [("boxes", "labeled, detected"), ("protocol", "new")])
def test_unknown_names_list_the_choices(release, option, choices):
    with pytest.raises(ValueError, match=rf"no {option} 'classic'\. Choose from: {choices}\."):
        cuhk03.load(release, **{option: "classic"})


@pytest.mark.parametrize("exists", [True, False])
def test_no_images_shows_the_tree_and_where_to_ask(tmp_path, exists):
    root = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError, match="Neither cuhk-03.mat nor a folder") as caught:
        cuhk03.load(root, "detected")
    for part in (
        f"{root}/\n",
        "images_detected/1_001_1_01.png",
        "cuhk03_new_protocol_config_detected.mat",
        "Multimedia Laboratory, The Chinese University of Hong Kong",
        "zhunzhong07/person-re-ranking",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("other", ["images_detected", "detected", "cuhk03/Detected/all"])
def test_the_other_boxes_are_never_taken(tmp_path, other):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / other, tiny.stems())
    with pytest.raises(FileNotFoundError, match="CUHK03's labeled crops"):
        cuhk03.load(tmp_path)


def test_a_root_named_after_the_other_boxes_is_not_taken(tmp_path):
    root = write_crops(tmp_path / "images_detected", tiny.stems())
    tiny.write_protocol(root)
    with pytest.raises(FileNotFoundError, match="CUHK03's labeled crops"):
        cuhk03.load(root)


def test_crops_in_two_places_are_ambiguous(tmp_path):
    tiny.write_protocol(tmp_path)
    for name in ("one", "two"):
        write_crops(tmp_path / name, tiny.stems())
    with pytest.raises(ValueError, match="2 folders below .*one.*two|2 folders below .*two.*one"):
        cuhk03.load(tmp_path)


def test_a_crop_in_two_formats_is_ambiguous(tmp_path):
    tiny.write_protocol(tmp_path)
    folder = write_crops(tmp_path / "images_labeled", tiny.stems())
    write_crops(folder, ["1_003_1_01"], ".jpg")
    with pytest.raises(ValueError, match="1_003_1_01 twice"):
        cuhk03.load(tmp_path)


def test_missing_images_are_counted_and_named(tmp_path):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / "images_labeled", [s for s in tiny.stems() if not s.startswith(("1_001", "2"))])
    message = r"12 of the 36 images .* 1_001_1_01, 1_001_1_05, 1_001_2_06, 1_001_2_10, 2_\d{3}_\d_\d\d\. "
    with pytest.raises(ValueError, match=message + ".*allow_missing=True"):
        cuhk03.load(tmp_path)


def test_a_protocol_of_other_images_is_an_error_even_if_missing_ones_are_allowed(tmp_path):
    tiny.write_protocol(tmp_path)
    write_crops(tmp_path / "images_labeled", ["3_099_1_01"])
    with pytest.raises(ValueError, match="36 of the 36 images"):
        cuhk03.load(tmp_path, allow_missing=True)


def test_a_protocol_that_names_images_the_release_lacks(release):
    names = tiny.protocol()["filelist"]
    names[3] = "1_001_2_09.png"
    tiny.write_protocol(release, filelist=names)
    with pytest.raises(ValueError, match=r"1 of the 36 images .* 1_001_2_09\. "):
        cuhk03.load(release)


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


def test_interrupted_extraction_leaves_nothing_behind(release, monkeypatch):
    crops = cuhk03.crops_in

    def interrupted(*arguments):
        for number, item in enumerate(crops(*arguments)):
            if number == 3:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(cuhk03, "crops_in", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cuhk03.load(release)
    assert not [path for path in release.iterdir() if path.is_dir()]
    monkeypatch.undo()
    assert len(cuhk03.load(release).train) == 20


def test_two_extractions_at_once(release, monkeypatch):
    replace = os.replace

    def late(source, target):  # the other process finishes just before this one
        monkeypatch.setattr(os, "replace", replace)
        cuhk03.load(release)
        replace(source, target)

    monkeypatch.setattr(os, "replace", late)
    assert len(cuhk03.load(release).train) == 20
    assert {path.name for path in release.iterdir() if path.is_dir()} == {"images_labeled"}


def test_root_that_cannot_be_written(release, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(
        ValueError, match=r"images_labeled.*could not be written.*Permission denied.*writable"
    ):
        cuhk03.load(release)


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
