"""The classic single-shot rule: equal to all galleries tried one by one, and to many drawn at random."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import chance_rank1, evaluate_ranking, evaluate_single_shot


def test_by_hand():
    # Person 1 is asked for. Before the match stands one of the two images of person 2, and junk of person 1.
    ranking = evaluate_single_shot([[0.0, 0.1, 0.2, 0.3]], [1], [1, 2, 1, 2], [1], [1, 2, 2, 2])
    assert ranking.cmc.tolist() == [0.5, 1]
    assert ranking.mAP == ranking.mINP == pytest.approx((1 + 1 / 2) / 2)


def one_image_each(g_pids, rng=None):
    """All galleries that hold one image of each identity; or endless random ones."""
    images = [np.flatnonzero(g_pids == pid) for pid in np.unique(g_pids)]
    if rng is None:
        yield from (np.array(choice) for choice in product(*images))
    while rng is not None:
        yield np.array([rng.choice(group) for group in images])


def brute_force(distances, q_pids, g_pids, q_camids, g_camids):
    """Mean CMC and 1/rank over all galleries that can be drawn for each query once its junk is gone."""
    cmc, reciprocal = [], []
    for row, pid, camid in zip(distances, q_pids, q_camids, strict=True):
        kept = np.flatnonzero(((g_pids != pid) | (g_camids != camid)) & (g_pids != -1))
        if pid not in g_pids[kept]:
            reciprocal.append(np.nan)
            continue
        ranks = []
        for choice in one_image_each(g_pids[kept]):
            chosen = kept[choice]
            order = chosen[np.lexsort((chosen, row[chosen]))]
            ranks.append(1 + np.flatnonzero(g_pids[order] == pid)[0])
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


def test_is_what_random_galleries_tend_to():
    rng = np.random.default_rng(0)
    q_pids, g_pids = np.arange(10), np.repeat(np.arange(10), 4)
    distances = rng.random((10, 40)) + 0.4 * (q_pids[:, None] != g_pids)
    q_camids, g_camids = np.ones(10), np.full(40, 2)
    exact = evaluate_single_shot(distances, q_pids, g_pids, q_camids, g_camids)
    drawn = []
    for _, chosen in zip(range(2000), one_image_each(g_pids, rng), strict=False):
        drawn.append(
            evaluate_ranking(distances[:, chosen], q_pids, g_pids[chosen], q_camids, g_camids[chosen]).cmc
        )
    np.testing.assert_allclose(exact.cmc, np.mean(drawn, axis=0), atol=0.02)


def test_one_image_each_is_the_ordinary_ranking():
    rng = np.random.default_rng(1)
    ids = rng.permutation(20), rng.permutation(20), np.ones(20), np.full(20, 2)
    distances = rng.random((20, 20))
    single, ordinary = evaluate_single_shot(distances, *ids), evaluate_ranking(distances, *ids)
    np.testing.assert_allclose(single.cmc, ordinary.cmc)
    np.testing.assert_allclose(single.average_precision, ordinary.average_precision)


def test_chance_is_one_in_as_many_as_there_are_people():
    ids = [1, 2], [1, 1, 2, 3, -1], [1, 1], [2, 2, 2, 2, 2]
    assert chance_rank1(*ids, single_shot=True) == pytest.approx(1 / 3)


def test_bfloat16():
    distances, ids = torch.rand(2, 3).bfloat16(), ([1, 2], [1, 2, 1], [1, 1], [2, 2, 2])
    ranking = evaluate_single_shot(distances, *ids)
    assert ranking.cmc.tolist() == evaluate_single_shot(distances.float(), *ids).cmc.tolist()


def test_shapes_that_do_not_fit():
    with pytest.raises(ValueError, match="expected distances"):
        evaluate_single_shot(np.zeros((2, 3)), [1, 2], [1, 2], [1, 1], [2, 2])
