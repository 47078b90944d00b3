"""Your own images: who and which camera from their names or from a table, train and test as you say or by chance."""

import csv
import io
import os
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rga.data.archive import archives_in, locate, taken_as_unpacked, unpack
from rga.data.file_names import NO_IDS, Named, as_classes, images_in, names_in, unreadable_in
from rga.data.guesses import Guess, doubts
from rga.data.images import how_to_read, printable
from rga.data.samples import Sample, Splits

__all__ = ["load"]

TABLE = "samples.csv"
SUBSETS = {  # names of folders, and words in the table's column split
    "train": "train",
    "bounding_box_train": "train",
    "bbox_train": "train",
    "query": "query",
    "gallery": "gallery",
    "bounding_box_test": "gallery",
    "bbox_test": "bbox_test",  # test, or gallery where there is query
    "val": "val",  # test, or left alone where there is one
    "test": "test",
}
# The last part of a path, pid_camid_…; Market-1501 writes camera and sequence in one, as in c1s3: camera 1.
PATTERN = r"(?:.*/)?(?P<pid>[^_/]+)_(?P<camid>c\d+(?=s\d+_)|[^_/.]+)[^/]*$"
ADVICE = (
    "To read other names, pass pattern= (--pattern), a regular expression with the groups (?P<pid>…) and (?P<camid>…), "
    r"such as r'(?P<pid>[^/]+)/cam(?P<camid>\d+)_' for anna/cam2_17.jpg; data/README.md has a table of them. Images "
    "that are no samples must lie elsewhere."
)

EXPECTED = r"""
Expected are, in {root} or in an archive (zip, tar) there, images of people in one of these forms:

    0001_2_17.jpg       person, camera, anything; in whatever folders
    anna/cam2_17.jpg    any other names, with pattern=r"(?P<pid>[^/]+)/cam(?P<camid>\d+)_"
    samples.csv         a table with a line path,pid,camid,split for each image

To say who is for what, put the images into train/, query/ and gallery/, or into train/ and test/, or fill the table's
column split with these words. Else people are divided by chance. Use only images that you may use: faces and bodies
are personal data, and the people on them should have agreed."""


