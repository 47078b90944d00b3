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


def literal_logits(score, x_BDhw, relations=True, feature=True, embedding="asymmetric"):
    """One logit per node, (B, 1, h, w), by equations 1 to 4 with the relation matrix in full."""
    grid, y = x_BDhw.shape[2:], []
    names = (
        {"asymmetric": ["theta", "phi"], "symmetric": ["theta"], "none": []}[embedding] if relations else []
    )
    names += ["psi"] if feature else []
    of = {"theta": x_BDhw}
    for i, name in enumerate(names):
        d = score.embed.out_channels // len(names)
        of[name] = embed(x_BDhw, score.embed.weight, score.embed_norm, slice(i * d, (i + 1) * d))
    if feature:
        y.append(of["psi"].mean(1, keepdim=True))
    if relations:
        theta, phi = of["theta"].flatten(2), of.get("phi", of["theta"]).flatten(2)
        r_BNN = torch.matmul(theta.transpose(1, 2), phi)
        stacked = torch.cat([r_BNN.transpose(1, 2).unflatten(2, grid), r_BNN.unflatten(2, grid)], dim=1)
        y.append(embed(stacked, score.relate.weight, score.relate_norm))
    y = embed(torch.cat(y, dim=1), score.hidden.weight, score.hidden_norm)
    return embed(y, score.logit.weight, score.logit_norm, relu=False)


class LiteralRGA(nn.Module):
    """The same function and the same parameters as the RGA it is given, with N x N and C x C matrices.

    It is told what the RGA was told: order, and relations, feature, embedding.
    """

    def __init__(self, rga, order="sc", **ablation):
        super().__init__()
        self.rga, self.order, self.ablation = rga, order, ablation

    def gates(self, branch, x):
        """(B, 1, H, W) or (B, C, 1, 1); 1 for a branch that is not there."""
        module = getattr(self.rga, branch)
        if not hasattr(module, "score"):
            return 1
        if branch == "spatial":
            return module.gate(literal_logits(module.score, x, **self.ablation))
        nodes = x.flatten(2).transpose(1, 2).unsqueeze(-1)
        return module.gate(literal_logits(module.score, nodes, **self.ablation)).transpose(1, 2)

    def forward(self, x):
        if self.order == "parallel":
            return self.gates("spatial", x) * self.gates("channel", x) * x
        for branch in ("spatial", "channel") if self.order == "sc" else ("channel", "spatial"):
            x = self.gates(branch, x) * x
        return x
