"""Own images: names, patterns, tables, subsets, division by chance, and a clear error for each fault."""

import os
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from rga import data
from rga.data import Sample, doctor, folder
from rga.io.json_files import write_json
from rga.io.paths import ROOT


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
    n = len(test)
    assert splits.counts() == {
        "train": (10 - n, 60 - 6 * n, 2),
        "query": (n, 2 * n, 2),
        "gallery": (n, 4 * n, 2),
    }
    assert test == {sample.pid for sample in splits.gallery} and test.isdisjoint(splits.train_pids)
    assert len({(sample.pid, sample.camid) for sample in splits.query}) == 2 * n
    assert {s.path for s in splits.train + splits.query + splits.gallery} == set(tmp_path.iterdir())
    assert folder.load(tmp_path, test_share=0.3, seed=4) == splits
    assert folder.load(tmp_path, test_share=0.3, seed=5) != splits


def test_the_share_is_met_in_the_mean():
    samples, names = [Sample("x", pid, 1) for pid in range(10)], {pid: str(pid) for pid in range(10)}
    sizes = [len(folder.divide_people(samples, 0.3, seed, names)[1]) for seed in range(500)]
    assert 1 <= min(sizes) <= max(sizes) <= 9 and 2.8 < np.mean(sizes) < 3.3


@pytest.mark.parametrize("first", ["aaron", "0"])  # with which numbers become texts, or all are numbered anew
def test_a_person_who_is_added_moves_nobody_else(tmp_path, first):
    draw(tmp_path, *(f"{name}_{c}_{i}.png" for name in range(1, 41) for c in (1, 2) for i in range(3)))
    pattern, read = r"(?P<pid>[^_]+)_(?P<camid>\d+)", []
    for _ in range(2):
        splits = folder.load(tmp_path, pattern=pattern)
        read.append([{s.path.name for s in some} for some in (splits.train, splits.query, splits.gallery)])
        draw(tmp_path, *(f"{first}_{c}_{i}.png" for c in (1, 2) for i in range(3)))
    for before, after in zip(*read, strict=True):
        assert before == {name for name in after if not name.startswith(f"{first}_")}


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


def test_mars_layout(tmp_path):
    names = [f"{p}C{c}T0001F{i:03}.png" for p in ("0002", "0004") for c in (1, 2) for i in range(3)]
    draw(tmp_path / "bbox_train", *(f"{name[:4]}/{name}" for name in names))
    test = [n.replace("0002", "0001").replace("0004", "0006") for n in names]
    nobody = [n.replace("0002", p) for p in ("0000", "00-1") for n in names[:6]]
    draw(tmp_path / "bbox_test", *(f"{name[:4]}/{name}" for name in test + nobody))
    splits = folder.load(tmp_path, pattern=r"(?:.*/)?(?P<pid>\d{4}|00-1)C(?P<camid>\d)T")
    assert splits.train_pids == (2, 4) and {s.pid for s in splits.query} == {1, 6}
    assert [s.pid for s in splits.gallery].count(0) == 6 and {s.pid for s in splits.gallery} == {0, 1, 6}
    assert "junk (pid -1) left out: 6 images" in splits.notes


def test_val_is_test_where_there_is_no_other(tmp_path):
    draw(tmp_path / "train", *people(2))
    draw(tmp_path / "val", *people(2, start=5))
    assert {s.pid for s in folder.load(tmp_path).query} == {5, 6}
    draw(tmp_path / "test", *people(2, start=8))
    splits = folder.load(tmp_path)
    assert {s.pid for s in splits.query} == {8, 9} and "left alone: 12 images" in str(splits)


def layouts():
    text = (
        (ROOT / "data" / "README.md")
        .read_text(encoding="utf-8")
        .partition("```text\n")[2]
        .partition("\n```")[0]
    )
    return [
        re.fullmatch(r"(\S+) +(\S+) +(\S+) +(\S+)(?: +\(.*\))?", line).groups() for line in text.splitlines()
    ]


@pytest.mark.parametrize("example, pid, camid, pattern", layouts())
def test_the_patterns_of_the_data_page(tmp_path, example, pid, camid, pattern):
    (tmp_path / example).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / example).touch()
    (read,) = folder.read_names(tmp_path, folder._compiled(pattern))[""]
    assert (read.pid, read.camid) == (pid, camid)


def test_cuhk01_has_two_images_a_camera(tmp_path):
    draw(tmp_path, *(f"{p:04}00{i}.png" for p in (1, 2, 3, 4) for i in (1, 2, 3, 4)))
    (pattern,) = (pattern for example, _, _, pattern in layouts() if example == "0001003.png")
    splits = folder.load(tmp_path, pattern=pattern)
    camids = {s.path.name[-5]: s.camid for s in splits.train}
    assert camids["1"] == camids["2"] != camids["3"] == camids["4"]


