"""Own images: names, patterns, tables, subsets, division by chance, and a clear error for each fault."""

import shutil

import numpy as np
import pytest
from PIL import Image

from rga.data import folder


def draw(root, *names):
    rng = np.random.default_rng(0)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 8, 3), dtype=np.uint8)).save(path)
    return root


def who(samples, root):
    """{path below root: (pid, camid)}"""
    return {sample.path.relative_to(root).as_posix(): (sample.pid, sample.camid) for sample in samples}


def people(n, cameras=2, images=3, start=1):
    return [
        f"{p}_{c}_{i}.png"
        for p in range(start, start + n)
        for c in range(1, cameras + 1)
        for i in range(images)
    ]


THREE = ("train/7_1_a.png", "train/3_2_a.png", "query/5_1_a.png", "gallery/5_2_a.png", "gallery/0_2_b.png")


# ---------------------------------------------------------------- names


def test_subsets_as_folders(tmp_path):
    splits = folder.load(draw(tmp_path, *THREE))
    assert who(splits.train, tmp_path) == {"train/3_2_a.png": (0, 2), "train/7_1_a.png": (1, 1)}
    assert splits.train_pids == (3, 7)
    assert who(splits.query, tmp_path) == {"query/5_1_a.png": (5, 1)}
    assert who(splits.gallery, tmp_path) == {"gallery/5_2_a.png": (5, 2), "gallery/0_2_b.png": (0, 2)}
    assert splits.name == tmp_path.name and splits.published == {}


def test_the_default_pattern_looks_at_the_last_part_of_any_path(tmp_path):
    draw(tmp_path, "train/day_1/sub/3_hall.png", "train/day_2/-1_hall_0.png", "train/4_yard_x_y.png")
    draw(tmp_path, "gallery/4_c1s3_000_00.png", "gallery/4_c1s2_000_00.png", "query/4_c2s1_000_00.png")
    splits = folder.load(tmp_path)
    assert splits.train_pids == (3, 4)
    assert len({sample.camid for sample in splits.gallery}) == 1  # c1s3 and c1s2 are one camera
    assert len({s.camid for s in splits.train + splits.query + splits.gallery}) == 4
    assert "junk (pid -1) left out: 1 images" in splits.notes


def test_a_pattern_is_matched_below_the_subsets_folder(tmp_path):
    draw(tmp_path, "Train/Zoë B/cam2_17.png", "query/anna/cam1_1.png", "gallery/anna/cam10_1.png")
    splits = folder.load(tmp_path, pattern=r"(?P<pid>[^/]+)/cam(?P<camid>\d+)_")
    assert who(splits.train, tmp_path) == {"Train/Zoë B/cam2_17.png": (0, 2)}
    assert splits.train_pids == (1,)
    assert who(splits.query, tmp_path) == {"query/anna/cam1_1.png": (2, 1)}
    assert who(splits.gallery, tmp_path) == {"gallery/anna/cam10_1.png": (2, 10)}


def test_market_1501s_folders_are_known(tmp_path):
    draw(tmp_path, "bounding_box_train/1_1.png", "query/2_1.png", "bounding_box_test/2_2.png")
    assert folder.load(tmp_path).counts() == {"train": (1, 1, 1), "query": (1, 1, 1), "gallery": (1, 1, 1)}


def test_images_outside_the_subsets_are_mentioned(tmp_path):
    splits = folder.load(draw(tmp_path, *THREE, "val/8_1.png", "9_1.png"))
    assert len(splits.train + splits.query + splits.gallery) == 5
    assert "left alone: 2 images outside the subsets" in str(splits)


def test_without_cameras_each_image_can_be_its_own(tmp_path):
    draw(tmp_path, *(f"{who}/{i}.png" for who in ("anna", "bob", "zoe", "kim") for i in range(4)))
    splits = folder.load(tmp_path, pattern=r"(?P<pid>[^/]+)/(?P<camid>.+)")
    assert len(splits.train) == 8 and len(splits.query) == 2 and len(splits.gallery) == 6


def test_images_that_do_not_match(tmp_path):
    draw(tmp_path, "1_1.png", "day_1/img0.png", *(f"img{i}.png" for i in range(1, 6)))
    with pytest.raises(
        ValueError, match=r"6 of the 7 images .*day_1/img0\.png, .*img4\.png, ….*\(\?P<pid>.*pass pattern="
    ):
        folder.load(tmp_path)


