"""Scores per pair of cameras: between which are people found, and between which are they not?"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from rga.metrics.fast_ranking import evaluate_ranking
from rga.metrics.inputs import NO_MATCH, Ids, check_ids
from rga.metrics.ranking import Ranking


@dataclass(frozen=True)
class CameraPairs:
    """A ranking for each pair (query camera, gallery camera) in which some query has a match."""

    rankings: dict[tuple[int, int], Ranking]

    @property
    def cameras(self) -> tuple[list[int], list[int]]:
        """The camids of the queries and of the gallery: rows and columns of the table."""
        queries, galleries = zip(*self.rankings, strict=True)
        return sorted(set(queries)), sorted(set(galleries))

    def table(self, score: str = "mAP") -> np.ndarray:
        """(query cameras, gallery cameras) of "mAP", "mINP" or "rank-k"; NaN where no query has a match."""
        queries, galleries = self.cameras
        table = np.full((len(queries), len(galleries)), np.nan)
        for (q, g), ranking in self.rankings.items():
            table[queries.index(q), galleries.index(g)] = np.nanmean(ranking.per_query(score))
        return table

    def __str__(self) -> str:
        queries, galleries = self.cameras
        lines = ["mAP in %, query camera down, gallery camera across"]
        lines.append(" " * 6 + "".join(f"{camera:>6}" for camera in galleries))
        for camera, row in zip(queries, self.table(), strict=True):
            cells = ("-" if np.isnan(value) else f"{100 * value:.1f}" for value in row)
            lines.append(f"{camera:>6}" + "".join(f"{cell:>6}" for cell in cells))
        return "\n".join(lines)


def evaluate_camera_pairs(
    distances: np.ndarray | Tensor, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> CameraPairs:
    """`evaluate_ranking` of the queries of each camera in the images of each other camera alone.

    distances: (Q, G), smaller = more alike. q_pids, q_camids: (Q,), g_pids, g_camids: (G,).

    In the whole gallery one easy camera makes rank-1 high, because the nearest match is enough. Here the person must
    be found in every camera. The galleries differ in size, and a smaller one is easier, so that these scores do not
    average to the whole's. Beside the distances, memory holds those of one pair. Raises ValueError as
    `evaluate_ranking` does.
    """
    distances = distances if isinstance(distances, Tensor) else np.asarray(distances)
    q_pids, g_pids, q_camids, g_camids = check_ids(distances.shape, q_pids, g_pids, q_camids, g_camids)
    rankings = {}
    for q_camid in np.unique(q_camids).tolist():
        rows = np.flatnonzero(q_camids == q_camid)
        for g_camid in np.unique(g_camids).tolist():
            columns = np.flatnonzero((g_camids == g_camid) & (g_pids != -1))
            if q_camid != g_camid and np.isin(q_pids[rows], g_pids[columns]).any():
                part = distances[rows[:, None], columns]
                ids = q_pids[rows], g_pids[columns], q_camids[rows], g_camids[columns]
                rankings[q_camid, g_camid] = evaluate_ranking(part, *ids)
    if not rankings:
        raise ValueError(NO_MATCH)
    return CameraPairs(rankings)
