"""Relation-aware global attention: one gate per position (RGA-S), one per channel (RGA-C), or both.

Paper: Zhang, Lan, Zeng, Jin, Chen, "Relation-Aware Global Attention for Person Re-identification", CVPR 2020,
arXiv 1904.02998, section 3; details the paper leaves open are as in the authors' released code. What that code does
not hold either, the rows of tables 1 and 4, is built by leaving out or sharing parts of it and nothing else.

literal_rga.py writes the same module out with its N x N matrices: read it beside this file.

Letters in names: B images, D features of a node, N nodes, K = N/8 numbers per node that embed its relations,
H x W the grid the nodes lie on, C channels.
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from rga.models.gates import GateInit, make_gate
from rga.models.tiled_relations import saves, tiled_hidden

Order = Literal["sc", "cs", "parallel"]
Embedding = Literal["asymmetric", "symmetric", "none"]
# How many embeddings of a node serve as the two sides of its relations.
SIDES: dict[Embedding, int] = {"asymmetric": 2, "symmetric": 1, "none": 0}


class RelationScore(nn.Module):
    """One attention logit per node, from the node and from its relations to all nodes (section 3.1).

    Nodes lie on a grid and carry their features as channels: (B, D, H, W) with H*W = num_nodes -> (B, 1, H, W).

    The paper stacks the N relations towards a node and the N relations from it and embeds these 2N numbers with a
    1x1 convolution. That convolution is linear in the relation matrix R = Theta^T Phi (theta, phi: D/8 x N), so

        w_in R^T + w_out R  =  (w_in Phi^T) Theta + (w_out Theta^T) Phi,

    and two low-rank products give exactly the released result (and its gradients) without ever forming the N x N
    matrix. `relations` forms it on demand, to look at.

    Args:
        num_nodes: N = H*W.
        node_dim: D, features of a node.
        reduction: bottleneck ratio of every 1x1 convolution but the last (s = 8 in the paper).
        relations: False leaves the relations out of the logit (table 1).
        feature: False leaves the node itself, psi, out of the logit (table 1).
        embedding: theta and phi apart ("asymmetric", the paper's), one for both ("symmetric"), or the raw features
            of the nodes in their place ("none") (table 4).

    `tiled`, an attribute, False at first: where that saves memory, compute the embedded relations tile by tile and
    store none of them (tiled_relations.py): the same numbers to rounding.

    Raises ValueError for arguments that cannot be, and in forward for other nodes than those.
    """

    tiled = False

    def __init__(
        self,
        num_nodes: int,
        node_dim: int,
        reduction: int = 8,
        *,
        relations: bool = True,
        feature: bool = True,
        embedding: Embedding = "asymmetric",
    ) -> None:
        super().__init__()
        if not (relations or feature):
            raise ValueError("RGA needs relations=True, feature=True or both, got neither.")
        if embedding not in SIDES:
            raise ValueError(f"unknown embedding {embedding!r}: choose one of {', '.join(SIDES)}.")
        self.num_nodes, self.node_dim = num_nodes, node_dim
        self.has_relations, self.has_feature = relations, feature
        self.embedding, self.reduction = embedding, reduction
        embed_dim = max(1, node_dim // reduction)
        relation_dim = max(1, num_nodes // reduction)
        hidden_dim = max(1, (1 + relation_dim) // reduction)
        # theta, phi (the two sides of a relation) and psi (the node itself) read the same input: one convolution.
        self.num_embeddings = relations * SIDES[embedding] + feature
        # 1x1 convolutions, stored as Conv1d so that model.to(memory_format=torch.channels_last) leaves their strides
        # alone: a channels-last weight would make PyTorch transpose the nodes of RGA-C.
        if self.num_embeddings:
            self.embed = nn.Conv1d(node_dim, self.num_embeddings * embed_dim, 1, bias=False)
            self.embed_norm = nn.BatchNorm2d(self.num_embeddings * embed_dim)
        if relations:
            # Only the weights of this one are used: calling it would need the N x N matrix.
            self.relate = nn.Conv1d(2 * num_nodes, relation_dim, 1, bias=False)
            self.relate_norm = nn.BatchNorm2d(relation_dim)
        self.hidden = nn.Conv1d(feature + relations * relation_dim, hidden_dim, 1, bias=False)
        self.hidden_norm = nn.BatchNorm2d(hidden_dim)
        self.logit = nn.Conv1d(hidden_dim, 1, 1, bias=False)
        self.logit_norm = nn.BatchNorm2d(1)

    def embeddings(self, x_BDHW: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """theta, phi and psi of every node (equations 1 and 2): three tensors (B, D/8, N), none negative.

        Without embeddings theta and phi are the nodes (B, D, N) themselves; without the feature psi is None.
        """
        _, dim, height, width = x_BDHW.shape
        if (dim, height * width) != (self.node_dim, self.num_nodes):
            raise ValueError(
                f"this RGA was built for {self.num_nodes} nodes of {self.node_dim} features, got "
                f"{height * width} nodes of {dim}: its relation weights belong to positions, so build it with the "
                "size (height, width) of the feature map that it is to see, or move a trained one there with "
                "rga.models.resize."
            )
        parts: list[Tensor] = []
        if self.num_embeddings:
            embedded = self.embed_norm(F.conv2d(x_BDHW, self.embed.weight[..., None]))
            parts += F.relu(embedded, inplace=True).flatten(2).chunk(self.num_embeddings, dim=1)
        psi = parts.pop() if self.has_feature else None
        sides = parts or [x_BDHW.flatten(2)]
        return sides[0], sides[-1], psi

    def relations(self, x_BDHW: Tensor) -> Tensor:
        """The relation matrix R, (B, N, N): R[:, i, j] = theta_i . phi_j, no softmax, no scaling.

        Not symmetric, unless the embedding is "symmetric" or "none". Raises ValueError if built without relations.
        """
        if not self.has_relations:
            raise ValueError("this RGA was built with relations=False: it has none to show.")
        theta, phi, _ = self.embeddings(x_BDHW)
        return theta.mT @ phi

    def _is_tiled(self, theta: Tensor, w_in: Tensor) -> bool:
        own_statistics = type(self.relate_norm) is nn.BatchNorm2d  # not those of several processes
        return self.tiled and own_statistics and saves(self.num_nodes, theta.shape[1], len(w_in))

    def forward(self, x_BDHW: Tensor) -> Tensor:
        grid = x_BDHW.shape[2:]
        theta, phi, psi = self.embeddings(x_BDHW)
        # hidden(cat([mean of psi, relation])), without copying the large second part to make the cat.
        w_unary, w_relation = self.hidden.weight[..., None].tensor_split([int(self.has_feature)], dim=1)
        hidden = 0
        if self.has_relations:
            w_in, w_out = self.relate.weight[..., 0].split(self.num_nodes, dim=1)
            if self._is_tiled(theta, w_in):
                w_KH = w_relation[..., 0, 0].T
                hidden = tiled_hidden(theta, phi, w_in, w_out, self.relate_norm, w_KH)
                hidden = hidden.mT.unflatten(2, grid)
            else:
                # Nodes before features (B, N, K), which is channels-last once it is a grid again: no copy anywhere.
                relation_BNK = theta.mT @ (phi @ w_in.T)
                # Autocast does not reach in-place operations; raw nodes may be float32.
                relation_BNK.baddbmm_(phi.mT.to(relation_BNK.dtype), theta @ w_out.T)
                relation = F.relu(self.relate_norm(relation_BNK.mT.unflatten(2, grid)), inplace=True)
                hidden = F.conv2d(relation, w_relation)
        if self.has_feature:
            hidden = hidden + w_unary.view(1, -1, 1, 1) * psi.mean(1, keepdim=True).unflatten(2, grid)
        hidden = F.relu(self.hidden_norm(hidden), inplace=True)
        return self.logit_norm(F.conv2d(hidden, self.logit.weight[..., None]))


class SpatialRGA(nn.Module):
    """RGA-S (section 3.2): the nodes are the H*W positions, a node's features its C channels. (B, C, H, W) -> same.

    channels: C. size: (H, W). reduction: bottleneck ratio, as in `RelationScore`. init_gates: see `make_gate`.
    ablation: relations, feature, embedding of `RelationScore`.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        reduction: int = 8,
        init_gates: GateInit = "released",
        **ablation: bool | str,
    ) -> None:
        super().__init__()
        self.size = tuple(size)
        self.score = RelationScore(size[0] * size[1], channels, reduction, **ablation)
        self.gate = make_gate(self.score.logit_norm, init_gates)

    def relations(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, H*W, H*W), positions in row-major order; see `RelationScore.relations`."""
        return self.score.relations(x)

    def attention(self, x: Tensor) -> Tensor:
        """The gate of every position, (B, 1, H, W)."""
        return self.gate(self.score(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x) * x


class ChannelRGA(nn.Module):
    """RGA-C (section 3.3): the nodes are the C channels, a node's features its H*W values. (B, C, H, W) -> same.

    channels, size, reduction, init_gates, ablation: as in `SpatialRGA`.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        reduction: int = 8,
        init_gates: GateInit = "released",
        **ablation: bool | str,
    ) -> None:
        super().__init__()
        self.size = tuple(size)
        self.score = RelationScore(channels, size[0] * size[1], reduction, **ablation)
        self.gate = make_gate(self.score.logit_norm, init_gates)

    @staticmethod
    def _nodes(x: Tensor) -> Tensor:
        # (B, C, H, W) -> (B, H*W, C, 1): a view, without a copy, of a map stored channels-last.
        return x.flatten(2).mT.unsqueeze(-1)

    def relations(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, C); see `RelationScore.relations`."""
        return self.score.relations(self._nodes(x))

    def attention(self, x: Tensor) -> Tensor:
        """The gate of every channel, (B, C, 1, 1)."""
        return self.gate(self.score(self._nodes(x))).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x) * x


class RGA(nn.Module):
    """RGA-S, RGA-C, or both (section 3.4). (B, C, H, W) -> same.

    Args:
        channels: C of the feature map it will see; fixed, as `size` is, because the weights belong to nodes.
        size: (H, W) of that map.
        spatial: False leaves out RGA-S.
        channel: False leaves out RGA-C.
        reduction: bottleneck ratio, see `RelationScore`.
        init_gates: see `make_gate`.
        order: "sc", RGA-C on the output of RGA-S, is the paper's; "cs" the other way round; "parallel" computes both
            gates from the same input and multiplies it by both (the paper does not say how its RGA-S//C joins the
            two; the product leaves the gates, and what they act on, as they are in the sequences).
        relations, feature, embedding: ablations, see `RelationScore`.

    Raises ValueError for arguments that cannot be, and in forward for a feature map of another shape.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        spatial: bool = True,
        channel: bool = True,
        reduction: int = 8,
        init_gates: GateInit = "released",
        *,
        order: Order = "sc",
        relations: bool = True,
        feature: bool = True,
        embedding: Embedding = "asymmetric",
    ) -> None:
        super().__init__()
        if not (spatial or channel):
            raise ValueError("RGA needs spatial=True, channel=True or both, got neither.")
        if order not in ("sc", "cs", "parallel"):
            raise ValueError(f"unknown order {order!r}: choose one of sc, cs, parallel.")
        if order != "sc" and not (spatial and channel):
            raise ValueError(f"order={order!r} needs spatial=True and channel=True.")
        self.order = order
        common = channels, size, reduction, init_gates
        ablation = {"relations": relations, "feature": feature, "embedding": embedding}
        self.spatial = SpatialRGA(*common, **ablation) if spatial else nn.Identity()
        self.channel = ChannelRGA(*common, **ablation) if channel else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        if self.order == "parallel":
            return self.channel.attention(x) * (self.spatial.attention(x) * x)
        first, second = (self.spatial, self.channel) if self.order == "sc" else (self.channel, self.spatial)
        return second(first(x))
