"""Person search: an index of the features of all images in a folder, updated incrementally, and exact k-NN search."""

import hashlib
import importlib.util
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path, PurePath
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from rga.data.file_names import images_in, unreadable_in
from rga.data.images import how_to_read, read_image
from rga.data.scenes import scene_warning
from rga.evaluation import embed
from rga.io.atomic_write import atomic_write
from rga.io.bars import tqdm
from rga.models import ReIDModel
from rga.models.weights_files import safe_load

__all__ = ["Found", "Index", "build_index", "fingerprint", "load_index"]

logger = logging.getLogger(__name__)

FORMAT = 1
LARGE = 100_000  # images from which on faiss searches, where it is installed
CHUNK = 1024  # images embedded between two steps of the progress bar
QUERIES, ROWS = 256, 65_536  # a chunk of the similarity matrix: 64 MiB


class Found(NamedTuple):
    """The k nearest images of each of Q queries, nearest first."""

    distances: Tensor  # (Q, k) float32, 0 … 2: 1 - cosine similarity
    positions: Tensor  # (Q, k) int64: rows of the index


@dataclass(frozen=True, eq=False, repr=False)
class Index:
    """The features of N images of a folder, by one network.

    They identify people: protect the file as you would the images themselves.
    """

    model: str  # fingerprint of the network
    flip: bool  # whether features are averaged over each image and its mirror image
    paths: tuple[str, ...]  # N, relative to the folder, with forward slashes, sorted
    stamps: Tensor  # (N, 2) int64: size of the file in bytes, time of its last change in ns
    features: Tensor  # (N, F) float32: embeddings, after the BN neck, L2-normalised
    unreadable: tuple[
        str, ...
    ] = ()  # images of the folder that are left out: corrupt, or of a format like HEIC

    def __repr__(self) -> str:
        return f"Index of {len(self.paths)} images, features {tuple(self.features.shape)}, network {self.model[:12]}"

    def search(self, query_features: Tensor, k: int = 10, use_faiss: bool | None = None) -> Found:
        """The k nearest neighbours of each of (Q, F) features by cosine similarity; all images, if there are fewer.

        Exact, and in chunks: memory does not grow with Q x N. use_faiss: None uses faiss for LARGE indices where it
        is installed, up to twice as fast with the same result. Raises ValueError for k below 1 and for features that
        are NaN or Inf or of another dimension than the index.
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
        knn = _knn_by_faiss if use_faiss else _knn
        similarities, positions = knn(queries, self.features, min(k, len(self.paths)))
        return Found((1 - similarities).clamp(min=0), positions)

    def save(self, path: str | Path) -> None:
        """Write the index to a file, atomically."""
        with atomic_write(path) as partial, partial.open("wb") as file:
            torch.save({"format": FORMAT, "index": vars(self)}, file)


def load_index(path: str | Path, model: ReIDModel | None = None) -> Index:
    """Read an index from a file; model: the network that its features must be of.

    Raises FileNotFoundError, and ValueError for another kind of file or an index of another network.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"expected an index in {path}, found none: rga.search.build_index writes one."
        )
    content = safe_load(Path(path), "an index written by rga")
    if not (
        isinstance(content, dict) and content.get("format") == FORMAT and _is_index(content.get("index"))
    ):
        raise ValueError(f"expected an index written by rga (format {FORMAT}) in {path}, got something else.")
    index = Index(**content["index"])
    if model is not None and index.model != (here := fingerprint(model)):
        raise ValueError(
            f"{path} is an index of another network (fingerprint {index.model[:12]}, this network's is {here[:12]}), "
            "and features of two networks cannot be compared: choose that network, or delete the file or name another."
        )
    return index


