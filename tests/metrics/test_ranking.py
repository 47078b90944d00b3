"""Scores of a ranking: equal to the released code's, to scikit-learn's, to brute force, and to numbers made by hand."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers.released_weights import GOLDEN
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from rga.metrics import (
    chance_rank1,
    evaluate_features,
    evaluate_ranking,
    evaluate_single_shot,
    pairwise_distance,
)
from rga.metrics.fast_ranking import LONG


def test_equals_the_released_code():
    golden = np.load(GOLDEN / "ranking.npz")
    distances = pairwise_distance(golden["q"], golden["g"])
    np.testing.assert_allclose(distances, golden["cosine_distance"], rtol=0, atol=1e-9)
    ids = [golden[k] for k in ("q_pids", "g_pids", "q_camids", "g_camids")]
    for given_as in (np.asarray, torch.from_numpy):
        ranking = evaluate_ranking(given_as(distances), *(given_as(x) for x in ids))
        np.testing.assert_allclose(ranking.cmc[:50], golden["cmc"], rtol=0, atol=1e-9)
        assert ranking.mAP == pytest.approx(golden["mAP"].item(), abs=1e-9)
        from_features = evaluate_features(given_as(golden["q"]), given_as(golden["g"]), *ids)
        np.testing.assert_array_equal(from_features.cmc, ranking.cmc)


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
    """Ranks of every query's matches, one image after the other."""
    ranks = []
    for row, pid, camid in zip(distances, q_pids, q_camids, strict=True):
        order = sorted(range(len(row)), key=lambda j: (row[j], j))
        order = [j for j in order if not (g_pids[j] == pid and g_camids[j] == camid) and g_pids[j] != -1]
        ranks.append([rank for rank, j in enumerate(order, start=1) if g_pids[j] == pid])
    return ranks


def random_case(seed):
    """Few distances, so many ties; identities without a match, with one camera, with junk; pid -1; infinity."""
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(1, 12), rng.integers(1, 60)
    distances = rng.integers(0, rng.choice([2, 6, 10**6]), (queries, gallery)) / 5
    distances[rng.random(distances.shape) < rng.choice([0, 0.1])] = np.inf
    distances = distances.astype(rng.choice(["float32", "float64"]))
    q_pids, g_pids = rng.integers(0, 5, queries), rng.integers(rng.choice([-1, 0]), 5, gallery)
    q_camids, g_camids = rng.integers(1, 4, queries), rng.integers(1, 4, gallery)
    g_camids[g_pids == 1] = 1
    return distances, q_pids, g_pids, q_camids, g_camids


def check(ranking, ranks, num_gallery):
    """A ranking says what the ranks of the matches say."""
    found = [r for r in ranks if r]
    assert [r.tolist() for r in ranking.match_ranks] == ranks
    assert ranking.num_valid == len(found)
    cmc = [np.mean([r[0] <= k for r in found]) for k in range(1, num_gallery + 1)]
    np.testing.assert_allclose(ranking.cmc, cmc, atol=1e-12)
    precision = [np.mean([n / r for n, r in enumerate(q, start=1)]) if q else np.nan for q in ranks]
    np.testing.assert_allclose(ranking.average_precision, precision, atol=1e-12)
    penalty = [len(q) / q[-1] if q else np.nan for q in ranks]
    np.testing.assert_allclose(ranking.inverse_negative_penalty, penalty, atol=1e-12)
    assert ranking.mAP == pytest.approx(np.nanmean(precision), abs=1e-12)
    assert ranking.mINP == pytest.approx(np.nanmean(penalty), abs=1e-12)


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), chunk=st.integers(1, 9), tensors=st.booleans())
def test_equals_brute_force(seed, chunk, tensors):
    case = random_case(seed)
    ranks = brute_force(*case)
    given_as = [torch.from_numpy(x) for x in case] if tensors else case
    if not any(ranks):
        with pytest.raises(ValueError, match="no query has a match"):
            evaluate_ranking(*given_as, chunk=chunk)
        return
    check(evaluate_ranking(*given_as, chunk=chunk), ranks, case[0].shape[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_brute_force_in_long_rows(dtype):
    rng = np.random.default_rng(0)
    distances = rng.standard_normal((7, 3 * LONG)).astype(dtype)
    distances[1] = distances[1].round(2)  # ties
    distances[2, ::50] = -np.inf
    distances[3] *= 1e-35  # as near as equal, for a bin
    distances[4] = 0
    distances[5, 100] = 1e30  # all others in one bin
    distances[6] = np.sign(distances[6]) * 0.0
    q_pids, g_pids = rng.integers(0, 40, 7), rng.integers(0, 40, 3 * LONG)
    q_camids, g_camids = rng.integers(1, 4, 7), rng.integers(1, 4, 3 * LONG)
    case = distances, q_pids, g_pids, q_camids, g_camids
    check(evaluate_ranking(*case), brute_force(*case), 3 * LONG)
    distances[2, 7] = np.nan
    with pytest.raises(ValueError, match="got NaN"):
        evaluate_ranking(*case)


@pytest.mark.gpu
def test_equals_brute_force_on_cuda():
    for seed in range(100):
        case = random_case(seed)
        if any(ranks := brute_force(*case)):
            check(evaluate_ranking(torch.from_numpy(case[0]).cuda(), *case[1:]), ranks, case[0].shape[1])
    q, g, *ids = features_and_ids(0)
    here, there = evaluate_features(q, g, *ids), evaluate_features(q.cuda(), g.cuda(), *ids)
    np.testing.assert_allclose(there.average_precision, here.average_precision, atol=1e-3)


def test_equals_scikit_learn():
    rng = np.random.default_rng(0)
    distances = rng.random((40, 300))
    q_pids, g_pids = rng.integers(0, 30, 40), rng.integers(-1, 30, 300)
    q_camids, g_camids = rng.integers(1, 7, 40), rng.integers(1, 7, 300)
    ranking = evaluate_ranking(distances, q_pids, g_pids, q_camids, g_camids)
    for q, precision in enumerate(ranking.average_precision):
        same = g_pids == q_pids[q]
        kept = (g_pids != -1) & ~(same & (g_camids == q_camids[q]))
        expected = average_precision_score(same[kept], -distances[q, kept])
        assert precision == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.uint8])
