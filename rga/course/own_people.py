"""An ordinary folder of pictures of drawn people, named as somebody would name his own: no protocol, no numbers."""

from pathlib import Path

from PIL import Image

from rga.data import synthetic
from rga.io.atomic_write import atomic_folder

PATTERN = r"(?P<pid>visitor \d+)/(?P<camid>door|yard)_"  # visitor 07/yard_3.jpg
CAMERAS = {1: "door", 2: "yard"}


def write_folder(folder: str | Path, identities: tuple[int, int] = (16, 8), seed: int = 6) -> Path:
    """Draw people and write their pictures to `folder`/visitor NN/CAMERA_N.jpg, unless they are there; the folder.

    identities: (to train on, to test on) of the set that is drawn; the folder does not say who is which.
    """
    folder = Path(folder)
    if folder.is_dir():
        return folder
    splits = synthetic.load(identities=identities, seed=seed)
    people = {"train": splits.train, "query": splits.query, "gallery": splits.gallery}
    visitors, counts = {}, {}
    with atomic_folder(folder) as temporary:
        for part, samples in people.items():
            for sample in samples:
                visitor = visitors.setdefault((part == "train", sample.pid), len(visitors) + 1)
                place = f"visitor {visitor:02d}/{CAMERAS[sample.camid]}"
                counts[place] = counts.get(place, 0) + 1
                path = temporary / f"{place}_{counts[place]}.jpg"
                path.parent.mkdir(exist_ok=True)
                Image.open(sample.path).convert("RGB").save(path, quality=92)
    return folder
