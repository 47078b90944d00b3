"""Fully connected attention: every gate sees all nodes at once, but no relation between two of them.

Source: the comparison that RGA's paper (CVPR 2020, arXiv 1904.02998) makes in its table 2: FC-S, FC-C and both in
parallel, FC-S//C. It gives no equation. The form here is the one whose parameters come out as in its table 3 (26.9 M
and 26.4 M): each node is pooled to one number (a position after an embedding like RGA's psi, a channel as it is),
and two fully connected layers with N/8 units between them map all N numbers to N gates. FC-C is then SE with another
reduction.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.gates import GateInit, make_gate


class SpatialFC(nn.Module):
    """FC-S: (B, C, H, W) -> gates (B, 1, H, W)."""

    def __init__(self, channels: int, size: tuple[int, int], reduction: int, init_gates: GateInit) -> None:
        super().__init__()
        num_nodes, embed_dim = size[0] * size[1], max(1, channels // reduction)
        self.embed = nn.Conv2d(channels, embed_dim, 1, bias=False)
        self.embed_norm = nn.BatchNorm2d(embed_dim)
        self.hidden = nn.Linear(num_nodes, max(1, num_nodes // reduction))
        self.logits = nn.Linear(max(1, num_nodes // reduction), num_nodes)
        self.gate = make_gate(self.logits, init_gates)

    def forward(self, x: Tensor) -> Tensor:
        pooled_BN = F.relu(self.embed_norm(self.embed(x))).mean(1).flatten(1)
        logits_BN = self.logits(F.relu(self.hidden(pooled_BN)))
        return self.gate(logits_BN.view(-1, 1, *x.shape[2:]))


class ChannelFC(nn.Module):
    """FC-C: (B, C, H, W) -> gates (B, C, 1, 1)."""

    def __init__(self, channels: int, reduction: int, init_gates: GateInit) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, max(1, channels // reduction))
        self.logits = nn.Linear(max(1, channels // reduction), channels)
        self.gate = make_gate(self.logits, init_gates)

    def forward(self, x: Tensor) -> Tensor:
        logits_BC = self.logits(F.relu(self.hidden(x.mean((2, 3)))))
        return self.gate(logits_BC[..., None, None])


class FC(nn.Module):
    """FC-S and FC-C side by side: both gates are made from the input, and multiply it; or one of the two alone.

    (B, C, H, W) -> same.

    Args:
        channels: C.
        size: (H, W), which FC-S is bound to: ValueError in forward for another.
        spatial: False leaves out FC-S.
        channel: False leaves out FC-C.
        reduction: bottleneck ratio of both.
        init_gates: see `make_gate`.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        spatial: bool = True,
        channel: bool = True,
        reduction: int = 8,
        init_gates: GateInit = "released",
    ) -> None:
        super().__init__()
        if not (spatial or channel):
            raise ValueError("FC needs spatial=True, channel=True or both, got neither.")
        self.size = tuple(size)
        self.spatial = SpatialFC(channels, size, reduction, init_gates) if spatial else None
        self.channel = ChannelFC(channels, reduction, init_gates) if channel else None

    def forward(self, x: Tensor) -> Tensor:
        if self.spatial is not None and tuple(x.shape[2:]) != self.size:
            raise ValueError(
                f"this FC-S was built for feature maps of {self.size}, got {tuple(x.shape[2:])}: its weights belong to "
                "positions, so build it with the size (height, width) of the feature map that it is to see."
            )
        y = x if self.spatial is None else self.spatial(x) * x
        return y if self.channel is None else self.channel(x) * y