# ---------------------------------------------------------------- guesses


def test_an_example_is_shown_of_names_without_a_pattern(tmp_path):
    draw(tmp_path / "names", *THREE)
    note = "names read without a pattern: 0_2_b.png -> person 0, camera 2"
    assert note in folder.load(tmp_path / "names").notes
    assert note not in folder.load(tmp_path / "names", pattern=folder.PATTERN).notes


WHO = ("anna", "bob", "kim", "zoe")
MISREAD = {  # name: images, what is said
    "camN": ([f"cam{c}_{i}.png" for c in (1, 2, 3) for i in range(6)], "the person looks like a camera"),
    "person": (
        [f"cam0{c}_person0{p}_frame00{i}.png" for c in (1, 2) for p in range(4) for i in range(3)],
        r"cam01_person00_frame000\.png -> person cam01, camera person00\..*person person00, camera 01",
    ),
    "folders": (
        [f"{w}/cam{c}_{i}.png" for w in WHO for c in (1, 2) for i in range(3)],
        r"anna/cam1_0\.png -> person cam1, camera 0\. .*--pattern.*\(anna/cam1_0\.png -> person anna, camera 1\)",
    ),
    "subsets": (
        [
            f"{s}/{w}/cam{c}_0.png"
            for s, w in (("train", "anna"), ("query", "bob"), ("gallery", "bob"))
            for c in "12"
        ],
        "the person looks like a camera",
    ),
    "telephone": ([f"IMG_000{i}.png" for i in range(8)], "frame, a date or a camera's default name"),
    "dates": ([f"2024010{i}_12000{i}.png" for i in range(1, 8)], "frame, a date or a camera's default name"),
    "cameras as folders": (
        [f"cam{c}/{w}_{i:04}.png" for c in (1, 2) for w in WHO for i in range(3)],
        "a folder looks like another camera.*person anna, camera 1",
    ),
    "glued": ([f"{p:04}c{c}_{i}.png" for p in range(4) for c in (1, 2) for i in range(2)], "hold the camera"),
    "later": (
        [f"{w}_{i}_cam{c}.png" for w in WHO for c in (3, 4) for i in (1, 2)],
        "another part .* the camera",
    ),
}


@pytest.mark.parametrize("name", MISREAD)
def test_names_that_are_surely_misread(tmp_path, name):
    images, what = MISREAD[name]
    with pytest.raises(ValueError, match=f"seem to be misread: .*{what}"):
        folder.load(draw(tmp_path, *images))
    assert folder.load(tmp_path, pattern=r"(?P<camid>.*(?P<pid>.)\.png)").names == {}  # as one says


DOUBTFUL = {
    "MSMT17": (
        [f"{p:04}_{i:03}_{1 + i % 2:02}_x.png" for p in range(8) for i in range(4)],
        "person 0000, camera 01",
    ),
    "a frame": ([f"{w}_{i}.png" for w in WHO for i in range(5)], "a camera of its own"),
    "changed places": (
        [f"{c}_{p}_{i}.png" for c in (1, 2) for p in range(5) for i in range(3)],
        "changed places",
    ),
    "folders": (
        [f"{w}/{c}_{i}.png" for w in WHO for c in (1, 2) for i in range(3)],
        "neither the persons nor",
    ),
    "either": (
        [f"{p}_{i}_{c}.png" for p in range(9) for c in (1, 2) for i in range(3)],
        "part 3 of the name",
    ),
}


@pytest.mark.parametrize("name", DOUBTFUL)
def test_names_that_are_not_sure(tmp_path, name, caplog):
    images, what = DOUBTFUL[name]
    splits = data.load("folder", draw(tmp_path, *images))
    assert re.search(f"not sure that file names are read rightly: .*{what}", caplog.text)
    assert "! not sure" in str(doctor.examine(splits)) and "no fault" not in str(doctor.examine(splits))


def test_leaks_are_named_as_the_user_names_them(tmp_path):
    draw(tmp_path, "train/anna_1_0.png", "train/bob_2_0.png", "query/bob_1_1.png", "gallery/bob_2_5.png")
    with pytest.raises(ValueError, match=r"identities both in training and .*: 1 \(bob\)"):
        data.load("folder", tmp_path)
    assert folder.load(tmp_path).names == {1: "anna", 2: "bob"}


