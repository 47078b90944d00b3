"""The data doctor: faults of a data set (leakage, broken files, wrong ids), found before anybody trains on it."""

import hashlib
import io
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

from rga.data.images import printable, read_image
from rga.data.samples import Splits
from rga.io.bars import tqdm
from rga.io.paths import file_key

__all__ = ["Finding", "Report", "check", "examine"]

LOG = logging.getLogger("rga.data")
SMALLEST = (32, 16)  # (height, width) in pixels that still show somebody


class Finding(NamedTuple):
    """One kind of fault: how often, the first five cases, what to do. error: results would be wrong."""

    error: bool
    what: str
    count: int
    first: tuple[str, ...]
    advice: str

    @property
    def cases(self) -> str:
        """The first cases, in words."""
        return ", ".join(self.first) + (", …" if self.count > len(self.first) else "")

    def __str__(self) -> str:
        return f"{self.what}: {self.count} ({self.cases}). {self.advice}"


@dataclass(frozen=True)
class Report:
    """What was found in a data set of `files` different images, `images` of which were decoded (quick form: 0)."""

    name: str
    findings: tuple[Finding, ...]
    files: int
    images: int = 0

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that would make results wrong."""
        return tuple(finding for finding in self.findings if finding.error)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The other findings."""
        return tuple(finding for finding in self.findings if not finding.error)

    def __str__(self) -> str:
        depth = {0: "no image decoded", self.files: "every image decoded"}
        looked = f"ids, cameras, leaks, files; {depth.get(self.images, f'{self.images} images decoded')}"
        counts = [(len(self.errors), "error"), (len(self.warnings), "warning")]
        found = " and ".join(f"{n} {what}{'s' * (n > 1)}" for n, what in counts if n) or "no fault"
        lines = [self.name, f"{found} found in {self.files} images ({looked})"]
        for finding in self.errors + self.warnings:
            mark = "✗" if finding.error else "!"
            lines += [
                f"{mark} {finding.what}: {finding.count}",
                f"    {finding.cases}",
                f"    → {finding.advice}",
            ]
        return "\n".join(lines)


class File(NamedTuple):
    """What is known of an image file. Equal images have equal keys: their inode, or checksums of their content."""

    bytes: int  # -1 if the file is not there
    key: str | bytes | tuple[int, int]
    size: tuple[int, int] | None = None  # (height, width); None if the image was not decoded
    broken: bool = False


def examine(splits: Splits, thorough: bool = False, workers: int | None = None) -> Report:
    """All faults of a data set, and what looks like one.

    The quick form looks at ids, cameras, counts, leaks, and whether the files are there: less than a second for
    100,000 images. The thorough form also decodes every image, in `workers` threads (None: one per core) and with
    a progress bar. So it finds images that cannot be read, odd sizes, and the same content under two names.
    """
    samples = splits.train + splits.query + splits.gallery + splits.multi_query
    paths = list(dict.fromkeys(sample.path for sample in samples))
    if thorough:
        with ThreadPool(workers) as pool:  # Pillow decodes without holding Python's lock
            looks = pool.imap(_read, paths, chunksize=16)
            files = dict(
                zip(paths, tqdm(looks, "decoding", len(paths), leave=False, unit=" images"), strict=True)
            )
    else:
        files = {path: _stat(path) for path in paths}
    findings = tuple(finding for check in CHECKS for finding in check(splits, files))
    return Report(splits.name, findings, len(files), sum(file.size is not None for file in files.values()))


def check(splits: Splits, thorough: bool = False) -> Report:
    """`examine`, with each warning logged to the logger "rga.data".

    Raises ValueError, with all errors in one message, if there are any.
    """
    report = examine(splits, thorough)
    for finding in report.warnings:
        LOG.warning("%s: %s", splits.name, finding)
    if report.errors:
        listed = "".join(f"\n✗ {finding}" for finding in report.errors)
        raise ValueError(f"{splits.name} would be trained on or evaluated wrongly:{listed}")
    return report


def _stat(path: Path) -> File:
    try:
        state = os.stat(path)
    except OSError:
        return File(-1, os.fspath(path))
    return File(state.st_size, file_key(path, state))  # a link and its file are one image


def _read(path: Path) -> File:
    try:
        data = path.read_bytes()
        height, width = read_image(io.BytesIO(data)).shape[1:]
    except (OSError, ValueError):
        return _stat(path)._replace(broken=True)
    return File(len(data), hashlib.blake2b(data, digest_size=16).digest(), (height, width))


# Each check takes the splits and what is known of their files, by path, and gives its findings.

Files = Mapping[Path, File]


def empty_subsets(splits: Splits, files: Files) -> Iterator[Finding]:
    empty = [subset for subset in ("train", "query", "gallery") if not getattr(splits, subset)]
    if {"query", "gallery"} <= set(empty):  # a set to train on, nothing more
        empty = [subset for subset in empty if subset == "train"]
    elif empty == ["train"]:  # a set to test with, nothing more: rga.fit refuses it itself
        empty = []
    elif empty == ["query"] and _one_camera(splits):  # as above; one_camera says so
        empty = []
    yield from _finding(
        True, "subsets without images", empty, "Training needs train, evaluation needs query and gallery."
    )


