"""CUHK03 (Li et al., CVPR 2014): from the release, its crops or CUHK03-NP; new and classic protocol."""

from pathlib import Path

from rga.data.archive import locate, taken_as_unpacked
from rga.data.cuhk03 import repacked
from rga.data.cuhk03.extraction import extract
from rga.data.cuhk03.folders import BOXES, crops_below, named_crops, scan
from rga.data.cuhk03.protocols import Entry, read_classic_protocol, read_new_protocol
from rga.data.file_names import as_classes
from rga.data.samples import Sample, Splits

PROTOCOLS = {"new": 1, "classic": 20}  # and how many splits each has
RELEASE = "cuhk-03.mat"
PROTOCOL_FILE = "cuhk03_new_protocol_config_{boxes}.mat"
ARCHIVES = "*cuhk*03*"  # names of archives that are unpacked if there is nothing else
PUBLISHED = {  # CUHK03-NP/README.md in the repository zhunzhong07/person-re-ranking
    "labeled": {"train": (767, 7368), "query": (700, 1400), "gallery": (700, 5328)},
    "detected": {"train": (767, 7365), "query": (700, 1400), "gallery": (700, 5332)},
}

EXPECTED = """\
Expected is

    {root}/
        cuhk-03.mat                             the release, also in cuhk03_release.zip as downloaded,
        images_{boxes}/1_001_1_01.png …         or instead of it its crops in any image format,
        cuhk03_new_protocol_config_{boxes}.mat  and with either who is for training, query and gallery;
    or
        {boxes}/bounding_box_train/0001_c1_….png …, {boxes}/bounding_box_test, {boxes}/query
                                                the set as CUHK03-NP, also in its archive

Ask for the release on the CUHK03 page of the Multimedia Laboratory, The Chinese University of Hong Kong. The
protocol files are in the GitHub repository zhunzhong07/person-re-ranking, evaluation/data/CUHK03, and the page of
CUHK03-NP is there too. Nothing is downloaded for you: the set is given to those who ask, for research."""


def load(
    root: str | Path,
    boxes: str = "labeled",
    protocol: str = "new",
    split: int = 0,
    allow_missing: bool = False,
) -> Splits:
    """CUHK03 in `root`: 1467 identities, each seen by two cameras.

    root is a folder with one of the following, a folder at most two levels below it counting as well, or an archive.

    * cuhk-03.mat. Its crops are extracted once, into images_{boxes} beside it: PNG without compression, 1.2 GB for the
      real set. If that is interrupted, the next call starts again.
    * Crops with the official names and any image suffix, in images_{boxes}, {boxes} or any other single folder.
    * {boxes}/bounding_box_train, bounding_box_test and query: CUHK03-NP, for the new protocol only. What may be missing
      there cannot be named; the counts show it.

    Beside cuhk-03.mat or crops the new protocol needs its file `cuhk03_new_protocol_config_{boxes}.mat`. The classic
    one is in cuhk-03.mat itself, which must stay for it when the crops are extracted.

    camid is 1 or 2, the view within a camera pair: so both protocols count cameras.

    Args:
        root: see above.
        boxes: "labeled", drawn by hand, or "detected", found by a detector.
        protocol: "new" (Zhong et al., CVPR 2017), 767 identities to train on, 700 others as query and gallery; or
            "classic" (Li et al.), which tests 100 people, each with one image in the gallery, and trains on all others.
        split: of the classic protocol, 0 … 19.
        allow_missing: leave out images that the protocol names and the folder lacks, and list them in `Splits.missing`.
            A query that so loses all its matches stays, so that the query set remains the protocol's: an evaluator
            skips it, as every query without a match from another camera.

    Raises:
        FileNotFoundError: the images or the protocol are not there.
        ValueError: a file is broken or laid out differently, images are missing, crops cannot be written, or an option
            is not a known one.
    """
    for what, value, choices in (("boxes", boxes, BOXES), ("protocol", protocol, PROTOCOLS)):
        if value not in choices:
            raise ValueError(f"CUHK03 has no {what} {value!r}. Choose from: {', '.join(choices)}.")
    if split not in range(PROTOCOLS[protocol]):
        raise ValueError(
            f"CUHK03's {protocol} protocol has no split {split!r}. Choose from: 0 … {PROTOCOLS[protocol] - 1}."
        )
    root = Path(root).expanduser()
    if protocol == "classic":
        return _classic(root, boxes, split, allow_missing)

    source, crops = _find(root, boxes)
    if not crops and source and not _has_release(source):
        return repacked.load(source, boxes, PUBLISHED[boxes])
    name = PROTOCOL_FILE.format(boxes=boxes)
    file = next((folder / name for folder in _around(root, source, crops) if (folder / name).is_file()), None)
    if file is None:
        raise FileNotFoundError(
            f"The protocol file {name} is not in {root}. " + EXPECTED.format(root=root, boxes=boxes)
        )
    subsets = read_new_protocol(file)
    crops = crops or _extracted(source, boxes, subsets)
    return _splits(
        subsets,
        crops,
        boxes,
        allow_missing,
        name=f"CUHK03 ({boxes}, new protocol)",
        published=PUBLISHED[boxes],
    )


