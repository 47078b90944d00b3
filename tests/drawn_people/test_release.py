"""The release that is drawn: CUHK03's own format, the same bytes for the same seed, a truth that fits the images."""

import filecmp
import io
import json
import os
import resource
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from rga.drawn_people import release
from rga.drawn_people.person import DETAILS, PRINTABLE, Colour, Part, differences
from rga.drawn_people.release import draw_release

KNOBS = {"identities": (6, 6), "images_per_camera": 2, "lookalikes": 0.5}
SMALLEST = {"identities": (2, 2), "images_per_camera": 2}


def cast(**turned) -> list[release.Member]:
    """Everybody in a release with these settings, undrawn."""
    usual = {
        "identities": (150, 70),
        "images_per_camera": 5,
        "seed": 0,
        "lookalikes": 0.2,
        "same_clothes": 0.0,
        "crowd": 0.0,
    }
    return release.cast(
        release.knobs(**usual | {"occlusion": 0.25, "light": 1.0, "paper_scale": False} | turned)
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return draw_release(tmp_path_factory.mktemp("drawn") / "people", **KNOBS, workers=1)


def test_mat_has_the_official_layout(root):
    assert (root / "cuhk-03.mat").read_bytes().startswith(b"MATLAB 7.3 MAT-file")
    with h5py.File(root / "cuhk-03.mat") as file:
        assert {"labeled", "detected", "testsets"} <= set(file)
        for boxes in ("labeled", "detected"):
            pairs = file[boxes]
            assert pairs.shape == (1, 5)
            people = [file[ref].shape for ref in pairs[0]]
            assert [shape[0] for shape in people] == [10] * 5
            assert sum(shape[1] for shape in people) == 12
            images = file[pairs[0, 0]]
            present, absent = file[images[0, 0]], file[images[4, 0]]
            assert present.dtype == np.uint8 and present.ndim == 3 and present.shape[0] == 3
            assert present.shape[1] < present.shape[2]  # (3, width, height)
            assert (
                absent.dtype == np.uint64
                and absent[()].tolist() == [0, 0]
                and absent.attrs["MATLAB_empty"] == 1
            )
        assert file["testsets"].shape == (1, 20)
        split = file[file["testsets"][0, 19]][()]
        assert split.dtype == np.float64 and split.shape == (2, 4) and split.min() == 1


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_protocol_has_the_official_layout(root, boxes):
    protocol = loadmat(root / f"cuhk03_new_protocol_config_{boxes}.mat")
    names = [str(name[0][0]) for name in protocol["filelist"]]
    labels, cameras = protocol["labels"].ravel(), protocol["camId"].ravel()
    train, query, gallery = (protocol[f"{k}_idx"].ravel() - 1 for k in ("train", "query", "gallery"))
    assert all(
        protocol[k].shape[1] == 1
        for k in ("filelist", "labels", "camId", "train_idx", "query_idx", "gallery_idx")
    )
    assert names == sorted(names) and len(names) == 12 * 2 * 2 and set(labels) == set(range(1, 13))
    assert sorted([*train, *query, *gallery]) == list(range(len(names)))
    assert not set(labels[train]) & set(labels[query]) and set(labels[query]) == set(labels[gallery])
    asked = list(zip(labels[query], cameras[query], strict=True))
    assert len(asked) == len(set(asked)) == 12  # one query a person and camera
    assert all(int(name.split("_")[2]) == camera for name, camera in zip(names, cameras, strict=True))


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_part_maps_have_the_parts_that_a_person_has(root, boxes):
    maps = [np.asarray(Image.open(path)) for path in (root / f"parts_{boxes}").iterdir()]
    assert all(set(np.unique(m)) <= set(Part) for m in maps)
    assert all(0.1 < (m > 0).mean() < 0.75 for m in maps)  # a person, with room around
    for part in (Part.HEAD, Part.TORSO, Part.ARMS, Part.LEGS, Part.SHOES):
        assert np.mean([(m == part).any() for m in maps]) > 0.75
    heads, shoes = (
        [np.argwhere(m == part)[:, 0].mean() / m.shape[0] for m in maps if (m == part).any()]
        for part in (Part.HEAD, Part.SHOES)
    )
    assert np.median(heads) < 0.25 and np.median(shoes) > 0.8


@pytest.mark.parametrize("boxes", ["labeled", "detected"])
def test_part_maps_lie_on_what_they_name(boxes):
    """A top dyed white instead of black changes the pixels of its part map, more than those one pixel beside it."""
    settings = release.knobs((2, 2), 2, 0, 0.0, 0.0, 0.0, 1.0, 0.0, False)
    member, *_ = release.cast(settings)
    pictures = []
    for rgb in ((20, 20, 20), (240, 240, 240)):
        dye = Colour("dye", rgb)
        top = replace(member.person.top, colour=dye, accent=dye)
        dyed = member._replace(person=replace(member.person, top=top, logo=None))
        pictures.append(release._portray(settings, dyed, [dyed]))
    for black, white in zip(*(drawn.values() for drawn in pictures), strict=True):
        images = [getattr(picture, boxes).astype(int) for picture in (black, white)]
        changed = np.abs(images[0] - images[1]).mean(2)
        top = np.isin(getattr(black, f"{boxes}_parts"), (Part.TORSO, Part.ARMS))
        shifts = [(down, right) for down in range(-2, 3) for right in range(-2, 3)]
        assert max(shifts, key=lambda shift: changed[np.roll(top, shift, (0, 1))].mean()) == (0, 0)


def test_lookalikes_differ_in_one_attribute_only(root):
    people = json.loads((root / "people.json").read_text())
    families = [p for p in people if p["family"] >= 0]
    assert len(families) == 4  # half of the people where a camera pair and subset has two or more to relate
    for person in families:
        assert person["detail"] in DETAILS and person["lookalikes"]
        for label in person["lookalikes"]:
            other = people[label - 1]
            assert (other["pair"], other["subset"]) == (person["pair"], person["subset"])
            mine, theirs = person["attributes"], other["attributes"]
            assert [k for k in mine if mine[k] != theirs[k]] == [person["detail"]]
    for member in cast(identities=(40, 40), seed=1, lookalikes=1.0):
        assert (member.family >= 0) == bool(member.detail)


def test_lookalikes_knob_sets_their_share():
    for share in (0.0, 0.2, 1.0):
        members = cast(lookalikes=share)
        assert np.mean([m.family >= 0 for m in members]) == pytest.approx(share, abs=0.02)
        strangers = [m.person for m in members if m.family < 0]
        assert all(len(differences(a, b)) > 1 for a, b in zip(strangers, strangers[1:], strict=False))


def test_same_clothes_sets_the_share_of_people_in_uniform():
    for share in (0.0, 0.3, 1.0):
        members = cast(same_clothes=share, lookalikes=0.5)
        uniform = cast(same_clothes=1.0, lookalikes=0.0)[0].person
        assert uniform.top.kind in PRINTABLE and uniform.logo is None
        worn = [m for m in members if (m.person.top, m.person.bottom) == (uniform.top, uniform.bottom)]
        assert len(worn) / len(members) == pytest.approx(share, abs=0.1)
        for member in worn:
            but = [
                name for name in ("logo", "shoes") if getattr(member.person, name) != getattr(uniform, name)
            ]
            assert but in ([], [member.detail])
    strangers = [m.person for m in cast(same_clothes=1.0, lookalikes=0.0)]
    assert all(len(differences(a, b)) > 2 for a, b in zip(strangers, strangers[1:], strict=False))


def test_paper_scale_has_the_paper_counts():
    members = cast(paper_scale=True)
    assert [sum(m.pair == pair for m in members) for pair in range(1, 6)] == [843, 440, 77, 58, 49]
    assert sum(m.train for m in members) == 767


def test_same_seed_same_bytes_with_any_number_of_workers(root, tmp_path):
    again = draw_release(tmp_path / "again", **KNOBS, workers=2)
    files = sorted(str(p.relative_to(again)) for p in again.rglob("*") if p.is_file())
    assert len(files) == 5 + 2 * 48
    assert filecmp.cmpfiles(root, again, files, shallow=False) == (files, [], [])
    other = cast(**KNOBS, seed=1)
    assert other[0].person != release.cast(json.loads((root / release.KNOBS).read_text()))[0].person


def test_a_knob_that_is_not_turned_leaves_no_trace(root):
    assert "same_clothes" not in json.loads((root / release.KNOBS).read_text())
    assert release.knobs((150, 70), 5, 0, 0.2, 0.5, 0.25, 1.0, 0.0, False)["same_clothes"] == 0.5


def test_a_crowd_is_of_others_in_front_of_the_same_cameras():
    settings = release.knobs((30, 10), 2, 0, 0.2, 0.0, 0.25, 1.0, 1.0, False)
    members = release.cast(settings)
    for member in members:
        crowd = release._crowd(settings, member, members, member.cameras[0][0]).people
        near = [m.person for m in members if (m.pair, m.train) == (member.pair, member.train)]
        assert len(crowd) == min(release.MOST_BESIDE, len(near) - 1)
        assert all(person in near and person != member.person for person in crowd)


def test_a_crowd_changes_the_image_around_a_person_and_little_of_him():
    settings = release.knobs((6, 6), 2, 0, 0.0, 0.0, 0.0, 1.0, 0.0, False)
    member, *others = release.cast(settings)
    alone = release._portray(settings, member, [member, *others])
    crowded = release._portray(settings | {"crowd": 1.0}, member, [member, *others])
    for index, picture in alone.items():
        before, after = picture.labeled_parts > 0, crowded[index].labeled_parts > 0
        assert before.shape == after.shape  # the box is his
        assert after.sum() > 0.4 * before.sum() and not (after & ~before).any()
        changed = (picture.labeled.astype(int) != crowded[index].labeled).any(2)
        assert changed[~before].mean() > 0.5


def test_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_write_testsets", power_cut)
    with pytest.raises(KeyboardInterrupt):
        draw_release(tmp_path / "people", **SMALLEST, workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("room", [600, 100_000, 1_500_000])
def test_full_disk(tmp_path, room):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(ValueError, match=r"could not be written .* need about \d+ MB: make room"):
            draw_release(tmp_path / "people", **SMALLEST, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="could not be written .* make the folder writable"):
        draw_release(tmp_path / "file" / "people", **SMALLEST)


def test_another_process_was_faster(root, tmp_path, monkeypatch):
    monkeypatch.setattr(release, "_truth", lambda _: [] if shutil.copytree(root, tmp_path / "people") else [])
    draw_release(tmp_path / "people", **KNOBS, workers=1)
    assert os.listdir(tmp_path) == ["people"] and filecmp.cmp(
        root / "people.json", tmp_path / "people/people.json"
    )
    monkeypatch.setattr(release, "_truth", lambda _: [] if shutil.copytree(root, tmp_path / "more") else [])
    with pytest.raises(ValueError, match="other settings"):
        draw_release(tmp_path / "more", **SMALLEST, workers=1)


@pytest.mark.parametrize(("people", "processes"), [(20, 8), (3, 3)])
def test_processes_are_no_more_than_eight_or_people(monkeypatch, people, processes):
    class Child:
        stdout = io.BytesIO()
        kill = communicate = lambda self: None

    started = []
    monkeypatch.setattr(release, "_cores", lambda: 64)
    monkeypatch.setattr(release, "Popen", lambda *_, **__: started.append(Child()) or started[-1])
    with pytest.raises(ValueError, match="ended early"):
        next(release._pictures({}, [None] * people, None))
    assert len(started) == processes


def test_progress_is_shown(tmp_path, capsys):
    draw_release(tmp_path / "people", **SMALLEST, workers=1)
    assert "drawing people: 100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("turned", "match"),
    [
        ({"images_per_camera": 6}, "2 to 5"),
        ({"occlusion": 2}, "occlusion is between 0 and 1"),
        ({"same_clothes": -1}, "same_clothes is between 0 and 1"),
        ({"identities": (1, 5)}, "at least 2 people"),
        ({"seed": -1}, "seed is a whole number from 0, got -1"),
    ],
)
def test_settings_that_cannot_be_drawn(tmp_path, turned, match):
    with pytest.raises(ValueError, match=match):
        draw_release(tmp_path / "new", **turned)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(root):
    with pytest.raises(FileExistsError, match="exists"):
        draw_release(root)


def test_a_release_is_checked_against_the_settings(root, tmp_path):
    settings = json.loads((root / release.KNOBS).read_text())
    release.check(root, settings)
    with pytest.raises(ValueError, match="other settings: seed = 0, asked for 1"):
        release.check(root, settings | {"seed": 1})
    with pytest.raises(ValueError, match=r"same_clothes = 0\.0, asked for 0\.4"):
        release.check(root, settings | {"same_clothes": 0.4})
    with pytest.raises(ValueError, match="no drawn people"):
        release.check(tmp_path, settings)
    (tmp_path / release.KNOBS).write_text('{"version": 1, ')
    with pytest.raises(ValueError, match="damaged"):
        release.check(tmp_path, settings)
