"""Squeeze-and-excitation: one gate per channel, from the mean of every channel.

Paper: Hu, Shen, Sun, "Squeeze-and-Excitation Networks", CVPR 2018, arXiv 1709.01507, section 3 (equations 2 to 4);
with reduction 16 and biases, as its authors' models.

The paper puts one into every residual block, before the addition; RGA's table 3 (27.6 M parameters) counts those.
Here it stands where every attention stands, behind the four stages.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.gates import GateInit, make_gate


class SE(nn.Module):
    """Squeeze-and-excitation: a gate for each channel. (B, C, H, W) -> same.

    channels: C. size: (H, W), as every attention takes it; not used here. reduction: C over the width between the two
    layers. init_gates: see `make_gate`.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], reduction: int = 16, init_gates: GateInit = "released"
    ) -> None:
        super().__init__()
        hidden_dim = max(1, channels // reduction)
        self.squeeze = nn.Conv2d(channels, hidden_dim, 1)
        self.excite = nn.Conv2d(hidden_dim, channels, 1)
        self.gate = make_gate(self.excite, init_gates)

    def forward(self, x: Tensor) -> Tensor:
        mean_BC11 = x.mean((2, 3), keepdim=True)
        return self.gate(self.excite(F.relu(self.squeeze(mean_BC11)))) * x
