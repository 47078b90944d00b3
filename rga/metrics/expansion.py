"""Query expansion: a feature is averaged with its nearest images', which show more of a person than one does."""

import numpy as np
import torch
import torch.nn.functional as F

from rga.metrics.features import Array, unit_features


@torch.no_grad()
def expand(q: Array, g: Array | None = None, k: int = 5, alpha: float = 0.0, chunk: int = 256) -> Array:
    """Features (Q, F), (G, F) -> L2-normalised features (Q, F), to be compared with the gallery in place of q.

    Each is the sum of the query and its k nearest gallery features, all L2-normalised, the latter times cosine^alpha.
    alpha = 0 is average query expansion (AQE: Chum et al., ICCV 2007, without their spatial verification of the
    images found). alpha = 3 is alpha query expansion (αQE: Radenović et al., TPAMI 2019): the less similar counts
    less, so that k may be larger; negative cosines count nothing.

    Without g each feature is expanded by the k nearest others of q. This expands the gallery, too (database-side
    augmentation, DBA: Turcot and Lowe 2009), as in pairwise_distance(expand(q, g), expand(g)).

    No labels are used. Where the first images found are wrong, a query gets worse. Images of its own camera, which
    will be junk, are often the nearest of all and tell little new: let k be larger than their number.

    Tensors of any device for tensors, NumPy arrays for NumPy arrays; float64 if both are, else float32. Memory beside
    the features: a block (chunk, G). Raises ValueError as `rerank` does for features, for k below 1 or above the
    number of images, alpha below 0, and a chunk below 1.
    """
    features, others = unit_features(q, q if g is None else g)
    most = len(others) - (g is None)
    if not 1 <= k <= most:
        raise ValueError(f"expected k in 1..{most}, the images that a feature can be expanded by, got {k}.")
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
