"""Draws a release in CUHK03's own format: cuhk-03.mat, both protocol files, and beside them the ground truth."""

import json
import os
import pickle
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from subprocess import PIPE, Popen
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from rga.drawn_people import scene
from rga.drawn_people.camera import CAMERAS, METRE, Crowd, Picture, take
from rga.drawn_people.disk import Disk
from rga.drawn_people.person import PRINTABLE, Person, describe, differences, lookalike, outfit, random_person
from rga.io.atomic_write import atomic_folder
from rga.io.bars import tqdm

PAIRS, PER_CAMERA = 5, 5
PAPER_PEOPLE = (843, 440, 77, 58, 49)  # in the five camera pairs of the real set
PAPER_TRAIN = 767
SHARES = (0.45, 0.33, 0.22)  # of the people of a small set, in the first camera pairs; the others stay empty
# What families differ in, and how often.
DETAIL_CHANCES = {"bag": 5, "backpack": 4, "hat": 4, "logo": 4, "shoes": 3, "held": 1}
BOXES = ("labeled", "detected")
VERSION = 1  # of the drawing code: raise it when the same settings give other images
KNOBS = "synthetic.json"
NEW_KNOBS = {
    "same_clothes": 0.0,
    "crowd": 0.0,
}  # saved only when they are turned, so that older releases keep their names
MOST_BESIDE = 4  # people of a crowd in an image
MB_PER_PICTURE = 0.11  # both crops and both part maps


class Member(NamedTuple):
    """A person with a place in the release. pair and number are 1-based, as in the file names."""

    person: Person
    pair: int
    number: int
    train: bool
    family: int  # lookalikes share it; -1 alone
    detail: str  # the attribute in which the family differs, "" alone
    cameras: tuple[tuple[int, ...], tuple[int, ...]]  # image indices 1..5 and 6..10


def draw_release(
    root: str | Path,
    identities: tuple[int, int] = (150, 70),
    images_per_camera: int = 5,
    seed: int = 0,
    lookalikes: float = 0.2,
    same_clothes: float = 0.0,
    occlusion: float = 0.25,
    light: float = 1.0,
    crowd: float = 0.0,
    paper_scale: bool = False,
    workers: int | None = None,
) -> Path:
    """Draw a release into the new folder root, which appears when it is whole. The same settings give the same bytes.

    Args:
        root: the folder, which must not exist.
        identities: people to train on and people to test on.
        images_per_camera: at most; three in ten (person, camera) have one fewer.
        seed: of everything random.
        lookalikes, same_clothes, occlusion, light, crowd: how hard it is, each 0 to 1; see `rga.data.synthetic`.
        paper_scale: 1467 people in five camera pairs, 767 to train on, instead of identities.
        workers: processes that draw, None for one per core but 8 at most; they change nothing but the time.

    Returns:
        root.

    Raises:
        FileExistsError: root exists.
        ValueError: settings that cannot be drawn, and a folder that cannot be written.
    """
    root = Path(root).expanduser()
    if root.exists():
        raise FileExistsError(f"{root} exists. Drawn people go into a new folder: remove it or name another.")
    settings = knobs(
        identities,
        images_per_camera,
        seed,
        lookalikes,
        same_clothes,
        occlusion,
        light,
        crowd,
        paper_scale,
    )
    write(root, settings, workers)
    check(root, settings)
    return root


def knobs(
    identities: tuple[int, int],
    images_per_camera: int,
    seed: int,
    lookalikes: float,
    same_clothes: float,
    occlusion: float,
    light: float,
    crowd: float,
    paper_scale: bool,
) -> dict:
    """The settings of a release as they are saved in it; ValueError for settings that cannot be drawn."""
    if paper_scale:
        identities = (PAPER_TRAIN, sum(PAPER_PEOPLE) - PAPER_TRAIN)
    identities = tuple(int(n) for n in identities)
    if len(identities) != 2 or min(identities) < 2:
        raise ValueError(f"identities is (train, test) with at least 2 people each, got {identities}.")
    if not 2 <= images_per_camera <= PER_CAMERA:
        raise ValueError(
            f"images_per_camera is 2 to {PER_CAMERA}, for which the release has room, got {images_per_camera}."
        )
    new = {"same_clothes": float(same_clothes), "crowd": float(crowd)}
    for name, value in {"lookalikes": lookalikes, "occlusion": occlusion, "light": light, **new}.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is between 0 and 1, got {value}.")
    if seed < 0:
        raise ValueError(f"seed is a whole number from 0, got {seed}.")
    settings = {
        "version": VERSION,
        "identities": list(identities),
        "images_per_camera": int(images_per_camera),
        "seed": int(seed),
        "lookalikes": float(lookalikes),
        "occlusion": float(occlusion),
        "light": float(light),
        "paper_scale": bool(paper_scale),
    }
    return settings | {knob: value for knob, value in new.items() if value != NEW_KNOBS[knob]}


