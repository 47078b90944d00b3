"""The relations of RGA without one of them stored: what is left of size N x K, tile by tile.

Never store what you can recompute. `rga.py` has no N x N matrix any more, but the embedding of the relations is still
N x K numbers an image, K = N/8, and in training they go through memory some twenty times: written by the products,
read for BatchNorm's statistics, normalised, cut off by ReLU, read by the convolution to h = K/8 numbers, and all of it
again backwards. Yet they are a product of two thin matrices and a hidden layer of a small network, node by node:

    R = U V,   U = [Theta^T Phi^T] (N x P),   V = [Phi w_in^T; Theta w_out^T] (P x K),   P = D/4
    hidden = ReLU(BatchNorm(R)) W,            W (K x h)

BatchNorm's statistics follow from U and V alone. With the mean m (P) of U's rows and their covariance C (P x P),
column v of V gives numbers of mean m v and variance v^T C v; over a batch the means of the images differ, too (law of
total variance). BatchNorm is then one more factor in V and a shift, and a tile of nodes can go the whole way,
U V -> shift -> ReLU -> W, before the next one: N x K numbers are never in memory at once, forward or backward, where
each tile is computed a second time. Exact in exact arithmetic; in floating point sums have another order.

It saves where U is thinner than what it replaces, P < K: behind the first stage of a ResNet for positions, behind the
last two for channels. On a GPU `tiled_relations_triton.py` keeps each tile in the registers of one block of threads.
Off by default (`RelationScore.tiled`): what it gains has not been measured on a GPU (docs/cost.md).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

TILE = 256  # nodes at once, on a CPU


def saves(nodes: int, embed_dim: int, relation_dim: int) -> bool:
    """Whether tiles move fewer bytes than embedded relations: P < K, and the covariance (P x P) is smaller than U."""
    return 2 * embed_dim < min(relation_dim, nodes)


def relation_statistics(u_BNP: Tensor, v_BPK: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each column of U V over batch and nodes, (K,) and (K,), without U V.

    v_BPK is of float32 or better, as the results are.
    """
    nodes, exact = u_BNP.shape[1], v_BPK.dtype
    mean_B1P = u_BNP.mean(1, keepdim=True, dtype=exact)
    if u_BNP.dtype == exact:
        centred_BNP = u_BNP - mean_B1P
        covariance_BPP = centred_BNP.mT @ centred_BNP / nodes
    else:  # fewer bytes; what is lost in the difference is nothing beside the rounding of U
        covariance_BPP = _Gram.apply(u_BNP) / nodes - mean_B1P.mT @ mean_B1P
    mean_BK = (mean_B1P @ v_BPK).squeeze(1)
    variance_BK = (v_BPK * (covariance_BPP @ v_BPK)).sum(1)
    mean_K = mean_BK.mean(0)
    return mean_K, (variance_BK + (mean_BK - mean_K).square()).mean(0).clamp(min=0)


class _Gram(torch.autograd.Function):
    """U^T U in float32, of a U in half precision that is nowhere stored in float32."""

    @staticmethod
    def forward(ctx, u_BNP: Tensor) -> Tensor:
        ctx.save_for_backward(u_BNP)
        if u_BNP.is_cuda:
            from rga.models import (
                tiled_relations_triton,
            )  # here, for PyTorch brings Triton on some systems only

            return tiled_relations_triton.gram(u_BNP)
        return u_BNP.float().mT @ u_BNP.float()

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_BPP: Tensor) -> Tensor:
        (u_BNP,) = ctx.saved_tensors
        return u_BNP @ (grad_BPP + grad_BPP.mT).to(u_BNP)


