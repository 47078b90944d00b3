"""k-reciprocal re-ranking: two images are alike if they share neighbours that have them as neighbours in return."""

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from rga.io.bars import tqdm
from rga.metrics.features import Array, unit_features

PAIRS = 2**10  # of images, compared at a time: their features fit in a core's cache


@torch.no_grad()
def rerank(
    q: Array,
    g: Array,
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
    chunk: int = 256,
    out: Array | None = None,
) -> Array:
    """Features (Q, F), (G, F) -> distances (Q, G), smaller = more alike (Zhong et al., CVPR 2017, arXiv 1701.08398).

    All Q + G images take part. The result is that of re_ranking_ranklist.py in the authors' repository, given the
    Euclidean distances of L2-normalised features. Where the paper leaves a choice, or that code differs:

    * d is the squared Euclidean distance of L2-normalised features, divided by the largest value of its row: d is
      within 0..1 and not symmetric.
    * The k nearest neighbours of an image are k others and itself. It is the first, even among exact copies; others
      at distances that are equal, or nearly so for float32, come in no particular order.
    * R(p, k) holds those of p's k nearest that have p among theirs (equation 3). For each c in R(p, k1) that has
      more than 2/3 of R(c, k1/2) in R(p, k1), p's set takes in R(c, k1/2) (equation 4: at least 2/3). k1/2 is
      rounded half to even: 2 for k1 = 5.
    * The set becomes weights exp(-d) (equation 7), divided by their sum, which the paper does not do. They are
      averaged over the k2 nearest (equation 11: local query expansion), which are k2 - 1 others and the image itself.
    * The result is (1 - lambda_) J + lambda_ d, where J is the Jaccard distance of the weights (equations 10, 12).

    The sets are worked out on the CPU. On a GPU leave float32 products exact, as is PyTorch's default: TF32 confuses
    neighbours at nearly equal distances. Memory beside the result: the features, their neighbours and sets, which
    grow with Q + G, and a block (chunk, Q + G).

    Args:
        q, g: tensors on any device, or NumPy arrays; the result is the same, in float64 if both are, else float32.
        k1: neighbours that make a set.
        k2: neighbours over which sets are averaged.
        lambda_: share of the original distance in the result.
        chunk: images at a time.
        out: (Q, G) to write the result to, and to return, such as a np.memmap where it is larger than the memory.

    Raises:
        ValueError: for features that do not fit each other, are not finite or all zero, an empty query or gallery, k1
            or k2 below 1 or above the number of images, lambda_ outside 0..1, a chunk below 1, an `out` that does not
            fit.
    """
    x, Q, G = torch.cat(unit_features(q, g)), len(q), len(g)
    if not (1 <= k1 < Q + G and 1 <= k2 <= Q + G):
        raise ValueError(
            f"expected k1 in 1..{Q + G - 1} and k2 in 1..{Q + G}, as there are {Q} query and {G} gallery images, "
            f"got k1 = {k1} and k2 = {k2}: pass k1={min(max(k1, 1), Q + G - 1)}, k2={min(max(k2, 1), Q + G)}."
        )
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"expected lambda_, the share of the original distance, in 0..1, got {lambda_}.")
    if chunk < 1:
        raise ValueError(f"expected a chunk of at least 1 row, got {chunk}.")
    if isinstance(out, np.ndarray) and not out.flags.writeable:
        raise ValueError(
            "expected an out that can be written, got a read-only array: open a memmap with mode 'r+'."
        )
    final = x.new_empty(Q, G) if out is None else torch.as_tensor(out)
    if final.shape != (Q, G) or final.dtype != x.dtype:
        raise ValueError(f"expected out ({Q}, {G}) of {x.dtype}, got {tuple(final.shape)} of {final.dtype}.")
    nearest, farthest = _neighbours(x, max(k1 + 1, k2), chunk, final)
    weights = _weights(_sets(nearest, k1), x, farthest)
    del x  # as large as the features
    weights = _adjacency(nearest[:, :k2]) @ weights / k2
    holders = weights[Q:].T.tocsr()  # row c: the gallery images that have c in their sets
    for start in tqdm(range(0, Q, chunk), "comparing neighbours", delay=3):
        rows = slice(start, min(start + chunk, Q))
        distance = _distance(final[rows].to(farthest.device), farthest[rows, None])
        jaccard = torch.from_numpy(_jaccard(weights[rows], holders)).to(farthest)
        final[rows] = distance.lerp_(jaccard, 1 - lambda_)
    if out is not None:
        return out
    return final.numpy() if isinstance(q, np.ndarray) else final


