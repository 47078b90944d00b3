"""Extract features (embeddings) of images, and evaluate the ranking that they give."""

import os
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rga.data.images import Picture, check_image
from rga.data.loaders import network_input, test_loader
from rga.data.samples import Sample, Splits, TrainSample
from rga.device import distributed
from rga.device.precision import Precision, autocast, matmul_precision
from rga.metrics import (
    Ranking,
    evaluate_features,
    evaluate_single_shot,
    multi_query_features,
    pairwise_distance,
)
from rga.models import ReIDModel
from rga.models.hooks import evaluating

__all__ = ["Embeddings", "Evaluation", "embed", "evaluate"]


class Embeddings(NamedTuple):
    """Features of N images, on the CPU, in the order of the images."""

    feature: Tensor  # (N, F) float32, before the BN neck
    embedding: Tensor  # (N, F) float32, after it
    pids: Tensor  # (N,) int64, -1 for an image that is no sample
    camids: Tensor  # (N,) int64, likewise


@torch.no_grad()
def embed(
    model: ReIDModel,
    images: Iterable[Sample | TrainSample | Picture],
    *,
    batch_size: int = 64,
    precision: Precision = "fp32",
    workers: int = 0,
    flip: bool = False,
) -> Embeddings:
    """Extract the features of every image, without augmentation; leaves the model's mode as it was.

    Several processes share the images, and each gets the features of all, by the first one's BatchNorm statistics,
    which are also those of its checkpoints.

    Args:
        model: from `create_model` or `load_model`, on the device to compute on.
        images: of one person each, of any size. Each is a sample of a data set, a path, a PIL image, a uint8 array
            (H, W, 3), RGB, or (H, W), grey, or a uint8 tensor (3, H, W), RGB. OpenCV's frames are BGR: give
            `frame[..., ::-1]`. The people on a frame are cut out by `rga.data.crop_boxes`.
        batch_size: images in a forward pass of this process.
        precision: as in `rga.fit`.
        workers: processes that read images; 0: this one.
        flip: average the features of each image and of its mirror image, for twice the time.

    Raises:
        ValueError: there is no image, one that cannot be read, or a single one instead of a list; other shapes and
            types, such as floats.
        FileNotFoundError: there is no such file.
    """
    samples = _samples(images)
    device, batches = next(model.parameters()).device, []
    model.to(memory_format=torch.channels_last)
    distributed.broadcast_buffers(model)
    mine = samples[distributed.rank() :: distributed.world_size()]
    loader = test_loader(mine, model.size, batch_size, workers)
    with evaluating(model), matmul_precision(precision), closing(loader):
        for batch in loader:
            pixels = network_input(batch, device)
            with autocast(device, precision):
                outputs = [model(view) for view in ((pixels, pixels.flip(-1)) if flip else (pixels,))]
            feature = sum(output.feature.float() for output in outputs) / len(outputs)
            embedding = sum(output.embedding.float() for output in outputs) / len(outputs)
            batches.append((feature.cpu(), embedding.cpu(), batch.pids, batch.camids))
    own = [torch.cat(column) for column in zip(*batches, strict=True)]
    everyone = [columns for columns in distributed.all_gather_objects(own) if columns]
    # Process r of n took the images r, r + n, …: back in their order.
    order = torch.cat(
        [torch.arange(len(samples))[r :: distributed.world_size()] for r in range(len(everyone))]
    )
    return Embeddings(*(torch.cat(column)[order.argsort()] for column in zip(*everyone, strict=True)))


def _samples(images: Iterable[Sample | TrainSample | Picture]) -> list[Sample | TrainSample]:
    """Images as samples, checked before any work is done, and in every process alike."""
    one = isinstance(images, Sample | TrainSample | str | os.PathLike | Image.Image)
    if one or (isinstance(images, np.ndarray | Tensor) and images.ndim in (2, 3)):
        raise ValueError(f"expected a list of images, got one {type(images).__name__}: give [image].")
    samples = [
        image if isinstance(image, tuple) and len(image) == 3 else Sample(image, -1, -1) for image in images
    ]
    if not samples:
        raise ValueError("there is no image to embed: expected at least one, got none.")
    for number, (image, _, _) in enumerate(samples):
        check_image(image, f"images[{number}]")
    return samples


class Evaluation(NamedTuple):
    """Rankings by either feature, and the features themselves."""

    feature: Ranking  # before the BN neck
    embedding: Ranking  # after it
    query: Embeddings
    gallery: Embeddings


def evaluate(
    model: ReIDModel,
    splits: Splits,
    *,
    batch_size: int = 64,
    precision: Precision = "fp32",
    workers: int = 0,
    flip: bool = False,
    multi_query: bool = False,
) -> Evaluation:
    """Evaluate by the official protocol: cosine distance, junk left out, no flip, no re-ranking (paper, section 4.1).

    Sets whose gallery holds one image of each identity (`splits.single_shot`) are ranked by that rule.

    Args:
        model: see `embed`; so for batch_size, precision, workers and flip.
        splits: whose query and gallery are ranked.
        multi_query: a query's feature is the mean over the images in `splits.multi_query` of its person and camera.

    Raises:
        ValueError: multi_query for a set without such images; a feature that is NaN or Inf.
    """
    if multi_query and not splits.multi_query:
        raise ValueError(
            f"{splits.name} has no further images of the query people (splits.multi_query is empty): evaluate it "
            "with multi_query=False."
        )
    options = {"batch_size": batch_size, "precision": precision, "workers": workers, "flip": flip}
    query = embed(model, splits.multi_query if multi_query else splits.query, **options)
    if multi_query:
        query = _averaged(query, splits.query)
    gallery = embed(model, splits.gallery, **options)
    ids = query.pids, gallery.pids, query.camids, gallery.camids
    pairs = (query.feature, gallery.feature), (query.embedding, gallery.embedding)
    if splits.single_shot:
        rankings = [evaluate_single_shot(pairwise_distance(q, g), *ids) for q, g in pairs]
    else:
        rankings = [evaluate_features(q, g, *ids) for q, g in pairs]
    return Evaluation(*rankings, query, gallery)


def _averaged(images: Embeddings, queries: Sequence[Sample]) -> Embeddings:
    """For each query, the mean feature of the images of its person by its camera."""
    pids, camids = (torch.tensor(column) for column in ([q.pid for q in queries], [q.camid for q in queries]))
    feature, embedding = (
        multi_query_features(features, images.pids, images.camids, pids, camids)
        for features in (images.feature, images.embedding)
    )
    return Embeddings(feature, embedding, pids, camids)