def check(root: Path, settings: dict) -> None:
    """Raises ValueError unless root holds a release drawn with these settings."""
    file = root / KNOBS
    if not file.is_file():
        raise ValueError(
            f"{root} exists but holds no drawn people ({KNOBS} is missing). "
            "Name a folder that does not exist yet, or leave root out."
        )
    try:
        found = NEW_KNOBS | json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file} is damaged ({error}). Remove {root} to draw it again.") from error
    wanted = NEW_KNOBS | settings
    other = [f"{k} = {found.get(k)!r}, asked for {v!r}" for k, v in wanted.items() if found.get(k) != v]
    if other:
        raise ValueError(
            f"{root} holds people drawn with other settings: {'; '.join(other)}. "
            "Ask for those, name another folder, or remove this one to draw it again."
        )


def cast(settings: dict) -> list[Member]:
    """Everybody in the release, in the order of the file names."""
    rng = np.random.default_rng([settings["seed"], 0])
    pair_of, is_train = _places(settings, rng)
    people, families = _people(settings, pair_of, is_train, rng)
    most, members, number = settings["images_per_camera"], [], Counter()
    for person, family, pair, train in zip(
        people, families, pair_of.tolist(), is_train.tolist(), strict=True
    ):
        number[pair] += 1
        cameras = []
        for first in (1, 1 + PER_CAMERA):  # some images are missing, as in the real set
            count = most - 1 if most > 2 and rng.random() < 0.3 else most
            cameras.append(tuple(sorted((first + rng.choice(most, count, replace=False)).tolist())))
        members.append(Member(person, pair, number[pair], train, *family, tuple(cameras)))
    return members


