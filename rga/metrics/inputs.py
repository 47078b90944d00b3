"""Distances and ids in whatever form they are given, as NumPy arrays that fit each other."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Ids = Sequence[int] | np.ndarray | Tensor

NO_MATCH = (
    "no query has a match: a match is a gallery image of the same pid from another camera. Check that query and "
    "gallery share identities, and that camids tell the cameras apart."
)
NOT_A_NUMBER = "expected distances that are numbers, got NaN: look for NaN in the features."


def check_inputs(
    distances: np.ndarray | Tensor, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> list[np.ndarray]:
    """All five as arrays; ValueError where they do not fit each other, and for NaN."""
    distances = as_numpy(distances)
    ids = check_ids(distances.shape, q_pids, g_pids, q_camids, g_camids)
    if np.isnan(distances).any():
        raise ValueError(NOT_A_NUMBER)
    return [distances, *ids]


def check_ids(
    shape: Sequence[int], q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> list[np.ndarray]:
    """The ids as arrays that fit distances of that shape; ValueError if they do not, or if there are none."""
    ids = [as_ids(x) for x in (q_pids, g_pids, q_camids, g_camids)]
    q, g, q_cams, g_cams = map(len, ids)
    if tuple(shape) != (q, g) or (q_cams, g_cams) != (q, g):
        raise ValueError(
            f"expected distances (Q, G) with one pid and one camid per row and column, got {tuple(shape)} for "
            f"{q} + {q_cams} query and {g} + {g_cams} gallery ids."
        )
    if not q or not g:
        raise ValueError(f"expected at least one query and one gallery image, got {q} and {g}.")
    return ids


def as_ids(ids: Ids) -> np.ndarray:
    """(N,), on the CPU."""
    return (ids.cpu().numpy() if isinstance(ids, Tensor) else np.asarray(ids)).reshape(-1)


def as_numpy(distances: np.ndarray | Tensor) -> np.ndarray:
    """On the CPU, in their own dtype; bfloat16, which NumPy lacks, as float32, which is exact."""
    if isinstance(distances, Tensor):
        distances = distances.detach().cpu()
        distances = distances.float() if distances.dtype == torch.bfloat16 else distances
    return np.asarray(distances)
