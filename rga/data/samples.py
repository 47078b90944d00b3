"""What every data set gives: samples, and which of them are for training, query and gallery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """An image of query or gallery: its file, the data set's own number of the person, and the camera."""

    path: Path  # `rga.embed` puts images in memory here, too
    pid: int
    camid: int


class TrainSample(NamedTuple):
    """An image to train on: its file, the class of the person (an output of the classifier), and the camera."""

    path: Path
    label: int
    camid: int

    @property
    def pid(self) -> int:
        """The label, so that code for either kind of sample works. As tuples both kinds are alike, too."""
        return self.label


@dataclass(frozen=True)
class Splits:
    """A data set: images to learn from, and images of other people to search with (query) and in (gallery).

    Args:
        name: for tables.
        train: labels are 0 … num_pids − 1.
        query: pids are the data set's own numbers.
        gallery: likewise; pid 0 is a distractor (nobody's match) if the set has such.
        missing: the images (file stems) that the protocol lists and the folder lacks.
        train_pids: the data set's own number of each label, where it counts training and test people in one row; ()
            where it does not, so that equal numbers mean nothing. (`labels` is its old name.)
        published: {subset: (ids, images)} as the authors of the set give them; {} if nobody did.
        multi_query: more images of the query people (Market-1501's gt_bbox), to average queries over.
        single_shot: each identity enters the gallery with one image (CUHK03's classic protocol), so that the ranking
            is `rga.metrics.evaluate_single_shot`'s.
        notes: what else a reader should know, a line each.
        names: {pid: the text that the user wrote for it}, for messages; {} where the number is that text.
        doubts: why the persons and cameras guessed from file names may be wrong, a sentence each.
    """

    name: str
    train: tuple[TrainSample, ...]
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]
    missing: tuple[str, ...] = ()
    train_pids: tuple[int, ...] = ()
    published: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    multi_query: tuple[Sample, ...] = ()
    single_shot: bool = False
    notes: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[int, ...]:
        """The old name of `train_pids`."""
        return self.train_pids

    @property
    def num_pids(self) -> int:
        """Number of training identities: the classes of the classifier."""
        return len({label for _, label, _ in self.train})

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """{subset: (ids, images, cameras)}."""
        subsets = ("train", "query", "gallery") + (("multi_query",) if self.multi_query else ())
        return {name: _count(getattr(self, name)) for name in subsets}

    def __str__(self) -> str:
        wide = max(8, *map(len, self.counts()))
        lines = [self.name, f"{'subset':<{wide}} | {'ids':>5} | {'images':>6} | {'cameras':>7}"]
        for subset, (ids, images, cameras) in self.counts().items():
            lines.append(f"{subset:<{wide}} | {ids:>5} | {images:>6} | {cameras:>7}")
        if self.missing:
            first = ", ".join(self.missing[:5]) + (", …" if len(self.missing) > 5 else "")
            lines.append(f"{'missing':<{wide}} | {len(self.missing)} images: {first}")
        return "\n".join([*lines, *self.notes])


def _count(samples: tuple[Sample | TrainSample, ...]) -> tuple[int, int, int]:
    return len({pid for _, pid, _ in samples}), len(samples), len({camid for _, _, camid in samples})