def _neighbours(x: Tensor, count: int, chunk: int, cosines: Tensor) -> tuple[np.ndarray, Tensor]:
    """(N, F) -> the `count` images nearest to each, itself first, (N, count); and 1 - its least cosine, (N,).

    The cosines of query and gallery are written to `cosines` (Q, G) on the way, as they are needed again.
    """
    N, Q = len(x), len(cosines)
    nearest, farthest = np.empty((N, count), np.int32), x.new_empty(N)
    for start in tqdm(range(0, N, chunk), "finding neighbours", delay=3):
        rows = slice(start, min(start + chunk, N))
        cosine = x[rows] @ x.T
        cosines[rows] = cosine[: max(Q - start, 0), Q:]
        farthest[rows] = 1 - cosine.amin(1)
        cosine[:, rows].fill_diagonal_(2)
        nearest[rows] = cosine.topk(count).indices.cpu().numpy()
    return nearest, farthest.clamp_(min=torch.finfo(x.dtype).tiny)


def _distance(cosine: Tensor, farthest: Tensor) -> Tensor:
    """|a - b|² = 2 (1 - cosine) over the largest of its row, where the 2 cancels; in place."""
    return cosine.neg_().add_(1).clamp_(min=0).div_(farthest)


def _adjacency(nearest: np.ndarray) -> sparse.csr_array:
    """(N, k) indices -> adjacency matrix (N, N), row p is 1 at p's neighbours."""
    N, k = nearest.shape
    return sparse.csr_array((np.ones(N * k, np.float32), nearest.ravel(), np.arange(N + 1) * k), (N, N))


def _sets(nearest: np.ndarray, k1: int) -> sparse.csr_array:
    """The expanded k-reciprocal sets (N, N): row p is not 0 at p's members."""
    near, half = (_adjacency(nearest[:, : k + 1]) for k in (k1, round(k1 / 2)))
    near, half = near * near.T, half * half.T  # elementwise: R(p, k1) and R(p, k1/2)
    taken = near * (near @ half)  # at (p, c): how many of R(c, k1/2) are in R(p, k1)
    taken.data = (3 * taken.data > 2 * half.sum(axis=1)[taken.indices]).astype(np.float32)
    taken.eliminate_zeros()
    return near + taken @ half


def _weights(sets: sparse.csr_array, x: Tensor, farthest: Tensor) -> sparse.csr_array:
    """exp(-d) at the members of each set, over the sum of the row."""
    owner = torch.from_numpy(np.repeat(np.arange(len(x)), np.diff(sets.indptr))).to(x.device)
    member = torch.from_numpy(sets.indices).to(x.device)
    weight = x.new_empty(len(owner))
    for p, c, into in zip(*(pairs.split(PAIRS) for pairs in (owner, member, weight)), strict=True):
        cosine = torch.linalg.vecdot(x.index_select(0, p), x.index_select(0, c))
        into.copy_(_distance(cosine, farthest[p]).neg_().exp_())
    total = x.new_zeros(len(x)).index_add_(0, owner, weight)
    return sparse.csr_array((weight.div_(total[owner]).cpu().numpy(), sets.indices, sets.indptr), sets.shape)


def _jaccard(weights: sparse.csr_array, holders: sparse.csr_array) -> np.ndarray:
    """(n, N) and (N, G) -> (n, G): Jaccard distance of rows of the one and columns of the other, both with the sum 1.

    What two sets have in common is the sum of the smaller of their weights, over the members of both. So the union is
    what remains of 2.
    """
    distance = np.empty((weights.shape[0], holders.shape[1]), weights.dtype)
    shared = holders[weights.indices]  # one row for every member of a set
    smaller = np.minimum(shared.data, np.repeat(weights.data, np.diff(shared.indptr)))
    bounds = shared.indptr[weights.indptr]
    for row, start, end in zip(distance, bounds, bounds[1:], strict=False):
        common = np.bincount(shared.indices[start:end], smaller[start:end], len(row))
        row[:] = 1 - common / (2 - common)
    return distance
