"""MSMT17 (Wei et al., CVPR 2018): fifteen cameras, indoors and outdoors, by its own list files."""

import os
import re
from pathlib import Path

from rga.data.archive import locate, taken_as_unpacked
from rga.data.file_names import as_classes
from rga.data.samples import Sample, Splits

__all__ = ["load"]

VERSIONS = {"V1": ("train", "test"), "V2": ("mask_train_v2", "mask_test_v2")}  # V2: faces are masked
LISTS = {
    "train": ("list_train.txt", "list_val.txt"),
    "query": ("list_query.txt",),
    "gallery": ("list_gallery.txt",),
}
LINE = re.compile(r"(?P<image>[^_\s]+_\d+_(?P<camid>\d\d)_\S+) (?P<pid>\d+)")
PUBLISHED = {"train": (1041, 32621), "query": (3060, 11659), "gallery": (3060, 82161)}

EXPECTED = """\
Expected is, in {root} or in a folder or an archive *msmt* (zip, tar) in it,

    MSMT17_V1/                  or MSMT17_V2/ with mask_train_v2/ and mask_test_v2/, where faces are masked
        train/0000/0000_000_01_0303morning_0008_0.jpg …     32,621 files: person 0, image 0, camera 1, …
        test/0000/0000_000_01_0303morning_0015_0.jpg …      93,820 files
        list_train.txt  list_val.txt                        30,248 and 2,373 lines such as
        list_query.txt  list_gallery.txt                    0000/0000_000_01_0303morning_0015_0.jpg 0

Ask its authors by the page of their laboratory at Peking University, https://www.pkuvmc.com/dataset.html. Nothing is
downloaded for you: the set is given to those who ask, for research. Copies without the list files go around: the lists
come from the authors too."""


def load(root: str | Path, allow_missing: bool = False) -> Splits:
    """MSMT17 in `root`: 1041 identities to train on, 3060 others as query and gallery, fifteen cameras.

    root is the folder with the four list files (of V1, or of V2, whose faces are masked), a folder that holds it, or
    the archive as downloaded. Training takes the images of list_train.txt and of list_val.txt, which show the same
    people: together they are the 32,621 that the paper trains on. Train and test people are counted from 0 each, so
    that a number means another person there: `train_pids` is (). camid is 1 … 15.

    With `allow_missing`, images that the lists name and the folder lacks are left out and listed in `Splits.missing`.

    Raises FileNotFoundError if images or lists are not there, and ValueError for a line of another form, for missing
    images, and for a damaged archive.
    """
    root = Path(root).expanduser()
    lists = [name for names in LISTS.values() for name in names]
    # Many sets have folders train and test. One without any list is taken only for an error that says what it lacks.
    folder = locate(
        root, lambda f: _version(f) and any((f / name).is_file() for name in lists), archives="*msmt*"
    )
    folder = folder or locate(root, _version, archives="")
    if folder is None:
        raise FileNotFoundError(
            f"MSMT17 is not in {root}.{taken_as_unpacked(root, '*msmt*')} " + EXPECTED.format(root=root)
        )
    if absent := [name for name in lists if not (folder / name).is_file()]:
        raise FileNotFoundError(f"{folder} has no {', '.join(absent)}. " + EXPECTED.format(root=root))
    version = _version(folder)
    train_folder, test_folder = (folder / name for name in VERSIONS[version])
    there = {place: images_of_people(place) for place in (train_folder, test_folder)}
    subsets, missing = {}, []
    for subset, names in LISTS.items():
        place = train_folder if subset == "train" else test_folder
        listed = [row for name in names for row in read_list(folder / name)]
        missing += [image for image, _, _ in listed if image not in there[place]]
        subsets[subset] = tuple(
            Sample(place / image, pid, camid) for image, pid, camid in listed if image in there[place]
        )
    found = sum(map(len, subsets.values()))
    if not found or (missing and not allow_missing):
        raise ValueError(
            f"{len(missing)} of the {found + len(missing)} images that the lists of MSMT17 name are missing in "
            f"{folder}. The first are {', '.join(missing[:5])}. Extract the archive again, or pass allow_missing=True "
            "to work with what is there."
        )
    subsets["train"], _ = as_classes(subsets["train"])
    return Splits(
        f"MSMT17 {version}",
        **subsets,
        missing=tuple(Path(image).stem for image in missing),
        published=PUBLISHED,
        notes=(
            "train: list_train.txt and list_val.txt, the same people, as in the paper; some train on the first only",
        ),
    )


def _version(folder: Path) -> str | None:
    """The version whose two folders of images are there."""
    for version, names in VERSIONS.items():
        if all((folder / name).is_dir() for name in names):
            return version
    return None


def images_of_people(folder: Path) -> set[str]:
    """The files in the folders of a folder, as the lists write them: 0000/0000_000_01_0303morning_0008_0.jpg."""
    with os.scandir(folder) as people:
        return {
            f"{person.name}/{image}" for person in people if person.is_dir() for image in os.listdir(person)
        }


def read_list(path: Path) -> list[tuple[str, int, int]]:
    """Image, pid and camid of each line; raises ValueError for a line of another form."""
    rows = []
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if match := LINE.fullmatch(line.strip()):
            rows.append((match["image"], int(match["pid"]), int(match["camid"])))
        elif line.strip():
            raise ValueError(
                f"{path}, line {number}: expected an image and its person, as in "
                f"'0000/0000_000_01_0303morning_0008_0.jpg 0', not {line.strip()[:80]!r}. Copy the list again."
            )
    return rows
