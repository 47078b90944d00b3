"""The fast ranking is the definition's: whatever the number type, ties, junk and length of the rows."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import evaluate_by_definition, evaluate_features, evaluate_ranking, pairwise_distance
from rga.metrics.fast_ranking import LONG


def random_case(seed, dtype=torch.float32):
    """Few distances, so many ties; identities without a match, with one camera, with junk; pid -1; infinity."""
    rng = np.random.default_rng(seed)
    queries, gallery = rng.integers(1, 12), rng.integers(1, 60)
    distances = torch.from_numpy(rng.integers(0, rng.choice([2, 6, 10**6]), (queries, gallery)) / 5)
    if dtype.is_floating_point:
        distances[torch.from_numpy(rng.random((queries, gallery)) < rng.choice([0, 0.1]))] = torch.inf
    else:
        distances %= 100
    q_pids, g_pids = rng.integers(0, 5, queries), rng.integers(rng.choice([-1, 0]), 5, gallery)
    q_camids, g_camids = rng.integers(1, 4, queries), rng.integers(1, 4, gallery)
    g_camids[g_pids == 1] = 1
    return distances.to(dtype), q_pids, g_pids, q_camids, g_camids


def assert_same(fast, definition):
    """Equal to the last bit, but for the average precision, whose terms are added in another order."""
    assert [ranks.tolist() for ranks in fast.match_ranks] == [r.tolist() for r in definition.match_ranks]
    np.testing.assert_array_equal(fast.cmc, definition.cmc)
    np.testing.assert_array_equal(fast.inverse_negative_penalty, definition.inverse_negative_penalty)
    np.testing.assert_allclose(fast.average_precision, definition.average_precision, rtol=1e-13)


DTYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.uint8]


@settings(max_examples=400, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(DTYPES),
    chunk=st.integers(1, 9),
    arrays=st.booleans(),
)
def test_equals_the_definition(seed, dtype, chunk, arrays):
    distances, *ids = random_case(seed, dtype)
    if arrays and dtype != torch.bfloat16:
        distances = distances.numpy()
    else:
        ids = [torch.from_numpy(x) for x in ids]
    try:
        definition = evaluate_by_definition(distances, *ids)
    except ValueError:
        with pytest.raises(ValueError, match="no query has a match"):
            evaluate_ranking(distances, *ids, chunk=chunk)
    else:
        assert_same(evaluate_ranking(distances, *ids, chunk=chunk), definition)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_the_definition_in_long_rows(dtype):
    rng = np.random.default_rng(0)
    distances = rng.standard_normal((7, 3 * LONG)).astype(dtype)
    distances[1] = distances[1].round(2)  # ties
    distances[2, ::50] = -np.inf
    distances[3] *= distances.dtype.type(1e-35)  # as near as equal, for a bin
    distances[4] = 0
    distances[5, 100] = 6e4 if dtype == "float16" else 1e30  # all others in one bin
    distances[6] = np.sign(distances[6]) * 0.0
    q_pids, g_pids = rng.integers(0, 40, 7), rng.integers(0, 40, 3 * LONG)
    q_camids, g_camids = rng.integers(1, 4, 7), rng.integers(1, 4, 3 * LONG)
    case = distances, q_pids, g_pids, q_camids, g_camids
    assert_same(evaluate_ranking(*case), evaluate_by_definition(*case))
    distances[2, 7] = np.nan
    with pytest.raises(ValueError, match="got NaN"):
        evaluate_ranking(*case)


@pytest.mark.gpu
def test_equals_the_definition_on_cuda():
    for seed in range(100):
        distances, *ids = random_case(seed)
        try:
            definition = evaluate_by_definition(distances, *ids)
        except ValueError:
            continue
        assert_same(evaluate_ranking(distances.cuda(), *ids), definition)
    q, g, *ids = features_and_ids(0)
    here, there = evaluate_features(q, g, *ids), evaluate_features(q.cuda(), g.cuda(), *ids)
    np.testing.assert_allclose(there.average_precision, here.average_precision, atol=1e-3)


def test_any_layout_in_memory_and_with_a_gradient():
    distances, *ids = random_case(3)
    expected = evaluate_by_definition(distances, *ids)
    transposed = distances.T.contiguous().requires_grad_().T
    for given_as in (transposed, transposed.detach().numpy()):
        assert_same(evaluate_ranking(given_as, *ids), expected)


def test_a_read_only_memory_map(tmp_path):
    distances, *ids = random_case(3)
    np.save(tmp_path / "distances.npy", distances)
    mapped = np.load(tmp_path / "distances.npy", mmap_mode="r")
    assert_same(evaluate_ranking(mapped, *ids, chunk=2), evaluate_by_definition(distances, *ids))


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
            assert_same(features, matrix)
    other_chunk = evaluate_features(q, g, *ids, metric, chunk=7)
    np.testing.assert_allclose(other_chunk.average_precision, matrix.average_precision, atol=0.01)


def test_features_are_ranked_in_bounded_memory():
    """A process of its own: a matrix of 150 MB is ranked in a few blocks of 5 MB."""
    code = """
import resource, torch
from rga.metrics import evaluate_features
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def features(n): return torch.randn(n, 8), torch.arange(n) % 1000, torch.arange(n) % 7
gallery = features(20000)
for queries in (100, 2000):
    q = features(queries)
    before = peak()
    evaluate_features(q[0], gallery[0], q[1], gallery[1], q[2], gallery[2])
    print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    few, many = map(float, done.stdout.split())
    assert few < 100
    assert many < 30


def test_a_chunk_of_nothing():
    with pytest.raises(ValueError, match="a chunk of at least one query, got 0"):
        evaluate_ranking([[0.0]], [1], [1], [1], [2], chunk=0)


def test_features_that_cannot_be_ranked():
    q, g, *ids = features_and_ids(0)
    with pytest.raises(ValueError, match=r"got \(150, 400\) for 150 \+ 150 query and 399 \+ 400 gallery ids"):
        evaluate_features(q, g, ids[0], ids[1][1:], ids[2], ids[3])
    g[9] = torch.nan
    with pytest.raises(ValueError, match="in 1 of 400 gallery features, the first in row 9"):
        evaluate_features(q, g, *ids)
