"""The official re-identification protocol: rank the gallery for every query, leave out junk, score the order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

Ids = Sequence[int] | np.ndarray | torch.Tensor

NO_MATCH = (
    "no query has a match: a match is a gallery image of the same pid from another camera. Check that query and "
    "gallery share identities, and that camids tell the cameras apart."
)


@dataclass(frozen=True)
class Ranking:
    """Scores of one ranking, as fractions; per-query arrays are in the order of the queries.

    A query without any match in the gallery cannot be scored: its entries are NaN, and no mean counts it.
    """

    cmc: np.ndarray  # (G,): share of queries whose first match is among the first 1, 2, 3, … images
    average_precision: np.ndarray  # (Q,)
    inverse_negative_penalty: np.ndarray  # (Q,): matches divided by the rank of the last one

    @property
    def mAP(self) -> float:  # noqa: N802 - the field's name for it
        """Mean over queries of the step-wise average precision (not the trapezoid, which reads lower)."""
        return float(np.nanmean(self.average_precision))

    @property
    def mINP(self) -> float:  # noqa: N802
        """Mean inverse negative penalty (Ye et al., TPAMI 2021, equation 12): how soon the last match is found."""
        return float(np.nanmean(self.inverse_negative_penalty))

    @property
    def num_valid(self) -> int:
        """Queries that have a match in the gallery."""
        return int(np.isfinite(self.average_precision).sum())

    def rank(self, k: int) -> float:
        """Rank-k: share of queries with a match among the first k images."""
        if k < 1:
            raise ValueError(f"rank-k counts from k = 1, got {k}.")
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def __str__(self) -> str:
        scores = {"rank-1": self.rank(1), "rank-5": self.rank(5), "rank-10": self.rank(10)}
        scores |= {"mAP": self.mAP, "mINP": self.mINP}
        return "  ".join(f"{name} {100 * value:.1f} %" for name, value in scores.items())


def evaluate_ranking(
    distances: np.ndarray | torch.Tensor,
    q_pids: Ids,
    g_pids: Ids,
    q_camids: Ids,
    g_camids: Ids,
    chunk: int = 256,
) -> Ranking:
    """CMC (first match), step-wise mAP and mINP of a distance matrix.

    distances: (Q, G), smaller = more alike. Junk is left out of the order before scoring: gallery images of the
    query's own identity and camera, and images with pid -1. Equal distances keep the gallery's order. Memory grows
    with `chunk` queries at a time. Raises ValueError for shapes that do not fit, distances that are not numbers,
    or when no query has a match.
    """
    distances, q_pids, g_pids, q_camids, g_camids = as_arrays(distances, q_pids, g_pids, q_camids, g_camids)
    num_queries, num_gallery = distances.shape
    precision, penalty = np.full(num_queries, np.nan), np.full(num_queries, np.nan)
    first_match = np.zeros(num_gallery)
    for start in range(0, num_queries, chunk):
        rows = slice(start, start + chunk)
        order = np.argsort(distances[rows], axis=1, kind="stable")
        match = g_pids[order] == q_pids[rows, None]
        junk = (match & (g_camids[order] == q_camids[rows, None])) | (g_pids[order] == -1)
        match &= ~junk
        found = match.sum(axis=1)
        valid = np.flatnonzero(found)
        rank = np.cumsum(~junk, axis=1)[valid]  # 1-based rank of every image that is not junk
        match, found = match[valid], found[valid]
        precision_at = np.cumsum(match, axis=1) / np.maximum(rank, 1)
        precision[start + valid] = (precision_at * match).sum(axis=1) / found
        penalty[start + valid] = found / (rank * match).max(axis=1)
        np.add.at(first_match, np.take_along_axis(rank, match.argmax(axis=1)[:, None], 1)[:, 0] - 1, 1)
    if not first_match.any():
        raise ValueError(NO_MATCH)
    return Ranking(np.cumsum(first_match) / first_match.sum(), precision, penalty)


def chance_rank1(
    q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids, single_shot: bool = False
) -> float:
    """Rank-1 to expect of a random order, under the same protocol: the share of matches in what is not junk.

    single_shot: of the gallery's people, where each has one image.
    """
    q_pids, g_pids, q_camids, g_camids = (_ids(x) for x in (q_pids, g_pids, q_camids, g_camids))
    if single_shot:
        return 1 / len(np.unique(g_pids[g_pids != -1]))
    same = q_pids[:, None] == g_pids
    junk = (same & (q_camids[:, None] == g_camids)) | (g_pids == -1)
    matches, images = (same & ~junk).sum(axis=1), (~junk).sum(axis=1)
    return float((matches[matches > 0] / images[matches > 0]).mean())


def as_arrays(distances, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids) -> list[np.ndarray]:
    """What a ranking is made of, as NumPy arrays that fit each other; ValueError where they do not."""
    distances = np.asarray(torch.as_tensor(distances).cpu())
    ids = [_ids(x) for x in (q_pids, g_pids, q_camids, g_camids)]
    q, g, q_cams, g_cams = map(len, ids)
    if distances.shape != (q, g) or (q_cams, g_cams) != (q, g):
        raise ValueError(
            f"expected distances (Q, G) with one pid and one camid per row and column, got {distances.shape} for "
            f"{q} + {q_cams} query and {g} + {g_cams} gallery ids."
        )
    if np.isnan(distances).any():
        raise ValueError("expected distances that are numbers, got NaN: look for NaN in the features.")
    return [distances, *ids]


def _ids(ids: Ids) -> np.ndarray:
    return np.asarray(torch.as_tensor(ids).cpu()).reshape(-1)
