"""One training step: forward, two losses, backward, optimizer (paper, section 4.1).

On one device, in float32 and without gradient accumulation, `training_step` is these lines:

    output = network(images)
    loss = identity_loss(output.logits, labels) + triplet_loss(output.feature, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

The rest is what a large batch, float16 or several processes need, each named where it stands.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from rga.data.loaders import Batch, network_input
from rga.device import distributed
from rga.device.cuda_graphs import make_graphed
from rga.device.precision import Precision, autocast, matmul_precision
from rga.device.regional_compile import CompiledRegions
from rga.models import Output
from rga.models.attaching import attached
from rga.models.gates import last_layers
from rga.training.losses import Loss, batch_hard, check_pairs, identity_loss, trained_weights


class StepResult(NamedTuple):
    """The loss of a step, its two terms, and whether any process was asked to stop meanwhile."""

    loss: float
    identity: float | None  # None, and the other, where the caller's loss takes their place
    triplet: float | None
    stop: bool


class NonFiniteLossError(ValueError):
    """The loss became NaN or Inf; the optimizer has not stepped."""

    def __init__(self, result: StepResult) -> None:
        terms = f" (identity {result.identity}, triplet {result.triplet})"
        super().__init__(f"the loss became {result.loss}{terms if result.identity is not None else ''}")
        self.result = result


def training_step(
    network: nn.Module,
    batch: Batch,
    optimizer: Optimizer,
    scaler: torch.amp.GradScaler,
    *,
    precision: Precision = "fp32",
    smoothing: float = 0.1,
    margin: float | None = 0.3,
    accumulate: int = 1,
    gather: bool = False,
    loss: Loss | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> StepResult:
    """Forward, backward and optimizer step on one batch, in place.

    Args:
        network: a `ReIDModel` in training mode, or what wraps it (DistributedDataParallel, torch.compile, CUDA graphs).
        batch: of a `train_loader`; labels are 0 … num_pids - 1.
        optimizer: of the network's parameters, and of those that the loss has.
        scaler: loss scaling (`rga.device.precision.make_scaler`), which does something for fp16 only.
        precision, smoothing, margin, accumulate, gather, loss: as in `rga.fit`.
        stopping: asked once, whether this process should stop after the step.

    Returns:
        The losses, means over micro-batches and processes.

    Raises:
        NonFiniteLossError: before the optimizer steps, so the weights are as before.
    """
    device = next(network.parameters()).device
    optimizer.zero_grad()  # before the forward pass: old gradients need not live beside the activations
    losses = torch.zeros(2 if loss is None else 1, device=device)
    with matmul_precision(precision):
        for number, micro_batch in enumerate(micro_batches(batch, accumulate), start=1):
            with gradient_sync(network, last=number == accumulate):
                terms = forward(network, micro_batch, precision, smoothing, margin, gather, loss)
                # Gradient accumulation: .grad sums over micro-batches, so that each loss counts 1/accumulate. Loss
                # scaling multiplies by a large power of 2, without which small fp16 gradients underflow to 0.
                scaler.scale(terms.sum() / accumulate).backward()
            losses += terms.detach() / accumulate
    # All-reduce: the mean over processes. The only time that the host waits for a GPU in a step.
    asked_to_stop = losses.new_tensor([stopping()])
    *terms, stop = distributed.all_reduce_mean(torch.cat([losses, asked_to_stop])).tolist()
    identity, triplet = terms if loss is None else (None, None)
    result = StepResult(sum(terms), identity, triplet, stop > 0)
    if not math.isfinite(result.loss):
        raise NonFiniteLossError(result)
    scaler.step(optimizer)  # undoes the scaling; leaves the step out where a gradient has overflowed
    scaler.update()
    return result


def forward(
    network: nn.Module,
    batch: Batch,
    precision: Precision = "fp32",
    smoothing: float = 0.1,
    margin: float | None = 0.3,
    gather: bool = False,
    loss: Loss | None = None,
) -> Tensor:
    """Identity and triplet loss of a micro-batch, (2,), or the caller's loss, (1,); arguments as in `training_step`."""
    device = next(network.parameters()).device
    images, labels = network_input(batch, device), batch.pids.to(device, non_blocking=True)
    with autocast(device, precision):
        output = network(images)
    if loss is not None:
        return callers_loss(loss, output, labels, gather)
    check_pairs(batch.pids)  # on the CPU, where looking at them makes nobody wait
    feature, feature_labels = output.feature.float(), labels
    if gather:  # all-gather: hard pairs among the images of all processes
        feature, feature_labels = distributed.all_gather(feature), distributed.all_gather(labels)
    # Losses in full precision: distances are small differences of large numbers, and factors rounded to bfloat16 or
    # tf32 lose them.
    with matmul_precision("fp32"):
        triplet = batch_hard(feature, feature_labels, margin)
    return torch.stack([identity_loss(output.logits.float(), labels, smoothing), triplet])


