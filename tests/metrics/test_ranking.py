"""Scores of a ranking: equal to the released code's, to scikit-free brute force, and to numbers made by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from released_weights import GOLDEN

from rga.metrics import chance_rank1, evaluate_ranking, pairwise_distance


def test_equals_the_released_code():
    golden = np.load(GOLDEN / "ranking.npz")
    distances = pairwise_distance(golden["q"], golden["g"])
    np.testing.assert_allclose(distances, golden["cosine_distance"], rtol=0, atol=1e-9)
    ids = [golden[k] for k in ("q_pids", "g_pids", "q_camids", "g_camids")]
    for given_as in (np.asarray, torch.from_numpy):
        ranking = evaluate_ranking(given_as(distances), *(given_as(x) for x in ids))
        np.testing.assert_allclose(ranking.cmc[:50], golden["cmc"], rtol=0, atol=1e-9)
        assert ranking.mAP == pytest.approx(golden["mAP"].item(), abs=1e-9)


def test_by_hand():
    # The order is: junk (same person, same camera), wrong, right, wrong, right, and an image marked as junk.
    ranking = evaluate_ranking(
        [[0.1, 0.2, 0.3, 0.4, 0.5, 0.0]], [7], [7, 8, 7, 9, 7, -1], [1], [1, 1, 2, 2, 2, 2]
    )
    assert ranking.cmc.tolist() == [0, 1, 1, 1, 1, 1]
    assert ranking.mAP == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert ranking.mINP == pytest.approx(2 / 4)
    assert ranking.rank(1) == 0
    assert ranking.rank(5) == 1
    assert ranking.rank(100) == 1
    assert str(ranking) == "rank-1 0.0 %  rank-5 100.0 %  rank-10 100.0 %  mAP 50.0 %  mINP 50.0 %"


def brute_force(distances, q_pids, g_pids, q_camids, g_camids):
    first, precisions, penalties = [], [], []
    for row, pid, camid in zip(distances, q_pids, q_camids, strict=True):
        order = sorted(range(len(row)), key=lambda j: (row[j], j))
        order = [j for j in order if not (g_pids[j] == pid and g_camids[j] == camid) and g_pids[j] != -1]
        hits = [rank for rank, j in enumerate(order, start=1) if g_pids[j] == pid]
        if hits:
            first.append(hits[0])
            precisions.append(np.mean([(n + 1) / rank for n, rank in enumerate(hits)]))
            penalties.append(len(hits) / hits[-1])
    cmc = [np.mean([f <= k for f in first]) for k in range(1, len(g_pids) + 1)]
    return len(first), cmc, np.mean(precisions), np.mean(penalties)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), chunk=st.integers(1, 9))
def test_equals_brute_force_with_ties_and_missing_matches(seed, chunk):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(1, 8), rng.integers(1, 30)
    distances = rng.integers(0, 6, (queries, gallery)) / 5
    q_pids, g_pids = rng.integers(0, 5, queries), rng.integers(-1, 5, gallery)
    q_camids, g_camids = rng.integers(1, 4, queries), rng.integers(1, 4, gallery)
    ids = q_pids, g_pids, q_camids, g_camids
    possible = ((q_pids[:, None] == g_pids) & (q_camids[:, None] != g_camids)).any()
    if not possible:
        with pytest.raises(ValueError, match="no query has a match"):
            evaluate_ranking(distances, *ids, chunk=chunk)
        return
    ranking = evaluate_ranking(distances, *ids, chunk=chunk)
    num_valid, cmc, mean_precision, mean_penalty = brute_force(distances, *ids)
    assert ranking.num_valid == num_valid
    np.testing.assert_allclose(ranking.cmc, cmc, atol=1e-12)
    assert ranking.mAP == pytest.approx(mean_precision, abs=1e-12)
    assert ranking.mINP == pytest.approx(mean_penalty, abs=1e-12)


def test_chance_is_what_random_orders_give():
    ids = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]
    # Query 7: two matches among four images that are not junk; query 8: one among five; query 9 has only junk.
    assert chance_rank1(*ids) == pytest.approx((2 / 4 + 1 / 5) / 2)
    rng = np.random.default_rng(0)
    drawn = [evaluate_ranking(rng.random((3, 6)), *ids).rank(1) for _ in range(3000)]
    assert np.mean(drawn) == pytest.approx(chance_rank1(*ids), abs=0.03)


def test_wrong_input_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"got \(1, 2\) for 1 \+ 1 query and 3 \+ 3 gallery ids"):
        evaluate_ranking(np.zeros((1, 2)), [1], [1, 2, 3], [1], [1, 1, 1])
    with pytest.raises(ValueError, match="got NaN"):
        evaluate_ranking([[np.nan]], [1], [1], [1], [2])
    with pytest.raises(ValueError, match="k = 1, got 0"):
        evaluate_ranking([[0.0]], [1], [1], [1], [2]).rank(0)
