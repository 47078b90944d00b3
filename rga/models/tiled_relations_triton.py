"""The GPU kernels of tiled_relations.py, in Triton: a tile of relations lives in the registers of one block.

Forward: a block of threads takes TILE nodes of an image, makes their relations to K_BLOCK embedding channels from U and
V, shifts, cuts off, multiplies by W, and goes on with the next channels; only hidden, K/8 numbers a node, is written.

Backward: a block takes K_BLOCK channels and every SPLITS-th tile of an image, makes the relations again, and writes
their gradient, the one array of N x K numbers that is stored: two plain batched products make the gradients of U and V
from it. Those of W and the shift are summed in registers, and over blocks afterwards, in a fixed order: the same bits
every time.

Sizes that are no powers of two are padded with zeros, which add nothing. float32 is multiplied as float32 ("ieee").
`TRITON_INTERPRET=1` runs them on a CPU, which is how tests compare them with the loop in tiled_relations.py.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

TILE = 64  # nodes in a block
P_BLOCK = 32  # of the sum over P, at a time
K_BLOCK = 64  # embedding channels at a time
SPLITS = 4  # blocks that share the tiles of an image in backward


@triton.jit
def _relu(
    u, v, shift, b, n_T, k_K, N, P, K, TILE: tl.constexpr, P_BLOCK: tl.constexpr, K_BLOCK: tl.constexpr
):  # ReLU(U V + shift) of nodes n_T and channels k_K of image b, float32 (TILE, K_BLOCK)
    total = tl.zeros((TILE, K_BLOCK), tl.float32)
    for first in range(0, P, P_BLOCK):
        p = first + tl.arange(0, P_BLOCK)
        u_TP = tl.load(u + (b * N + n_T[:, None]) * P + p, (n_T[:, None] < N) & (p < P), 0.0)
        v_PK = tl.load(v + (b * P + p[:, None]) * K + k_K, (p[:, None] < P) & (k_K < K), 0.0)
        total = tl.dot(u_TP, v_PK, total, input_precision="ieee")
    return tl.maximum(total + tl.load(shift + k_K, k_K < K, 0.0), 0.0)


@triton.jit
def _forward(
    u, v, w, shift, out, N, P, K, H,
    TILE: tl.constexpr, P_BLOCK: tl.constexpr, K_BLOCK: tl.constexpr, H_BLOCK: tl.constexpr,
):  # fmt: skip
    b = tl.program_id(0).to(tl.int64)  # offsets may pass 2^31
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    h = tl.arange(0, H_BLOCK)
    hidden = tl.zeros((TILE, H_BLOCK), tl.float32)
    for first in range(0, K, K_BLOCK):
        k = first + tl.arange(0, K_BLOCK)
        y = _relu(u, v, shift, b, n, k, N, P, K, TILE, P_BLOCK, K_BLOCK)
        w_KH = tl.load(w + k[:, None] * H + h, (k[:, None] < K) & (h < H), 0.0)
        hidden = tl.dot(y.to(w_KH.dtype), w_KH, hidden, input_precision="ieee")
    tl.store(out + (b * N + n[:, None]) * H + h, hidden, (n[:, None] < N) & (h < H))


@triton.jit
def _backward(
    u, v, w, shift, grad, grad_relation, grad_w, grad_shift, N, P, K, H,
    TILE: tl.constexpr, P_BLOCK: tl.constexpr, K_BLOCK: tl.constexpr, H_BLOCK: tl.constexpr, SPLITS: tl.constexpr,
):  # fmt: skip
    b, split = tl.program_id(0).to(tl.int64), tl.program_id(1)
    k, h = tl.program_id(2) * K_BLOCK + tl.arange(0, K_BLOCK), tl.arange(0, H_BLOCK)
    w_HK = tl.load(w + k * H + h[:, None], (k < K) & (h[:, None] < H), 0.0)
    sum_w = tl.zeros((K_BLOCK, H_BLOCK), tl.float32)
    sum_shift = tl.zeros((K_BLOCK,), tl.float32)
    for tile in range(split, tl.cdiv(N, TILE), SPLITS):
        n = tile * TILE + tl.arange(0, TILE)
        y = _relu(u, v, shift, b, n, k, N, P, K, TILE, P_BLOCK, K_BLOCK)
        grad_TH = tl.load(grad + (b * N + n[:, None]) * H + h, (n[:, None] < N) & (h < H), 0.0)
        sum_w = tl.dot(tl.trans(y.to(w_HK.dtype)), grad_TH, sum_w, input_precision="ieee")
        back = tl.where(y > 0, tl.dot(grad_TH, w_HK, input_precision="ieee"), 0.0)
        sum_shift += tl.sum(back, 0)
        tl.store(grad_relation + (b * N + n[:, None]) * K + k, back, (n[:, None] < N) & (k < K))
    block = b * SPLITS + split
    tl.store(grad_w + (block * K + k[:, None]) * H + h, sum_w, (k[:, None] < K) & (h < H))
    tl.store(grad_shift + block * K + k, sum_shift, k < K)


@triton.jit
def _gram(u, out, N, P, TILE: tl.constexpr, BLOCK: tl.constexpr):
    b = tl.program_id(0).to(tl.int64)
    p, q = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK), tl.program_id(2) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), tl.float32)
    for first in range(0, N, TILE):
        n = first + tl.arange(0, TILE)
        u_PT = tl.load(u + (b * N + n) * P + p[:, None], (n < N) & (p[:, None] < P), 0.0)
        u_TQ = tl.load(u + (b * N + n[:, None]) * P + q, (n[:, None] < N) & (q < P), 0.0)
        total = tl.dot(u_PT, u_TQ, total, input_precision="ieee")
    tl.store(out + (b * P + p[:, None]) * P + q, total, (p[:, None] < P) & (q < P))


def gram(u_BNP: Tensor) -> Tensor:
    """U^T U, (B, P, P) in float32, of a contiguous U."""
    B, N, P = u_BNP.shape
    block = min(64, max(16, triton.next_power_of_2(P)))
    out = u_BNP.new_empty(B, P, P, dtype=torch.float32)
    _gram[B, triton.cdiv(P, block), triton.cdiv(P, block)](u_BNP, out, N, P, TILE=TILE, BLOCK=block)
    return out


def forward(u_BNP: Tensor, v_BPK: Tensor, w_KH: Tensor, shift_K: Tensor) -> Tensor:
    """ReLU(U V + shift) W, (B, N, H), of contiguous tensors of one type and a shift in float32."""
    (B, N, P), (K, H) = u_BNP.shape, w_KH.shape
    out = u_BNP.new_empty(B, N, H)
    grid = B, triton.cdiv(N, TILE)
    _forward[grid](u_BNP, v_BPK, w_KH, shift_K, out, N, P, K, H, **_blocks(K, H))
    return out


def backward(
    u_BNP: Tensor, v_BPK: Tensor, w_KH: Tensor, shift_K: Tensor, grad_BNH: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The gradients of U, V, W and the shift."""
    (B, N, P), (K, H) = u_BNP.shape, w_KH.shape
    blocks = _blocks(K, H)
    grad_BNK = u_BNP.new_empty(B, N, K)
    grad_w, grad_shift = (shift_K.new_empty(B * SPLITS, K, *some) for some in ((H,), ()))
    grid = B, SPLITS, triton.cdiv(K, blocks["K_BLOCK"])
    _backward[grid](
        u_BNP,
        v_BPK,
        w_KH,
        shift_K,
        grad_BNH,
        grad_BNK,
        grad_w,
        grad_shift,
        N,
        P,
        K,
        H,
        SPLITS=SPLITS,
        **blocks,
    )
    return grad_BNK @ v_BPK.mT, u_BNP.mT @ grad_BNK, grad_w.sum(0).to(w_KH), grad_shift.sum(0)


def _blocks(K: int, H: int) -> dict[str, int]:
    """Powers of two, at least 16, which is the least that a product of tiles takes."""
    k, h = (max(16, triton.next_power_of_2(size)) for size in (K, H))
    return {"TILE": TILE, "P_BLOCK": P_BLOCK, "K_BLOCK": min(K_BLOCK, k), "H_BLOCK": h}