def test_a_group_that_is_left_out_is_no_match(tmp_path):
    draw(tmp_path, "1_c1.png", "2.png")
    with pytest.raises(
        ValueError, match=r"1 of the 2 images .*: 2\.png.* with a pid and a camid.*pass pattern="
    ):
        folder.load(tmp_path, pattern=r"(?P<pid>\d+)(?:_c(?P<camid>\d))?")


@pytest.mark.parametrize(
    "pattern, what", [(r"(?P<pid>\d+)", "no group camid"), (r"(?P<pid", "no regular expression")]
)
def test_patterns_that_are_none(tmp_path, pattern, what):
    with pytest.raises(ValueError, match=what + ".*pass pattern="):
        folder.load(draw(tmp_path, *THREE), pattern=pattern)


# ---------------------------------------------------------------- division


def test_people_and_images_are_divided(tmp_path):
    draw(tmp_path, *people(10))
    splits = folder.load(tmp_path, test_share=0.3, seed=4)
    test = {sample.pid for sample in splits.query}
    assert splits.counts() == {"train": (7, 42, 2), "query": (3, 6, 2), "gallery": (3, 12, 2)}
    assert test == {sample.pid for sample in splits.gallery} and test.isdisjoint(splits.train_pids)
    assert len({(sample.pid, sample.camid) for sample in splits.query}) == 6
    assert {s.path for s in splits.train + splits.query + splits.gallery} == set(tmp_path.iterdir())
    assert folder.load(tmp_path, test_share=0.3, seed=4) == splits
    assert folder.load(tmp_path, test_share=0.3, seed=5) != splits


def test_images_in_test_are_divided(tmp_path):
    draw(tmp_path / "train", *people(2))
    draw(tmp_path / "test", *people(3, cameras=3, start=10))
    splits = folder.load(tmp_path)
    assert splits.counts() == {"train": (2, 12, 2), "query": (3, 9, 3), "gallery": (3, 18, 3)}


def test_every_query_keeps_a_match_under_another_camera(tmp_path):
    draw(tmp_path, "train/9_1.png", "train/9_2.png")
    draw(tmp_path / "test", "1_1_a.png", "1_1_b.png", "1_2_a.png")  # two images and one
    draw(tmp_path / "test", "2_1_a.png", "2_2_a.png", "2_3_a.png")  # one each
    draw(tmp_path / "test", "3_1_a.png", "3_1_b.png")  # one camera only
    for seed in range(10):
        splits = folder.load(tmp_path, seed=seed)
        assert [(s.pid, s.camid) for s in splits.query if s.pid != 2] == [(1, 1)]
        assert len([s for s in splits.query if s.pid == 2]) == 1
        assert len(splits.query) + len(splits.gallery) == 8
        for query in splits.query:
            assert any(s.pid == query.pid and s.camid != query.camid for s in splits.gallery)
    assert "gallery: 1 people are seen by one camera only and have no query" in splits.notes


@pytest.mark.parametrize("share", [0, 0.1, 1, -1])
def test_shares_that_leave_nobody(tmp_path, share):
    draw(tmp_path, *people(3))
    with pytest.raises(ValueError, match=f"test_share {share} of 3 people leaves"):
        folder.load(tmp_path, test_share=share)


def test_test_beside_gallery_is_ambiguous(tmp_path):
    draw(tmp_path, *THREE, "test/8_1.png")
    with pytest.raises(ValueError, match="has test and also gallery and query"):
        folder.load(tmp_path)


# ---------------------------------------------------------------- tables

ROWS = """path,pid,camid,split
a b.png,7,1,train
ü/2.png,3,2,train
3.png,5,1,query
4.png,5,2,gallery
5.png,-1,2,gallery
"""
IMAGES = ("a b.png", "ü/2.png", "3.png", "4.png", "5.png")


