"""Features as tensors that fit each other, checked to be finite; and divided by their lengths."""

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Array = TypeVar("Array", np.ndarray, Tensor)


def check_features(q: np.ndarray | Tensor, g: np.ndarray | Tensor) -> tuple[Tensor, Tensor]:
    """As tensors of one floating type, without a copy where they are; ValueError if they do not fit each other."""
    q, g = (x if isinstance(x, Tensor) else _shared(np.asarray(x)) for x in (q, g))
    if q.ndim != 2 or g.ndim != 2 or q.shape[1] != g.shape[1]:
        raise ValueError(f"expected features (Q, F) and (G, F), got {tuple(q.shape)} and {tuple(g.shape)}.")
    dtype = torch.float64 if q.dtype == g.dtype == torch.float64 else torch.float32
    return q.to(dtype), g.to(dtype)


def _shared(array: np.ndarray) -> Tensor:
    """A tensor of the same memory, or of a copy where torch takes none: it is read-only, or runs backwards."""
    backwards = min(array.strides, default=0) < 0
    return torch.from_numpy(np.require(array, requirements="CW" if backwards else "W"))


def norms(features: Tensor, name: str) -> Tensor:
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
    """(Q, F), (G, F) -> the same divided by their lengths, as tensors: float64 if both are, else float32.

    Raises ValueError where there is no query or gallery, for features of different lengths, and for those that are
    not finite or all zero.
    """
    q, g = check_features(q, g)
    return _unit(q, "query"), _unit(g, "gallery")


def _unit(features: Tensor, name: str) -> Tensor:
    if not len(features):
        raise ValueError(f"expected at least one {name} picture, got features {tuple(features.shape)}.")
    lengths = norms(features, name)
    if zero := torch.nonzero(lengths == 0).flatten().tolist():
        raise ValueError(
            f"expected features with a direction, got nothing but zeros in {len(zero)} of {len(features)} {name} "
            f"features, the first in row {zero[0]}: look whether the network is trained, and its images loaded."
        )
    return features / lengths[:, None]
