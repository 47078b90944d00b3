"""What notebook 02 looks at inside a network: BatchNorm settled, attentions awake, relations, gates, channels."""

import torch
from torch import Tensor, nn

from rga.models import stage_names
from rga.models.hooks import capture


def settle(network: nn.Module, images: Tensor) -> nn.Module:
    """Take the statistics of every BatchNorm from these images, where a new network has 0 and 1; in evaluation mode."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():
        network.train()(images)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    return network.eval()


def waken(attention: nn.Module, x: Tensor) -> nn.Module:
    """Parameters that start at 0, as the identity, get random values; BatchNorm the statistics of x (B, C, H, W)."""
    for parameter in attention.parameters():
        if not parameter.any():
            nn.init.normal_(parameter)
    return settle(attention.to(x), x)


@torch.no_grad()
def relations(network: nn.Module, images: Tensor, stage: int) -> tuple[Tensor, tuple[int, int]]:
    """R of the spatial attention of a stage, (B, N, N), and its grid (height, width), N = height · width."""
    name = _stage(network, stage)
    *blocks, attention = network.get_submodule(name)
    last = f"{name}.{len(blocks) - 1}"  # its output is what the attention is given
    with capture(network, last) as seen:
        network.eval()(images)
    return getattr(attention, "spatial", attention).relations(seen[last]), tuple(seen[last].shape[2:])


@torch.no_grad()
def gates(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The spatial gates of every stage, {"stage 1": (B, 1, h, w), …}, on the CPU."""
    with capture(network, "*.spatial.gate") as seen:
        network.eval()(images)
    return {f"stage {i}": maps.float().cpu() for i, maps in enumerate(seen.values(), start=1)}


@torch.no_grad()
def channels(network: nn.Module, images: Tensor, stage: int) -> tuple[Tensor, Tensor]:
    """What comes to the channel gates of a stage of RGA-SC, (B, C, H, W), and these gates, (B, C)."""
    with capture(network, f"{_stage(network, stage)}.*") as seen:
        network.eval()(images)
    (gate,) = (output for name, output in seen.items() if name.endswith(".channel.gate"))
    (entering,) = (output for name, output in seen.items() if name.endswith(".spatial"))
    return entering, gate.flatten(1)


def _stage(network: nn.Module, stage: int) -> str:
    return stage_names(network)[stage - 1]
