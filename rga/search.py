"""Find a person in a folder of images: features of every image in one file, kept up to date, searched exactly."""

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm.auto import tqdm

from rga.data.file_names import images_in
from rga.data.images import read_image
from rga.data.samples import Sample
from rga.evaluation import embed
from rga.io.atomic_write import atomic_write
from rga.models import ReIDModel

FORMAT = 1
LARGE = 100_000  # images: from here on faiss searches, where it is installed
CHUNK = 1024  # images embedded between two steps of the progress bar
QUERIES, ROWS = 256, 65_536  # compared at once: 64 MiB of similarities


class Found(NamedTuple):
    """The k nearest images of each of Q queries, nearest first."""

    distances: Tensor  # (Q, k) float32, 0 … 2: 1 - cosine
    positions: Tensor  # (Q, k) int64: rows of the index


@dataclass(frozen=True, eq=False)
class Index:
    """N images of a folder as one network sees them.

    It recognises people: keep it as carefully as the images themselves.
    """

    model: str  # fingerprint of the network
    flip: bool  # whether the features are means of each image's and its mirror image's
    paths: tuple[str, ...]  # N, below the folder, with forward slashes, sorted
    stamps: Tensor  # (N, 2) int64: bytes of the file, nanoseconds of its last change
    features: Tensor  # (N, F) float32 of length 1: embeddings, after the BN neck
    unreadable: tuple[str, ...] = ()  # images of the folder that are left out

    def search(self, query_features: Tensor, k: int = 10, use_faiss: bool | None = None) -> Found:
        """The k images (all, if there are fewer) with the features nearest to each of (Q, F).

        Exact, and in chunks: memory does not grow with Q x N. use_faiss: None takes faiss for LARGE indices where it
        is installed, which is up to twice as fast and finds the same. Raises ValueError for k below 1 and for
        features that are not numbers or not as long as those of the index.
        """
        if k < 1:
            raise ValueError(f"expected to look for at least k = 1 image, got k = {k}.")
        if query_features.ndim != 2 or query_features.shape[1] != self.features.shape[1]:
            raise ValueError(
                f"expected query features (Q, {self.features.shape[1]}) as in the index, got "
                f"{tuple(query_features.shape)}: embed the queries with the network of the index."
            )
        queries = _unit(query_features.cpu(), "the queries")
        if use_faiss is None:
            use_faiss = len(self.paths) >= LARGE and importlib.util.find_spec("faiss") is not None
        nearest = _nearest_by_faiss if use_faiss else _nearest
        similarities, positions = nearest(queries, self.features, min(k, len(self.paths)))
        return Found((1 - similarities).clamp(min=0), positions)

    def save(self, path: str | Path) -> None:
        """Write the index to a file, which is whole or not there."""
        with atomic_write(path) as partial:
            torch.save({"format": FORMAT, "index": vars(self)}, partial)


def load_index(path: str | Path, model: ReIDModel | None = None) -> Index:
    """The index in a file; model: the network that it must be of.

    Raises FileNotFoundError, and ValueError for another kind of file or an index of another network.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"expected an index in {path}, found none: rga.search.build_index writes one."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, with advice that does not fit here
        raise ValueError(
            f"expected an index written by rga in {path}, got a file that is cut short or of another kind."
        ) from error
    known = isinstance(content, dict) and content.get("format") == FORMAT
    if not known or content.get("index", {}).keys() != {field.name for field in fields(Index)}:
        raise ValueError(f"expected an index written by rga (format {FORMAT}) in {path}, got something else.")
    index = Index(**content["index"])
    if model is not None and index.model != (here := fingerprint(model)):
        raise ValueError(
            f"{path} is an index of another network (fingerprint {index.model[:12]}, this network's is {here[:12]}), "
            "and features of two networks cannot be compared: choose that network, or delete the file or name another."
        )
    return index


def build_index(
    model: ReIDModel,
    folder: str | Path,
    path: str | Path | None = None,
    *,
    flip: bool = False,
    skip_unreadable: bool = False,
    batch_size: int = 64,
    workers: int = 0,
) -> Index:
    """An index of all images in a folder and the folders below it, whatever their names.

    path: a file to keep the index in. What is in it already and has not changed since, by size and time of the file,
    is not embedded again; what is no longer in the folder is left out. flip: as in `rga.embed`; embed the queries
    alike. skip_unreadable: leave out files that are no whole images, and list them in `unreadable`; otherwise they
    are an error, raised at the end, so that the index of the others is kept.

    Raises FileNotFoundError if there is no such folder or no image in it, ValueError for unreadable images and if
    `path` holds something else, or an index of another network or with another flip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of images at {folder}, found none.")
    # Stamped before they are read: what changes meanwhile is seen next time.
    images = [(name, *_stamp(folder / name)) for name in sorted(images_in(folder, nested=True))]
    if not images:
        raise FileNotFoundError(
            f"expected images in {folder} or in folders below it, found no .jpg, .png, …."
        )
    known, features = {}, []
    if kept := path is not None and Path(path).exists():
        old = load_index(path, model)
        if old.flip != flip:
            raise ValueError(
                f"{path} is an index with flip={old.flip}: ask for that, or delete the file or name another."
            )
        known = {
            (name, *stamp): row
            for row, (name, stamp) in enumerate(zip(old.paths, old.stamps.tolist(), strict=True))
        }
        features = [old.features]
    new = [image for image in images if image not in known]
    options = {"flip": flip, "batch_size": batch_size, "workers": workers}
    added, faults = _embed(model, folder, [name for name, *_ in new], **options)
    rows = known | {
        image: row for row, image in enumerate((i for i in new if i[0] not in faults), start=len(known))
    }
    found = [image for image in images if image in rows]
    if not found:
        raise ValueError(f"none of the {len(images)} images in {folder} can be read: {_first(faults)}")
    index = Index(
        fingerprint(model),
        flip,
        tuple(name for name, *_ in found),
        torch.tensor([stamp for _, *stamp in found]),
        torch.cat(features + added)[[rows[image] for image in found]],
        tuple(faults),
    )
    if path is not None and not (kept and list(known) == found):
        index.save(path)
    if faults and not skip_unreadable:
        raise ValueError(
            f"{len(faults)} of the {len(images)} images in {folder} cannot be read: {_first(faults)} Copy them again, "
            "remove them, or leave them out with skip_unreadable=True (--skip-unreadable)."
        )
    return index


