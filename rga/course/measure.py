"""What a computation costs: memory that autograd keeps, its largest tensor, multiply-adds, seconds."""

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


def kept(f: Callable[[], object]) -> float:
    """MiB that autograd keeps for the backward pass of f(), weights included, each tensor counted once."""
    storages = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        f()
    return sum(storages.values()) / 2**20


class _Largest(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        sizes = [part.numel() for part in tree_leaves(made) if isinstance(part, Tensor)]
        self.numbers = max([self.numbers, *sizes])
        return made


def largest(f: Callable[[], object]) -> int:
    """How many numbers the largest tensor holds that f() makes on its way, views included."""
    with _Largest() as seen:
        f()
    return seen.numbers


def multiply_adds(f: Callable[[], object]) -> float:
    """The multiply-adds of the matrix products and convolutions of f(), in 10⁹; each is two FLOPs."""
    with FlopCounterMode(display=False) as counter:
        f()
    return counter.get_total_flops() / 2e9


def seconds(f: Callable[[], Tensor], repeats: int = 3) -> float:
    """Of f() and its backward pass on one thread, the best of some repeats."""
    threads, best = torch.get_num_threads(), float("inf")
    torch.set_num_threads(1)
    try:
        for _ in range(repeats):
            started = time.perf_counter()
            f().sum().backward()
            best = min(best, time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
    return best
