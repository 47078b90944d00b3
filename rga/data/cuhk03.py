"""CUHK03 (Li et al., CVPR 2014) under the new protocol (Zhong et al., CVPR 2017): release file or crops."""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import loadmat
from torchvision.datasets.folder import IMG_EXTENSIONS
from tqdm.auto import tqdm

from rga.data.core import Sample, Splits

BOXES = ("labeled", "detected")  # drawn by hand, found by a detector
PROTOCOLS = ("new",)
STEM = re.compile(r"[1-5]_\d{3}_[12]_\d{2}")  # camera pair, person, camera, image: 1_001_1_01
COLUMNS = ("filelist", "labels", "camId")
SUBSETS = ("train_idx", "query_idx", "gallery_idx")

EXPECTED = """\
Expected is

    {root}/
        cuhk-03.mat                             the release, or instead of it its crops in any image format:
        images_{boxes}/1_001_1_01.png …
        cuhk03_new_protocol_config_{boxes}.mat  the protocol: who is for training, query and gallery

Ask for the release on the CUHK03 page of the Multimedia Laboratory, The Chinese University of Hong Kong. The
protocol files are in the GitHub repository zhunzhong07/person-re-ranking, evaluation/data/CUHK03. Nothing is
downloaded for you: the set is given to those who ask, for research."""


def load(
    root: str | Path, boxes: str = "labeled", protocol: str = "new", allow_missing: bool = False
) -> Splits:
    """CUHK03 in `root`: 767 identities to train on, 700 others as query and gallery, two cameras.

    root holds the protocol file `cuhk03_new_protocol_config_{boxes}.mat` and either `cuhk-03.mat` (also in
    root/cuhk03_release), whose crops are then extracted once into root/images_{boxes}, or a folder of crops
    with the official names and any image suffix. camid is 1 or 2, the view within a camera pair: so the
    protocol counts cameras.

    With `allow_missing`, images that the protocol names and the folder lacks are left out and listed in
    `Splits.missing`. A query may so lose all its matches. It stays, so that the query set remains the
    protocol's: an evaluator skips such a query, as every query without a match from another camera.

    Raises FileNotFoundError if the images or the protocol file are not there, and ValueError if a file is
    broken or laid out differently, if images are missing, or if boxes or protocol is not a known one.
    """
    for what, value, choices in (("boxes", boxes, BOXES), ("protocol", protocol, PROTOCOLS)):
        if value not in choices:
            raise ValueError(f"CUHK03 has no {what} {value!r}. Choose from: {', '.join(choices)}.")
    root = Path(root).expanduser()
    places = (root / "cuhk-03.mat", root / "cuhk03_release" / "cuhk-03.mat")
    release = next(filter(Path.is_file, places), None)
    crops = find_crops(root, boxes, anywhere=release is None)
    if not crops and release is None:
        raise FileNotFoundError(
            f"Neither cuhk-03.mat nor a folder of CUHK03's {boxes} crops is in {root}. "
            + EXPECTED.format(root=root, boxes=boxes)
        )
    table = read_protocol(find_protocol(root, boxes, crops))
    if not crops:
        folder = root / f"images_{boxes}"
        extract(release, folder, boxes, total=len(table["filelist"]))
        crops = scan(folder)
    return split(table, crops, boxes, allow_missing)


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
        if suffix.lower() in IMG_EXTENSIONS and STEM.fullmatch(stem):
            if stem in crops:
                raise ValueError(
                    f"{folder} holds the crop {stem} twice, as {crops[stem].name} and {name}: remove one."
                )
            crops[stem] = folder / name
    return crops


def find_crops(root: Path, boxes: str, anywhere: bool) -> dict[str, Path]:
    """The extracted crops by stem, all from one folder; empty if there are none.

    The official places come first. Then, if `anywhere`, root and all folders below it, except hidden ones,
    those of the other boxes, and drawn people's part maps and masks: all these repeat the same file names.
    """
    for folder in (root / f"images_{boxes}", root / boxes):
        if crops := scan(folder):
            return crops
    if not anywhere:
        return {}
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


def find_protocol(root: Path, boxes: str, crops: dict[str, Path]) -> Path:
    """The protocol file, in root or beside the crops."""
    name = f"cuhk03_new_protocol_config_{boxes}.mat"
    folders = [root, root / "cuhk03_release"]
    for crop in crops.values():
        folders += [crop.parent, crop.parent.parent]
        break
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(
        f"The protocol file {name} is not in {root}. " + EXPECTED.format(root=root, boxes=boxes)
    )