def fingerprint(model: ReIDModel) -> str:
    """SHA-256 of a network's configuration and weights: the same on every device, and for what a checkpoint restores.

    What the weights were before training does not count, nor an option that is None, as of older checkpoints.
    """
    config = {k: value for k, value in model.config.items() if k != "weights" and value is not None}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _unit(features: Tensor, whose: str) -> Tensor:
    """(N, F) -> (N, F) float32 of length 1. Raises ValueError for features that are not numbers."""
    if not features.isfinite().all():
        raise ValueError(
            f"expected features that are numbers, got NaN or infinity for {whose}: the network is broken."
        )
    return F.normalize(features.float(), dim=1)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:  # a link to nowhere: reading it will fail and say so
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _embed(
    model: ReIDModel, folder: Path, names: Sequence[str], **options: int
) -> tuple[list[Tensor], dict[str, Exception]]:
    """Features of the images that can be read, in parts, and {name: what is wrong} of the others."""
    features, faults = [], {}

    def add(names):
        embedding = embed(model, [Sample(folder / name, -1, -1) for name in names], **options).embedding
        features.append(_unit(embedding, f"images such as {names[0]}"))

    with tqdm(total=len(names), desc="embedding images", unit="image", delay=3) as bar:
        for start in range(0, len(names), CHUNK):
            part = names[start : start + CHUNK]
            try:
                add(part)
            except (ValueError, OSError):
                broken = {name: error for name in part if (error := _fault(folder / name))}
                if not broken:
                    raise
                faults |= broken
                if whole := [name for name in part if name not in broken]:
                    add(whole)
            bar.update(len(part))
    return features, faults


def _fault(path: Path) -> Exception | None:
    try:
        read_image(path)
    except (ValueError, OSError) as error:
        return error
    return None


def _first(faults: dict[str, Exception]) -> str:
    """What is wrong with the first of them, and the names of four more."""
    (_, error), *others = faults.items()
    return f"{error}" + "".join(f" Also {name}." for name, _ in others[:4]) + " …" * (len(others) > 4)


def _nearest(queries: Tensor, gallery: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(Q, F), (G, F) of length 1 -> the k largest cosines of each query and their rows, (Q, k) both."""
    best = []
    for some in queries.split(QUERIES):
        values, rows = some.new_empty(len(some), 0), torch.empty(len(some), 0, dtype=torch.int64)
        for start in range(0, len(gallery), ROWS):
            similarity = some @ gallery[start : start + ROWS].T
            found = similarity.topk(min(k, similarity.shape[1]))
            values = torch.cat([values, found.values], 1)
            rows = torch.cat([rows, found.indices + start], 1)
            found = values.topk(min(k, values.shape[1]))
            values, rows = found.values, rows.gather(1, found.indices)
        best.append((values, rows))
    return tuple(torch.cat(column) for column in zip(*best, strict=True))


def _nearest_by_faiss(queries: Tensor, gallery: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The same by faiss: the comparison of its IndexFlatIP, without the copy of the gallery that an index takes."""
    import faiss  # only here: it is optional

    found = faiss.knn(queries.numpy(), gallery.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
    return tuple(map(torch.from_numpy, found))
