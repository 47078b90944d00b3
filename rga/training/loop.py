"""`rga.fit`: train a network, in a plain loop that you drive, on one device or many, stoppable at any time."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from rga.data.loaders import train_loader
from rga.data.samples import TrainSample
from rga.device import distributed
from rga.device.precision import Precision, make_scaler
from rga.models import ReIDModel
from rga.training import checks
from rga.training.diagnostics import warn_once
from rga.training.interrupts import defer_stop_signals
from rga.training.log import Log
from rga.training.losses import Loss, loss_name
from rga.training.lr_schedule import paper_schedule
from rga.training.resume import TrainingState, digest, image_digests, should_resume
from rga.training.rng_state import set_rng_state
from rga.training.step import NonFiniteLossError, make_optimizer, prepare_network, training_step

logger = logging.getLogger(__name__)


def fit(
    model: ReIDModel,
    samples: Sequence[TrainSample],
    *,
    epochs: int,
    p: int = 16,
    k: int = 4,
    every_image: bool = False,
    lr: float = 8e-4,
    gate_lr: float = 1.0,
    schedule: Callable[[Optimizer], LRScheduler] = paper_schedule,
    weight_decay: float = 5e-4,
    smoothing: float = 0.1,
    margin: float | None = 0.3,
    loss: Loss | None = None,
    ema: AveragedModel | None = None,
    seed: int = 0,
    precision: Precision = "fp32",
    accumulate: int = 1,
    compile: bool | Literal["attention"] = False,
    graphs: bool = False,
    channels_last: bool = True,
    fused: bool = True,
    sync_norm: bool = False,
    gather: bool = False,
    workers: int = 0,
    cache: bool | str | Path = False,
    path: str | Path | None = None,
    save_every: int = 10,
    evaluate_every: int = 0,
    keep: int = 1,
    resume: bool | Literal["auto"] = False,
) -> Iterator[Log]:
    """Train `model` in place, on the device it is on; yields a `Log` after every step (paper, section 4.1).

    The caller's loop body is the callback: `for log in rga.fit(...)`. One step is `rga.training.step.training_step`.

    Args:
        model: from `create_model`, on the device to train on.
        samples: labelled 0 … num_pids - 1, as `splits.train`.
        epochs: passes over the identities (or over the images, see every_image).
        p: identities in a batch, of all processes together.
        k: images of each identity in a batch.
        every_image: an epoch holds each image at least once, instead of k images of each identity.
        lr: Adam's learning rate, at its highest.
        gate_lr: learning-rate multiplier of the last layer of each attention (`rga.models.gates.last_layers`).
        schedule: optimizer -> learning-rate scheduler, stepped once an epoch.
        weight_decay: Adam's (L2).
        smoothing: label smoothing of the identity loss.
        margin: of the triplet loss; None for the soft margin.
        loss: (output, labels) -> scalar, in place of identity + triplet loss: it gets the network's `Output` in float32
            and labels (B,), and neither smoothing nor margin matters. An nn.Module with weights of its own (ArcFace,
            proxies) is moved to the device, trained with the network, saved and resumed; in one process only.
        ema: an average of the weights, torch.optim.swa_utils.AveragedModel(model, …): updated after every step, saved
            and resumed with the network, which is trained as without it.
        seed: decides batches and augmentation.
        precision: "fp32", "tf32" (GPUs), "bf16" or "fp16" (autocast, fp16 with loss scaling).
        accumulate: gradient accumulation, micro-batches a step, for less memory; BatchNorm and the search for hard
            pairs then see one at a time, p / accumulate identities.
        compile: torch.compile; the first step takes a minute or more. "attention": only the attention behind each
            stage, which is where a compiler finds something; evaluation stays as it is.
        graphs: CUDA graphs, on one GPU: a pass is launched at once, not kernel by kernel (`rga.device.cuda_graphs`);
            not with compile=True.
        channels_last: memory format of the network and its images.
        fused: all of Adam in one kernel.
        sync_norm: several processes: BatchNorm over all of them.
        gather: several processes: hard pairs among the images of all of them; another loss gets all their outputs.
        workers: processes that load images beside this one.
        cache: keep resized images, as in `rga.data.train_loader`.
        path: checkpoint file, written every `save_every` epochs, at the end, and on SIGINT (Ctrl-C, the stop button)
            or SIGTERM once the current step is done; the signal is re-raised after saving.
        save_every: epochs from one checkpoint to the next.
        evaluate_every: epochs from one evaluation in the caller's loop body to the next; 0: there is none. The
            checkpoint is also written before each, so that a failure in it does not cost the training.
        keep: checkpoints that stay; above 1 each has a second name, PATH-STEP.
        resume: True continues from the checkpoint, "auto" if there is one. The logs it holds are replayed (yielded)
            first, so they are always those of the whole run: the same as without the interruption, on a CPU to the
            last bit.

    With several processes (`torchrun`, see `rga.device.distributed`) the same arguments mean the same batches; with
    sync_norm and gather the losses are those of one process.

    Raises:
        ValueError: labels that do not fit the network; p that cannot be divided as asked for; graphs on anything but
            one GPU; a checkpoint of other batches or more epochs; a step that runs out of memory; a loss or weights
            that become NaN or Inf. Nothing is saved then, so the last checkpoint is a good one. A loss that is no
            scalar; an ema of another network.
    """
    device = next(model.parameters()).device
    checks.check_counts(epochs=epochs, p=p, k=k, accumulate=accumulate, seed=seed, workers=workers)
    checks.check_counts(save_every=save_every, evaluate_every=evaluate_every, keep=keep)
    checks.check_loss_options(lr, weight_decay, smoothing, margin)
    checks.check_fit(model, samples, p, accumulate, graphs, compile, path, resume, gate_lr, loss, ema)

    # The network, its batches, its optimizer.
    if channels_last:
        model.to(memory_format=torch.channels_last)
    if sync_norm and distributed.world_size() > 1:
        distributed.sync_batch_norm(model)
    # A folder is filled by one process; what is kept in memory, each keeps.
    with nullcontext() if isinstance(cache, bool) else distributed.main_process_first():
        share = distributed.rank(), distributed.world_size()
        loader = train_loader(
            samples, model.size, p, k, seed, workers, cache, every_image=every_image, share=share
        )
    if isinstance(loss, nn.Module):
        loss.to(device).train()
    optimizer = make_optimizer(model, lr, gate_lr, weight_decay, fused, loss)
    scheduler, scaler = schedule(optimizer), make_scaler(device, precision)

    # Resume where a checkpoint left off.
    settings = {"p": p, "k": k, "every_image": every_image, "images": len(samples), "seed": seed}
    settings |= {"samples": digest(samples), "processes": distributed.world_size()}
    settings |= {"epochs": epochs, "precision": precision, "accumulate": accumulate}
    settings |= {"sync_norm": sync_norm, "gather": gather}
    settings |= {
        "lr": lr,
        "gate_lr": gate_lr,
        "weight_decay": weight_decay,
        "smoothing": smoothing,
        "margin": margin,
        "loss": loss_name(loss),
        "ema": ema is not None,
    }
    modules = {"loss": loss} if isinstance(loss, nn.Module) and loss.state_dict() else {}
    modules |= {"ema": ema} if ema is not None else {}
    state = TrainingState(model, optimizer, scheduler, scaler, settings, modules)
    logs, rng_state = state.load(path, len(loader)) if should_resume(path, resume) else ([], None)
    if path is not None and distributed.rank() == 0:
        state.images = image_digests(sample.path for sample in samples)

    _log_start(model, device, precision)
    network = prepare_network(model, (p * k, 3, *model.size), precision, graphs=graphs, compile=compile)
    step = partial(training_step, network, optimizer=optimizer, scaler=scaler, precision=precision)
    step = partial(step, smoothing=smoothing, margin=margin, accumulate=accumulate, gather=gather, loss=loss)

    yield from logs
    if rng_state is not None:  # set now, since the caller's loop body may have drawn numbers
        set_rng_state(rng_state, device)
    totals, warned = {"steps": epochs * len(loader), "epochs": epochs}, set()
    interrupts = defer_stop_signals() if path is not None else nullcontext(lambda: False)
    # The loader is closed first: a signal that is re-raised may end the process.
    with interrupts as stopping, closing(loader):
        for epoch in range(len(logs) // len(loader), epochs):
            model.train()
            loader.batch_sampler.set_epoch(epoch, start=len(logs) - epoch * len(loader))
            started = time.perf_counter()
            for batch in loader:
                waited = time.perf_counter() - started
                at = {"step": len(logs) + 1, "epoch": epoch + 1, "lr": scheduler.get_last_lr()[0]}
                try:
                    result = step(batch=batch, stopping=stopping)
                except NonFiniteLossError as error:
                    raise ValueError(checks.nan_message(error, at, batch, samples, path)) from None
                except RuntimeError as error:
                    said = checks.memory_message(error, at, model, p, k, accumulate, precision, path)
                    if said is None:
                        raise
                    error.__traceback__ = None  # its frames would keep the step's tensors on the device
                    raise ValueError(said) from None
                if loss is not None:
                    checks.check_reached(model)
                if ema is not None:
                    ema.update_parameters(model)
                seconds = time.perf_counter() - started
                losses = {"loss": result.loss, "identity": result.identity, "triplet": result.triplet}
                speed = {"images_per_second": p * k / seconds, "waiting": waited / seconds}
                logs.append(log := Log(**at, **totals, **losses, **speed))
                if log.ends_epoch:
                    scheduler.step()
                    if path is not None and evaluate_every and (epoch + 1) % evaluate_every == 0:
                        state.save(path, logs, keep=1)
                yield log
                if result.stop and not log.ends_epoch:
                    break
                started = time.perf_counter()
            if path is not None and (result.stop or (epoch + 1) % save_every == 0 or epoch + 1 == epochs):
                state.save(path, logs, keep)
            if result.stop:
                logger.warning(
                    "stopped after step %d; resume=True continues from %s", log.step, Path(path).name
                )
                if not stopping():
                    raise KeyboardInterrupt("another process was told to stop.")
                return
            warn_once(logs, margin, warned)


def _log_start(model: ReIDModel, device: torch.device, precision: Precision) -> None:
    names = {"bf16": ", bfloat16 autocast", "fp16": ", float16 autocast", "tf32": ", tf32 products"}
    logger.info(
        "training %s + %s on %s%s%s; weights before training: %s",
        model.config["backbone"],
        model.config["attention"],
        device,
        f" x {distributed.world_size()} processes" if distributed.world_size() > 1 else "",
        names.get(precision, ""),
        model.config["weights"],
    )