def doubtful_names(splits: Splits, files: Files) -> Iterator[Finding]:
    *reasons, advice = splits.doubts or ("",)
    if reasons:
        yield Finding(
            False, "not sure that file names are read rightly", len(reasons), tuple(reasons[:5]), advice
        )


def one_person(splits: Splits, files: Files) -> Iterator[Finding]:
    yield from _finding(
        False,
        "query or gallery with one person only",
        [name for name in ("query", "gallery") if len({s.pid for s in getattr(splits, name)}) == 1],
        "Among images of one person every answer is right: a score means nothing. If there are more people, check how "
        "the names are read.",
    )


def one_camera(splits: Splits, files: Files) -> Iterator[Finding]:
    if _one_camera(splits):
        yield Finding(
            False,
            "one camera for everybody",
            1,
            (f"camera {splits.train[0].camid}",),
            "Training works, but learns nothing about what changes from camera to camera. Evaluation does not: it "
            "counts only matches under another camera than the query's. If nobody noted the camera, give every "
            "image a camid of its own: own images take a pattern whose group camid matches the whole file name, "
            r"such as r'(?:.*/)?(?P<camid>(?P<pid>[^_/]+)_.*)'.",
        )


def class_numbers(splits: Splits, files: Files) -> Iterator[Finding]:
    yield from _finding(
        True,
        f"training labels that are not 0 … {splits.num_pids - 1}",
        _stray_labels(splits),
        "A label is the number of an output of the classifier: count training identities from 0, without gaps.",
    )


def files_not_there(splits: Splits, files: Files) -> Iterator[Finding]:
    yield from _finding(
        True,
        "files that are not there or are empty",
        [path for path, file in files.items() if file.bytes <= 0],
        "Copy or extract them again.",
    )


def unreadable_images(splits: Splits, files: Files) -> Iterator[Finding]:
    yield from _finding(
        True,
        "images that cannot be read",
        [path for path, file in files.items() if file.broken and file.bytes > 0],
        "The files are cut short, of an unknown format or not yours to read: copy or extract them again.",
    )


def images_in_train_and_test(splits: Splits, files: Files) -> Iterator[Finding]:
    train = {files[sample.path].key: sample.path for sample in splits.train}
    test = dict.fromkeys(s.path for s in splits.query + splits.gallery + splits.multi_query)
    yield from _finding(
        True,
        "images both in training and in query or gallery",
        [_pair(train[files[path].key], path) for path in test if files[path].key in train],
        "The network would be tested on what it has learnt by heart: take them out of train.",
    )


def identities_in_train_and_test(splits: Splits, files: Files) -> Iterator[Finding]:
    if not splits.train_pids or _stray_labels(splits):
        return
    if len(splits.train_pids) != splits.num_pids:
        yield Finding(
            True,
            "train_pids that are too many or too few",
            abs(len(splits.train_pids) - splits.num_pids),
            (f"{len(splits.train_pids)} train_pids for {splits.num_pids} training identities",),
            "train_pids holds the set's own number of each training identity, or is () if that means nothing.",
        )
        return
    query = {sample.pid for sample in splits.query}
    gallery = {sample.pid for sample in splits.gallery} - {0}  # distractors have no identity
    leaks = sorted(set(splits.train_pids) & (query | gallery))
    yield from _finding(
        True,
        "identities both in training and in query or gallery",
        [printable(splits.names.get(pid, str(pid))) for pid in leaks],
        "Re-identification is tested on people never seen in training: take them out of train.",
    )


def queries_in_gallery_as_another(splits: Splits, files: Files) -> Iterator[Finding]:
    asked = {files[sample.path].key for sample in splits.query}
    answers = defaultdict(set)
    for path, pid, camid in splits.gallery:
        if (key := files[path].key) in asked:
            answers[key].add((pid, camid))
    yield from _finding(
        True,
        "query images that are in the gallery with another pid or camera",
        # With the same pid and camera they are junk, which no ranking counts: CUHK03's classic splits are so.
        [s.path for s in splits.query if answers[files[s.path].key] - {(s.pid, s.camid)}],
        "The first answer would be the question itself: correct pid and camera, or take them out of gallery.",
    )


