"""Train a network, turn images into features, and score a ranking: three plain loops."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga import checkpoint
from rga.capture import evaluating
from rga.data.core import Sample, Splits
from rga.data.loaders import network_input, test_loader, train_loader
from rga.losses import identity_loss, triplet_loss
from rga.metrics import (
    Ranking,
    evaluate_features,
    evaluate_single_shot,
    multi_query_features,
    pairwise_distance,
)
from rga.models import ReIDModel
from rga.schedule import paper_schedule

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """What one training step says: step of steps (from 1) in epoch of epochs (from 1), losses, learning rate, speed."""

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    identity: float
    triplet: float
    lr: float
    images_per_second: float


def fit(
    model: ReIDModel,
    samples: Sequence[Sample],
    *,
    epochs: int,
    p: int = 16,
    k: int = 4,
    lr: float = 8e-4,
    schedule: Callable[[Optimizer], LRScheduler] = paper_schedule,
    weight_decay: float = 5e-4,
    smoothing: float = 0.1,
    margin: float | None = 0.3,
    seed: int = 0,
    amp: bool = False,
    workers: int = 0,
    cache: bool | str | Path = False,
    path: str | Path | None = None,
    save_every: int = 10,
    resume: bool = False,
) -> Iterator[Log]:
    """Train `model` in place, on the device it is on; yields a Log after every step (paper, section 4.1).

    The caller's loop body is the callback: `for log in fit(...)`. An epoch visits each identity once, k images of
    it. amp: bfloat16 autocast. workers, cache: as in `rga.data.train_loader`. path: checkpoint file, written every
    `save_every` epochs and at the end; resume=True goes on from it, and yields the steps it holds first, so that the
    logs are always those of the whole run: the same as without the interruption. Raises ValueError if the labels do
    not fit the network, or if the loss stops being a number.
    """
    _check_labels(model, samples)
    device = next(model.parameters()).device
    loader = train_loader(samples, model.size, p, k, seed, workers, cache)
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr, weight_decay=weight_decay, fused=True)
    scheduler = schedule(optimizer)
    logs: list[Log] = []
    if resume:
        if path is None:
            raise ValueError("resume=True goes on from a checkpoint: pass its path, got path=None.")
        state = checkpoint.restore(path, model)
        optimizer.load_state_dict(state["optimizer"])
        scheduler.load_state_dict(state["scheduler"])
        logs = [Log(*values) for values in state["logs"]]
        yield from logs
    logger.info(
        "training %s + %s on %s%s; weights before training: %s",
        model.config["backbone"],
        model.config["attention"],
        device,
        ", bfloat16 autocast" if amp else "",
        model.config["weights"],
    )
    steps, first_epoch = epochs * len(loader), logs[-1].epoch if logs else 0
    model.to(memory_format=torch.channels_last)
    for epoch in range(first_epoch, epochs):
        model.train()
        loader.batch_sampler.set_epoch(epoch)
        started = time.perf_counter()
        for batch in loader:
            images, pids = network_input(batch, device), batch.pids.to(device, non_blocking=True)
            optimizer.zero_grad()  # before the forward pass: old gradients need not live beside the activations
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                output = model(images)
            # Losses in full precision: distances between features lose too much in bfloat16.
            identity = identity_loss(output.logits.float(), pids, smoothing)
            triplet = triplet_loss(output.feature.float(), pids, margin)
            loss = identity + triplet
            loss.backward()
            optimizer.step()
            log = Log(
                step=len(logs) + 1,
                steps=steps,
                epoch=epoch + 1,
                epochs=epochs,
                loss=loss.item(),
                identity=identity.item(),
                triplet=triplet.item(),
                lr=scheduler.get_last_lr()[0],
                images_per_second=len(images) / (time.perf_counter() - started),
            )
            if not math.isfinite(log.loss):
                raise ValueError(
                    f"the loss became {log.loss} at step {log.step} (epoch {log.epoch}, learning rate {log.lr:.2g}): "
                    "use a smaller lr, or start from pretrained weights."
                )
            logs.append(log)
            yield log
            started = time.perf_counter()
        scheduler.step()
        if path is not None and ((epoch + 1) % save_every == 0 or epoch + 1 == epochs):
            checkpoint.save(
                path,
                model,
                optimizer=optimizer.state_dict(),
                scheduler=scheduler.state_dict(),
                logs=[astuple(log) for log in logs],
            )


def _check_labels(model: ReIDModel, samples: Sequence[Sample]) -> None:
    pids, num_pids = {sample.pid for sample in samples}, model.classifier.out_features
    if not pids or min(pids) < 0 or max(pids) >= num_pids:
        found = f"{len(pids)} from {min(pids)} to {max(pids)}" if pids else "none"
        raise ValueError(
            f"training identities must be numbered 0 … {num_pids - 1}, the classes of this network; got {found}. "
            "Build the network with num_pids=splits.num_pids, and train it on splits.train."
        )


class Embeddings(NamedTuple):
    """N images as the network sees them, on the CPU, in the order of the samples."""

    feature: Tensor  # (N, F) float32, before the BN neck
    embedding: Tensor  # (N, F) float32, after it
    pids: Tensor  # (N,)
    camids: Tensor  # (N,)


@torch.no_grad()
def embed(
    model: ReIDModel,
    samples: Sequence[Sample],
    *,
    batch_size: int = 64,
    amp: bool = False,
    workers: int = 0,
    flip: bool = False,
) -> Embeddings:
    """Features of every sample, without augmentation; the model's mode is left as it was.

    flip: the mean of the features of each image and of its mirror image, for twice the time. Raises ValueError
    without samples.
    """
    if not samples:
        raise ValueError("there is no image to embed: expected at least one sample, got none.")
    device, parts = next(model.parameters()).device, []
    model.to(memory_format=torch.channels_last)
    with evaluating(model):
        for batch in test_loader(samples, model.size, batch_size, workers):
            images = network_input(batch, device)
            with torch.autocast(device.type, torch.bfloat16, enabled=amp):
                outputs = [model(view) for view in ((images, images.flip(-1)) if flip else (images,))]
            feature = sum(output.feature.float() for output in outputs) / len(outputs)
            embedding = sum(output.embedding.float() for output in outputs) / len(outputs)
            parts.append((feature.cpu(), embedding.cpu(), batch.pids, batch.camids))
    return Embeddings(*(torch.cat(column) for column in zip(*parts, strict=True)))


class Evaluation(NamedTuple):
    """Rankings by both features, and the features themselves."""

    feature: Ranking  # before the BN neck
    embedding: Ranking  # after it
    query: Embeddings
    gallery: Embeddings


def evaluate(
    model: ReIDModel,
    splits: Splits,
    *,
    batch_size: int = 64,
    amp: bool = False,
    workers: int = 0,
    flip: bool = False,
    multi_query: bool = False,
) -> Evaluation:
    """The official protocol: cosine distance, junk left out, no flip, no re-ranking (paper, section 4.1).

    Sets whose gallery holds one image of each identity (`splits.single_shot`) are ranked by that rule. flip: as in
    `embed`. multi_query: each query's feature is the mean of those of `splits.multi_query` of its person and camera;
    ValueError if the set has no such images.
    """
    if multi_query and not splits.multi_query:
        raise ValueError(
            f"{splits.name} has no further images of the query people (splits.multi_query is empty): evaluate it "
            "with multi_query=False."
        )
    options = {"batch_size": batch_size, "amp": amp, "workers": workers, "flip": flip}
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
    """For each query the mean of the images of its person by its camera."""
    pids, camids = (torch.tensor(column) for column in ([q.pid for q in queries], [q.camid for q in queries]))
    feature, embedding = (
        multi_query_features(features, images.pids, images.camids, pids, camids)
        for features in (images.feature, images.embedding)
    )
    return Embeddings(feature, embedding, pids, camids)
