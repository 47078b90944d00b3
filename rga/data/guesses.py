"""Are persons and cameras that were guessed from file names plausible? What is surely misread, and what is not sure."""

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from rga.data.images import printable

CAMERA = re.compile(r"c[-. ]?\d+(s\d+)?|(cam|camera|kamera|cctv|view)([-_. ]?\d+|[-_. ][a-z])?", re.I)
PERSON = re.compile(r"(p|id|pid|person|ped|pedestrian|subject|subj)[-_. ]?\d+", re.I)
DAY = r"(19|20)\d\d[-.]?(0[1-9]|1[0-2])[-.]?(0[1-9]|[12]\d|3[01])"  # as telephones name photographs
FRAME = re.compile(
    r"(frame|frm|fr|img|imgp|image|pic|picture|photo|foto|dsc[nf]?|pxl|dji|gopr|mvi|mov|vid|video|snapshot|crop|bbox|"
    r"box|track|tracklet|seq)[-. ]?\d*|f\d+|(screenshot|whatsapp).*|" + DAY,
    re.I,
)
GLUED = re.compile(r"(^|[\d\-. ])(c|cam|camera)[-. ]?\d+(?![a-z0-9])", re.I)  # 0001c1, cam1-0001
SESSION = re.compile(r"(day|date|session|part|batch|set|seq|sequence|images?|photos?)[-_. ]?\d*|" + DAY, re.I)

# Patterns to propose, the first one that matches every image and tells people apart.
LAYOUTS = (
    r"(?P<pid>[^/]+)/(?:.*/)?c(?:am(?:era)?)?[-_ ]?(?P<camid>\d+)(?=[^/\d]|/)",
    r"(?:.*/)?c(?:am(?:era)?)?[-_ ]?(?P<camid>\d+|[a-z])/(?P<pid>[^/_.]+)[_.]",
    r"(?:.*/)?c(?:am(?:era)?)?[-_ ]?(?P<camid>\d+)_(?P<pid>[^_/.]+)[_.]",
    r"(?:.*/)?(?P<pid>[^_/]+?)[-. ]?c(?:am(?:era)?)?(?P<camid>\d+)",
    r"(?:.*/)?(?P<pid>[^_/]+)_(?:[^/]*_)?c(?:am(?:era)?)?(?P<camid>\d+)(?=[^/\d])",
    r"(?:.*/)?(?P<pid>[^_/]+)_\d{3,}_(?P<camid>\d+)[_.]",
    r"(?P<pid>[^/]+)/(?P<camid>.+)",
)


@dataclass
class Guess:
    """What was read from an image's path below the folder of its subset."""

    path: str
    pid: str
    camid: str

    def __str__(self) -> str:
        return printable(f"{self.path} -> person {self.pid}, camera {self.camid}")

    @cached_property
    def folders(self) -> list[str]:
        return self.path.split("/")[:-1]

    @cached_property
    def more(self) -> list[str]:
        """The parts of the file's name behind person and camera."""
        stem = self.path.split("/")[-1].rpartition(".")[0]
        return [part for part in re.split("[-_. ]+", "_".join(stem.split("_")[2:])) if part]


def doubts(guesses: Sequence[Guess], pattern: str) -> tuple[str, ...]:
    """What is not sure about the guesses, a sentence each; pattern: the one that they were read by.

    Raises ValueError for what is surely misread.
    """
    for what, wrong in _misread(guesses):
        if wrong:
            raise ValueError(
                f"{len(wrong)} of the {len(guesses)} images seem to be misread: {what}, as in {wrong[0]}. "
                f"{_advice(guesses, pattern)}"
            )
    unsure = list(_unsure(guesses))
    return tuple(unsure + [f"read was {guesses[0]}. {_advice(guesses, pattern)}"] if unsure else ())


def _misread(guesses: Sequence[Guess]) -> Iterator[tuple[str, list[Guess]]]:
    """What tells that a guess is wrong, and those guesses."""
    yield "the person looks like a camera", _like(CAMERA, guesses, "pid")
    glued = [g for g in guesses if GLUED.search(g.pid)] if GLUED.search(guesses[0].pid) else []
    yield "the person seems to hold the camera", glued if len(glued) == len(guesses) else []
    yield "the person looks like a frame, a date or a camera's default name", _like(FRAME, guesses, "pid")
    yield "the camera looks like a frame or a date", _like(FRAME, guesses, "camid")
    yield "the camera looks like a person", _like(PERSON, guesses, "camid")
    for what, kind, field in (("camera", CAMERA, "camid"), ("person", PERSON, "pid")):
        yield (
            f"another part of the name looks like the {what}",
            [
                g
                for g in guesses
                if any(
                    not part.isdecimal()
                    and kind.fullmatch(part)
                    and _number(part) != _number(getattr(g, field))
                    for part in g.more
                )
                and not kind.fullmatch(getattr(g, field))
            ],
        )
        for level in _levels(guesses):
            folders = set(filter(kind.fullmatch, {folder for folder, _ in level}))
            marked = [g for folder, g in level if folder in folders]
            pairs = [(folder, getattr(g, field)) for folder, g in level if folder in folders]
            yield f"a folder looks like another {what}", [] if _one_to_one(pairs) else marked
    yield "all show one person", guesses if len({g.pid for g in guesses}) == 1 < len(guesses) else []