def queries_without_match(splits: Splits, files: Files) -> Iterator[Finding]:
    if not splits.query or not splits.gallery or _one_camera(splits):
        return
    cameras = defaultdict(set)
    for _, pid, camid in splits.gallery:
        cameras[pid].add(camid)
    alone = [s.path for s in splits.query if s.pid not in cameras]
    same = [s.path for s in splits.query if cameras.get(s.pid) == {s.camid}]
    if len(alone) + len(same) == len(splits.query):
        number = len({s.camid for s in splits.query + splits.gallery})
        yield from _finding(
            True,
            "queries without a match from another camera, and there are no others",
            alone + same,
            f"Nothing can be scored. Number of cameras: {number}. Check that camids tell cameras apart and that "
            "query and gallery show the same people.",
        )
        return
    advice = (
        "Evaluation skips these queries: check that images of these people from other cameras are not lost."
    )
    yield from _finding(False, "queries whose person is not in the gallery", alone, advice)
    yield from _finding(False, "queries whose only matches are from their own camera", same, advice)


def counts_not_published(splits: Splits, files: Files) -> Iterator[Finding]:
    counts = {subset: splits.counts().get(subset, (0, 0))[:2] for subset in splits.published}
    yield from _finding(
        False,
        "subsets whose counts differ from the published ones",
        [
            f"{subset} {counts[subset][0]} ids in {counts[subset][1]} images instead of {ids} in {images}"
            for subset, (ids, images) in splits.published.items()
            if counts[subset] != (ids, images)
        ],
        "A score on these images cannot be compared with published ones: complete the set if you can.",
    )


def missing_images(splits: Splits, files: Files) -> Iterator[Finding]:
    yield from _finding(
        False,
        "images that the protocol names and the folder lacks",
        splits.missing,
        "They were left out, as you allowed: a score on the others is not that of the set.",
    )


def poor_classes(splits: Splits, files: Files) -> Iterator[Finding]:
    classes = defaultdict(list)
    for path, label, camid in splits.train:
        classes[label].append((path, camid))
    single = [images[0][0] for images in classes.values() if len(images) == 1]
    one_camera = [
        images[0][0]
        for images in classes.values()
        if len(images) > 1 and len({camid for _, camid in images}) == 1
    ]
    yield from _finding(
        False,
        "training identities with one image only",
        single,
        "A batch repeats it, so that the triplet loss learns nothing of them: add images or leave them out.",
    )
    yield from _finding(
        False,
        "training identities seen by one camera only",
        one_camera,
        "From them the triplet loss does not learn what stays the same across cameras. If all are so, check camids.",
    )


def repeated_images(splits: Splits, files: Files) -> Iterator[Finding]:
    for subset in ("train", "query", "gallery"):
        first: dict[str | bytes, tuple[Path, int]] = {}
        same, other = [], []
        for path, pid, _ in getattr(splits, subset):
            if (key := files[path].key) in first:
                known, known_pid = first[key]
                (same if known_pid == pid else other).append(_pair(known, path))
            else:
                first[key] = path, pid
        yield from _finding(
            False, f"images that are in {subset} twice", same, "They count twice: keep one of each."
        )
        yield from _finding(
            False,
            f"images that are in {subset} as two identities",
            other,
            "One of the pids is wrong: find out which and remove that one.",
        )


def odd_sizes(splits: Splits, files: Files) -> Iterator[Finding]:
    height, width = SMALLEST
    yield from _finding(
        False,
        f"images lower than {height} pixels, narrower than {width}, or wider than high",
        [
            f"{_show(path)} {file.size[0]}×{file.size[1]}"
            for path, file in files.items()
            if file.size and (file.size[0] < height or file.size[1] < width or file.size[1] > file.size[0])
        ],
        "A crop of a standing person is high and narrow: look whether these show one.",
    )


def idle_multi_query(splits: Splits, files: Files) -> Iterator[Finding]:
    asked = {sample.pid for sample in splits.query}
    yield from _finding(
        False,
        "multi-query images of people who are not in query",
        [sample.path for sample in splits.multi_query if sample.pid not in asked],
        "They are never used: leave them out, or complete query.",
    )


CHECKS = (
    doubtful_names,
    empty_subsets,
    one_person,
    one_camera,
    class_numbers,
    files_not_there,
    unreadable_images,
    images_in_train_and_test,
    identities_in_train_and_test,
    queries_in_gallery_as_another,
    queries_without_match,
    counts_not_published,
    missing_images,
    poor_classes,
    repeated_images,
    odd_sizes,
    idle_multi_query,
)


def _finding(error: bool, what: str, cases: Sequence, advice: str) -> Iterator[Finding]:
    if cases:
        yield Finding(error, what, len(cases), tuple(map(_show, cases[:5])), advice)


def _show(case) -> str:
    """A file by its name and its folder's: enough to find it, short enough to read five."""
    return printable("/".join(case.parts[-2:])) if isinstance(case, Path) else str(case)


def _pair(one: Path, other: Path) -> str:
    return _show(one) if one == other else f"{_show(one)} = {_show(other)}"


def _one_camera(splits: Splits) -> bool:
    """Whether there are images to train on, and all images of all people are from one camera."""
    return bool(splits.train) and len({s.camid for s in splits.train + splits.query + splits.gallery}) == 1


def _stray_labels(splits: Splits) -> list[int]:
    labels = {label for _, label, _ in splits.train}
    return sorted(labels - set(range(len(labels))))
