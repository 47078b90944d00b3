"""Regional compilation: torch.compile of some modules of a network, each by itself, instead of the whole."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class CompiledRegions(nn.Module):
    """Calls a network with some of its modules compiled; called directly, the network itself is as before.

    The small operations of an attention become a few kernels, and the compiler need not see the backbone, whose
    convolutions it cannot improve. Nothing in the network is replaced: names, state dict and hooks stay, and an
    evaluation between two steps, whose batches have other shapes, compiles nothing. Shapes are static.

    network: its parameters and buffers are this module's, too. regions: modules of it. backend: torch.compile's.
    """

    def __init__(self, network: nn.Module, regions: Iterable[nn.Module], backend: str = "inductor") -> None:
        super().__init__()
        self.network = network
        self.compiled = [
            (module, torch.compile(module.forward, dynamic=False, backend=backend)) for module in regions
        ]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        for module, forward in self.compiled:
            module.forward = forward
        try:
            return self.network(images)
        finally:
            for module, _ in self.compiled:
                del module.forward  # the one of its class again