def read_protocol(path: Path) -> dict[str, np.ndarray]:
    """The protocol file as vectors: COLUMNS of n images each, and SUBSETS of indices into them from 0.

    Raises ValueError if the file cannot be read, lacks a key or contradicts itself.
    """
    advice = (
        f"{path} must be the file of this name from the GitHub repository zhunzhong07/person-re-ranking, "
        "folder evaluation/data/CUHK03: copy it again."
    )
    try:
        raw = loadmat(path)
    except Exception as error:  # scipy raises whatever broken bytes lead it into
        raise ValueError(f"The protocol file cannot be read ({error}). {advice}") from error
    if lacking := [key for key in COLUMNS + SUBSETS if key not in raw]:
        raise ValueError(f"The protocol file lacks {', '.join(lacking)}. {advice}")
    table = {key: raw[key].ravel() for key in COLUMNS + SUBSETS}
    table["filelist"] = np.array([str(np.squeeze(name)) for name in table["filelist"]])
    lengths = {key: len(table[key]) for key in COLUMNS}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The protocol file's columns differ in length: {lengths}. {advice}")
    n = lengths["filelist"]
    for key in SUBSETS:
        table[key] = table[key].astype(int) - 1
        if any(table[key] < 0) or any(table[key] >= n):
            raise ValueError(
                f"The protocol file's {key} runs from {table[key].min() + 1} to {table[key].max() + 1}, but "
                f"it names images 1 to {n}. {advice}"
            )
    return table


def extract(release: Path, target: Path, boxes: str, total: int) -> None:
    """Write the release's crops as PNG files into the folder `target`, which appears when it is whole."""
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as scratch:
            whole = Path(scratch, target.name)
            whole.mkdir()
            for stem, crop in tqdm(crops_in(release, boxes), total=total, desc=f"extracting {boxes} crops"):
                Image.fromarray(crop).save(whole / f"{stem}.png", compress_level=1)
            os.replace(whole, target)
    except OSError as error:
        if scan(target):  # another process was faster, and its folder is whole too
            return
        raise ValueError(
            f"The crops of {release} are extracted once, into {target}, and this could not be written "
            f"({error}). Make {target.parent} writable, with room for the crops, or copy the release and the "
            "protocol files to a folder that is, and pass that as root."
        ) from error


def crops_in(release: Path, boxes: str) -> Iterator[tuple[str, np.ndarray]]:
    """Stem and uint8 (height, width, 3) crop of each image in the release, read one at a time.

    Raises ValueError if the file is cut short, is not HDF5 or is laid out differently.
    """
    try:
        with h5py.File(release) as file:
            for pair, people in enumerate(_expect(file[boxes], (1, 5))[0], 1):
                # h5py shows MATLAB's arrays transposed: people (10, P), a crop (3, width, height).
                for person, images in enumerate(_expect(file[people], (10, None))[()].T, 1):
                    for index, image in enumerate(images, 1):
                        if file[image].ndim != 3:
                            continue  # MATLAB's empty array, shape (2,), stands for an absent image
                        crop = _expect(file[image], (3, None, None))[()]
                        yield f"{pair}_{person:03d}_{1 if index <= 5 else 2}_{index:02d}", crop.T
    except Exception as error:  # h5py raises whatever broken bytes lead it into
        raise ValueError(
            f"{release} cannot be read as the release of CUHK03 ({error}). It must be HDF5 (MATLAB v7.3) "
            f"with a cell `{boxes}` of five camera pairs, each a cell of P people by 10 images. The file is "
            "another one or was cut short in copying: compare its size with the original's and copy it again."
        ) from error


def _expect(data: h5py.Dataset, shape: tuple[int | None, ...]) -> h5py.Dataset:
    if len(shape) != data.ndim or any(s not in (None, n) for s, n in zip(shape, data.shape, strict=True)):
        raise ValueError(f"{data.name} has shape {data.shape}, not {shape}".replace("None", "…"))
    return data


def split(table: dict[str, np.ndarray], crops: dict[str, Path], boxes: str, allow_missing: bool) -> Splits:
    """The crops in the protocol's three subsets; raises ValueError for missing ones unless allowed."""
    stems = [os.path.splitext(name)[0] for name in table["filelist"]]
    used = np.concatenate([table[key] for key in SUBSETS])
    missing = tuple(stems[i] for i in used if stems[i] not in crops)
    if len(missing) == len(used) or (missing and not allow_missing):
        folder = next(iter(crops.values())).parent
        raise ValueError(
            f"{len(missing)} of the {len(used)} images that the {boxes} protocol names are missing in "
            f"{folder}, which holds {len(crops)} crops. The first are {', '.join(missing[:5])}. Check that "
            f"these are the {boxes} boxes and complete the folder (beside cuhk-03.mat, delete it and it is "
            "extracted again), or pass allow_missing=True to work with what is there."
        )

    def samples(key: str) -> tuple[Sample, ...]:
        return tuple(
            Sample(crops[stems[i]], int(table["labels"][i]), int(table["camId"][i]))
            for i in table[key]
            if stems[i] in crops
        )

    train = samples("train_idx")
    classes = {pid: i for i, pid in enumerate(sorted({sample.pid for sample in train}))}
    return Splits(
        name=f"CUHK03 ({boxes}, new protocol)",
        train=tuple(sample._replace(pid=classes[sample.pid]) for sample in train),
        query=samples("query_idx"),
        gallery=samples("gallery_idx"),
        missing=missing,
    )
