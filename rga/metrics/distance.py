"""Distances between query and gallery features, as a matrix or in chunks of queries."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rga.metrics.features import Array, check_features, norms

Metric = Literal["cosine", "euclidean"]

CHUNK = 64  # queries: few enough for a gallery of a million images, enough for a matrix product at full speed


def pairwise_distance(q: Array, g: Array, metric: Metric = "cosine") -> Array:
    """(Q, F), (G, F) -> (Q, G), smaller = more alike; tensors for tensors, NumPy arrays for NumPy arrays.

    cosine: 1 - cosine similarity, in 0..2 (the paper's). euclidean: of the features as they are, by
    |q|² + |g|² - 2 q·g, so that in float32 distances below about 1/1000 of the features' norm drown in rounding.
    Computed in float64 if both are, else in float32. Raises ValueError for another metric, where F differs, and for
    features that are not finite.
    """
    if isinstance(q, np.ndarray):
        return pairwise_distance(*check_features(q, g), metric).numpy()
    q, g = check_features(q, g)
    matrix = q.new_empty(len(q), len(g))
    for start, rows in zip(range(0, len(q), CHUNK), distance_rows(q, g, metric), strict=False):
        matrix[start : start + CHUNK] = rows
    return matrix


def distance_rows(
    q: np.ndarray | Tensor, g: np.ndarray | Tensor, metric: Metric = "cosine", chunk: int = CHUNK
) -> Iterator[Tensor]:
    """The rows of `pairwise_distance` in chunks of queries: tensors (up to chunk, G), on the features' device.

    q, g, metric: as there, features (Q, F) and (G, F). Errors are raised at the call, not at the first chunk. Beside
    the features, memory holds two such blocks. With the default chunk the numbers are those of pairwise_distance to the
    last bit; with another, the product may round differently.
    """
    if chunk < 1:
        raise ValueError(f"expected a chunk of at least one query, got {chunk}.")
    q, g = check_features(q, g)
    q_norms, g_norms = norms(q, "query"), norms(g, "gallery")
    if metric == "cosine":
        # The gallery's norms divide the product: a normalised gallery would be a copy of it.
        q, g_norms = F.normalize(q, dim=1), g_norms.clamp_min(1e-12)
        return (1 - (rows @ g.T) / g_norms for rows in q.split(chunk))
    if metric == "euclidean":
        return (
            (torch.addmm(g_norms**2, rows, g.T, alpha=-2) + norm[:, None] ** 2).clamp_min(0).sqrt()
            for rows, norm in zip(q.split(chunk), q_norms.split(chunk), strict=True)
        )
    raise ValueError(f"unknown metric {metric!r}: choose 'cosine' or 'euclidean'.")