def load(
    root: str | Path,
    pattern: str | None = None,
    table: str | Path | None = None,
    test_share: float = 0.5,
    seed: int = 0,
) -> Splits:
    """The images in `root`, with person and camera from their names or from a table.

    The subsets are the folders train/, query/ and gallery/, or the words in split; bbox_train, bbox_test and the like
    are known, too, and val is test where there is no other. Images in test/ are divided: of each person one random
    image per camera is a query and the rest is gallery, as in CUHK03's new protocol; but a camera's only image is
    none, unless all of the person's cameras have one, and a person under one camera has no query. Without subsets,
    about the share test_share of the people is for testing, and so divided: by chance (a hash of `seed` and the
    person's id), but so that further people or images change nothing for the others. Only where chance leaves nobody
    on one side, one person is moved there.

    pids and camids may be any text. If all are numbers (of at most 18 digits) they are kept, by value: 007 and 7.0
    are 7. Else they are numbered 1, 2, … in sorted order, over all subsets, and `Splits.names` holds the texts. pid
    -1 (also -1.0, 00-1) is junk and left out. pid 0 in a gallery of your own is a distractor, and in test and without
    subsets if the set has junk; else it is a person.

    Names read without a pattern are guesses: one is shown in `Splits.notes`, and what makes them doubtful is in
    `Splits.doubts`, which the doctor shows.

    Args:
        root: a folder or archive.
        pattern: a regular expression with the named groups pid and camid. It is matched, from its first character,
            against an image's path below root (or below train/, query/ …), with forward slashes. None:
            pid_camid_….jpg in any folder. Where nobody noted the camera, let camid match the whole file name: then no
            match is left out for its camera.
        table: a CSV file (UTF-8) with the columns path (below root), pid, camid and perhaps split (train, query,
            gallery, test). None: root/samples.csv if it is there and there is no pattern.
        test_share: of the people, where there are no subsets.
        seed: of every random choice.

    Raises:
        FileNotFoundError: there are no images, or not those of the table.
        ValueError: several archives with images, names that do not match or are surely misread, a broken table, subsets
            that contradict each other, or a test_share that leaves no people.
    """
    root = Path(root).expanduser()
    if pattern is not None and table is not None:
        raise ValueError("Pass a pattern for the names or a table, not both.")
    folder = _locate(root)
    if folder is None:
        others = list(unreadable_in(root, nested=True)) if root.is_dir() else []
        unread = f" But {_left_out(others)}" if others else ""
        raise FileNotFoundError(
            f"There are no images in {root}.{unread}{taken_as_unpacked(root)}{EXPECTED.format(root=root)}"
        )
    folder = _unwrapped(folder, table)
    if table is None and pattern is None and (folder / TABLE).is_file():
        table = TABLE
    found = read_names(folder, _compiled(pattern or PATTERN)) if table is None else read_table(folder, table)
    if "test" in found and not found.keys().isdisjoint({"query", "gallery"}):
        raise ValueError(
            f"{folder} has test and also {' and '.join(sorted(found.keys() & {'query', 'gallery'}))}. Images for "
            "testing are either in query and gallery, or in test, to be divided: rename test to gallery, or move its "
            "images."
        )
    unsure, notes = (), []
    if table is None and pattern is None:
        guesses = _guesses(found, folder)
        unsure = doubts(guesses, PATTERN)
        notes.append(f"names read without a pattern: {guesses[0]}")
    texts = {_by_value(image.pid): image.pid for images in found.values() for image in images}
    found = {
        name: [Named(path, _by_value(pid), _by_value(camid)) for path, pid, camid in images]
        for name, images in found.items()
    }
    junk = sum(image.pid == "-1" for images in found.values() for image in images)
    subsets, names = _numbered({name: [i for i in images if i.pid != "-1"] for name, images in found.items()})
    notes += [f"junk (pid -1) left out: {junk} images"] if junk else []
    used = {image.path.as_posix() for images in found.values() for image in images}
    if others := {f"{folder.as_posix()}/{image}" for image in images_in(folder, nested=True)} - used:
        notes.append(
            f"left alone: {len(others)} images outside the subsets or the table, such as {printable(min(others))}"
        )
    if others := sorted(unreadable_in(folder, nested=True)):
        notes.append(_left_out(others))
    nobody = [sample for name in ("", "test") for sample in subsets.get(name, ()) if sample.pid == 0]
    if nobody and junk:
        subsets = {name: [s for s in some if s not in nobody] for name, some in subsets.items()}
        notes.append(f"gallery: {len(nobody)} images of pid 0 are distractors, as the set has junk (pid -1)")
    elif nobody:
        notes.append("pid 0 is a person here; where a set has junk (pid -1), it is a distractor")
    if "" in subsets:
        subsets["train"], subsets["test"] = divide_people(subsets.pop(""), test_share, seed, names)
        notes.append(f"people divided into train and test by chance: test_share {test_share}, seed {seed}")
    if "test" in subsets:
        subsets["query"], subsets["gallery"] = divide_images(subsets.pop("test"), seed, names)
        alone = {s.pid for s in subsets["gallery"]} - {s.pid for s in subsets["query"]}
        notes.append(f"query: a random image per person and camera of test, seed {seed}")
        if alone:
            notes.append(f"gallery: {len(alone)} people are seen by one camera only and have no query")
        subsets["gallery"] += nobody if junk else []
    train, train_pids = as_classes(subsets.get("train", ()))
    query, gallery = (tuple(subsets.get(name, ())) for name in ("query", "gallery"))
    return Splits(
        printable(folder.name),
        train,
        query,
        gallery,
        train_pids=train_pids,
        notes=tuple(notes),
        names={pid: texts[name] for pid, name in names.items() if texts[name] != str(pid)},
        doubts=unsure,
    )


def _guesses(found: Mapping[str, list[Named]], folder: Path) -> list[Guess]:
    """With each image's path below the folder of its subset."""
    start = 0 if "" in found else 1
    return [
        Guess("/".join(path.relative_to(folder).parts[start:]), pid, camid)
        for images in found.values()
        for path, pid, camid in images
    ]


def _left_out(images: list[str]) -> str:
    return (
        f"left out: {len(images)} images of a format that Pillow does not read, such as {printable(images[0])}. "
        f"{how_to_read(images)}"
    )


