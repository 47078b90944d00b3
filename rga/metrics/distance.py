"""Distances between query and gallery features."""

from typing import Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

Array = TypeVar("Array", np.ndarray, torch.Tensor)


def pairwise_distance(q: Array, g: Array, metric: Literal["cosine", "euclidean"] = "cosine") -> Array:
    """(Q, F), (G, F) -> (Q, G), smaller = more alike; tensors for tensors, NumPy arrays for NumPy arrays.

    cosine: 1 - cos of the angle, in 0..2 (the paper's). euclidean: of the features as they are. Raises ValueError
    for another metric or for features of different lengths.
    """
    if isinstance(q, np.ndarray):
        return pairwise_distance(torch.from_numpy(q), torch.from_numpy(np.asarray(g)), metric).numpy()
    if q.ndim != 2 or g.ndim != 2 or q.shape[1] != g.shape[1]:
        raise ValueError(f"expected features (Q, F) and (G, F), got {tuple(q.shape)} and {tuple(g.shape)}.")
    if metric == "cosine":
        return 1 - F.normalize(q, dim=1) @ F.normalize(g, dim=1).T
    if metric == "euclidean":
        return torch.cdist(q, g)
    raise ValueError(f"unknown metric {metric!r}: choose 'cosine' or 'euclidean'.")
