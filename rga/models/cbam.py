"""CBAM: one gate per channel, then one per position, from means and maxima.

Paper: Woo, Park, Lee, Kweon, "CBAM: Convolutional Block Attention Module", ECCV 2018, arXiv 1807.06521, section 3;
BatchNorm behind the 7x7 convolution as in its authors' code (github.com/Jongchan/attention-module).

Reduction 8 instead of CBAM's 16: with it the four modules have the parameters that RGA's table 3 counts for CBAM-C
(26.4 M). Its CBAM-S (26.1 M) cannot be this one, which has 100 parameters a stage; what it was, the paper does not
say.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.gates import GateInit, make_gate


class ChannelCBAM(nn.Module):
    """CBAM-C (equation 2): the mean and the maximum of every channel through one shared network, summed."""

    def __init__(self, channels: int, reduction: int, init_gates: GateInit) -> None:
        super().__init__()
        hidden_dim = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden_dim, 1)
        self.excite = nn.Conv2d(hidden_dim, channels, 1)
        self.gate = make_gate(self.excite, init_gates)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return self.gate(sum(self.excite(F.relu(self.squeeze(p_BC11))) for p_BC11 in pooled)) * x


class SpatialCBAM(nn.Module):
    """CBAM-S (equation 3): the mean and the maximum over the channels, two maps, through one 7x7 convolution."""

    def __init__(self, init_gates: GateInit) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1)
        self.gate = make_gate(self.norm, init_gates)

    def forward(self, x: Tensor) -> Tensor:
        pooled_B2HW = torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)
        return self.gate(self.norm(self.conv(pooled_B2HW))) * x


class CBAM(nn.Module):
    """CBAM-C, then CBAM-S on its output (the paper's order; RGA's table 2 calls it CBAM-CS), or one of the two.

    (B, C, H, W) -> same.

    Args:
        channels: C.
        size: (H, W); not used, any map will do.
        spatial: False leaves out CBAM-S.
        channel: False leaves out CBAM-C.
        reduction: bottleneck ratio of CBAM-C.
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
            raise ValueError("CBAM needs spatial=True, channel=True or both, got neither.")
        self.channel = ChannelCBAM(channels, reduction, init_gates) if channel else nn.Identity()
        self.spatial = SpatialCBAM(init_gates) if spatial else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.spatial(self.channel(x))
