"""Relation-aware global attention: one gate per position (RGA-S), one per channel (RGA-C), or both in turn (RGA-SC).

Paper: Zhang, Lan, Zeng, Jin, Chen, "Relation-Aware Global Attention for Person Re-identification", CVPR 2020,
section 3; details the paper leaves open are as in the authors' released code.

Letters in names: B images, D features of a node, N nodes, K = N/8 numbers per node that summarise its relations,
H x W the grid the nodes lie on, C channels.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Gates = Literal["released", "identity"]


class RelationScore(nn.Module):
    """One attention logit per node, from the node and from its relations to all nodes (section 3.1).

    Nodes lie on a grid and carry their features as channels: (B, D, H, W) with H*W = num_nodes -> (B, 1, H, W).

    The paper stacks the N relations towards a node and the N relations from it and embeds these 2N numbers with a
    1x1 convolution. That convolution is linear in the relation matrix R = Theta^T Phi (theta, phi: D/8 x N), so

        w_in R^T + w_out R  =  (w_in Phi^T) Theta + (w_out Theta^T) Phi,

    and two thin products give exactly the released result (and its gradients) without ever forming the N x N
    matrix. `relations` forms it on demand, to look at.
    """

    def __init__(self, num_nodes: int, node_dim: int, reduction: int = 8) -> None:
        super().__init__()
        self.num_nodes, self.node_dim = num_nodes, node_dim
        embed_dim = max(1, node_dim // reduction)
        relation_dim = max(1, num_nodes // reduction)
        hidden_dim = max(1, (1 + relation_dim) // reduction)
        # 1x1 convolutions, kept as Conv1d so that model.to(memory_format=torch.channels_last) leaves their strides
        # alone: a channels-last weight would make PyTorch transpose the nodes of RGA-C.
        # theta, phi (the two sides of a relation) and psi (the node itself) read the same input: one convolution.
        self.embed = nn.Conv1d(node_dim, 3 * embed_dim, 1, bias=False)
        self.embed_norm = nn.BatchNorm2d(3 * embed_dim)
        # Only the weights of this one are used: calling it would need the N x N matrix.
        self.relate = nn.Conv1d(2 * num_nodes, relation_dim, 1, bias=False)
        self.relate_norm = nn.BatchNorm2d(relation_dim)
        self.hidden = nn.Conv1d(1 + relation_dim, hidden_dim, 1, bias=False)
        self.hidden_norm = nn.BatchNorm2d(hidden_dim)
        self.logit = nn.Conv1d(hidden_dim, 1, 1, bias=False)
        self.logit_norm = nn.BatchNorm2d(1)

    def embeddings(self, x_BDHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """theta, phi and psi of every node (equations 1 and 2): three tensors (B, D/8, N), none negative."""
        _, dim, height, width = x_BDHW.shape
        if (dim, height * width) != (self.node_dim, self.num_nodes):
            raise ValueError(
                f"this RGA was built for {self.num_nodes} nodes of {self.node_dim} features, got "
                f"{height * width} nodes of {dim}: its relation weights belong to positions, so build it with the "
                "size (height, width) of the feature map that it is to see."
            )
        embedded = self.embed_norm(F.conv2d(x_BDHW, self.embed.weight[..., None]))
        theta, phi, psi = F.relu(embedded, inplace=True).flatten(2).chunk(3, dim=1)
        return theta, phi, psi

    def relations(self, x_BDHW: Tensor) -> Tensor:
        """The relation matrix R, (B, N, N): R[:, i, j] = theta_i . phi_j, no softmax, no scaling, not symmetric."""
        theta, phi, _ = self.embeddings(x_BDHW)
        return theta.mT @ phi

    def forward(self, x_BDHW: Tensor) -> Tensor:
        grid = x_BDHW.shape[2:]
        theta, phi, psi = self.embeddings(x_BDHW)
        w_in, w_out = self.relate.weight[..., 0].split(self.num_nodes, dim=1)
        # Nodes before features (B, N, K), which is channels-last once it is a grid again: no copy anywhere.
        relation_BNK = (theta.mT @ (phi @ w_in.T)).baddbmm_(phi.mT, theta @ w_out.T)
        relation = F.relu(self.relate_norm(relation_BNK.mT.unflatten(2, grid)), inplace=True)
        # hidden(cat([mean of psi, relation])), without copying the large second part to make the cat.
        w_unary, w_relation = self.hidden.weight[..., None].split([1, self.hidden.in_channels - 1], dim=1)
        unary = psi.mean(1, keepdim=True).unflatten(2, grid)
        hidden = self.hidden_norm(F.conv2d(relation, w_relation) + w_unary.view(1, -1, 1, 1) * unary)
        return self.logit_norm(F.conv2d(F.relu(hidden, inplace=True), self.logit.weight[..., None]))


class DoubleSigmoid(nn.Module):
    """2 * sigmoid: a gate that is exactly open (1) at logit 0, where the released gate is half closed."""

    def forward(self, logit: Tensor) -> Tensor:
        return 2 * torch.sigmoid(logit)


def _gate(score: RelationScore, init_gates: Gates) -> nn.Module:
    if init_gates == "released":
        return nn.Sigmoid()
    if init_gates == "identity":
        nn.init.zeros_(score.logit_norm.weight)
        return DoubleSigmoid()
    raise ValueError(f"init_gates must be 'released' or 'identity', got {init_gates!r}.")


class SpatialRGA(nn.Module):
    """RGA-S (section 3.2): the nodes are the H*W positions, a node's features its C channels. (B, C, H, W) -> same.

    init_gates="released": gates are sigmoids, random at the start, as in the released code. "identity": gates are
    2*sigmoid of a logit that starts at 0, so that the module starts as the identity; the same parameters.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], reduction: int = 8, init_gates: Gates = "released"
    ) -> None:
        super().__init__()
        self.score = RelationScore(size[0] * size[1], channels, reduction)
        self.gate = _gate(self.score, init_gates)

    def relations(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, H*W, H*W), positions in row-major order; see `RelationScore.relations`."""
        return self.score.relations(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.gate(self.score(x)) * x


class ChannelRGA(nn.Module):
    """RGA-C (section 3.3): the nodes are the C channels, a node's features its H*W values. (B, C, H, W) -> same.

    init_gates: as in `SpatialRGA`.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], reduction: int = 8, init_gates: Gates = "released"
    ) -> None:
        super().__init__()
        self.score = RelationScore(channels, size[0] * size[1], reduction)
        self.gate = _gate(self.score, init_gates)

    @staticmethod
    def _nodes(x: Tensor) -> Tensor:
        # (B, C, H, W) -> (B, H*W, C, 1): a view, without a copy, of a map stored channels-last.
        return x.flatten(2).mT.unsqueeze(-1)

    def relations(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, C); see `RelationScore.relations`."""
        return self.score.relations(self._nodes(x))

    def forward(self, x: Tensor) -> Tensor:
        gate_B1C1 = self.gate(self.score(self._nodes(x)))
        return gate_B1C1.transpose(1, 2) * x


class RGA(nn.Module):
    """RGA-SC (section 3.4): RGA-S, then RGA-C on its output; or one of the two alone. (B, C, H, W) -> same.

    channels, size: shape (C, (H, W)) of the feature map it will see; fixed, because its weights belong to nodes.
    Raises ValueError in forward for a feature map of another shape.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        spatial: bool = True,
        channel: bool = True,
        reduction: int = 8,
        init_gates: Gates = "released",
    ) -> None:
        super().__init__()
        if not (spatial or channel):
            raise ValueError("RGA needs spatial=True, channel=True or both, got neither.")
        self.spatial = SpatialRGA(channels, size, reduction, init_gates) if spatial else nn.Identity()
        self.channel = ChannelRGA(channels, size, reduction, init_gates) if channel else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.channel(self.spatial(x))