def _locate(root: Path) -> Path | None:
    """root, if a table or images lie there outside its archives' folders; else the folder of the archive with images.

    So a load that finds the archive unpacked reads the same folder as the load that unpacked it. Several archives are
    one set if each is named as a subset.
    """
    archives = archives_in(root)
    targets = {target.name: target for target in archives.values()}
    if not root.is_dir() or (root / TABLE).is_file():
        return locate(root, _holds_data)
    if any(image.partition("/")[0] not in targets for image in images_in(root, nested=True)):
        return root
    for archive, target in archives.items():
        unpack(archive, target)
    filled = [name for name, target in targets.items() if _holds_data(target)]
    if len(filled) > 1 and all(name.lower() in SUBSETS for name in filled):
        return root
    if len(filled) > 1:
        raise ValueError(
            f"Expected one archive with images in {root}, got those that are unpacked into {', '.join(filled)}. Pass "
            "the archive of your set as root. Or, if the set is all of them, move the archives elsewhere and leave "
            "their folders."
        )
    return targets[filled[0]] if filled else locate(root, _holds_data)


def _holds_data(folder: Path) -> bool:
    return (folder / TABLE).is_file() or any(images_in(folder, nested=True))


def _unwrapped(folder: Path, table: str | Path | None) -> Path:
    """The folder, or that with table or subsets which is all it holds: archives often wrap everything in a folder.

    A folder with images of its own holds more than that.
    """
    inner = folder
    while not ((inner / (table or TABLE)).is_file() or (table is None and any(_places(inner)))):
        below = [
            path for path in inner.iterdir() if path.is_dir() and not path.name.startswith((".", "__MACOSX"))
        ]
        if len(below) != 1 or any(images_in(inner)):
            return folder
        inner = below[0]
    return inner