@pytest.mark.parametrize(
    "text",
    [
        ROWS.encode(),
        b"\xef\xbb\xbf" + ROWS.encode(),
        ROWS.replace(",", ";").replace("\n", "\r\n").encode(),
        ROWS.replace("path,pid,camid,split", "Path, PID, camid, Split").replace("ü/", "ü\\").encode(),
    ],
    ids=["plain", "BOM", "semicolons", "spaces and backslashes"],
)
def test_a_table(tmp_path, text):
    draw(tmp_path, *IMAGES)
    (tmp_path / "samples.csv").write_bytes(text)
    splits = folder.load(tmp_path)
    assert who(splits.train, tmp_path) == {"a b.png": (1, 1), "ü/2.png": (0, 2)}
    assert splits.train_pids == (3, 7)
    assert who(splits.query, tmp_path) == {"3.png": (5, 1)}
    assert who(splits.gallery, tmp_path) == {"4.png": (5, 2)}


def test_a_table_elsewhere_without_splits(tmp_path):
    draw(tmp_path / "images", *people(4))
    lines = [f"{name},p{name[0]},cam {name[2]}" for name in people(4)]
    (tmp_path / "mine.csv").write_text("\n".join(["path,pid,camid", *lines]), encoding="utf-8")
    splits = folder.load(tmp_path / "images", table=tmp_path / "mine.csv")
    assert splits.counts() == {"train": (2, 12, 2), "query": (2, 4, 2), "gallery": (2, 8, 2)}
    assert {s.camid for s in splits.train} == {1, 2}


def test_a_pattern_is_preferred_to_a_table_that_lies_there(tmp_path):
    draw(tmp_path, *THREE)
    (tmp_path / "samples.csv").write_text("nothing")
    assert len(folder.load(tmp_path, pattern=folder.PATTERN).train) == 2
    with pytest.raises(ValueError, match="not both"):
        folder.load(tmp_path, pattern=folder.PATTERN, table="samples.csv")


@pytest.mark.parametrize(
    "old, new, error, what",
    [
        ("path,pid,camid", "path,person,camid", ValueError, "line 1: no column pid"),
        (ROWS, "", ValueError, "line 1: no column path, pid, camid"),
        ("3.png,5,1,query", "3.png,5", ValueError, "line 4: path, pid or camid is empty"),
        (
            "3.png,5,1,query",
            "3.png,5,1,probe",
            ValueError,
            "line 4: unknown split 'probe'. Choose from: train, query",
        ),
        ("3.png,5,1,query", "3.png,5,1,", ValueError, "1 lines have no split while others have"),
        ("3.png", "33.png", FileNotFoundError, r"1 images in .*: line 4: 33.png\. Paths are below"),
        ("gallery", "test", ValueError, "has test and also query"),
    ],
)
def test_faults_in_a_table(tmp_path, old, new, error, what):
    draw(tmp_path, *IMAGES)
    (tmp_path / "samples.csv").write_text(ROWS.replace(old, new), encoding="utf-8")
    with pytest.raises(error, match=what):
        folder.load(tmp_path)


def test_a_table_that_is_no_text(tmp_path):
    draw(tmp_path, *IMAGES)
    (tmp_path / "samples.csv").write_bytes(ROWS.encode("utf-16"))
    with pytest.raises(ValueError, match=r"samples\.csv is not UTF-8 text"):
        folder.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"There is no table .*other\.csv"):
        folder.load(tmp_path, table="other.csv")


def test_a_table_that_csv_cannot_read(tmp_path):
    draw(tmp_path, *IMAGES)
    (tmp_path / "samples.csv").write_text(ROWS + '"' + "x" * 200_000, encoding="utf-8")
    with pytest.raises(ValueError, match=r"samples\.csv, line 7: field larger.*quotation mark"):
        folder.load(tmp_path)


# ---------------------------------------------------------------- numbers and places


def test_texts_are_numbered_in_sorted_order_over_all_subsets(tmp_path):
    draw(
        tmp_path, "train/zoe_yard.png", "train/bob_hall.png", "query/anna_hall.png", "gallery/anna_attic.png"
    )
    splits = folder.load(tmp_path)
    assert splits.train_pids == (2, 3)  # anna is 1
    assert [(s.pid, s.camid) for s in splits.train] == [(0, 2), (1, 3)]
    assert [(s.pid, s.camid) for s in splits.query + splits.gallery] == [(1, 2), (1, 1)]


def test_numbers_stay_and_0_is_a_person_where_people_are_divided(tmp_path):
    draw(tmp_path, *people(4, start=0))
    splits = folder.load(tmp_path)
    assert {*splits.train_pids} | {s.pid for s in splits.query} == {0, 1, 2, 3}


