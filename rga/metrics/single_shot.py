"""CUHK03's classic protocol: one gallery image per identity, as an exact expectation over all random choices."""

import numpy as np
import torch

from rga.metrics.inputs import NO_MATCH, Ids, check_inputs
from rga.metrics.ranking import Ranking


def evaluate_single_shot(
    distances: np.ndarray | torch.Tensor, q_pids: Ids, g_pids: Ids, q_camids: Ids, g_camids: Ids
) -> Ranking:
    """The expected ranking when each identity's one gallery image is drawn at random (Li et al., CVPR 2014).

    distances: (Q, G), smaller = more alike. q_pids, q_camids: (Q,), g_pids, g_camids: (G,); junk as in
    `evaluate_ranking`. Toolboxes draw 10 or 100 galleries and
    average; here the expectation over all of them is computed, which is deterministic. A query has one match, thus
    average precision and inverse negative penalty are both the mean of 1/rank.

    For one image m of the query's identity, another identity stands before it with probability p = the share of its
    images that are nearer than m, independently of the others. So the number of those before m follows a Poisson
    binomial distribution: a sum of Bernoulli trials with different p. Raises ValueError as `evaluate_ranking` does.
    """
    distances, q_pids, g_pids, q_camids, g_camids = check_inputs(
        distances, q_pids, g_pids, q_camids, g_camids
    )
    mean_reciprocal = np.full(len(q_pids), np.nan)
    at_rank = np.zeros(len(np.unique(g_pids)))
    for q, (pid, camid) in enumerate(zip(q_pids, q_camids, strict=True)):
        kept = np.flatnonzero(((g_pids != pid) | (g_camids != camid)) & (g_pids != -1))
        ranked = g_pids[kept[np.argsort(distances[q, kept], kind="stable")]]
        people, person = np.unique(ranked, return_inverse=True)
        if pid not in people:
            continue
        own = np.flatnonzero(ranked == pid)
        before = np.cumsum(person[:, None] == np.arange(len(people)), axis=0)[own]  # (images of pid, people)
        share = (before / np.bincount(person))[:, people != pid]
        chance = np.zeros((len(own), len(people)))  # [m, n]: probability that n people stand before image m
        chance[:, 0] = 1
        for p in share.T[:, :, None]:
            chance[:, 1:], chance[:, :1] = (
                chance[:, 1:] * (1 - p) + chance[:, :-1] * p,
                chance[:, :1] * (1 - p),
            )
        chance = chance.mean(axis=0)
        at_rank[: len(people)] += chance
        mean_reciprocal[q] = (chance / np.arange(1, len(people) + 1)).sum()
    if np.isnan(mean_reciprocal).all():
        raise ValueError(NO_MATCH)
    return Ranking(np.cumsum(at_rank) / at_rank.sum(), mean_reciprocal, mean_reciprocal.copy())
