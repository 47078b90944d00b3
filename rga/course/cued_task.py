"""The cued task: a small network with one attention learns, from labels alone, which of three digits is meant.

One rung between the toy tasks of notebook 02 and re-identification: pictures (`rga.data.cued_digits`), convolutions,
BatchNorm, a label for each picture and nothing else. Whatever attention the network has stands in the same place.

No convolution can carry the cue: behind the first stage, where the attention stands, a position sees 5 pixels a side,
behind the last 9, and between the mark and the nearest digit lie 8 empty ones, so that no position ever sees both.
Without an attention that does better, the network has to guess which of the three digits it is.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import rankdata
from torch import Tensor, nn

from rga.data.cued_digits import SIZE, CuedDigits, draw
from rga.metrics import attention_share, coverage
from rga.models import ATTENTION
from rga.models.hooks import capture, evaluating
from rga.training.step import parameter_groups

CHANNELS, GRID = 64, (SIZE[0] // 2, SIZE[1] // 2)  # of the feature map that the attention sees
CHANCE = (
    1 / 3 + 2 / 3 / 10
)  # of whoever reads one of the three digits without error, not knowing which is meant


@dataclass(frozen=True)
class Settings:
    """How a network is trained."""

    steps: int = 400
    batch_size: int = 64
    lr: float = 3e-3  # of Adam at its highest: one cycle, a fifth of it warm-up
    gate_multiple: float = 20  # times lr: the rate of the zero-initialised last layer of an attention
    distractors: float = 0.5  # the chance of each other digit to be in a training picture


@dataclass(frozen=True)
class CuedScore:
    """accuracy, and how well the spatial gate finds the digit that is meant; NaN where there is no spatial gate."""

    accuracy: float
    share: float  # of the gate on the ink of the three digits: the part on the one that is meant; chance 1/3
    auc: float  # the chance that a position on it has a higher gate than one on another digit; chance 1/2
    lift: float  # of the whole gate on the digit that is meant, over its share of the area; chance 1


def create_network(attention: str = "none", init_gates: str = "identity") -> nn.Sequential:
    """Three stages, the attention (a key of `rga.models.ATTENTION`) behind the first: (B, 3, 32, 32) -> (B, 10)."""
    if attention not in ATTENTION:
        raise ValueError(f"unknown attention {attention!r}: choose one of {', '.join(ATTENTION)}.")
    build = ATTENTION[attention]
    return nn.Sequential(
        _stage(3, CHANNELS, 5, stride=2),
        build(CHANNELS, GRID, init_gates=init_gates) if build else nn.Identity(),
        _stage(CHANNELS, 96, 3, stride=2),
        _stage(96, 128, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    )


def _stage(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def train(
    cue: str,
    attention: str,
    seed: int,
    settings: Settings = Settings(),
    *,
    alone: bool = False,
    device: str | torch.device = "cpu",
) -> nn.Sequential:
    """A network trained on fresh pictures of the training handwritings, in eval mode.

    alone: without any distractor, the oracle. The seed decides weights and pictures; every attention sees the same
    pictures in the same order.
    """
    torch.manual_seed(seed)
    network = create_network(attention)
    generator = torch.Generator().manual_seed(seed)
    share = 0 if alone else settings.distractors
    batches = (draw(cue, settings.batch_size, generator, distractors=share) for _ in range(settings.steps))
    pairs = ((batch.images, batch.labels) for batch in batches)
    return optimise(network, pairs, settings.steps, settings.lr, settings.gate_multiple, device)


def optimise(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    steps: int,
    lr: float,
    gate_multiple: float,
    device: str | torch.device = "cpu",
) -> nn.Module:
    """Train a network in place with Adam; it ends in eval mode.

    Args:
        batches: `steps` pairs of images (B, 3, H, W) and labels (B,).
        steps: one cycle of the learning rate, a fifth of it warm-up.
        lr: at its highest.
        gate_multiple: times lr, the rate of the zero-initialised last layer of an attention.
    """
    network.to(device, memory_format=torch.channels_last).train()
    rates = [lr, lr * gate_multiple]
    adam = torch.optim.Adam(parameter_groups(network, lr, gate_multiple), foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        adam, rates[: len(adam.param_groups)], total_steps=steps, pct_start=0.2
    )
    for images, labels in batches:
        loss = F.cross_entropy(network(_input(images, device)), labels.to(device))
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return network.eval()


def _input(images: Tensor, device: str | torch.device) -> Tensor:
    return images.to(device, memory_format=torch.channels_last)  # a fifth less time on a CPU


@torch.no_grad()
def spatial_gate(network: nn.Sequential, images: Tensor) -> Tensor | None:
    """The gate of every position, (B, h, w), on the CPU; None where the attention has none (SE, non-local, …)."""
    device = next(network.parameters()).device
    if not any(name.endswith("gate") for name, _ in network.named_modules()):
        return None
    parts = []
    for some in images.split(250):
        with evaluating(network), capture(network, "*gate") as maps:
            network(_input(some, device))
        parts.append([gate for gate in maps.values() if gate.shape[1] == 1 and gate.shape[2:] == GRID])
    return torch.cat([gates[0] for gates in parts])[:, 0].cpu() if parts[0] else None


@torch.no_grad()
def score(
    network: nn.Sequential, cue: str, split: str = "test", count: int = 2000, *, alone: bool = False
) -> CuedScore:
    """On `count` pictures of the split's handwritings, the same for every network."""
    batch = draw(cue, count, torch.Generator().manual_seed(1), split, distractors=0 if alone else 1)
    device = next(network.parameters()).device
    with evaluating(network):
        found = torch.cat([network(_input(some, device)).argmax(1).cpu() for some in batch.images.split(250)])
    accuracy = (found == batch.labels).double().mean().item()
    gate = None if alone else spatial_gate(network, batch.images)
    if gate is None:
        return CuedScore(accuracy, math.nan, math.nan, math.nan)
    return CuedScore(accuracy, *score_gate(gate, batch))


def score_gate(gate: Tensor, batch: CuedDigits) -> tuple[float, float, float]:
    """share, auc and lift of `CuedScore`, for gates (B, h, w)."""
    meant = coverage(batch.masks, gate.shape[1:])
    others = coverage(batch.digits.any(1), gate.shape[1:]) - meant
    values = gate.double().numpy()
    share = (values * meant).sum((1, 2)) / (values * (meant + others)).sum((1, 2))
    aucs = []
    for each, positive, negative in zip(values, meant > others, others > meant, strict=True):
        ranks, count = rankdata(np.concatenate([each[positive], each[negative]])), positive.sum()
        aucs.append((ranks[:count].mean() - (count + 1) / 2) / negative.sum())
    return float(share.mean()), float(np.mean(aucs)), attention_share(gate, batch.masks).lift
