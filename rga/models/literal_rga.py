"""RGA as the paper writes it, with the N x N relation matrix in full: to read beside rga.py, not to train with.

Paper: Zhang et al., CVPR 2020, arXiv 1904.02998, section 3.1, equations 1 to 4 (the score of a node), sections 3.2 to
3.4 (positions, channels, both); what it leaves open is as in the authors' released code. Parameters, outputs,
gradients and running statistics are those of `rga.models.RGA` (tests/models/test_rga.py), but memory and time grow
with the square of the number of nodes: behind the first stage of a ResNet-50 at 256 x 128, N = 2048, R takes 16 MiB an
image in float32 and the stack of R^T and R 32 MiB more.

An independent implementation on purpose: it borrows the parameters of an RGA and shares no code with it.

Letters as in rga.py: B images, D features of a node, N nodes, H x W the grid the nodes lie on, C channels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm(x_BDHW: Tensor, conv: nn.Conv1d, norm: nn.BatchNorm2d, rows: slice = slice(None)) -> Tensor:
    """1x1 convolution and BatchNorm, by these output rows of their parameters: (B, D, H, W) -> (B, rows, H, W)."""
    y = F.conv2d(x_BDHW, conv.weight[rows, :, :, None])
    affine = norm.running_mean[rows], norm.running_var[rows], norm.weight[rows], norm.bias[rows]
    return F.batch_norm(y, *affine, training=norm.training, momentum=norm.momentum, eps=norm.eps)


def literal_logits(
    score: nn.Module,
    x_BDHW: Tensor,
    relations: bool = True,
    feature: bool = True,
    embedding: str = "asymmetric",
) -> Tensor:
    """One attention logit per node: (B, D, H, W) with H*W = N -> (B, 1, H, W). score: a `RelationScore`."""
    sides = {"asymmetric": ["theta", "phi"], "symmetric": ["theta"], "none": []}[embedding]
    names = sides * relations + ["psi"] * feature
    nodes = {"theta": x_BDHW}  # embedding="none": the raw nodes
    for i, name in enumerate(names):
        dim = score.embed.out_channels // len(names)
        rows = slice(i * dim, (i + 1) * dim)
        nodes[name] = conv_norm(x_BDHW, score.embed, score.embed_norm, rows).relu()
    y = []
    if feature:
        y.append(nodes["psi"].mean(1, keepdim=True))
    if relations:
        theta, phi = nodes["theta"].flatten(2), nodes.get("phi", nodes["theta"]).flatten(2)
        r_BNN = theta.mT @ phi  # r[i, j] = theta_i . phi_j
        stacked = torch.cat([r_BNN.mT, r_BNN], dim=1).unflatten(2, x_BDHW.shape[2:])  # (B, 2N, H, W)
        y.append(conv_norm(stacked, score.relate, score.relate_norm).relu())
    hidden = conv_norm(torch.cat(y, dim=1), score.hidden, score.hidden_norm).relu()
    return conv_norm(hidden, score.logit, score.logit_norm)


class LiteralRGA(nn.Module):
    """(B, C, H, W) -> same. rga: whose parameters it borrows; order and ablation: what that one was built with."""

    def __init__(self, rga: nn.Module, order: str = "sc", **ablation: bool | str) -> None:
        super().__init__()
        self.rga, self.order, self.ablation = rga, order, ablation

    def gates(self, branch: str, x: Tensor) -> Tensor | int:
        """(B, 1, H, W) of "spatial" or (B, C, 1, 1) of "channel"; 1 for a branch that was left out."""
        module = getattr(self.rga, branch)
        if isinstance(module, nn.Identity):
            return 1
        if branch == "spatial":
            return module.gate(literal_logits(module.score, x, **self.ablation))
        nodes = x.flatten(2).mT.unsqueeze(-1)  # (B, H*W, C, 1): the channels are the nodes
        return module.gate(literal_logits(module.score, nodes, **self.ablation)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        if self.order == "parallel":
            return self.gates("spatial", x) * self.gates("channel", x) * x
        for branch in ("spatial", "channel") if self.order == "sc" else ("channel", "spatial"):
            x = self.gates(branch, x) * x
        return x