def _places(settings: dict, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(P,) camera pair 1..5 of each place, ascending, and (P,) whether who stands there is for training."""
    train, test = settings["identities"]
    if settings["paper_scale"]:
        return np.repeat(np.arange(1, PAIRS + 1), PAPER_PEOPLE), rng.permutation(
            np.arange(train + test) < train
        )
    pair_of = np.concatenate(
        [1 + np.searchsorted(np.cumsum(SHARES), (np.arange(n) + 0.5) / n) for n in (train, test)]
    )
    shuffled = rng.permutation(train + test)
    order = shuffled[np.argsort(pair_of[shuffled], kind="stable")]
    return pair_of[order], order < train


def _people(
    settings: dict, pair_of: np.ndarray, is_train: np.ndarray, rng: np.random.Generator
) -> tuple[list[Person], list[tuple[int, str]]]:
    """A person and (family, detail) for each place. A family stands in one camera pair and one subset."""
    lot = np.random.default_rng([settings["seed"], 6])
    share, uniform = (NEW_KNOBS | settings)["same_clothes"], outfit(lot)
    people: list[Person | None] = [None] * len(pair_of)
    families = [(-1, "")] * len(pair_of)
    count = 0
    for train in (True, False):
        for pair in range(1, PAIRS + 1):
            places = rng.permutation(np.flatnonzero((pair_of == pair) & (is_train == train))).tolist()
            related = round(settings["lookalikes"] * len(places))
            while related >= 2:
                size = 3 if related == 3 or (related > 4 and rng.random() < 0.3) else 2
                detail, family = _family(size, uniform if lot.random() < share else {}, rng)
                for person in family:
                    place = places.pop()
                    people[place], families[place] = person, (count, detail)
                related, count = related - size, count + 1
            for place in places:
                person = random_person(rng)
                people[place] = replace(person, **uniform) if lot.random() < share else person
    return people, families


def _family(size: int, clothes: dict, rng: np.random.Generator) -> tuple[str, list[Person]]:
    """People who differ from each other in one detail only, and which; clothes: what they wear, {} for anything."""
    chances = np.array(list(DETAIL_CHANCES.values()), float)
    detail = str(rng.choice(list(DETAIL_CHANCES), p=chances / chances.sum()))
    first = replace(random_person(rng), **clothes)
    while detail == "logo" and first.top.kind not in PRINTABLE:
        first = random_person(rng)
    family = [first]
    while len(family) < size:
        other = lookalike(rng, first, detail)
        if all(differences(other, member) for member in family):
            family.append(other)
    return detail, family


@lru_cache(maxsize=2 * PAIRS)
def _view(seed: int, camera: int) -> Image.Image:
    rng = np.random.default_rng([seed, 1, camera])
    return scene.paint(scene.SCENES[CAMERAS[camera].scene], rng, METRE)


def _portray(settings: dict, member: Member, members: list[Member]) -> dict[int, Picture]:
    """All images of one member, by index; each from generators of its own, so that the order of drawing is free."""
    seed, who = settings["seed"], (member.pair, member.number)
    pictures = {}
    for side, indices in enumerate(member.cameras):
        camera = 2 * (member.pair - 1) + side
        for index in indices:
            track = np.random.default_rng([seed, 2, *who, side])
            rng = np.random.default_rng([seed, 3, *who, index])
            pictures[index] = take(
                member.person,
                CAMERAS[camera],
                _view(seed, camera),
                track,
                rng,
                settings["occlusion"],
                settings["light"],
                _crowd(settings, member, members, index),
            )
    return pictures


def _crowd(settings: dict, member: Member, members: list[Member], index: int) -> Crowd:
    """Who walks along in an image: others of the set, who have images of their own, by the same cameras."""
    chance = (NEW_KNOBS | settings)["crowd"]
    if not chance:
        return Crowd()
    rng = np.random.default_rng([settings["seed"], 7, member.pair, member.number, index])
    around = [m.person for m in members if (m.pair, m.train) == (member.pair, member.train) and m != member]
    count = min(int((rng.random(MOST_BESIDE) < chance).sum()), len(around))
    return Crowd(tuple(around[i] for i in rng.choice(len(around), count, replace=False)), rng)


def stem(member: Member, index: int) -> str:
    """The official name of an image without its suffix: pair, person, camera, index."""
    return f"{member.pair}_{member.number:03d}_{1 if index <= PER_CAMERA else 2}_{index:02d}"


def write(root: Path, settings: dict, workers: int | None = None) -> None:
    """Draw a release into root atomically; if another process has finished root meanwhile, its release stays.

    Raises ValueError if the disk is full or read-only.
    """
    members = cast(settings)
    try:
        with atomic_folder(root) as folder:
            _write_release(folder, settings, members, workers)
    except OSError as error:
        pictures = sum(len(indices) for member in members for indices in member.cameras)
        raise ValueError(
            f"Drawn people could not be written into {root.parent} ({error}). They need about "
            f"{round(pictures * MB_PER_PICTURE) + 1} MB: make room there and make the folder writable, or pass "
            "another folder as root. What was written is removed."
        ) from error


def _write_release(folder: Path, settings: dict, members: list[Member], workers: int | None) -> None:
    for boxes in BOXES:
        (folder / f"parts_{boxes}").mkdir()
    with Disk(folder / "cuhk-03.mat", "w+") as disk:
        with h5py.File(disk, "w", userblock_size=512) as file:
            _write_pictures(file, disk, folder, settings, members, workers)
            _write_testsets(file, members, settings)
        disk.seek(0)  # by this MATLAB knows its own
        disk.write(b"MATLAB 7.3 MAT-file, written by rga.data.synthetic".ljust(124) + b"\x00\x02IM")
        disk.check()
    for boxes in BOXES:
        _write_protocol(folder / f"cuhk03_new_protocol_config_{boxes}.mat", members, settings)
    _write_json(folder / "people.json", _truth(members))
    _write_json(folder / KNOBS, settings)


def _write_pictures(
    file: h5py.File, disk: Disk, folder: Path, settings: dict, members: list[Member], workers: int | None
) -> None:
    cells = {}
    for boxes in BOXES:
        outer = file.create_dataset(boxes, (1, PAIRS), h5py.ref_dtype)
        outer.attrs["MATLAB_class"] = np.bytes_("cell")
        refs = file.require_group("#refs#")
        for pair in range(1, PAIRS + 1):
            people = sum(m.pair == pair for m in members)
            cell = refs.create_dataset(f"{boxes}_{pair}", (2 * PER_CAMERA, people), h5py.ref_dtype)
            cell.attrs["MATLAB_class"] = np.bytes_("cell")
            outer[0, pair - 1] = cell.ref
            cells[boxes, pair] = cell
    refs = file["#refs#"]
    with closing(_pictures(settings, members, workers)) as drawn:
        for member, pictures in tqdm(
            zip(members, drawn, strict=True), total=len(members), desc="drawing people", leave=False
        ):
            for boxes in BOXES:
                _write_person(folder, refs, cells[boxes, member.pair], boxes, member, pictures)
            disk.check()


def _write_person(
    folder: Path,
    refs: h5py.Group,
    cell: h5py.Dataset,
    boxes: str,
    member: Member,
    pictures: dict[int, Picture],
) -> None:
    for index in range(1, 2 * PER_CAMERA + 1):
        name = f"{boxes}_{stem(member, index)}"
        if index in pictures:
            crop, parts = (getattr(pictures[index], field) for field in (boxes, f"{boxes}_parts"))
            image = refs.create_dataset(name, data=np.ascontiguousarray(crop.T))
            image.attrs["MATLAB_class"] = np.bytes_("uint8")
            Image.fromarray(parts).save(
                folder / f"parts_{boxes}" / f"{stem(member, index)}.png", compress_level=3
            )
        else:
            image = refs.create_dataset(name, data=np.zeros(2, np.uint64))
            image.attrs["MATLAB_class"] = np.bytes_("double")
            image.attrs["MATLAB_empty"] = np.uint8(1)
        cell[index - 1, member.number - 1] = image.ref


def _pictures(settings: dict, members: list[Member], workers: int | None) -> Iterator[dict[int, Picture]]:
    """The images of each member in order, drawn by `workers` processes that take turns."""
    if workers is None:
        workers = min(8, _cores())  # each takes 0.1 GB
    workers = min(workers, len(members))
    if workers <= 1:
        yield from (_portray(settings, member, members) for member in members)
        return
    # Plain child processes: multiprocessing would run a caller's unguarded script once more in every worker, or
    # fork while torch's threads are running.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    code = f"from {__name__} import serve; serve()"
    command = [sys.executable, "-c", code, json.dumps(settings), str(workers)]
    # A session of their own, so that Ctrl-C stops this process only, which then ends them.
    children = [
        Popen([*command, str(i)], stdout=PIPE, env=environment, start_new_session=True)
        for i in range(workers)
    ]
    try:
        for i in range(len(members)):
            yield pickle.load(children[i % workers].stdout)
    except (EOFError, pickle.UnpicklingError) as error:
        raise ValueError(
            "A process that draws people ended early, perhaps for lack of memory: its own message, if it has one, "
            "stands above. Fewer workers need less."
        ) from error
    finally:
        for child in children:
            child.kill()
            child.communicate()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _write_testsets(file: h5py.File, members: list[Member], settings: dict) -> None:
    """The 20 classic splits: 100 test people each, fewer in a small set; row 0 pairs, row 1 people, 1-based."""
    rng = np.random.default_rng([settings["seed"], 4])
    count = min(100, max(1, len(members) // 3))
    refs = file["#refs#"]
    outer = file.create_dataset("testsets", (1, 20), h5py.ref_dtype)
    outer.attrs["MATLAB_class"] = np.bytes_("cell")
    for split in range(20):
        chosen = sorted(rng.choice(len(members), count, replace=False))
        people = np.array([(members[i].pair, members[i].number) for i in chosen], float).T
        data = refs.create_dataset(f"testset_{split + 1}", data=people)
        data.attrs["MATLAB_class"] = np.bytes_("double")
        outer[0, split] = data.ref


def _write_protocol(path: Path, members: list[Member], settings: dict) -> None:
    """The new protocol: some people train; of the others one image per camera is a query, the rest are gallery."""
    rng = np.random.default_rng([settings["seed"], 5])
    names, cameras, labels, train, query, gallery = [], [], [], [], [], []
    for label, member in enumerate(members, 1):
        for camera, indices in enumerate(member.cameras, 1):
            asks = int(rng.choice(indices))
            for index in indices:
                names.append(f"{stem(member, index)}.png")
                cameras.append(camera)
                labels.append(label)
                (train if member.train else query if index == asks else gallery).append(len(names))
    filelist = np.empty((len(names), 1), object)
    filelist[:, 0] = names
    column = lambda values, dtype: np.array(values, dtype)[:, None]  # noqa: E731
    contents = {
        "camId": column(cameras, np.uint8),
        "filelist": filelist,
        "gallery_idx": column(gallery, np.uint16),
        "labels": column(labels, np.uint16),
        "query_idx": column(query, np.uint16),
        "train_idx": column(train, np.uint16),
    }
    buffer = BytesIO()
    savemat(buffer, contents)
    # The header holds the time of day; the same seed shall give the same bytes.
    header = b"MATLAB 5.0 MAT-file, written by rga.data.synthetic".ljust(116)
    path.write_bytes(header + buffer.getvalue()[116:])


def _truth(members: list[Member]) -> list[dict]:
    """What people.json says of everybody: attributes, subset, and whom he resembles but for what."""
    family = {}
    for label, member in enumerate(members, 1):
        if member.detail:
            family.setdefault(member.family, []).append(label)
    return [
        {
            "label": label,
            "pair": member.pair,
            "person": member.number,
            "subset": "train" if member.train else "test",
            "family": member.family,
            "detail": member.detail,
            "lookalikes": [other for other in family.get(member.family, ()) if other != label],
            "attributes": describe(member.person),
        }
        for label, member in enumerate(members, 1)
    ]


def _write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def serve() -> None:
    """What a child process of _pictures does: draw every workers-th member and hand the images over."""
    settings, workers, first = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    try:
        members = cast(settings)
        for member in members[first::workers]:
            pickle.dump(_portray(settings, member, members), sys.stdout.buffer, protocol=5)
    except BrokenPipeError:
        os._exit(1)  # who asked was killed
