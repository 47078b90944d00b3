"""Market-1501 (Zheng et al., ICCV 2015): six cameras, junk and distractors in the gallery."""

import re
from pathlib import Path

from rga.data.archive import locate, taken_as_unpacked
from rga.data.file_names import as_classes, images_in, samples_in
from rga.data.samples import Splits

__all__ = ["load"]

FOLDERS = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
NAME = re.compile(r"(?P<pid>-1|\d{4})_c(?P<camid>[1-6])s\d_\d{6}_\d{2}\.")
PUBLISHED = {
    "train": (751, 12936),
    "query": (750, 3368),
    "gallery": (751, 15913),
}  # gallery: 750 people and pid 0

EXPECTED = """\
Expected is, in {root} or in a folder or an archive *market* (zip, tar) in it,

    Market-1501-v15.09.15/
        bounding_box_train/0002_c1s1_000451_03.jpg …    12,936 files: person 2, camera 1, sequence, frame, box
        bounding_box_test/-1_c1s1_000401_03.jpg …       19,732 files: -1 is junk, 0000 a distractor
        query/0001_c1s1_001051_00.jpg …                 3,368 files
        gt_bbox/0001_c1s1_001051_00.jpg …               25,259 files, needed for multiple queries only

Get it from the project page of its authors, https://zheng-lab.cecs.anu.edu.au/Project/project_reid.html. Nothing is
downloaded for you: the set is for research only and must not be passed on."""


def load(root: str | Path) -> Splits:
    """Market-1501 in `root`: 751 identities to train on, 750 others as query and gallery, six cameras.

    root is the folder with bounding_box_train, bounding_box_test and query, a folder that holds it, or the archive as
    downloaded. The gallery keeps its distractors (pid 0: false alarms of the detector, nobody's match) and loses its
    junk (pid -1: boxes that hit a person badly, "of zero influence" on the accuracy), so that of 19,732 files 15,913
    images remain, which are what the authors' evaluation ranks. camid is 1 … 6.

    multi_query: if gt_bbox is there, its images of each query's person under the query's camera; a query's feature is
    then the mean of theirs.

    Raises FileNotFoundError if a folder is not there, and ValueError for a file name of another form and a damaged
    archive.
    """
    root = Path(root).expanduser()
    # Other sets have these folders, too. One without any image of Market-1501 is taken only for an error that says so.
    folder = locate(root, _has_images, archives="*market*") or locate(root, _has_folders, archives="")
    if folder is None:
        raise FileNotFoundError(
            f"Market-1501 is not in {root}.{taken_as_unpacked(root, '*market*')} "
            + EXPECTED.format(root=root)
        )
    if absent := [name for name in FOLDERS.values() if not (folder / name).is_dir()]:
        raise FileNotFoundError(f"{folder} has no folder {', '.join(absent)}. " + EXPECTED.format(root=root))
    advice = (
        "Market-1501's names are like 0002_c1s1_000451_03.jpg. rga.data.load('folder', …) reads other names."
    )
    train, query, files = (samples_in(folder / name, NAME, advice) for name in FOLDERS.values())
    gallery = tuple(sample for sample in files if sample.pid != -1)
    distractors = sum(sample.pid == 0 for sample in gallery)
    notes = [
        f"gallery: {len(files)} files, less {len(files) - len(gallery)} of junk (pid -1), give {len(gallery)} images, "
        f"of which {distractors} are distractors (pid 0)"
    ]
    multi_query = ()
    if (folder / "gt_bbox").is_dir():
        asked = {(sample.pid, sample.camid) for sample in query}
        boxes = samples_in(folder / "gt_bbox", NAME, advice)
        multi_query = tuple(sample for sample in boxes if (sample.pid, sample.camid) in asked)
        notes.append(
            "multi_query: hand-drawn boxes (gt_bbox) of the query people, for one mean feature per query"
        )
    train, train_pids = as_classes(train)
    return Splits(
        "Market-1501",
        train,
        query,
        gallery,
        train_pids=train_pids,
        published=PUBLISHED,
        multi_query=multi_query,
        notes=tuple(notes),
    )


def _has_folders(folder: Path) -> bool:
    return (folder / FOLDERS["train"]).is_dir() or (folder / FOLDERS["gallery"]).is_dir()


def _has_images(folder: Path) -> bool:
    places = [folder / FOLDERS[subset] for subset in ("train", "gallery")]
    return any(NAME.match(image) for place in places if place.is_dir() for image in images_in(place))