def _classic(root: Path, boxes: str, split: int, allow_missing: bool) -> Splits:
    release = locate(root, _has_release, ARCHIVES)
    if release is None:
        raise FileNotFoundError(
            f"{RELEASE} is not in {root}. The classic protocol reads in it (`testsets`) whom each split tests, even if "
            'the crops were extracted before: put it there, or pass protocol="new".'
            f"{taken_as_unpacked(root, ARCHIVES)} " + EXPECTED.format(root=root, boxes=boxes)
        )
    subsets = read_classic_protocol(release / RELEASE, boxes, split)
    around = [release, release.parent, root] if release != root else [root]  # beside root lie other sets
    found = (named_crops(folder, boxes) for folder in around)
    crops = next(filter(None, found), None) or _extracted(release, boxes, subsets)
    return _splits(
        subsets,
        crops,
        boxes,
        allow_missing,
        name=f"CUHK03 ({boxes}, classic protocol, split {split})",
        single_shot=True,
        notes=(
            f"split {split} of 0 … 19: papers give the mean over all of them. Query and gallery are the same images; "
            "for each query every person stands in the gallery with one image, drawn at random.",
        ),
    )


def _find(root: Path, boxes: str) -> tuple[Path | None, dict[str, Path]]:
    """The folder with a source of images and the crops that lie there; archives are opened if there is nothing."""

    def holds(folder: Path) -> bool:
        return bool(_has_release(folder) or named_crops(folder, boxes) or repacked.holds(folder, boxes))

    for archives in ("", ARCHIVES):
        source = locate(root, holds, archives)
        crops = named_crops(source, boxes) if source else crops_below(root, boxes)
        if source or crops:
            return source, crops
    raise FileNotFoundError(
        f"Neither cuhk-03.mat nor a folder of CUHK03's {boxes} crops is in {root}."
        f"{taken_as_unpacked(root, ARCHIVES)} " + EXPECTED.format(root=root, boxes=boxes)
    )


def _has_release(folder: Path) -> bool:
    return (folder / RELEASE).is_file()


def _around(root: Path, source: Path | None, crops: dict[str, Path]) -> list[Path]:
    """Where the protocol file may lie: in root or around the images."""
    folders = [root.parent] if root.is_file() else [root, root / "cuhk03_release"]
    for inner in [source, *(crop.parent for crop in list(crops.values())[:1])]:
        if inner:
            folders += [inner, inner.parent] if inner != root else [root]
    return folders


def _extracted(folder: Path, boxes: str, subsets: dict[str, tuple[Entry, ...]]) -> dict[str, Path]:
    """The crops of the release in `folder`, extracted beside it now."""
    target = folder / f"images_{boxes}"
    extract(folder / RELEASE, target, boxes, len(_stems(subsets)))
    return scan(target)


def _stems(subsets: dict[str, tuple[Entry, ...]]) -> list[str]:
    return list(dict.fromkeys(entry.stem for entries in subsets.values() for entry in entries))


def _splits(
    subsets: dict[str, tuple[Entry, ...]], crops: dict[str, Path], boxes: str, allow_missing: bool, **facts
) -> Splits:
    """The crops in the protocol's three subsets; raises ValueError for missing ones unless allowed."""
    stems = _stems(subsets)
    missing = tuple(stem for stem in stems if stem not in crops)
    if len(missing) == len(stems) or (missing and not allow_missing):
        folder = next((crop.parent for crop in crops.values()), RELEASE)
        raise ValueError(
            f"{len(missing)} of the {len(stems)} images that the {boxes} protocol names are missing in "
            f"{folder}, which holds {len(crops)} crops. The first are {', '.join(missing[:5])}. Check that "
            f"these are the {boxes} boxes and complete the folder (beside cuhk-03.mat, delete it and it is "
            "extracted again), or pass allow_missing=True to work with what is there."
        )
    train, query, gallery = (
        tuple(Sample(crops[stem], pid, camid) for stem, pid, camid in subsets[subset] if stem in crops)
        for subset in ("train", "query", "gallery")
    )
    train, train_pids = as_classes(train)
    return Splits(train=train, query=query, gallery=gallery, missing=missing, train_pids=train_pids, **facts)
