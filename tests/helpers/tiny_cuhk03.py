"""A tiny release of CUHK03 in the official format, with noise instead of people."""

from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

PEOPLE = (4, 2, 1, 1, 1)  # in the five camera pairs: 9 people with up to 2 images in each camera
IMAGES = (0, 4, 5, 9)  # the filled places among the ten of a person; 0-4 belong to the first camera
TRAIN = (1, 3, 4, 6, 9)  # people to learn from, counted over all pairs from 1; the others are for testing
TESTED = [[(3, 1), (1, 1 + split % 4)] for split in range(20)]  # in the classic splits: (pair, person)


def stems(boxes="labeled"):
    """The official names of all images; the detector has not found the first image of the second person."""
    names = [
        f"{pair}_{person:03d}_{1 if image < 5 else 2}_{image + 1:02d}"
        for pair, people in enumerate(PEOPLE, 1)
        for person in range(1, people + 1)
        for image in IMAGES
    ]
    return [name for name in names if boxes == "labeled" or name != "1_002_1_01"]


def crop(stem, boxes="labeled"):
    """Noise of a size and content of its own for each image, (height, width, 3) uint8."""
    seed = [*map(int, stem.split("_")), len(boxes)]
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (*rng.integers(8, 20, 2), 3), dtype=np.uint8)


def protocol(boxes="labeled"):
    """The protocol's columns, indices from 1: the first image of a test person's cameras are queries."""
    names = stems(boxes)
    person = {}
    for name in names:
        person.setdefault(name[:5], len(person) + 1)
    labels = np.array([person[name[:5]] for name in names], dtype=np.uint16)
    first = np.array([name.endswith(("01", "06")) for name in names])
    test = ~np.isin(labels, TRAIN)

    def column(values):
        return np.asarray(values)[:, None]

    return {
        "filelist": column(np.array([f"{name}.png" for name in names], dtype=object)),
        "labels": column(labels),
        "camId": column(np.array([int(name[6]) for name in names], dtype=np.uint8)),
        "train_idx": column(1 + np.flatnonzero(~test)),
        "query_idx": column(1 + np.flatnonzero(test & first)),
        "gallery_idx": column(1 + np.flatnonzero(test & ~first)),
    }


def write_protocol(root, boxes="labeled", **changes):
    """The protocol file, with columns changed, or removed by None."""
    columns = {key: value for key, value in (protocol(boxes) | changes).items() if value is not None}
    path = Path(root, f"cuhk03_new_protocol_config_{boxes}.mat")
    savemat(path, columns)
    return path


def write_release(path, compressed=False):
    """cuhk-03.mat as MATLAB v7.3 writes it: cells are references, arrays transposed, empties marked."""
    with h5py.File(path, "w") as file:
        count = iter(range(10_000))

        def store(data, matlab_class, **attributes):
            packing = {"chunks": data.shape, "compression": 3} if compressed and data.ndim == 3 else {}
            data = file.create_dataset(f"#refs#/{next(count)}", data=data, **packing)
            data.attrs["MATLAB_class"] = np.bytes_(matlab_class)
            data.attrs.update(attributes)
            return data.ref

        def cell(references):
            return np.array(references, dtype=h5py.ref_dtype)

        for boxes in ("labeled", "detected"):
            present = set(stems(boxes))
            pairs = []
            for pair, people in enumerate(PEOPLE, 1):
                places = np.empty((10, people), dtype=h5py.ref_dtype)
                for place, person in np.ndindex(places.shape):
                    stem = f"{pair}_{person + 1:03d}_{1 if place < 5 else 2}_{place + 1:02d}"
                    if stem in present:
                        places[place, person] = store(crop(stem, boxes).T, "uint8")
                    else:
                        places[place, person] = store(np.zeros(2, np.uint64), "double", MATLAB_empty=1)
                pairs.append(store(places, "cell"))
            file[boxes] = cell([pairs])
            file[boxes].attrs["MATLAB_class"] = np.bytes_("cell")
        file["testsets"] = cell([[store(np.array(people, float).T, "double") for people in TESTED]])
        file["testsets"].attrs["MATLAB_class"] = np.bytes_("cell")
    return path


def write_crops(folder, names, suffix=".png", boxes="labeled"):
    """The crops of these stems as image files."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in names:
        Image.fromarray(crop(stem, boxes)).save(folder / f"{stem}{suffix}")
    return folder


def write_repacked(folder, boxes="labeled"):
    """The new protocol's images as CUHK03-NP has them: three folders, names like Market-1501's."""
    columns = {key: value.ravel() for key, value in protocol(boxes).items()}
    for part, key in (("bounding_box_train", "train"), ("query", "query"), ("bounding_box_test", "gallery")):
        (folder / part).mkdir(parents=True)
        for i in columns[f"{key}_idx"] - 1:
            name = f"{columns['labels'][i]:04d}_c{columns['camId'][i]}_{i + 1}.png"
            Image.fromarray(crop(columns["filelist"][i][:-4], boxes)).save(folder / part / name)
    return folder


def write_zip(archive, folder, inside=""):
    """All files of a folder in a zip elsewhere, below the folder `inside`."""
    assert not archive.is_relative_to(folder), "it would take itself in, without end"
    with ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                file.write(path, Path(inside, path.relative_to(folder)))
    return archive


def write_all(root):
    """A folder with the release file and both protocol files."""
    root.mkdir()
    write_release(root / "cuhk-03.mat")
    write_protocol(root, "labeled")
    write_protocol(root, "detected")
    return root
