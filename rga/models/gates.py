"""Gates: the sigmoid at the end of an attention, and how it is initialised: as published, or as the identity."""

from typing import Literal

import torch
from torch import Tensor, nn

GateInit = Literal["released", "identity"]


class DoubleSigmoid(nn.Module):
    """2 * sigmoid: exactly 1 (open) at logit 0, where a sigmoid is 0.5 (half closed)."""

    def forward(self, logit: Tensor) -> Tensor:
        return 2 * torch.sigmoid(logit)


def make_gate(last: nn.Module, init_gates: GateInit) -> nn.Module:
    """The gate behind `last`, the layer whose outputs are the logits.

    "released": a sigmoid, as in the papers and their authors' code; gates are random at the start. "identity": twice
    a sigmoid, and `last` is zero-initialised, so that the attention starts as the identity; the same parameters.
    Raises ValueError for anything else.
    """
    mark_last(last)
    if init_gates == "released":
        return nn.Sigmoid()
    if init_gates == "identity":
        for parameter in last.parameters():
            nn.init.zeros_(parameter)
        return DoubleSigmoid()
    raise ValueError(f"init_gates must be 'released' or 'identity', got {init_gates!r}.")


def mark_last(layer: nn.Module) -> None:
    """Marks the last layer of an attention, for `last_layers`."""
    layer.ends_attention = True


def last_layers(network: nn.Module) -> list[nn.Parameter]:
    """The weights of the last layer of each attention in a network, which decide how far gates open and close.

    They start at 0 with gates that start as the identity, and a short run of Adam moves no weight far from where it
    started: `gate_lr` of `rga.fit` gives these a learning rate of their own.
    """
    layers = (layer for layer in network.modules() if getattr(layer, "ends_attention", False))
    return [parameter for layer in layers for parameter in layer.parameters()]