def test_other_number_types(dtype):
    distances, *ids = random_case(3)
    distances = torch.from_numpy(distances).nan_to_num(posinf=9).clamp(max=9).to(dtype)
    check(
        evaluate_ranking(distances, *ids), brute_force(distances.double().numpy(), *ids), distances.shape[1]
    )


def test_distances_as_they_lie_in_memory_and_with_a_gradient():
    distances, *ids = random_case(3)
    turned = torch.from_numpy(distances.T.copy()).requires_grad_().T
    for given_as in (turned, turned.detach().numpy()):
        check(evaluate_ranking(given_as, *ids), brute_force(distances, *ids), distances.shape[1])


def test_a_file_that_is_only_read(tmp_path):
    distances, *ids = random_case(3)
    np.save(tmp_path / "distances.npy", distances)
    mapped = np.load(tmp_path / "distances.npy", mmap_mode="r")
    check(evaluate_ranking(mapped, *ids, chunk=2), brute_force(distances, *ids), distances.shape[1])


def features_and_ids(seed, queries=150, gallery=400, width=16):
    rng = np.random.default_rng(seed)
    q_pids, g_pids = rng.integers(0, 40, queries), rng.integers(-1, 40, gallery)
    people = rng.standard_normal((41, width))
    q, g = (people[pids] + rng.standard_normal((len(pids), width)) for pids in (q_pids, g_pids))
    g[-50:] = g[:50]  # twins: their distances are equal
    ids = q_pids, g_pids, rng.integers(1, 5, queries), rng.integers(1, 5, gallery)
    return torch.from_numpy(q).float(), torch.from_numpy(g).float(), *ids


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_features_equal_their_matrix_to_the_last_bit(metric):
    for seed in range(5):
        q, g, *ids = features_and_ids(seed)
        matrix = evaluate_ranking(pairwise_distance(q, g, metric), *ids)
        for given_as in (torch.Tensor.clone, torch.Tensor.numpy):
            features = evaluate_features(given_as(q), given_as(g), *ids, metric)
            assert all(map(np.array_equal, features.match_ranks, matrix.match_ranks))
            np.testing.assert_array_equal(features.cmc, matrix.cmc)
            np.testing.assert_array_equal(features.average_precision, matrix.average_precision)
    other_chunk = evaluate_features(q, g, *ids, metric, chunk=7)
    np.testing.assert_allclose(other_chunk.average_precision, matrix.average_precision, atol=0.01)


