"""Samples from the names of image files, by a regular expression with the groups pid and camid."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rga.data.images import is_image, is_unreadable_image, printable
from rga.data.samples import Sample, TrainSample
from rga.io.paths import file_key


class Named(NamedTuple):
    """An image, and the texts that its name gives for person and camera."""

    path: Path
    pid: str
    camid: str


# What programs write for "no value".
NO_IDS = {"nan", "NaN", "<NA>", "NaT", "None", "none", "null", "NULL"}


def images_in(folder: Path, nested: bool = False) -> Iterator[str]:
    """The images in a folder (and, if nested, in those below it): paths below it, with forward slashes, unsorted.

    Known by their suffix, of all formats that Pillow reads. Hidden files and folders are none of them. A folder that
    links lead to more than once is looked into once. Raises OSError if a folder cannot be read.
    """
    return filter(is_image, _files_in(folder, nested))


def unreadable_in(folder: Path, nested: bool = False) -> Iterator[str]:
    """As `images_in`: the images of formats that Pillow does not read, such as HEIC."""
    return filter(is_unreadable_image, _files_in(folder, nested))


def _files_in(folder: Path, nested: bool) -> Iterator[str]:
    def stop(error: OSError):
        raise error

    seen = set()
    for path, folders, names in os.walk(folder, onerror=stop, followlinks=True):
        here = file_key(path, os.stat(path))
        if here in seen:  # a link back to a folder around it would repeat everything, many times
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(name for name in folders if nested and not name.startswith("."))
        below = os.path.relpath(path, folder).replace(os.sep, "/")
        for name in names:
            if not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"


def names_in(folder: Path, pattern: re.Pattern, nested: bool = False, advice: str = "") -> tuple[Named, ...]:
    """The images in a folder (and, if nested, in those below it), sorted by path.

    pattern has the named groups pid and camid. It is matched against the path below `folder`, written with forward
    slashes, from its first character; what follows the match does not matter.

    Raises ValueError, with `advice` at its end, if an image does not match or a group of the match is empty or NaN, and
    OSError if a folder cannot be read.
    """
    images = sorted(images_in(folder, nested))
    matches = [(image, pattern.match(image)) for image in images]
    if strangers := [image for image, match in matches if not (match and match["pid"] and match["camid"])]:
        first = ", ".join(map(printable, strangers[:5])) + (", …" if len(strangers) > 5 else "")
        raise ValueError(
            f"{len(strangers)} of the {len(images)} images in {folder} are not named as expected: {first}. Their path "
            f"below that folder must begin with a match of {pattern.pattern} with a pid and a camid. {advice}".rstrip()
        )
    if nameless := [image for image, match in matches if {match["pid"], match["camid"]} & NO_IDS]:
        raise ValueError(
            f"{len(nameless)} of the {len(images)} images in {folder} have no pid or no camid, but the word for none: "
            f"{printable(nameless[0])}. Name them, or leave them out."
        )
    return tuple(Named(folder / image, match["pid"], match["camid"]) for image, match in matches)


def samples_in(folder: Path, pattern: re.Pattern, advice: str = "") -> tuple[Sample, ...]:
    """The images that lie in a folder, sorted by name; as `names_in`, whose texts must be numbers."""
    return tuple(
        Sample(path, int(pid), int(camid)) for path, pid, camid in names_in(folder, pattern, advice=advice)
    )


def as_classes(samples: Iterable[Sample]) -> tuple[tuple[TrainSample, ...], tuple[int, ...]]:
    """Samples to train on, their people labelled 0, 1, … in the order of their pids, and those pids."""
    samples = tuple(samples)
    train_pids = tuple(sorted({sample.pid for sample in samples}))
    labels = {pid: label for label, pid in enumerate(train_pids)}
    return tuple(TrainSample(path, labels[pid], camid) for path, pid, camid in samples), train_pids