def tiled_hidden(
    theta: Tensor, phi: Tensor, w_in: Tensor, w_out: Tensor, norm: nn.BatchNorm2d, w_KH: Tensor
) -> Tensor:
    """The hidden layer of `RelationScore` from its embeddings, (B, P/2, N) both: ReLU(BatchNorm(R)) W, (B, N, H).

    Args:
        theta, phi: of every node.
        w_in, w_out: of the embedding of relations, (K, N).
        norm: BatchNorm of these K channels; training updates its running statistics as its own forward does.
        w_KH: of the hidden layer.

    Statistics are of float32 or better; the tiles have the type of theta.
    """
    u_BNP = torch.cat([theta.mT, phi.mT], dim=2)
    v_BPK = torch.cat([phi @ w_in.T, theta @ w_out.T], dim=1)
    exact = torch.promote_types(u_BNP.dtype, torch.float32)
    with torch.autocast(u_BNP.device.type, enabled=False):
        v_BPK = v_BPK.to(exact)
        if norm.training:
            mean, variance = relation_statistics(u_BNP.contiguous(), v_BPK)
            _update(norm, mean.detach(), variance.detach(), u_BNP.shape[0] * u_BNP.shape[1])
        else:
            mean, variance = norm.running_mean, norm.running_var
        scale = norm.weight * (variance + norm.eps).rsqrt()
        tensors = u_BNP, v_BPK * scale, w_KH
        return _Tiled.apply(*(x.to(u_BNP.dtype).contiguous() for x in tensors), norm.bias - mean * scale)


@torch.no_grad()
def _update(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor, count: int) -> None:
    """As BatchNorm does: an exponential moving average, of the unbiased variance."""
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean.to(norm.running_mean), norm.momentum)
    norm.running_var.lerp_(variance.to(norm.running_var) * count / (count - 1), norm.momentum)


class _Tiled(torch.autograd.Function):
    """ReLU(U V + shift) W: saves its inputs, and computes the part in between a second time in backward."""

    @staticmethod
    def forward(ctx, u_BNP: Tensor, v_BPK: Tensor, w_KH: Tensor, shift_K: Tensor) -> Tensor:
        ctx.save_for_backward(u_BNP, v_BPK, w_KH, shift_K)
        if u_BNP.is_cuda:
            from rga.models import (
                tiled_relations_triton,
            )  # here, for PyTorch brings Triton on some systems only

            return tiled_relations_triton.forward(u_BNP, v_BPK, w_KH, shift_K)
        return torch.cat([_relu(u, v_BPK, shift_K) @ w_KH for u in u_BNP.split(TILE, dim=1)], dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_BNH: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        u_BNP, v_BPK, w_KH, shift_K = ctx.saved_tensors
        if u_BNP.is_cuda:
            from rga.models import tiled_relations_triton

            return tiled_relations_triton.backward(u_BNP, v_BPK, w_KH, shift_K, grad_BNH.contiguous())
        grad_u, grad_v = torch.empty_like(u_BNP), torch.zeros_like(v_BPK, dtype=shift_K.dtype)
        grad_w, grad_shift = torch.zeros_like(w_KH, dtype=shift_K.dtype), torch.zeros_like(shift_K)
        tiles = (tensor.split(TILE, dim=1) for tensor in (u_BNP, grad_BNH, grad_u))
        for u, grad, into in zip(*tiles, strict=True):
            y_BTK = _relu(u, v_BPK, shift_K)
            grad_w += (y_BTK.flatten(0, 1).mT @ grad.flatten(0, 1)).to(grad_w)
            grad_BTK = (grad @ w_KH.mT).masked_fill_(y_BTK <= 0, 0)
            grad_v += (u.mT @ grad_BTK).to(grad_v)
            grad_shift += grad_BTK.sum((0, 1), dtype=grad_shift.dtype)
            into.copy_(grad_BTK @ v_BPK.mT)
        return grad_u, grad_v.to(v_BPK), grad_w.to(w_KH), grad_shift


def _relu(u_BTP: Tensor, v_BPK: Tensor, shift_K: Tensor) -> Tensor:
    return F.relu_((u_BTP @ v_BPK).add_(shift_K))