def test_numbers_too_long_for_a_tensor_are_texts(tmp_path):
    long = "9" * 20
    splits = folder.load(draw(tmp_path, "train/1_1.png", f"query/2_{long}.png", "gallery/2_1.png"))
    assert [(s.pid, s.camid) for s in splits.query + splits.gallery] == [(2, 2), (2, 1)]


def test_archives_and_folders_around(tmp_path):
    draw(tmp_path / "source" / "mine", *THREE)
    (tmp_path / "source" / "__MACOSX").mkdir()
    expected = folder.load(tmp_path / "source" / "mine")
    assert folder.load(tmp_path / "source") == expected  # a folder that holds nothing else
    for kind in ("zip", "gztar"):
        place = tmp_path / kind
        archive = shutil.make_archive(place / "download", kind, tmp_path / "source")
        for root in (archive, place):
            splits = folder.load(root)
            assert splits.counts() == expected.counts()
            assert all(sample.path.is_file() for sample in splits.train)


def test_a_set_in_an_archive_is_the_same_on_every_load(tmp_path):
    """Once unpacked, its images lie below root, too: there their paths have one folder more."""
    draw(
        tmp_path / "source", *(f"{who}/cam{c}_{i}.png" for who in ("anna", "bob") for c in "12" for i in "ab")
    )
    shutil.make_archive(tmp_path / "mine" / "photos", "zip", tmp_path / "source")
    first, second = (
        folder.load(tmp_path / "mine", pattern=r"(?P<pid>[^/]+)/cam(?P<camid>\d+)_") for _ in "12"
    )
    assert first == second and first.counts()["train"] == (1, 4, 2)
    draw(tmp_path / "mine", "zoe/cam1_a.png")  # images of one's own: root is the set
    found = folder.load(tmp_path / "mine", pattern=r"(?:photos/)?(?P<pid>[^/]+)/cam(?P<camid>\d+)_")
    assert found.name == "mine" and sum(images for _, images, _ in found.counts().values()) == 9


def test_several_archives_with_images_are_refused(tmp_path):
    draw(tmp_path / "source", *people(2))
    for name in "ab":
        shutil.make_archive(tmp_path / "mine" / name, "zip", tmp_path / "source")
    for _ in range(2):
        with pytest.raises(ValueError, match="one archive with images in .* into a, b. Pass the archive"):
            folder.load(tmp_path / "mine")
    assert folder.load(tmp_path / "mine" / "a.zip").name == "a"
    for name in "ab":
        (tmp_path / "mine" / f"{name}.zip").unlink()
    assert sum(images for _, images, _ in folder.load(tmp_path / "mine").counts().values()) == 24


def test_an_archive_for_each_subset(tmp_path):
    draw(tmp_path / "source", *THREE)
    for name in ("train", "query", "gallery"):
        shutil.make_archive(tmp_path / "mine" / name, "zip", tmp_path / "source" / name)
    first, second = (folder.load(tmp_path / "mine") for _ in "12")
    assert first == second and first.counts() == folder.load(tmp_path / "source").counts()


def test_an_archive_whose_folder_is_there_is_named(tmp_path):
    draw(tmp_path / "source", *THREE)
    shutil.make_archive(tmp_path / "mine" / "photos", "zip", tmp_path / "source")
    (tmp_path / "mine" / "photos").mkdir()
    with pytest.raises(FileNotFoundError, match=r"photos\.zip counts as unpacked, .*remove the folder"):
        folder.load(tmp_path / "mine")
    (tmp_path / "mine" / "photos").rmdir()
    assert len(folder.load(tmp_path / "mine").train) == 2


def test_images_beside_a_folder_with_subsets_are_not_dropped(tmp_path):
    draw(tmp_path / "inner", *THREE)
    assert folder.load(tmp_path).name == "inner"
    draw(tmp_path, "preview.png")
    with pytest.raises(ValueError, match=r"preview\.png.*Images that are no samples must lie elsewhere"):
        folder.load(tmp_path)


def test_no_images_there(tmp_path):
    (tmp_path / "notes.txt").touch()
    for root in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(FileNotFoundError, match=r"(?s)There are no images in .*\n    0001_2_17\.jpg "):
            folder.load(root)