def callers_loss(loss: Loss, output: Output, labels: Tensor, gather: bool) -> Tensor:
    """The loss that was given to `rga.fit`, (1,), in full precision. ValueError unless it is a scalar tensor."""
    output = Output(*(values.float() for values in output))
    if gather:
        output, labels = Output(*map(distributed.all_gather, output)), distributed.all_gather(labels)
    with matmul_precision("fp32"):
        value = loss(output, labels)
    if not isinstance(value, Tensor) or value.ndim:
        got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"loss(output, labels) must return a scalar tensor, such as a mean, got {got}.")
    return value[None]


def micro_batches(batch: Batch, count: int) -> Iterator[Batch]:
    """The batch in `count` parts of whole identities."""
    yield from (Batch(*fields) for fields in zip(*(field.chunk(count) for field in batch), strict=True))


def gradient_sync(network: nn.Module, last: bool) -> AbstractContextManager:
    """DistributedDataParallel averages gradients over processes in backward: once a step, at the last micro-batch."""
    return nullcontext() if last or distributed.world_size() == 1 else network.no_sync()


def make_optimizer(
    model: nn.Module,
    lr: float,
    gate_lr: float = 1.0,
    weight_decay: float = 5e-4,
    fused: bool = True,
    loss: Loss | None = None,
) -> Optimizer:
    """Adam for the weights that require gradients; `gate_lr` times `lr` for those that end an attention.

    The weights of a loss that has any are a group of their own, the last.
    """
    groups = parameter_groups(model, lr, gate_lr)
    groups += [{"params": weights}] if (weights := trained_weights(loss)) else []
    return torch.optim.Adam(groups, lr, weight_decay=weight_decay, fused=fused)


def parameter_groups(model: nn.Module, lr: float, gate_lr: float = 1.0) -> list[dict]:
    """The weights that require gradients, for an optimizer: in a group of their own those that end an attention."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    gates = [gate for gate in last_layers(model) if gate.requires_grad]
    if gate_lr == 1 or not gates:
        return [{"params": trained}]
    ids = set(map(id, gates))
    others = [weight for weight in trained if id(weight) not in ids]
    return [{"params": others}, {"params": gates, "lr": gate_lr * lr}]


def prepare_network(
    model: nn.Module,
    shape: tuple[int, int, int, int],
    precision: Precision,
    graphs: bool,
    compile: bool | Literal["attention"],
) -> nn.Module:
    """What a step calls: the model as CUDA graphs for images of this shape, or for several processes, or compiled.

    With its attention compiled it can be each of the first two; graphs then capture the compiled kernels.
    """
    if compile == "attention":
        model = CompiledRegions(model, attached(model))
    if graphs:
        return make_graphed(model, shape, precision)
    device = next(model.parameters()).device
    if distributed.world_size() > 1:
        for weight in model.parameters():
            if weight.requires_grad:
                weight.register_post_accumulate_grad_hook(match_strides)
        model = DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)
    return torch.compile(model, dynamic=False) if compile is True else model


def match_strides(weight: Tensor) -> None:
    """Gives a gradient the strides of its weight where they differ in axes of size 1 only, so that no number moves.

    Autograd's gradient layout contract leaves the stride of an axis of size 1 open, as of a 1 × 1 convolution's last
    axes, and the kernel decides; DistributedDataParallel compares those, too, and warns of nothing ("Grad strides do
    not match bucket view strides").
    """
    strides = zip(weight.shape, weight.grad.stride(), weight.stride(), strict=True)
    if all(size == 1 or theirs == ours for size, theirs, ours in strides):
        weight.grad = weight.grad.as_strided(weight.shape, weight.stride())