def test_features_are_ranked_in_bounded_memory():
    """A process of its own: a matrix of 460 MB is ranked in a few blocks of 5 MB."""
    code = """
import resource, torch
from rga.metrics import evaluate_features
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def features(n): return torch.randn(n, 8), torch.arange(n) % 1000, torch.arange(n) % 7
gallery = features(20000)
for queries in (100, 6000):
    q = features(queries)
    before = peak()
    evaluate_features(q[0], gallery[0], q[1], gallery[1], q[2], gallery[2])
    print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    assert few < 100
    assert many < 30


def test_scores_of_each_query():
    ids = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]
    ranking = evaluate_ranking(np.arange(18).reshape(3, 6), *ids)
    np.testing.assert_array_equal(ranking.per_query("rank-1"), [0, 0, np.nan])
    np.testing.assert_array_equal(ranking.per_query("rank-2"), [1, 1, np.nan])
    np.testing.assert_array_equal(ranking.per_query("mINP"), [2 / 4, 1 / 2, np.nan])
    assert np.nanmean(ranking.per_query("mAP")) == ranking.mAP
    for score in ("map", "rank-", "rank-0", "rank1"):
        with pytest.raises(ValueError, match="unknown score"):
            ranking.per_query(score)
    with pytest.raises(ValueError, match="rank-1 of each query is not known in a single-shot ranking"):
        evaluate_single_shot(np.arange(18).reshape(3, 6), *ids).per_query("rank-1")


def test_chance_is_what_random_orders_give():
    ids = [7, 8, 9], [7, 8, 7, 9, 7, -1], [1, 2, 2], [1, 1, 2, 2, 2, 2]
    # Query 7: two matches among four images that are not junk; query 8: one among five; query 9 has only junk.
    assert chance_rank1(*ids) == pytest.approx((2 / 4 + 1 / 5) / 2)
    rng = np.random.default_rng(0)
    drawn = [evaluate_ranking(rng.random((3, 6)), *ids).rank(1) for _ in range(3000)]
    assert np.mean(drawn) == pytest.approx(chance_rank1(*ids), abs=0.03)
    for single_shot in (False, True):
        for g_pids in ([8, 9], [-1, -1]):
            with pytest.raises(ValueError, match="no query has a match"):
                chance_rank1([7], g_pids, [1], [2, 2], single_shot)


def test_wrong_input_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"got \(1, 2\) for 1 \+ 1 query and 3 \+ 3 gallery ids"):
        evaluate_ranking(np.zeros((1, 2)), [1], [1, 2, 3], [1], [1, 1, 1])
    for distances in ([[np.nan]], torch.tensor([[np.nan]])):
        with pytest.raises(ValueError, match="got NaN"):
            evaluate_ranking(distances, [1], [1], [1], [2])
    with pytest.raises(ValueError, match="k = 1, got 0"):
        evaluate_ranking([[0.0]], [1], [1], [1], [2]).rank(0)
    with pytest.raises(ValueError, match="at least one query and one gallery image, got 2 and 0"):
        evaluate_ranking(np.zeros((2, 0)), [1, 2], [], [1, 1], [])
    with pytest.raises(ValueError, match="at least one query and one gallery image, got 0 and 1"):
        evaluate_ranking(np.zeros((0, 1)), [], [1], [], [1])
    with pytest.raises(ValueError, match="a chunk of at least one query, got 0"):
        evaluate_ranking([[0.0]], [1], [1], [1], [2], chunk=0)
    with pytest.raises(ValueError, match="no query has a match"):
        evaluate_ranking([[0.0, 0.0]], [-1], [-1, -1], [1], [2, 2])


def test_features_that_cannot_be_ranked():
    q, g, *ids = features_and_ids(0)
    with pytest.raises(ValueError, match=r"got \(150, 400\) for 150 \+ 150 query and 399 \+ 400 gallery ids"):
        evaluate_features(q, g, ids[0], ids[1][1:], ids[2], ids[3])
    with pytest.raises(ValueError, match=r"\(150, 16\) and \(400, 15\)"):
        evaluate_features(q, g[:, 1:], *ids)
    with pytest.raises(ValueError, match="unknown metric 'l1'"):
        evaluate_features(q, g, *ids, metric="l1")
    with pytest.raises(ValueError, match="a chunk of at least one query, got 0"):
        evaluate_features(q, g, *ids, chunk=0)
    g[[9, 30]] = torch.tensor([[np.nan], [np.inf]])
    with pytest.raises(ValueError, match="in 2 of 400 gallery features, the first in row 9"):
        evaluate_features(q, g, *ids)