def test_one_camera_for_everybody_can_be_trained_on(tmp_path, caplog):
    draw(tmp_path / "chance", *(f"{w}_1_{i}.png" for w in WHO for i in range(3)))
    draw(tmp_path / "subsets", "train/1_7_0.png", "train/2_7_0.png", "query/5_7_0.png", "gallery/5_7_1.png")
    for name in ("chance", "subsets"):
        assert data.load("folder", tmp_path / name).train
    assert caplog.text.count("one camera for everybody: 1 (camera") == 2
    remedy = re.search(r"such as r'(.*)'\.", caplog.text)[1]
    splits = data.load("folder", tmp_path / "chance", pattern=remedy)
    assert splits.query and splits.counts()["gallery"][2] == len(splits.gallery)


# ---------------------------------------------------------------- formats, bytes


def test_what_pillow_reads_is_read_and_the_rest_is_named(tmp_path):
    suffixes = ("png", "gif", "jfif", "jpe", "jp2", "avif")
    images = (f"{p}_{c}_{s}.png" for p in (1, 2, 3, 4) for c in (1, 2) for s in suffixes)
    for path in draw(tmp_path, *images).glob("*.png"):
        path.rename(path.with_name(path.stem + "." + path.stem.rpartition("_")[2]))
    for name in ("1_1_a.heic", "1_1_a.svg", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    splits = folder.load(tmp_path)
    assert sum(images for _, images, _ in splits.counts().values()) == 48
    assert any(
        re.search(r"left out: 2 images .*1_1_a\.heic\. HEIC .*pip install pillow-heif", n)
        for n in splits.notes
    )
    for path in tmp_path.glob("*_*_*"):
        if path.suffix != ".heic":
            path.unlink()
    with pytest.raises(FileNotFoundError, match="no images in .*left out: 1 images .*pillow-heif"):
        folder.load(tmp_path)


def test_names_that_are_no_text(tmp_path):
    """Latin-1: a name is bytes."""
    names = (f"{w}\xe9_{c}_{i}.png".encode("latin-1") for w in WHO for c in (1, 2) for i in range(2))
    draw(tmp_path, "x.png")
    for name in names:
        shutil.copy(tmp_path / "x.png", os.path.join(os.fsencode(tmp_path), name))
    (tmp_path / "x.png").unlink()
    splits = folder.load(tmp_path)
    assert len(splits.train + splits.query + splits.gallery) == 16
    text = f"{splits}\n{doctor.examine(splits, thorough=True)}"
    assert r"anna\xe9_1_0.png -> person anna\xe9, camera 1" in text and text.encode()
    write_json(tmp_path / "x.json", {"images": [s.path for s in splits.train], "names": splits.names})


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


def test_ids_count_by_value(tmp_path):
    """As pandas writes a column of numbers with an empty cell."""
    draw(tmp_path, *(f"{i}.png" for i in range(9)))
    ids = ("17.0", "0017", "4.0", "4.0", "5", "-1.0", "00-1", "-001", "0000")
    rows = [f"{i}.png,{pid},{1 + i % 2}.0,{'train' if i < 2 else 'gallery'}" for i, pid in enumerate(ids)]
    (tmp_path / "samples.csv").write_text("\n".join(["path,pid,camid,split", *rows]), encoding="utf-8")
    splits = folder.load(tmp_path)
    assert splits.train_pids == (17,) and {s.camid for s in splits.train} == {1, 2}
    assert [s.pid for s in splits.gallery] == [4, 4, 5, 0]
    assert "junk (pid -1) left out: 3 images" in splits.notes
    (tmp_path / "samples.csv").write_text("\n".join(["path,pid,camid,split", *rows, "8.png,zoe,1,gallery"]))
    assert [s.pid for s in folder.load(tmp_path).gallery][-2:] == [0, 4]  # a distractor among texts, too


@pytest.mark.parametrize("row", ["3.png,nan,1,query", "3.png,5,NaN,query", "3.png,<NA>,1,query"])
def test_an_id_that_is_no_number_is_refused(tmp_path, row):
    draw(tmp_path, *IMAGES)
    (tmp_path / "samples.csv").write_text(ROWS.replace("3.png,5,1,query", row), encoding="utf-8")
    with pytest.raises(
        ValueError, match=r"samples\.csv, line 4: 3\.png has no pid or no camid, but the word"
    ):
        folder.load(tmp_path)
    draw(tmp_path / "names", "nan_1_0.png", "5_1_0.png")
    with pytest.raises(ValueError, match=r"1 of the 2 images .* the word for none: nan_1_0\.png"):
        folder.load(tmp_path / "names")


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
