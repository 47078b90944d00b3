"""Distances between query and gallery features, whole or a few queries at a time."""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from rga.metrics.features import Array, check_features, norms

Metric = Literal["cosine", "euclidean"]

CHUNK = 64  # queries: few enough for the rows of a million images, enough for a product at full speed


def pairwise_distance(q: Array, g: Array, metric: Metric = "cosine") -> Array:
    """(Q, F), (G, F) -> (Q, G), smaller = more alike; tensors for tensors, NumPy arrays for NumPy arrays.

    cosine: 1 - cos of the angle, in 0..2 (the paper's). euclidean: of the features as they are, by
    |q|² + |g|² - 2 q·g, so that float32 tells no distance below about 1/1000 of the features' length from zero.
    Computed in float64 if both are, else in float32. Raises ValueError for another metric, for features of different
    lengths, and for those that are not finite.
    """
    if isinstance(q, np.ndarray):
        return pairwise_distance(*check_features(q, g), metric).numpy()
    q, g = check_features(q, g)
    whole = q.new_empty(len(q), len(g))
    for start, rows in zip(range(0, len(q), CHUNK), distance_rows(q, g, metric), strict=False):
        whole[start : start + CHUNK] = rows
    return whole


def distance_rows(
    q: np.ndarray | Tensor, g: np.ndarray | Tensor, metric: Metric = "cosine", chunk: int = CHUNK
) -> Iterator[Tensor]:
    """The rows of `pairwise_distance`, `chunk` at a time: tensors (up to chunk, G), where the features are.

    Errors are raised before the first row is asked for. Beside the features, memory holds two such blocks. With the
    default chunk the numbers are those of pairwise_distance to the last bit; with another, the product may round
    differently.
    """
    if chunk < 1:
        raise ValueError(f"expected a chunk of at least one query, got {chunk}.")
    q, g = check_features(q, g)
    q_lengths, g_lengths = norms(q, "query"), norms(g, "gallery")
    if metric == "cosine":
        # The gallery is divided by its lengths after the product: normalised features would be a copy of it.
        q, g_lengths = F.normalize(q, dim=1), g_lengths.clamp_min(1e-12)
        return (1 - (rows @ g.T) / g_lengths for rows in q.split(chunk))
    if metric == "euclidean":
        return (
            (torch.addmm(g_lengths**2, rows, g.T, alpha=-2) + lengths[:, None] ** 2).clamp_min(0).sqrt()
            for rows, lengths in zip(q.split(chunk), q_lengths.split(chunk), strict=True)
        )
    raise ValueError(f"unknown metric {metric!r}: choose 'cosine' or 'euclidean'.")