def _like(kind: re.Pattern, guesses: Sequence[Guess], field: str) -> list[Guess]:
    """The guesses whose text for person or camera looks like that."""
    texts = set(filter(kind.fullmatch, {getattr(g, field) for g in guesses}))
    return [g for g in guesses if getattr(g, field) in texts] if texts else []


def _unsure(guesses: Sequence[Guess]) -> Iterator[str]:
    images, people, cameras = len(guesses), {g.pid for g in guesses}, {g.camid for g in guesses}
    pairs = {(g.pid, g.camid) for g in guesses}
    sure_person = all(map(PERSON.fullmatch, people)) or _confirmed(guesses, "pid", "")
    sure_camera = all(map(CAMERA.fullmatch, cameras)) or _confirmed(guesses, "camid", CAMERA.pattern)
    for level in _levels(guesses):
        sessions = set(filter(SESSION.fullmatch, {folder for folder, _ in level}))
        named = [(folder, g) for folder, g in level if folder not in sessions]
        by_person, by_camera = ([(f, getattr(g, field)) for f, g in named] for field in ("pid", "camid"))
        one = len({folder for folder, _ in level}) == 1
        if not (one or not named or _one_to_one(by_person) or _one_to_one(by_camera)):
            yield f"folders such as {printable(named[0][0])}/ are neither the persons nor the cameras that were read"
    if not sure_person and len(people) > images / 2 and images > 2:
        yield f"{images} images show {len(people)} people: the person may be a frame number"
    if sure_camera:
        return
    if len(pairs) > max(0.75 * images, len(people)):
        yield f"nearly every image of a person has a camera of its own ({len(cameras)} cameras): is it a frame?"
    if any(map(SESSION.fullmatch, cameras)):
        yield f"camera {min(cameras)} looks like a day or a session"
    if any(re.fullmatch(r"0\d\d+|\d{5,}", camid) for camid in cameras):
        yield f"camera {max(cameras, key=len)} is written like a frame or a person"
    if not sure_person and len(people) < 2 * len(cameras) > 2:
        yield f"{len(people)} people under {len(cameras)} cameras: person and camera may have changed places"
    for place, values in enumerate(zip(*(g.more for g in guesses), strict=False), 3):
        others = {(g.pid, value) for g, value in zip(guesses, values, strict=True)}
        padded = any(re.fullmatch(r"0\d\d+", v) for v in values) and not any(
            c.startswith("0") for c in cameras
        )
        if len(set(values)) > 1 and not padded and len(others) <= max(0.75 * images, len(people)):
            yield f"part {place} of the name could be the camera, too ({len(set(values))} values)"


def _confirmed(guesses: Sequence[Guess], field: str, pattern: str) -> bool:
    """Whether each image lies in a folder of its person's, or its camera's, own, with a name like that."""
    for level in _levels(guesses):
        pairs = {(folder, getattr(g, field)) for folder, g in level}
        named = all(re.fullmatch(pattern or re.escape(text), folder, re.I) for folder, text in pairs)
        if named and len(level) == len(guesses) and _one_to_one(pairs):
            return True
    return False


def _levels(guesses: Sequence[Guess]) -> Iterator[list[tuple[str, Guess]]]:
    """The folders around the images, from the innermost, each with its image."""
    levels = defaultdict(list)
    for guess in guesses:
        for depth, folder in enumerate(reversed(guess.folders)):
            levels[depth].append((folder, guess))
    yield from levels.values()


def _one_to_one(pairs: Iterable[tuple[Hashable, Hashable]]) -> bool:
    pairs = set(pairs)
    return len({one for one, _ in pairs}) == len({other for _, other in pairs}) == len(pairs)


def _number(text: str) -> str:
    return re.sub(r"\D", "", text).lstrip("0") or text


def _advice(guesses: Sequence[Guess], pattern: str) -> str:
    return (
        f"If that is wrong, pass pattern= (--pattern), such as {_proposal(guesses)}; data/README.md has a table of "
        f"patterns for common layouts. If it is right, say so by pattern=r'{pattern}'."
    )


def _proposal(guesses: Sequence[Guess]) -> str:
    for layout in LAYOUTS:
        found = [re.match(layout, guess.path) for guess in guesses]
        if all(found) and 1 < len({match["pid"] for match in found}) <= len(found) / 2:
            return f"r'{layout}' ({Guess(guesses[0].path, found[0]['pid'], found[0]['camid'])})"
    return r"r'(?P<pid>[^/]+)/cam(?P<camid>\d+)_' for anna/cam2_17.jpg (or write a table, samples.csv)"
