"""Folders of CUHK03's crops, known by their official names."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from rga.data.images import SUFFIXES

BOXES = ("labeled", "detected")  # drawn by hand, found by a detector
STEM = re.compile(r"[1-5]_\d{3}_[12]_\d{2}")  # camera pair, person, camera, image: 1_001_1_01


def scan(folder: Path) -> dict[str, Path]:
    """The crops that lie in a folder, by stem; empty if there are none or there is no such folder."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return _by_stem(folder, (entry.name for entry in entries))


def _by_stem(folder: Path, names: Iterable[str]) -> dict[str, Path]:
    crops: dict[str, Path] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in SUFFIXES and STEM.fullmatch(stem):
            if stem in crops:
                raise ValueError(
                    f"{folder} holds the crop {stem} twice, as {crops[stem].name} and {name}: remove one."
                )
            crops[stem] = folder / name
    return crops


def named_crops(folder: Path, boxes: str) -> dict[str, Path]:
    """The crops in folder/images_{boxes}, or else folder/{boxes}, by stem; empty if there are none."""
    return scan(folder / f"images_{boxes}") or scan(folder / boxes)


def crops_below(root: Path, boxes: str) -> dict[str, Path]:
    """The crops by stem in root or the one folder below it, at any depth, that has some; empty if none has.

    Hidden folders are passed over, and those of the other boxes, and drawn people's part maps and masks: all these
    repeat the same file names. Raises ValueError if crops lie in several folders.
    """
    (other,) = set(BOXES) - {boxes}
    found: dict[Path, dict[str, Path]] = {}
    for path, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith((".", "parts", "masks"))]
        parts = Path(path).relative_to(root.parent).parts
        if any(other in part.lower() and boxes not in part.lower() for part in parts):
            continue
        if crops := _by_stem(Path(path), names):
            found[Path(path)] = crops
    if len(found) > 1:
        raise ValueError(
            f"Crops of CUHK03 lie in {len(found)} folders below {root}: {', '.join(map(str, found))}. Pass "
            f"the one with the {boxes} boxes as root, or name it images_{boxes}."
        )
    return next(iter(found.values()), {})
