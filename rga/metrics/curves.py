"""Precision-recall curves of one query and of all: the area under one is the average precision."""

from typing import NamedTuple

import numpy as np

from rga.metrics.ranking import Ranking


class PrecisionRecall(NamedTuple):
    """Points of a step curve from left to right: up to each recall, the precision is the one beside it."""

    recall: np.ndarray  # (N,)
    precision: np.ndarray  # (N,)


def precision_recall(ranks: np.ndarray) -> PrecisionRecall:
    """One query's curve: ranks (N,) of its N matches, ascending, as in `Ranking.match_ranks` -> N points.

    At the n-th match of N, at rank r, recall is n/N and precision n/r. The area under the steps is the step-wise
    average precision. The trapezoidal rule, straight lines between the precisions at all ranks, gives another number.
    Raises ValueError without a match.
    """
    ranks = np.asarray(ranks)
    if ranks.ndim != 1 or not ranks.size:
        raise ValueError(f"expected the ranks of at least one match, got an array of shape {ranks.shape}.")
    found = np.arange(1, len(ranks) + 1)
    return PrecisionRecall(found / len(ranks), found / ranks)


def mean_precision_recall(ranking: Ranking, points: int = 101) -> PrecisionRecall:
    """The mean curve of all queries that have a match, interpolated at `points` recalls from 0 to 1.

    Raises ValueError for fewer than two points, and for single-shot rankings, which keep no order of their own.
    """
    if points < 2:
        raise ValueError(f"expected at least two points, recall 0 and recall 1, got {points}.")
    if not ranking.match_ranks:
        raise ValueError(
            "a single-shot ranking has one match a query and keeps no order: it has no such curve."
        )
    recall = np.linspace(0, 1, points)
    curves = [precision_recall(ranks) for ranks in ranking.match_ranks if len(ranks)]
    # Rounding must not push a recall such as 3/10 past the match that reaches it.
    steps = [curve.precision[np.searchsorted(curve.recall + 1e-9, recall)] for curve in curves]
    return PrecisionRecall(recall, np.mean(steps, axis=0))
