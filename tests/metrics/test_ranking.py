"""The definitions of the scores: by hand, and equal to the released code's and to scikit-learn's."""

import numpy as np
import pytest
import torch
from helpers.released_weights import GOLDEN
from sklearn.metrics import average_precision_score

from rga.metrics import (
    evaluate_by_definition,
    evaluate_ranking,
    evaluate_single_shot,
    pairwise_distance,
    rank_query,
)

BOTH = pytest.mark.parametrize("evaluate", [evaluate_by_definition, evaluate_ranking])
IDS = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]  # matches at ranks 2 and 4; at 2; none


@BOTH
@pytest.mark.parametrize("given_as", [np.asarray, torch.from_numpy])
def test_equals_the_released_code(evaluate, given_as):
    golden = np.load(GOLDEN / "ranking.npz")
    distances = pairwise_distance(golden["q"], golden["g"])
    np.testing.assert_allclose(distances, golden["cosine_distance"], rtol=0, atol=1e-9)
    ids = [given_as(golden[k]) for k in ("q_pids", "g_pids", "q_camids", "g_camids")]
    ranking = evaluate(given_as(distances), *ids)
    np.testing.assert_allclose(ranking.cmc[:50], golden["cmc"], rtol=0, atol=1e-9)
    assert ranking.mAP == pytest.approx(golden["mAP"].item(), abs=1e-9)


@BOTH
def test_by_hand(evaluate):
    # The order is: junk (same person, same camera), wrong, right, wrong, right, and an image marked as junk.
    ranking = evaluate([[0.1, 0.2, 0.3, 0.4, 0.5, 0.0]], [7], [7, 8, 7, 9, 7, -1], [1], [1, 1, 2, 2, 2, 2])
    assert ranking.match_ranks[0].tolist() == [2, 4]
    assert ranking.cmc.tolist() == [0, 1, 1, 1, 1, 1]
    assert ranking.mAP == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert ranking.mINP == pytest.approx(2 / 4)


def test_equal_distances_keep_the_order_of_the_gallery():
    pids, camids = np.array([7, 8, 7, 8, 7]), np.array([2, 2, 2, 2, 2])
    assert rank_query(np.zeros(5), 7, 1, pids, camids).tolist() == [1, 3, 5]


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    distances = rng.random((40, 300))
    q_pids, g_pids = rng.integers(0, 30, 40), rng.integers(-1, 30, 300)
    q_camids, g_camids = rng.integers(1, 7, 40), rng.integers(1, 7, 300)
    ranking = evaluate_by_definition(distances, q_pids, g_pids, q_camids, g_camids)
    for q, precision in enumerate(ranking.average_precision):
        same = g_pids == q_pids[q]
        kept = (g_pids != -1) & ~(same & (g_camids == q_camids[q]))
        expected = average_precision_score(same[kept], -distances[q, kept])
        assert precision == pytest.approx(expected, abs=1e-12)


def test_rank_k():
    ranking = evaluate_by_definition(np.arange(18).reshape(3, 6), *IDS)
    assert [ranking.rank(k) for k in (1, 2, 100)] == [0, 1, 1]
    assert str(ranking) == "rank-1 0.0 %  rank-5 100.0 %  rank-10 100.0 %  mAP 50.0 %  mINP 50.0 %"
    with pytest.raises(ValueError, match="k = 1, got 0"):
        ranking.rank(0)


def test_scores_of_each_query():
    ranking = evaluate_by_definition(np.arange(18).reshape(3, 6), *IDS)
    assert ranking.num_valid == 2
    np.testing.assert_array_equal(ranking.per_query("rank-1"), [0, 0, np.nan])
    np.testing.assert_array_equal(ranking.per_query("rank-2"), [1, 1, np.nan])
    np.testing.assert_array_equal(ranking.per_query("mINP"), [2 / 4, 1 / 2, np.nan])
    assert np.nanmean(ranking.per_query("mAP")) == ranking.mAP
    for score in ("map", "rank-", "rank-0", "rank1"):
        with pytest.raises(ValueError, match="unknown score"):
            ranking.per_query(score)
    with pytest.raises(ValueError, match="rank-1 of each query is not known in a single-shot ranking"):
        evaluate_single_shot(np.arange(18).reshape(3, 6), *IDS).per_query("rank-1")


@BOTH
def test_what_cannot_be_ranked(evaluate):
    with pytest.raises(ValueError, match="expected distances"):
        evaluate(np.zeros((1, 2)), [1], [1, 2, 3], [1], [1, 1, 1])
    for distances in ([[np.nan]], torch.tensor([[np.nan]])):
        with pytest.raises(ValueError, match="got NaN"):
            evaluate(distances, [1], [1], [1], [2])
    for g_pids in ([8, 9], [1, -1], [-1, -1]):  # nobody, or the query's own camera, or junk
        for pid in (1, -1):
            with pytest.raises(ValueError, match="no query has a match"):
                evaluate([[0.0, 0.0]], [pid], g_pids, [1], [1, 2])


def test_cmc_has_a_value_for_every_image_of_the_gallery():
    for evaluate in (evaluate_by_definition, evaluate_ranking):
        assert len(evaluate(np.array([[1.0, 2.0, 3.0]]), [1], [1, 2, 3], [1], [2, 2, 2]).cmc) == 3