def _is_index(content: object) -> bool:
    """Whether these are the fields of an `Index`, which agree with each other and name images below a folder."""
    if not isinstance(content, dict) or content.keys() != {field.name for field in fields(Index)}:
        return False
    paths, stamps, features = content["paths"], content["stamps"], content["features"]
    names = (*paths, *content["unreadable"], content["model"])
    return (
        all(isinstance(name, str) for name in names)
        and not any(PurePath(name).is_absolute() or ".." in PurePath(name).parts for name in paths)
        and isinstance(stamps, Tensor)
        and (stamps.shape, stamps.dtype) == ((len(paths), 2), torch.int64)
        and isinstance(features, Tensor)
        and (features.ndim, len(features), features.dtype) == (2, len(paths), torch.float32)
    )


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
    """Build or update the index of all images in a folder and its subfolders, whatever their names.

    Each image is to show one person. Where new images look like whole scenes (`rga.data.scenes`), a warning is logged.

    Args:
        model: the network that extracts the features.
        folder: the images.
        path: file of the index. Images that it holds and that have not changed since, by size and time of their
            file, are not embedded again; images that have gone from the folder are dropped.
        flip: as in `rga.embed`; use the same for the queries.
        skip_unreadable: leave out corrupt images and list them in `unreadable`; otherwise they are an error, raised
            after the index of the others is saved.
        batch_size, workers: as in `rga.embed`.

    Raises:
        FileNotFoundError: there is no such folder, or no image in it.
        ValueError: unreadable images; a file at `path` that is no index, or one of another network or flip.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"expected a folder of images at {folder}, found none.")
    # Stamped before they are read: what changes in the meantime is noticed next time.
    images = [(name, *_stamp(folder / name)) for name in sorted(images_in(folder, nested=True))]
    others = sorted(unreadable_in(folder, nested=True))
    if not images:
        raise FileNotFoundError(
            f"expected images in {folder} or in folders below it, found "
            + (f"only such as {others[0]}. {how_to_read(others)}" if others else "no .jpg, .png, ….")
        )
    known, features = [], []
    if exists := path is not None and Path(path).exists():
        old = load_index(path, model)
        if old.flip != flip:
            raise ValueError(
                f"{path} is an index with flip={old.flip}: ask for that, or delete the file or name another."
            )
        known = [(name, *stamp) for name, stamp in zip(old.paths, old.stamps.tolist(), strict=True)]
        features = [old.features]
    new = sorted(set(images) - set(known))
    if warning := scene_warning([folder / name for name, *_ in new], f"images in {folder}"):
        logger.warning("%s", warning)
    options = {"flip": flip, "batch_size": batch_size, "workers": workers}
    added, faults = _embed(model, folder, [name for name, *_ in new], **options)
    embedded = known + [image for image in new if image[0] not in faults]
    rows = {image: row for row, image in enumerate(embedded)}
    found = [image for image in images if image in rows]
    if not found:
        raise ValueError(f"none of the {len(images)} images in {folder} can be read: {_first(faults)}")
    index = Index(
        fingerprint(model),
        flip,
        tuple(name for name, *_ in found),
        torch.tensor([stamp for _, *stamp in found]),
        torch.cat(features + added)[[rows[image] for image in found]],
        (*faults, *others),
    )
    if path is not None and not (exists and known == found):
        index.save(path)
    if faults and not skip_unreadable:
        raise ValueError(
            f"{len(faults)} of the {len(images)} images in {folder} cannot be read: {_first(faults)} Copy them again, "
            "remove them, or leave them out with skip_unreadable=True (--skip-unreadable)."
        )
    return index


def fingerprint(model: ReIDModel) -> str:
    """SHA-256 of a network's configuration and weights: the same on every device, and after saving and loading.

    The weights before training do not count, nor an option that is None, as in older checkpoints.
    """
    config = {k: value for k, value in model.config.items() if k != "weights" and value is not None}
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _unit(features: Tensor, whose: str) -> Tensor:
    """(N, F) -> (N, F) float32, L2-normalised. Raises ValueError for NaN and Inf."""
    if not features.isfinite().all():
        raise ValueError(f"expected finite features, got NaN or Inf for {whose}: the network is broken.")
    return F.normalize(features.float(), dim=1)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        state = path.stat()
    except OSError:  # a dangling link: reading it will fail and say so
        return -1, -1
    return state.st_size, state.st_mtime_ns


def _embed(
    model: ReIDModel, folder: Path, names: Sequence[str], **options: int
) -> tuple[list[Tensor], dict[str, Exception]]:
    """Features of the images that can be read, in chunks, and {name: error} of the others."""
    features, faults = [], {}

    def add(names):
        embedding = embed(model, [folder / name for name in names], **options).embedding
        features.append(_unit(embedding, f"images such as {names[0]}"))

    with tqdm(total=len(names), desc="embedding images", unit="image", delay=3) as bar:
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            try:
                add(chunk)
            except (ValueError, OSError):
                broken = {name: error for name in chunk if (error := _fault(folder / name))}
                if not broken:
                    raise
                faults |= broken
                if readable := [name for name in chunk if name not in broken]:
                    add(readable)
            bar.update(len(chunk))
    return features, faults


def _fault(path: Path) -> Exception | None:
    try:
        read_image(path)
    except (ValueError, OSError) as error:
        return error
    return None


def _first(faults: dict[str, Exception]) -> str:
    """The first error, and the names of four more images."""
    (_, error), *others = faults.items()
    return f"{error}" + "".join(f" Also {name}." for name, _ in others[:4]) + " …" * (len(others) > 4)


def _knn(queries: Tensor, gallery: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """(Q, F), (G, F), both L2-normalised -> the k largest similarities of each query and their rows, (Q, k) both."""
    best = []
    for chunk in queries.split(QUERIES):
        values, rows = chunk.new_empty(len(chunk), 0), torch.empty(len(chunk), 0, dtype=torch.int64)
        for start in range(0, len(gallery), ROWS):
            similarity = chunk @ gallery[start : start + ROWS].T
            found = similarity.topk(min(k, similarity.shape[1]))
            values = torch.cat([values, found.values], 1)
            rows = torch.cat([rows, found.indices + start], 1)
            found = values.topk(min(k, values.shape[1]))
            values, rows = found.values, rows.gather(1, found.indices)
        best.append((values, rows))
    return tuple(torch.cat(column) for column in zip(*best, strict=True))


def _knn_by_faiss(queries: Tensor, gallery: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As `_knn`, by faiss: what its IndexFlatIP computes, without the copy of the gallery that an index takes."""
    import faiss  # only here: it is optional

    found = faiss.knn(queries.numpy(), gallery.numpy(), k, metric=faiss.METRIC_INNER_PRODUCT)
    return tuple(map(torch.from_numpy, found))
