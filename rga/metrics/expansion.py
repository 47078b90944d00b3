"""Query expansion: a feature moves towards its nearest pictures, which show more of a person than one does."""

import numpy as np
import torch
import torch.nn.functional as F

from rga.metrics.features import Array, unit_features


@torch.no_grad()
def expand(q: Array, g: Array | None = None, k: int = 5, alpha: float = 0.0, chunk: int = 256) -> Array:
    """Features (Q, F), (G, F) -> features (Q, F) of length 1, to be compared with the gallery in place of q.

    Each is the sum of the query and its k nearest gallery features, all of length 1, the latter times cosine^alpha.
    alpha = 0 is average query expansion (Chum et al., ICCV 2007, without their check that the pictures found are
    right). alpha = 3 is alpha query expansion (Radenović et al., TPAMI 2019): the less alike counts less, so that k
    may be larger; negative cosines count nothing.

    Without g each feature is expanded by the k nearest others of q: so the gallery is, too (database-side
    augmentation, Turcot and Lowe 2009), as in pairwise_distance(expand(q, g), expand(g)).

    No identities are used. Where the first pictures found are wrong, a query gets worse. Pictures of its own camera,
    which will be junk, are often the nearest of all and tell little new: let k be larger than their number.

    Tensors of any device for tensors, NumPy arrays for NumPy arrays; float64 if both are, else float32. Memory beside
    the features: `chunk` rows of G distances. Raises ValueError for features of different lengths, without a direction
    (NaN, infinite, all zero) or without any picture, for k below 1 or above the pictures there are, alpha below 0,
    and a chunk below 1.
    """
    features, others = unit_features(q, q if g is None else g)
    most = len(others) - (g is None)
    if not 1 <= k <= most:
        raise ValueError(f"expected k in 1..{most}, the pictures that a feature can be expanded by, got {k}.")
    if not alpha >= 0 or chunk < 1:
        raise ValueError(
            f"expected alpha from 0 and chunk from 1 up, got alpha = {alpha} and chunk = {chunk}."
        )
    expanded = torch.empty_like(features)
    for start in range(0, len(features), chunk):
        rows = slice(start, min(start + chunk, len(features)))
        cosine = features[rows] @ others.T
        if g is None:
            cosine[:, rows].fill_diagonal_(-2)
        nearest = cosine.topk(k)
        weights = nearest.values.clamp_(min=0) ** alpha
        found = F.embedding_bag(nearest.indices, others, per_sample_weights=weights, mode="sum")
        expanded[rows] = F.normalize(features[rows] + found)
    return expanded.numpy() if isinstance(q, np.ndarray) else expanded
