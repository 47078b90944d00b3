"""Train a network: one plain loop, which you drive, on one device or many, and which can be stopped at any time."""

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from rga import checkpoint, distributed, signals
from rga.data.core import Sample
from rga.data.loaders import Batch, network_input, train_loader
from rga.engine.resume import accept, check_weights, go_on
from rga.graphs import graphed
from rga.losses import batch_hard, check_pairs, identity_loss
from rga.models import ReIDModel
from rga.precision import Precision, autocast, multiplying, scaler
from rga.randomness import random_state, set_random_state
from rga.schedule import paper_schedule
from rga.symptoms import symptoms

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Log:
    """What one training step says: step of steps (from 1) in epoch of epochs (from 1), losses, learning rate, speed.

    Of several processes, losses are the mean over all of them and images_per_second counts all images.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    identity: float
    triplet: float
    lr: float
    images_per_second: float
    waiting: float  # the share of the step's time that passed before its images were there
    held: bool = False  # of an earlier run, told again on resuming

    @property
    def ends_epoch(self) -> bool:
        return self.step * self.epochs == self.epoch * self.steps


def fit(
    model: ReIDModel,
    samples: Sequence[Sample],
    *,
    epochs: int,
    p: int = 16,
    k: int = 4,
    every_image: bool = False,
    lr: float = 8e-4,
    schedule: Callable[[Optimizer], LRScheduler] = paper_schedule,
    weight_decay: float = 5e-4,
    smoothing: float = 0.1,
    margin: float | None = 0.3,
    seed: int = 0,
    precision: Precision = "fp32",
    accumulate: int = 1,
    compile: bool = False,
    graphs: bool = False,
    channels_last: bool = True,
    fused: bool = True,
    sync_norm: bool = False,
    gather: bool = False,
    workers: int = 0,
    cache: bool | str | Path = False,
    path: str | Path | None = None,
    save_every: int = 10,
    keep: int = 1,
    resume: bool | Literal["auto"] = False,
) -> Iterator[Log]:
    """Train `model` in place, on the device it is on; yields a Log after every step (paper, section 4.1).

    The caller's loop body is the callback: `for log in fit(...)`. An epoch visits each identity once, k images of
    it, or with every_image each image at least once.

    How the numbers are computed, the results differing by rounding only: precision ("fp32", "tf32" on GPUs, "bf16",
    "fp16" with its gradients scaled), compile (torch.compile; the first step takes a minute or more), graphs (CUDA
    graphs, on one GPU: a pass of the network is started at once, not kernel by kernel; see `rga.graphs`),
    channels_last, fused (all of Adam in one kernel). accumulate: a batch goes through the network in so many parts,
    for less memory; BatchNorm and the search for hard pairs then see a part at a time, p/accumulate identities.

    Several processes (`torchrun`, see `rga.distributed`): p counts the identities of all of them, so the same
    arguments mean the same batches. sync_norm: BatchNorm over all processes; gather: hard pairs are searched among
    all images. With both the losses are those of one process.

    workers, cache: as in `rga.data.train_loader`. path: checkpoint file, written every `save_every` epochs, at the
    end, and on SIGINT (Ctrl-C, the stop button) or SIGTERM after the step that it finds going on; the signal does
    its work then. keep: how many of these files stay; above 1 each has a second name, PATH-STEP. resume=True goes on
    from it, "auto" if it is there, and yields the steps it holds first, so that the logs are always those of the whole
    run: the same as without the interruption, and on a CPU to the last bit.

    Raises ValueError if the labels do not fit the network, if p cannot be divided as asked for, for graphs on anything
    but one GPU, for a checkpoint of other batches or more epochs, and if the loss or the weights stop being numbers:
    then nothing is saved any more, so the last checkpoint is a good one.
    """
    _check_labels(model, samples)
    if not isinstance(resume, bool) and resume != "auto":
        raise ValueError(f"resume must be True, False or 'auto', got {resume!r}.")
    if save_every < 1 or keep < 1:
        raise ValueError(f"save_every and keep must be at least 1, got {save_every} and {keep}.")
    if accumulate < 1 or p % (accumulate * distributed.world()) or p < 2 * accumulate * distributed.world():
        raise ValueError(
            f"p={p} identities cannot be divided among {distributed.world()} processes x {accumulate} parts: expected "
            "the same number of at least 2 in each."
        )
    if path is None and resume is True:
        raise ValueError("resume=True goes on from a checkpoint: pass its path, got path=None.")
    device = next(model.parameters()).device
    if graphs and (device.type != "cuda" or distributed.world() > 1 or accumulate > 1 or compile):
        raise ValueError(
            "graphs=True is for one process on a CUDA device, with accumulate=1 and compile=False; got "
            f"{distributed.world()} on {device.type}, accumulate={accumulate} and compile={compile}: leave it out."
        )
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if sync_norm and distributed.world() > 1:
        distributed.sync_batch_norm(model)
    share = distributed.rank(), distributed.world()
    # A folder is filled by one process; what is kept in memory, each keeps.
    in_turn = nullcontext() if isinstance(cache, bool) else distributed.first_before_others()
    with in_turn:
        loader = train_loader(
            samples, model.size, p, k, seed, workers, cache, every_image=every_image, share=share
        )
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.Adam(learned, lr, weight_decay=weight_decay, fused=fused)
    scheduler = schedule(optimizer)
    scale = scaler(device, precision)
    steps_of_epoch, logs, random = len(loader), [], []
    settings = {"p": p, "k": k, "every_image": every_image, "images": len(samples), "seed": seed}
    settings |= {"samples": _digest(samples), "processes": distributed.world()}
    settings |= {"epochs": epochs, "precision": precision, "accumulate": accumulate}
    settings |= {"sync_norm": sync_norm, "gather": gather}
    settings |= {"lr": lr, "weight_decay": weight_decay, "smoothing": smoothing, "margin": margin}
    if path is not None and distributed.from_first(
        resume is True or (resume == "auto" and Path(path).exists())
    ):
        state = checkpoint.restore(path, model, accept=partial(accept, path, settings))
        totals = {"steps": epochs * steps_of_epoch, "epochs": epochs, "held": True}
        logs, random = [replace(Log(*values), **totals) for values in state["logs"]], state["random"]
        if state["scaler"]:  # empty, if that was not fp16
            scale.load_state_dict(state["scaler"])
        go_on(optimizer, scheduler, state["optimizer"], len(logs) // steps_of_epoch)
    _say_what_begins(model, device, precision)
    if graphs:
        network = graphed(model, (p * k, 3, *model.size), precision)
    else:
        network = _wrapped(model, device, compile)

    def save() -> None:
        states = distributed.gather_objects(random_state(device))
        check_weights(model, logs[-1].step)
        if distributed.rank() == 0:
            state = {"optimizer": optimizer.state_dict(), "scaler": scale.state_dict(), "settings": settings}
            state |= {"logs": [astuple(log) for log in logs], "random": states}
            checkpoint.save(path, model, keep=keep, step=logs[-1].step, **state)

    yield from logs
    if random:  # set now, since the caller's loop body may have drawn numbers
        set_random_state(random[distributed.rank() % len(random)], device)
    warned: set[str] = set()
    with signals.deferred() if path is not None else nullcontext(lambda: False) as stopping:
        for epoch in range(len(logs) // steps_of_epoch, epochs):
            model.train()
            loader.batch_sampler.set_epoch(epoch, start=len(logs) - epoch * steps_of_epoch)
            started = time.perf_counter()
            for batch in loader:
                waited = time.perf_counter() - started
                optimizer.zero_grad()  # before the forward pass: old gradients need not live beside activations
                terms = torch.zeros(2, device=device)
                with multiplying(precision):
                    for number, part in enumerate(_parts(batch, accumulate)):
                        last = number + 1 == accumulate
                        with nullcontext() if last or distributed.world() == 1 else network.no_sync():
                            losses = _losses(network, part, device, precision, smoothing, margin, gather)
                            scale.scale(losses.sum() / accumulate).backward()
                        terms += losses.detach() / accumulate
                # The only time that the host waits for a GPU: the numbers of this step, and whether to stop.
                *values, stops = distributed.mean(torch.cat([terms, terms.new_tensor([stopping()])])).tolist()
                log = Log(
                    step=len(logs) + 1,
                    steps=epochs * steps_of_epoch,
                    epoch=epoch + 1,
                    epochs=epochs,
                    loss=sum(values),
                    identity=values[0],
                    triplet=values[1],
                    lr=scheduler.get_last_lr()[0],
                    images_per_second=0.0,  # the step is not over
                    waiting=0.0,
                )
                if not math.isfinite(log.loss):
                    raise ValueError(_no_number(log, batch, samples, path))
                scale.step(optimizer)
                scale.update()
                seconds = time.perf_counter() - started
                log = replace(log, images_per_second=p * k / seconds, waiting=waited / seconds)
                logs.append(log)
                if log.ends_epoch:
                    scheduler.step()
                yield log
                if stops and not log.ends_epoch:
                    break
                started = time.perf_counter()
            if path is not None and (stops or (epoch + 1) % save_every == 0 or epoch + 1 == epochs):
                save()
            if stops:
                logger.warning(
                    "stopped after step %d; resume=True goes on from %s", log.step, Path(path).name
                )
                if not stopping():
                    raise KeyboardInterrupt("another process was told to stop.")
                return
            for name, sentence in symptoms(logs, margin).items():
                if name not in warned:
                    logger.warning("%s", sentence)
                warned.add(name)


def _losses(
    network: nn.Module,
    batch: Batch,
    device: torch.device,
    precision: Precision,
    smoothing: float,
    margin: float | None,
    gather: bool,
) -> Tensor:
    """Identity and triplet loss of a batch, (2,)."""
    images, pids = network_input(batch, device), batch.pids.to(device, non_blocking=True)
    with autocast(device, precision):
        output = network(images)
    check_pairs(batch.pids)  # on the CPU, where looking at them makes nobody wait
    feature, labels = output.feature.float(), pids
    if gather:
        feature, labels = distributed.gather(feature), distributed.gather(pids)
    # Losses in full precision: distances are small differences of large numbers, and factors rounded to bfloat16 or
    # tf32 lose them.
    with multiplying("fp32"):
        triplet = batch_hard(feature, labels, margin)
    return torch.stack([identity_loss(output.logits.float(), pids, smoothing), triplet])


def _parts(batch: Batch, parts: int) -> Iterator[Batch]:
    """The batch in parts of whole identities."""
    yield from (Batch(*fields) for fields in zip(*(field.chunk(parts) for field in batch), strict=True))


def _wrapped(model: ReIDModel, device: torch.device, compile: bool) -> nn.Module:
    """What the loop calls: the model, its gradients averaged over processes, compiled, as asked for."""
    network = model
    if distributed.world() > 1:
        network = DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
    return torch.compile(network, dynamic=False) if compile else network


def _say_what_begins(model: ReIDModel, device: torch.device, precision: Precision) -> None:
    names = {"bf16": ", bfloat16 autocast", "fp16": ", float16 autocast", "tf32": ", tf32 products"}
    logger.info(
        "training %s + %s on %s%s%s; weights before training: %s",
        model.config["backbone"],
        model.config["attention"],
        device,
        f" x {distributed.world()} processes" if distributed.world() > 1 else "",
        names.get(precision, ""),
        model.config["weights"],
    )


def _no_number(log: Log, batch: Batch, samples: Sequence[Sample], path: str | Path | None) -> str:
    names = [Path(samples[index].path).name for index in batch.indices.tolist()]
    kept = (
        f"the last good checkpoint is {path}"
        if path is not None and Path(path).exists()
        else "nothing was saved"
    )
    return (
        f"the loss became {log.loss} (identity {log.identity}, triplet {log.triplet}) at step {log.step}, epoch "
        f"{log.epoch}, learning rate {log.lr:.2g}; the weights are as before the step (BatchNorm's running statistics "
        f"may not be: load a checkpoint), {kept}. The batch was "
        f"{', '.join(names)}. Use a smaller lr, start from pretrained weights, or precision='fp32'."
    )


def _digest(samples: Sequence[Sample]) -> str:
    """Which images of whom, in their order, wherever they lie."""
    names = "\n".join(f"{Path(sample.path).name} {sample.pid}" for sample in samples)
    return hashlib.sha256(names.encode()).hexdigest()[:16]


def _check_labels(model: ReIDModel, samples: Sequence[Sample]) -> None:
    pids, num_pids = {sample.pid for sample in samples}, model.classifier.out_features
    if not pids:
        raise ValueError("there is no image to train on: expected samples, such as splits.train, got none.")
    if min(pids) < 0 or max(pids) >= num_pids:
        raise ValueError(
            f"training identities must be numbered 0 … {num_pids - 1}, the classes of this network; got {len(pids)} "
            f"from {min(pids)} to {max(pids)}. Build the network with num_pids=splits.num_pids, and "
            "train it on splits.train."
        )
