"""RGA written down literally from the paper's equations, N x N matrix and all: the independent reference.

It reads the parameters of an `rga.models.RGA`, and nothing else of it. The bench measures its cost, so it is built
from the same torch operations as a plain implementation would be.
"""

import torch
import torch.nn.functional as F
from torch import nn


def embed(x, weight, norm, rows=slice(None), relu=True):
    """1x1 convolution, BatchNorm and ReLU by some rows of `weight` and `norm`; (B, D, h, w) -> (B, rows, h, w)."""
    x = F.batch_norm(
        F.conv2d(x, weight[rows, :, :, None]),
        norm.running_mean[rows],
        norm.running_var[rows],
        norm.weight[rows],
        norm.bias[rows],
        training=norm.training,
        momentum=norm.momentum,
        eps=norm.eps,
    )
    return x.relu() if relu else x


def literal_logits(score, x_BDhw):
    """One logit per node, (B, 1, h, w), by equations 1 to 4 with the relation matrix in full."""
    grid, d = x_BDhw.shape[2:], score.embed.out_channels // 3
    theta, phi, psi = (
        embed(x_BDhw, score.embed.weight, score.embed_norm, slice(i * d, (i + 1) * d)) for i in range(3)
    )
    r_BNN = torch.matmul(theta.flatten(2).transpose(1, 2), phi.flatten(2))
    stacked = torch.cat([r_BNN.transpose(1, 2).unflatten(2, grid), r_BNN.unflatten(2, grid)], dim=1)
    relation = embed(stacked, score.relate.weight, score.relate_norm)
    y = torch.cat([psi.mean(1, keepdim=True), relation], dim=1)
    y = embed(y, score.hidden.weight, score.hidden_norm)
    return embed(y, score.logit.weight, score.logit_norm, relu=False)


class LiteralRGA(nn.Module):
    """The same function and the same parameters as the RGA it is given, with N x N and C x C matrices."""

    def __init__(self, rga):
        super().__init__()
        self.rga = rga

    def forward(self, x):
        rga = self.rga
        if hasattr(rga.spatial, "score"):
            x = rga.spatial.gate(literal_logits(rga.spatial.score, x)) * x
        if hasattr(rga.channel, "score"):
            nodes = x.flatten(2).transpose(1, 2).unsqueeze(-1)
            x = rga.channel.gate(literal_logits(rga.channel.score, nodes)).transpose(1, 2) * x
        return x
