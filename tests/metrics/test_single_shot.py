"""The single-shot protocol: equal to all galleries tried one by one."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import evaluate_ranking, evaluate_single_shot, rank_query


def test_by_hand():
    # Person 1 is asked for. Before the match stands one of the two images of person 2, and junk of person 1.
    ranking = evaluate_single_shot([[0.0, 0.1, 0.2, 0.3]], [1], [1, 2, 1, 2], [1], [1, 2, 2, 2])
    assert ranking.cmc.tolist() == [0.5, 1]
    assert ranking.mAP == ranking.mINP == pytest.approx((1 + 1 / 2) / 2)


def brute_force(distances, q_pids, g_pids, q_camids, g_camids):
    """Mean CMC and 1/rank over all galleries of one image per identity, drawn for each query without its junk."""
    cmc, reciprocal = [], []
    for row, pid, camid in zip(distances, q_pids, q_camids, strict=True):
        kept = np.flatnonzero(((g_pids != pid) | (g_camids != camid)) & (g_pids != -1))
        if pid not in g_pids[kept]:
            reciprocal.append(np.nan)
            continue
        images = [kept[g_pids[kept] == person] for person in np.unique(g_pids[kept])]
        galleries = [np.sort(choice) for choice in product(*images)]
        ranks = [rank_query(row[some], pid, camid, g_pids[some], g_camids[some])[0] for some in galleries]
        cmc.append([np.mean(np.array(ranks) <= r) for r in range(1, len(np.unique(g_pids)) + 1)])
        reciprocal.append(np.mean(1 / np.array(ranks)))
    return np.mean(cmc, axis=0) if cmc else None, np.array(reciprocal)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_equals_all_galleries_tried_one_by_one(seed):
    rng = np.random.default_rng(seed)
    q, g = rng.integers(1, 4), rng.integers(1, 9)
    q_pids, g_pids = rng.integers(0, 4, q), rng.integers(-1, 4, g)
    q_camids, g_camids = rng.integers(0, 2, q), rng.integers(0, 2, g)
    distances = rng.integers(0, 5, (q, g)) / 4  # with ties: the gallery's order decides
    cmc, reciprocal = brute_force(distances, q_pids, g_pids, q_camids, g_camids)
    if cmc is None:
        with pytest.raises(ValueError, match="no query has a match"):
            evaluate_single_shot(distances, q_pids, g_pids, q_camids, g_camids)
        return
    ranking = evaluate_single_shot(distances, q_pids, g_pids, q_camids, g_camids)
    np.testing.assert_allclose(ranking.cmc, cmc, atol=1e-12)
    np.testing.assert_allclose(ranking.average_precision, reciprocal, atol=1e-12)


def test_one_image_each_is_the_ordinary_ranking():
    rng = np.random.default_rng(1)
    ids = rng.permutation(20), rng.permutation(20), np.ones(20), np.full(20, 2)
    distances = rng.random((20, 20))
    single, ordinary = evaluate_single_shot(distances, *ids), evaluate_ranking(distances, *ids)
    np.testing.assert_allclose(single.cmc, ordinary.cmc)
    np.testing.assert_allclose(single.average_precision, ordinary.average_precision)


def test_bfloat16():
    distances, ids = torch.rand(2, 3).bfloat16(), ([1, 2], [1, 2, 1], [1, 1], [2, 2, 2])
    ranking = evaluate_single_shot(distances, *ids)
    assert ranking.cmc.tolist() == evaluate_single_shot(distances.float(), *ids).cmc.tolist()


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="expected distances"):
        evaluate_single_shot(np.zeros((2, 3)), [1, 2], [1, 2], [1, 1], [2, 2])
