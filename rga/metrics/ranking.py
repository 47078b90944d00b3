"""How good is a ranking? CMC, average precision and inverse negative penalty, by their definitions."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from rga.metrics.inputs import NO_MATCH, Ids, check_inputs


@dataclass(frozen=True)
class Ranking:
    """Scores of one ranking, as fractions; per-query arrays are in the order of the queries.

    A query without any match in the gallery cannot be scored: its entries are NaN, and no mean counts it.
    """

    cmc: np.ndarray  # (G,): share of queries whose first match is among the first 1, 2, 3, … images
    average_precision: np.ndarray  # (Q,)
    inverse_negative_penalty: np.ndarray  # (Q,): matches divided by the rank of the last one
    match_ranks: tuple[np.ndarray, ...] = ()  # Q arrays: ranks of the query's matches, ascending, from 1

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

    def per_query(self, score: str) -> np.ndarray:
        """(Q,): what each query adds to the mean. score: "mAP", "mINP", or "rank-1", "rank-5", … .

        Raises ValueError for another score, and for rank-k of single-shot rankings, which keep no order of their own.
        """
        if score in (means := {"mAP": self.average_precision, "mINP": self.inverse_negative_penalty}):
            return means[score]
        name, _, k = score.partition("-")
        if name != "rank" or not k.isdigit() or int(k) < 1:
            raise ValueError(f"unknown score {score!r}: choose 'mAP', 'mINP' or 'rank-1', 'rank-5', ….")
        if not self.match_ranks:
            raise ValueError(
                f"{score} of each query is not known in a single-shot ranking: choose 'mAP' or 'mINP'."
            )
        found = [ranks[0] <= int(k) if len(ranks) else np.nan for ranks in self.match_ranks]
        return np.array(found, dtype=float)  # not booleans, which cannot be subtracted

    def __str__(self) -> str:
        scores = {"rank-1": self.rank(1), "rank-5": self.rank(5), "rank-10": self.rank(10)}
        scores |= {"mAP": self.mAP, "mINP": self.mINP}
        return "  ".join(f"{name} {100 * value:.1f} %" for name, value in scores.items())


def evaluate_by_definition(
    distances: np.ndarray | Tensor, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> Ranking:
    """The reference implementation of `evaluate_ranking`, to read and to test against: sort, drop junk, score.

    distances: (Q, G), smaller = more alike. q_pids, q_camids: (Q,), g_pids, g_camids: (G,). Raises ValueError for
    shapes that do not fit, NaN, or when no query has a match.
    """
    distances, q_pids, g_pids, q_camids, g_camids = check_inputs(
        distances, q_pids, g_pids, q_camids, g_camids
    )
    queries = zip(distances, q_pids, q_camids, strict=True)
    match_ranks = tuple(rank_query(row, pid, camid, g_pids, g_camids) for row, pid, camid in queries)
    first = np.array([ranks[0] for ranks in match_ranks if len(ranks)])
    if not len(first):
        raise ValueError(NO_MATCH)
    cmc = [np.mean(first <= k) for k in range(1, len(g_pids) + 1)]
    precision = [average_precision(ranks) for ranks in match_ranks]
    penalty = [inverse_negative_penalty(ranks) for ranks in match_ranks]
    return Ranking(np.array(cmc), np.array(precision), np.array(penalty), match_ranks)


def rank_query(
    distances: np.ndarray, pid: int, camid: int, g_pids: np.ndarray, g_camids: np.ndarray
) -> np.ndarray:
    """One query against the gallery -> ranks of its M matches, ascending, from 1: (M,).

    distances, g_pids, g_camids: (G,), of the gallery. pid, camid: of the query.
    """
    order = np.argsort(distances, kind="stable")  # nearest first; equal distances keep the gallery's order
    junk = is_junk(pid, camid, g_pids, g_camids)[order]
    matches = g_pids[order][~junk] == pid  # junk has no place in the order: what stands behind it moves up
    return 1 + np.flatnonzero(matches)


def is_junk(pid: int, camid: int, g_pids: np.ndarray, g_camids: np.ndarray) -> np.ndarray:
    """Gallery images (G,) that a query's ranking leaves out: its own person by its own camera, and nobody (pid -1)."""
    return ((g_pids == pid) & (g_camids == camid)) | (g_pids == -1)


def average_precision(ranks: np.ndarray) -> float:
    """The mean of the precision at each match, n/r for the n-th one at rank r; NaN without a match."""
    return np.mean(np.arange(1, len(ranks) + 1) / ranks) if len(ranks) else np.nan


def inverse_negative_penalty(ranks: np.ndarray) -> float:
    """The number of matches over the rank of the last, 1 if no wrong image precedes it; NaN without a match."""
    return len(ranks) / ranks[-1] if len(ranks) else np.nan
