"""Drawn people: the release has CUHK03's format, is the same for the same seed, and its truth fits its pictures."""

import filecmp
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from rga.data import synthetic
from rga.drawn_people import disk, release
from rga.drawn_people.person import DETAILS, PRINTABLE, Part, differences

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
    }
    return release.cast(
        release.knobs(**usual | {"occlusion": 0.25, "light": 1.0, "paper_scale": False} | turned)
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return synthetic.draw_release(tmp_path_factory.mktemp("drawn") / "people", **KNOBS, workers=1)


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
def test_read_back_with_the_cuhk03_reader(root, boxes):
    splits = synthetic.load(root, boxes, **KNOBS)
    assert (
        splits.num_pids == 6
        and len(splits.train) == 24
        and len(splits.query) == 12
        and len(splits.gallery) == 12
    )
    for sample in splits.train + splits.query + splits.gallery:
        with Image.open(sample.path) as image:
            width, height = image.size
        parts = synthetic.read_parts(root, sample.path.name, boxes)
        assert parts.shape == (height, width) and parts.dtype == np.uint8
        assert 40 <= width <= 110 and 100 <= height <= 300
        assert 0.1 < (parts > 0).mean() < 0.75  # a person, with room around
        assert set(np.unique(parts)) <= set(Part)


def test_part_maps_have_the_parts_that_a_person_has(root):
    maps = [synthetic.read_parts(root, p.name) for p in (root / "parts_labeled").iterdir()]
    for part in (Part.HEAD, Part.TORSO, Part.ARMS, Part.LEGS, Part.SHOES):
        assert np.mean([(m == part).any() for m in maps]) > 0.75
    heads = [np.argwhere(m == Part.HEAD)[:, 0].mean() / m.shape[0] for m in maps if (m == Part.HEAD).any()]
    shoes = [np.argwhere(m == Part.SHOES)[:, 0].mean() / m.shape[0] for m in maps if (m == Part.SHOES).any()]
    assert np.median(heads) < 0.25 and np.median(shoes) > 0.8


def test_lookalikes_differ_in_one_attribute_only(root):
    people = synthetic.read_people(root)
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


def test_same_seed_same_bytes_with_any_number_of_workers(root, tmp_path):
    again = synthetic.draw_release(tmp_path / "again", **KNOBS, workers=2)
    files = sorted(str(p.relative_to(again)) for p in again.rglob("*") if p.is_file())
    assert len(files) == 5 + 2 * 48
    assert filecmp.cmpfiles(root, again, files, shallow=False) == (files, [], [])
    other = cast(**KNOBS, seed=1)
    assert other[0].person != release.cast(json.loads((root / release.KNOBS).read_text()))[0].person


def test_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def power_cut(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(release, "_write_testsets", power_cut)
    with pytest.raises(KeyboardInterrupt):
        synthetic.draw_release(tmp_path / "people", **SMALLEST, workers=1)
    assert list(tmp_path.iterdir()) == []


def test_killed_drawing_is_removed_by_the_next(tmp_path):
    code = f"from rga.data import synthetic; synthetic.draw_release({str(tmp_path / 'people')!r}, workers=1)"
    project = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, cwd=project)
    while not list(tmp_path.glob("*/cuhk-03.mat")):
        assert child.poll() is None
        time.sleep(0.02)
    (building,) = tmp_path.iterdir()
    with disk.new_folder(
        tmp_path / "people", ""
    ) as folder:  # while the child lives, its folder is left alone
        assert set(tmp_path.iterdir()) == {building, folder}
    (tmp_path / "people").rmdir()
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert list(tmp_path.iterdir()) == [building]
    synthetic.draw_release(tmp_path / "people", **SMALLEST, workers=1)
    assert list(tmp_path.iterdir()) == [tmp_path / "people"]


@pytest.mark.parametrize("room", [600, 100_000, 1_500_000])
def test_full_disk(tmp_path, room):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(ValueError, match=r"could not be written .* need about \d+ MB: make room"):
            synthetic.load(tmp_path / "people", **SMALLEST, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="could not be written .* make the folder writable"):
        synthetic.draw_release(tmp_path / "file" / "people", **SMALLEST)


def test_another_process_was_faster(root, tmp_path, monkeypatch):
    monkeypatch.setattr(release, "_truth", lambda _: [] if shutil.copytree(root, tmp_path / "people") else [])
    synthetic.draw_release(tmp_path / "people", **KNOBS, workers=1)
    assert os.listdir(tmp_path) == ["people"] and len(synthetic.read_people(tmp_path / "people")) == 12
    monkeypatch.setattr(release, "_truth", lambda _: [] if shutil.copytree(root, tmp_path / "more") else [])
    with pytest.raises(ValueError, match="other settings"):
        synthetic.load(tmp_path / "more", **SMALLEST, workers=1)


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


def test_a_knob_that_is_not_turned_leaves_no_trace(root):
    settings = json.loads((root / release.KNOBS).read_text())
    assert "same_clothes" not in settings
    with pytest.raises(ValueError, match=r"same_clothes = 0\.0, asked for 0\.4"):
        synthetic.load(root, **KNOBS, same_clothes=0.4)
    usual = release.knobs((150, 70), 5, 0, 0.2, 0.0, 0.25, 1.0, False)
    assert synthetic._folder(usual) == "synthetic-150x70-seed0-bf872c51"
    turned = release.knobs((150, 70), 5, 0, 0.2, 0.5, 0.25, 1.0, False)
    assert turned["same_clothes"] == 0.5 and synthetic._folder(turned) != synthetic._folder(usual)


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
    synthetic.draw_release(tmp_path / "people", **SMALLEST, workers=1)
    assert "drawing people: 100%" in capsys.readouterr().err


def test_paper_scale_has_the_paper_counts():
    members = cast(paper_scale=True)
    assert [sum(m.pair == pair for m in members) for pair in range(1, 6)] == [843, 440, 77, 58, 49]
    assert sum(m.train for m in members) == 767


def test_settings_are_checked(root, tmp_path):
    with pytest.raises(ValueError, match="other settings: seed = 0, asked for 1"):
        synthetic.load(root, **KNOBS, seed=1)
    with pytest.raises(FileExistsError, match="exists"):
        synthetic.draw_release(root)
    with pytest.raises(ValueError, match="no drawn people"):
        synthetic.load(tmp_path)
    with pytest.raises(ValueError, match="2 to 5"):
        synthetic.load(tmp_path / "new", images_per_camera=6)
    with pytest.raises(ValueError, match="between 0 and 1"):
        synthetic.load(tmp_path / "new", occlusion=2)
    with pytest.raises(ValueError, match="at least 2 people"):
        synthetic.load(tmp_path / "new", identities=(1, 5))
    with pytest.raises(ValueError, match="seed is a whole number from 0, got -1"):
        synthetic.load(tmp_path / "new", seed=-1)
    with pytest.raises(ValueError, match="same_clothes is between 0 and 1"):
        synthetic.load(tmp_path / "new", same_clothes=-1)
    with pytest.raises(FileNotFoundError, match="part maps exist for drawn people only"):
        synthetic.read_parts(tmp_path, "1_001_1_01.png")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / release.KNOBS).write_text('{"version": 1, ')
    with pytest.raises(ValueError, match="damaged"):
        synthetic.load(tmp_path)
