"""Non-local blocks: every position adds a mixture of all positions; in the simplified block, all the same one.

Papers: Wang, Girshick, Gupta, He, "Non-local Neural Networks", CVPR 2018, arXiv 1711.07971, section 3 (embedded
Gaussian, the residual block of equation 6; logits scaled and BatchNorm last, starting at 0, as in its authors' code).
Cao, Xu, Lin, Wei, Hu, "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond", ICCV workshops 2019,
arXiv 1904.11492 (their simplified non-local block, with W_v outside the sum).

Reduction 4 instead of 2: with it the four blocks have the parameters that RGA's table 3 counts for NL (30.6 M).
Both blocks start as the identity as published, whatever `init_gates` says; they have no gate.

Letters: B images, N = H*W positions, E embedding dimensions.
"""

from torch import Tensor, nn

from rga.models.gates import GateInit, mark_last


class NonLocal(nn.Module):
    """Non-local block. (B, C, H, W) -> same. `attend` outputs who looks at whom, (B, N, N), each row sums to 1.

    channels: C. reduction: C over the embedding dimensions E. size and init_gates, which every attention takes, are
    not used here.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], reduction: int = 4, init_gates: GateInit = "released"
    ) -> None:
        super().__init__()
        embed_dim = max(1, channels // reduction)
        self.theta = nn.Conv2d(channels, embed_dim, 1)
        self.phi = nn.Conv2d(channels, embed_dim, 1)
        self.value = nn.Conv2d(channels, embed_dim, 1)
        self.attend = nn.Softmax(dim=-1)
        self.out = nn.Conv2d(embed_dim, channels, 1, bias=False)
        self.out_norm = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.out_norm.weight)
        mark_last(self.out_norm)

    def relations(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, N), positions in row-major order: R[:, i, j] weighs j in the mixture of i."""
        theta_BEN, phi_BEN = self.theta(x).flatten(2), self.phi(x).flatten(2)
        return self.attend(theta_BEN.mT @ phi_BEN * theta_BEN.shape[1] ** -0.5)

    def forward(self, x: Tensor) -> Tensor:
        mixture_BEN = self.value(x).flatten(2) @ self.relations(x).mT
        return x + self.out_norm(self.out(mixture_BEN.unflatten(2, x.shape[2:])))


class SimplifiedNonLocal(nn.Module):
    """Simplified non-local block. (B, C, H, W) -> same. `attend` outputs where all positions look, (B, 1, N), sum 1."""

    def __init__(self, channels: int, size: tuple[int, int], init_gates: GateInit = "released") -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, 1, 1)
        self.attend = nn.Softmax(dim=-1)
        self.value = nn.Conv2d(channels, channels, 1)
        mark_last(self.value)
        for parameter in self.value.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        weights_B1N = self.attend(self.key(x).flatten(2))
        # The mixture first: a convolution of one position instead of N of them.
        return x + self.value((x.flatten(2) @ weights_B1N.mT).unsqueeze(-1))
