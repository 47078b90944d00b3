"""Drawn people with the rest greyed out: what would a perfect attention bring? An oracle, by the true part maps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from rga.data.images import read_image
from rga.data.samples import Splits
from rga.data.transforms import IMAGENET_MEAN
from rga.drawn_people.person import DETAILS, Part
from rga.io.atomic_write import atomic_folder
from rga.io.bars import tqdm

GREY = tuple(round(255 * mean) for mean in IMAGENET_MEAN)  # normalised it is 0, as erased areas are
CLOTHES = Part.TORSO, Part.LEGS, Part.SHOES
KEEP = ("person", "detail")


def greyed(splits: Splits, root: Path, boxes: str, only: str, people: Sequence[dict]) -> Splits:
    """The same splits, with images in which everything is grey but the person, or the detail that decides.

    The images are made once, in the folder only_{only}_{boxes} of the release `root`, which appears when it is whole.

    Args:
        splits: of the release.
        root: its folder, with part maps.
        boxes: "labeled" or "detected".
        only: one of KEEP. The detail of a person is the one thing in which his lookalikes differ from him; of others
            in uniform (their clothes are those of somebody else, exactly), all that is not clothes; else the person.
        people: the ground truth, `rga.data.synthetic.read_people`.

    Raises:
        ValueError: an unknown `only`.
    """
    if only not in KEEP:
        raise ValueError(f"only must be None or one of {', '.join(KEEP)}, got {only!r}.")
    folder, subsets = root / f"only_{only}_{boxes}", ("train", "query", "gallery", "multi_query")
    if not folder.exists():
        who = {(person["pair"], person["person"]): person for person in people}
        stems = sorted(file.stem for file in (root / f"parts_{boxes}").iterdir())
        with atomic_folder(folder) as new:
            for stem in tqdm(stems, desc="greying the rest"):
                pair, number = (int(part) for part in stem.split("_")[:2])
                parts = read_parts(root, stem, boxes)
                kept = deciding(parts, who[pair, number], people) if only == "detail" else parts > 0
                image = read_image(root / f"images_{boxes}" / f"{stem}.png").permute(1, 2, 0)
                image = np.where(kept[..., None], image, np.uint8(GREY))
                Image.fromarray(image).save(new / f"{stem}.png", compress_level=1)
    moved = {
        subset: tuple(
            sample._replace(path=folder / f"{sample.path.stem}.png") for sample in getattr(splits, subset)
        )
        for subset in subsets
    }
    return replace(splits, name=f"{splits.name}, only the {only}", **moved)


def deciding(parts: np.ndarray, person: dict, people: Sequence[dict]) -> np.ndarray:
    """(H, W) booleans: where a person shows what others do not share, see `greyed`."""
    if person["detail"]:
        return parts == DETAILS[person["detail"]]
    if any(other is not person and _clothes(other) == _clothes(person) for other in people):
        return (parts > 0) & ~np.isin(parts, CLOTHES)
    return parts > 0


def _clothes(person: dict) -> list:
    return [person["attributes"][name] for name in ("top", "bottom", "shoes")]


def read_parts(root: str | Path, stem: str, boxes: str = "labeled") -> np.ndarray:
    """(H, W) uint8 part map of an image by its official name, with or without suffix; > 0 is the person's mask."""
    path = Path(root) / f"parts_{boxes}" / f"{Path(stem).stem}.png"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: part maps exist for drawn people only, one per image of a release."
        )
    return np.asarray(Image.open(path))
