"""Drawn people, in CUHK03's own release format: a data set with no download and with its ground truth beside it.

`draw_release` draws a release (rga/drawn_people) and `load` reads it, drawing it first if it is not there:

    cuhk-03.mat                                 all crops, and the 20 classic test sets
    cuhk03_new_protocol_config_labeled.mat      who is for training, query and gallery
    cuhk03_new_protocol_config_detected.mat
    parts_labeled/1_001_1_01.png                (H, W) uint8 part map of the crop of that name; values are `Part`
    parts_detected/1_001_1_01.png
    people.json                                 of everybody: label, pair, person, subset, family, detail, lookalikes,
                                                attributes
    synthetic.json                              the settings that it was drawn with

How hard it is to recognise somebody is set by five knobs, each from 0 to 1:

    lookalikes    0.2   share of people who have one or two doubles that differ in one of DETAILS: the bag, the shoes
                        or the print must be found, and may be hidden from one of the cameras
    same_clothes  0     share of people in uniform (top, trousers and shoes alike): no colour of clothes tells them
                        apart, only build, head, hair, skin, and what they carry
    occlusion     0.25  at 1 a thing (40 % of the images) or another person (25 %) hides parts of somebody, and
                        somebody stands behind him (45 %), whose clothes are not his; at 0 nothing and nobody does
    light         1     how far the cameras of a pair differ in colour, brightness, contrast and noise: at 1 everybody
                        looks more like strangers under the same camera than like himself under the other; at 0 only
                        viewpoint, scene, size and sharpness differ
    crowd         0     at 1 four others of the set walk along in every image, whole, beside, behind and before the one
                        who is meant: the one in the middle, whom the box fits
"""

import json
import time
import zlib
from dataclasses import replace
from pathlib import Path

from rga.data import cuhk03, greyed
from rga.data.greyed import read_parts
from rga.data.samples import Splits
from rga.drawn_people import release
from rga.drawn_people.person import DETAILS, Part
from rga.drawn_people.release import draw_release
from rga.io.atomic_write import being_written
from rga.io.bars import tqdm
from rga.io.json_files import read_json
from rga.io.paths import ROOT

__all__ = ["DETAILS", "Part", "draw_release", "load", "read_parts", "read_people"]


def load(
    root: str | Path | None = None,
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
    crowd: float = 0.0,
    paper_scale: bool = False,
    only: str | None = None,
    workers: int | None = None,
) -> Splits:
    """Splits of drawn people, who are drawn first if root does not exist.

    Args:
        root: the release; None for data/synthetic-…, named after the settings, in the repository or, where rga is
            installed without it, in the folder that Python was started in.
        boxes, protocol, split: as in `cuhk03.load`.
        identities, images_per_camera, seed, lookalikes, same_clothes, occlusion, light, crowd, paper_scale, workers:
            as in `draw_release`.
        only: an oracle of attention: everything is greyed out (`rga.data.greyed`) but the "person" who is meant, or
            but the "detail" of that person that others do not share. None leaves the images as they are.

    Raises:
        ValueError: root holds a release drawn with other settings; and what `draw_release` and `cuhk03.load` raise.
    """
    settings = release.knobs(
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
    root = ROOT / "data" / _folder(settings) if root is None else Path(root).expanduser()
    if not root.exists() and being_written(root):
        with tqdm(desc="another process draws these people", bar_format="{desc}", leave=False):
            while being_written(root):
                time.sleep(0.2)
    if not root.exists():
        release.write(root, settings, workers)
    release.check(root, settings)
    splits = cuhk03.load(root, boxes=boxes, protocol=protocol, split=split)
    if only is not None:
        splits = greyed.greyed(splits, root, boxes, only, read_people(root))
    return replace(splits, name=splits.name.replace("CUHK03", "Drawn people"), published={})


def _folder(settings: dict) -> str:
    """A name that is readable where it can be, and a checksum over all settings."""
    people = "paper" if settings["paper_scale"] else "x".join(map(str, settings["identities"]))
    return f"synthetic-{people}-seed{settings['seed']}-{zlib.crc32(json.dumps(settings).encode()):08x}"


def read_people(root: str | Path) -> list[dict]:
    """The ground truth about everybody, by label: attributes, lookalikes, and the one detail in which they differ."""
    return read_json(Path(root) / "people.json", "the list of drawn people", list)
