"""Features of length 1, after a check that they have a direction."""

import numpy as np
import torch
from torch import Tensor

from rga.metrics.distance import _features, _lengths


def unit_features(q: np.ndarray | Tensor, g: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """(Q, F), (G, F) -> the same divided by their lengths, as tensors: float64 if both are, else float32.

    Raises ValueError where there is no query or gallery, for features of different lengths, and for those that are
    not finite or all zero.
    """
    q, g = _features(q, g)
    return _unit(q, "query"), _unit(g, "gallery")


def _unit(features: Tensor, name: str) -> Tensor:
    if not len(features):
        raise ValueError(f"expected at least one {name} picture, got features {tuple(features.shape)}.")
    lengths = _lengths(features, name)
    if zero := torch.nonzero(lengths == 0).flatten().tolist():
        raise ValueError(
            f"expected features with a direction, got nothing but zeros in {len(zero)} of {len(features)} {name} "
            f"features, the first in row {zero[0]}: look whether the network is trained, and its images loaded."
        )
    return features / lengths[:, None]
