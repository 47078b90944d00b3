"""Features as tensors: checked to fit each other and to be finite; L2-normalised to unit length."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def check_features(q: np.ndarray | Tensor, g: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """(Q, F), (G, F) -> tensors of float64 if both are, else float32, copied only if need be; F must be equal."""
    q, g = (x if isinstance(x, Tensor) else _shared(np.asarray(x)) for x in (q, g))
    if q.ndim != 2 or g.ndim != 2 or q.shape[1] != g.shape[1]:
        raise ValueError(f"expected features (Q, F) and (G, F), got {tuple(q.shape)} and {tuple(g.shape)}.")
    dtype = torch.float64 if q.dtype == g.dtype == torch.float64 else torch.float32
    return q.to(dtype), g.to(dtype)


def norms(features: Tensor, name: str) -> Tensor:
    """L2 norms: (N, F) -> (N,); ValueError for NaN and infinity, which names the features `name`."""
    lengths = torch.linalg.vector_norm(features, dim=1)
    wrong = ~lengths.isfinite()
    if wrong.any():
        raise ValueError(
            f"expected features that are finite numbers, got NaN or infinity (or squares beyond {features.dtype}) in "
            f"{int(wrong.sum())} of {len(features)} {name} features, the first in row {int(wrong.nonzero()[0])}: look "
            "at the network's weights and at the images of these rows."
        )
    return lengths


def unit_features(q: np.ndarray | Tensor, g: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """(Q, F), (G, F) -> the same, L2-normalised: tensors of float64 if both are, else float32.

    Raises ValueError for an empty query or gallery, where F differs, and for features that are not finite or all zero.
    """
    q, g = check_features(q, g)
    return _unit(q, "query"), _unit(g, "gallery")


def _shared(array: np.ndarray) -> Tensor:
    """A tensor that shares the memory, or a copy where torch cannot: read-only arrays and negative strides."""
    negative_stride = min(array.strides, default=0) < 0
    return torch.from_numpy(np.require(array, requirements="CW" if negative_stride else "W"))


def _unit(features: Tensor, name: str) -> Tensor:
    if not len(features):
        raise ValueError(f"expected at least one {name} image, got features {tuple(features.shape)}.")
    lengths = norms(features, name)
    if zero := torch.nonzero(lengths == 0).flatten().tolist():
        raise ValueError(
            f"expected features with a direction, got nothing but zeros in {len(zero)} of {len(features)} {name} "
            f"features, the first in row {zero[0]}: check that the network is trained and its images are loaded."
        )
    return features / lengths[:, None]
