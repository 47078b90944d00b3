"""Distributed data parallel training: process group, rank, differentiable collectives, synchronised BatchNorm.

Every function works without a process group, too: rank 0 of world size 1. The processes are started by `torchrun`;
the backend is gloo on CPUs, NCCL on GPUs.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def init_distributed() -> Iterator[torch.device]:
    """Initialise the process group of `torchrun`, if it started this process; yields this rank's device.

    The group is destroyed at the end. Ranks above 0 log only errors. Raises ValueError for more processes than GPUs.
    """
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if torch.cuda.is_available() else torch.device("cpu")
    if "WORLD_SIZE" not in os.environ or dist.is_initialized():
        yield device
        return
    if device.type == "cuda":
        if local >= torch.cuda.device_count():
            raise ValueError(
                f"local rank {local} found {torch.cuda.device_count()} GPUs: expected one for each process. "
                "Start as many as there are, torchrun --nproc-per-node=gpu."
            )
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    logger, level = logging.getLogger("rga"), logging.getLogger("rga").level
    if rank() > 0:
        logger.setLevel(logging.ERROR)
    try:
        yield device
    finally:
        logger.setLevel(level)
    dist.destroy_process_group()  # not after an error: it might wait for ranks that never come


def world_size() -> int:
    """The world size: the number of processes."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """This process's rank, from 0. Rank 0 writes logs and checkpoints."""
    return dist.get_rank() if world_size() > 1 else 0


class _AllReduceSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        dist.all_reduce(total := x.clone(memory_format=torch.contiguous_format))
        return total

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        # Every rank's loss depends on this sum, so the gradient of each summand is the sum of theirs.
        dist.all_reduce(total := grad.clone(memory_format=torch.contiguous_format))
        return total


@contextmanager
def main_process_first() -> Iterator[None]:
    """Rank 0 runs the body alone, the others wait at a barrier and then run it: they find its files."""
    if world_size() == 1:
        yield
        return
    # A timeout of its own: unpacking a data set may take hours; in training, minutes mean that a rank hangs.
    group = dist.new_group(backend="gloo", timeout=timedelta(hours=6))
    if rank() > 0:
        dist.barrier(group)
    yield
    if rank() == 0:
        dist.barrier(group)


def broadcast_buffers(model: nn.Module) -> None:
    """Broadcast the buffers of rank 0, in place: each rank has BatchNorm statistics of its own share of the batches."""
    if world_size() > 1:
        for buffer in model.buffers():
            dist.broadcast(buffer, 0)


def all_reduce_mean(x: Tensor) -> Tensor:
    """All-reduce: the mean of every rank's tensor, of one shape; gradients flow back to each of them."""
    return _AllReduceSum.apply(x) / world_size() if world_size() > 1 else x


def all_gather(x: Tensor) -> Tensor:
    """All-gather with gradients: (n, …) of each rank, one size for all -> (world·n, …) in the order of ranks."""
    if world_size() == 1:
        return x
    mine, everyone = rank(), x.new_zeros(world_size(), *x.shape)
    everyone[mine] = x
    return _AllReduceSum.apply(everyone).flatten(0, 1)


def all_gather_objects(value: Any) -> list:
    """All-gather of objects that can be pickled, in the order of ranks."""
    if world_size() == 1:
        return [value]
    values: list = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def broadcast_object(value: Any) -> Any:
    """Broadcast: the object of rank 0, on every rank."""
    if world_size() > 1:
        dist.broadcast_object_list(values := [value])
        value = values[0]
    return value


class SyncBatchNorm(_BatchNorm):
    """BatchNorm over the batches of all ranks, (B, C, …) -> same, as torch.nn.SyncBatchNorm, but on any device.

    Equal batch sizes are assumed. On GPUs `sync_batch_norm` takes PyTorch's, which is faster: one pass over the data
    where this takes three.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        pass

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        axes = [0, *range(2, x.ndim)]
        shape = [1, -1] + [1] * (x.ndim - 2)
        wide = x if x.dtype == torch.float64 else x.float()
        centre = all_reduce_mean(wide.mean(axes))
        centred = wide - centre.view(shape)
        variance = all_reduce_mean(centred.square().mean(axes))
        with torch.no_grad():
            count = world_size() * x.numel() // x.shape[1]
            self.running_mean.lerp_(centre, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        normal = centred * torch.rsqrt(variance + self.eps).view(shape)
        return (normal * self.weight.view(shape) + self.bias.view(shape)).to(x.dtype)


def sync_batch_norm(model: nn.Module) -> nn.Module:
    """Replace every BatchNorm of `model`, in place, by one over all ranks; the same weights and names."""
    if next(model.parameters()).device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            synced = SyncBatchNorm(module.num_features, module.eps, module.momentum)
            synced.weight, synced.bias = module.weight, module.bias
            for buffer in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(synced, buffer, getattr(module, buffer))
            model.set_submodule(name, synced.train(module.training))
    return model
