"""Drawn people, in CUHK03's own release format: a re-identification set with no download and with the truth beside it.

A release holds cuhk-03.mat and both protocol files, and beside them what only a drawing knows:

    parts_labeled/1_001_1_01.png     (H, W) uint8 part map of the crop of that name; values are `Part`
    parts_detected/1_001_1_01.png
    people.json                      of everybody: label, pair, person, subset, family, detail, lookalikes, attributes
    synthetic.json                   the settings that it was drawn with

How hard it is to recognise somebody is set by four knobs, each from 0 to 1:

    lookalikes    0.2   share of people who have one or two doubles that differ in one of DETAILS: the bag, the shoes
                        or the print must be found, and may be hidden from one of the cameras
    same_clothes  0     share of people in uniform (top, trousers and shoes alike): no colour of clothes tells them
                        apart, only build, head, hair, skin, and what they carry
    occlusion     0.25  at 1 a thing (40 % of the pictures) or another person (25 %) hides parts of somebody, and
                        somebody stands behind him (45 %), whose clothes are not his; at 0 nothing and nobody does
    light         1     how far the cameras of a pair differ in colour, brightness, contrast and noise: at 1 everybody
                        looks more like strangers under the same camera than like himself under the other; at 0 only
                        viewpoint, scene, size and sharpness differ
"""

import json
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from rga.data import cuhk03
from rga.data.samples import Splits
from rga.drawn_people import release
from rga.drawn_people.person import DETAILS, Part
from rga.io.paths import ROOT

__all__ = ["DETAILS", "Part", "draw_release", "load", "read_parts", "read_people"]


def draw_release(
    root,
    identities: tuple[int, int] = (150, 70),
    images_per_camera: int = 5,
    seed: int = 0,
    lookalikes: float = 0.2,
    same_clothes: float = 0.0,
    occlusion: float = 0.25,
    light: float = 1.0,
    paper_scale: bool = False,
    workers: int | None = None,
) -> Path:
    """Draws a release into the new folder root and returns it.

    identities: people to train on and people to test on. images_per_camera: at most; three in ten (person, camera)
    have one fewer. lookalikes, same_clothes, occlusion, light: how hard it is, see above. paper_scale: 1467 people in
    five camera pairs, 767 to train on, instead of identities. workers: processes, None for one per core but 8 at
    most; they change nothing but the time. The same settings give the same bytes.

    The folder is written beside root and renamed when it is whole, so that a run that is killed can simply be started
    again. FileExistsError if root exists; ValueError for settings that cannot be drawn and a folder that cannot be
    written.
    """
    root = Path(root).expanduser()
    if root.exists():
        raise FileExistsError(f"{root} exists. Drawn people go into a new folder: remove it or name another.")
    settings = release.knobs(
        identities, images_per_camera, seed, lookalikes, same_clothes, occlusion, light, paper_scale
    )
    release.write(root, settings, workers)
    _check(root, settings)
    return root


def load(
    root=None,
    boxes: str = "labeled",
    protocol: str = "new",
    split: int = 0,
    identities: tuple[int, int] = (150, 70),
    images_per_camera: int = 5,
    seed: int = 0,
    lookalikes: float = 0.2,
    same_clothes: float = 0.0,
    occlusion: float = 0.25,
    light: float = 1.0,
    paper_scale: bool = False,
    workers: int | None = None,
) -> Splits:
    """Splits of drawn people; draws them first if root does not exist. Settings as in `draw_release`.

    root: None for data/synthetic-…, named after the settings, in the repository or, where rga is installed without
    it, in the folder that Python was started in. boxes, protocol, split: as in
    `cuhk03.load`, whose errors are raised, too; ValueError if root holds a release drawn with other settings.
    """
    settings = release.knobs(
        identities, images_per_camera, seed, lookalikes, same_clothes, occlusion, light, paper_scale
    )
    root = ROOT / "data" / _folder(settings) if root is None else Path(root).expanduser()
    if not root.exists():
        release.write(root, settings, workers)
    _check(root, settings)
    splits = cuhk03.load(root, boxes=boxes, protocol=protocol, split=split)
    return replace(splits, name=splits.name.replace("CUHK03", "Drawn people"), published={})


def _folder(settings: dict) -> str:
    """Readable where it can be, and a checksum over all settings."""
    people = "paper" if settings["paper_scale"] else "x".join(map(str, settings["identities"]))
    return f"synthetic-{people}-seed{settings['seed']}-{zlib.crc32(json.dumps(settings).encode()):08x}"


def _check(root: Path, settings: dict) -> None:
    file = root / release.KNOBS
    if not file.is_file():
        raise ValueError(
            f"{root} exists but holds no drawn people ({release.KNOBS} is missing). "
            "Name a folder that does not exist yet, or leave root out."
        )
    try:
        found = release.NEW_KNOBS | json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is damaged ({error}). Remove {root} to draw it anew.") from error
    wanted = release.NEW_KNOBS | settings
    other = [f"{k} = {found.get(k)!r}, asked for {v!r}" for k, v in wanted.items() if found.get(k) != v]
    if other:
        raise ValueError(
            f"{root} holds people drawn with other settings: {'; '.join(other)}. "
            "Ask for those, name another folder, or remove this one to draw it anew."
        )


def read_parts(root, stem: str, boxes: str = "labeled") -> np.ndarray:
    """(H, W) uint8 part map of a picture by its official name, with or without suffix; > 0 is the person's mask."""
    path = Path(root) / f"parts_{boxes}" / f"{Path(stem).stem}.png"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: part maps exist for drawn people only, one per picture of a release."
        )
    return np.asarray(Image.open(path))


def read_people(root) -> list[dict]:
    """The truth about everybody, by label: attributes, lookalikes, and the one detail in which they differ."""
    return json.loads((Path(root) / "people.json").read_text(encoding="utf-8"))