def _places(folder: Path) -> Iterator[tuple[Path, str]]:
    """The folders in a folder that are named as a subset, and that subset."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name.lower() in SUBSETS:
            yield path, SUBSETS[path.name.lower()]


def _compiled(pattern: str) -> re.Pattern:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"The pattern {pattern} is no regular expression ({error}). {ADVICE}") from error
    if lacking := {"pid", "camid"} - compiled.groupindex.keys():
        raise ValueError(f"The pattern {pattern} has no group {' and '.join(sorted(lacking))}. {ADVICE}")
    return compiled


def read_names(folder: Path, pattern: re.Pattern) -> dict[str, list[Named]]:
    """{subset: images}; the only key is "" if the folder holds no subsets. Raises ValueError as `names_in`."""
    places = list(_places(folder)) or [(folder, "")]
    known = _settled(subset for _, subset in places)
    found = defaultdict(list)
    for place, subset in places:
        if subset in known:
            found[known[subset]] += names_in(place, pattern, nested=True, advice=ADVICE)
    return dict(found)


def _settled(subsets: Iterable[str]) -> dict[str, str]:
    """{word: subset}: what bbox_test and val mean beside the others."""
    known = {subset: subset for subset in subsets}
    if "bbox_test" in known:
        known["bbox_test"] = "gallery" if "query" in known else "test"
    if "val" in known:
        known["val"] = "test"
        if len({"test", "query", "gallery", "bbox_test"} & known.keys()):
            del known["val"]
    return known


def read_table(folder: Path, table: str | Path) -> dict[str, list[Named]]:
    """{subset: images}; the only key is "" if the table has no splits. Faults are named with their line number.

    Raises FileNotFoundError if the table or images in it are not there, and ValueError for all else.
    """
    places = (folder / table, Path(table).expanduser())
    table = next(filter(Path.is_file, places), None)
    if table is None:
        raise FileNotFoundError(f"There is no table {places[0]}.{EXPECTED.format(root=folder)}")
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{table} is not UTF-8 text ({error}): save it again as CSV in UTF-8.") from error
    header = text.partition("\n")[0].strip()
    rows = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=header.count))
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        lines = [(rows.line_num, row) for row in rows]
    except csv.Error as error:
        raise ValueError(
            f"{table}, line {rows.line_num + 1}: {error}. Look for a quotation mark that is not closed."
        ) from error
    if lacking := [name for name in ("path", "pid", "camid") if name not in rows.fieldnames]:
        raise ValueError(
            f"{table}, line 1: no column {', '.join(lacking)}. The first line must be path,pid,camid or "
            f"path,pid,camid,split, not {header[:80]!r}."
        )
    found, absent = defaultdict(list), []
    for number, row in lines:
        path, pid, camid, split = (
            (row.get(name) or "").strip() for name in ("path", "pid", "camid", "split")
        )
        if not (path and pid and camid):
            raise ValueError(f"{table}, line {number}: path, pid or camid is empty.")
        if absent_id := {pid, camid} & NO_IDS:
            raise ValueError(
                f"{table}, line {number}: {path} has no pid or no camid, but the word {min(absent_id)}. Fill it, or "
                "leave the line out."
            )
        if split and split.lower() not in SUBSETS:
            raise ValueError(
                f"{table}, line {number}: unknown split {split!r}. Choose from: train, query, gallery, test."
            )
        image = folder / path.replace("\\", "/")
        if not image.is_file():
            absent.append(f"line {number}: {path}")
        found[SUBSETS.get(split.lower(), "")].append(Named(image, pid, camid))
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} images in {table} are not there: {', '.join(absent[:5])}{', …' * (len(absent) > 5)}. Paths "
            f"are below {folder}."
        )
    if "" in found and len(found) > 1:
        raise ValueError(
            f"{table}: {len(found[''])} lines have no split while others have. Fill all or none."
        )
    settled = defaultdict(list)
    for subset, name in _settled(found).items():
        settled[name] += found[subset]
    return dict(settled)


def _by_value(text: str) -> str:
    """A whole number in its plain form: 17 for 17.0 and 0017, -1 for -1.0, -001 and 00-1; other texts as they are."""
    if re.fullmatch(r"00+-0*1(\.0*)?", text):
        return "-1"
    # More digits might not fit into a tensor.
    number = re.fullmatch(r"([-+]?\d{1,18})(\.0*)?", text, re.ASCII)
    return str(int(number[1])) if number else text


def _numbered(found: dict[str, list[Named]]) -> tuple[dict[str, list[Sample]], dict[int, str]]:
    """The samples of each subset, and {pid: its text}."""
    images = [image for images in found.values() for image in images]
    pids, camids = _numbers(image.pid for image in images), _numbers(image.camid for image in images)
    samples = {
        subset: [Sample(path, pids[pid], camids[camid]) for path, pid, camid in images]
        for subset, images in found.items()
    }
    return samples, {number: text for text, number in pids.items()}


def _numbers(texts: Iterable[str]) -> dict[str, int]:
    texts = set(texts)
    if all(re.fullmatch(r"-?\d{1,18}", text) for text in texts):
        return {text: int(text) for text in texts}
    numbers = {text: number for number, text in enumerate(sorted(texts - {"0"}), 1)}
    return numbers | ({"0": 0} if "0" in texts else {})


def divide_people(
    samples: Iterable[Sample], test_share: float, seed: int, names: Mapping[int, str]
) -> tuple[list[Sample], list[Sample]]:
    """The samples of some people to train on, and of about the share test_share of them, at random, to test with.

    What becomes of a person depends on seed and name alone, unless nobody else would be on that side.
    """
    samples = list(samples)
    people = sorted({sample.pid for sample in samples})
    n = round(test_share * len(people))
    if not 0 < n < len(people):
        raise ValueError(
            f"test_share {test_share} of {len(people)} people leaves {len(people) - n} to train on and {n} to test "
            "with. Both need some: choose a share between 0 and 1, and have two people at least."
        )
    drawn = {pid: _rng(seed, names[pid]).random() for pid in people}
    # Whom chance draws first and last are on both sides in any case.
    first, *_, last = sorted(people, key=drawn.get)
    test = {pid for pid in people if drawn[pid] < test_share and pid != last} | {first}
    return [s for s in samples if s.pid not in test], [s for s in samples if s.pid in test]


def _rng(seed: int, name: str) -> random.Random:
    return random.Random(os.fsencode(f"{seed} {name}"))


def divide_images(
    samples: Iterable[Sample], seed: int, names: Mapping[int, str]
) -> tuple[list[Sample], list[Sample]]:
    """Query and gallery: of each person one random image per camera, and the rest; as `load` says.

    So every query has a match under another camera, which evaluation needs.
    """
    samples = list(samples)
    people = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        people[sample.pid][sample.camid].append(sample)
    query = set()
    for pid, cameras in people.items():
        rng = _rng(seed, names[pid])
        if len(cameras) > 1:
            views = [images for _, images in sorted(cameras.items())]
            some = [images for images in views if len(images) > 1] or [rng.choice(views)]
            query |= {rng.choice(images) for images in some}
    return [s for s in samples if s in query], [s for s in samples if s not in query]
