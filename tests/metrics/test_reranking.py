"""Re-ranking: equal to sets written out one by one, to a case by hand, whatever the chunk; and it finds more."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rga.metrics import evaluate_ranking, pairwise_distance, rerank
from rga.metrics.reranking import _neighbours


def literal(q, g, k1, k2, lambda_):
    """The definition, a set at a time, from the facts that the docstring of `rerank` names."""
    x = np.concatenate([q, g]).astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    everybody = range(len(x))
    d = np.array([[((a - b) ** 2).sum() for b in x] for a in x])
    d /= d.max(axis=1, keepdims=True)
    by_distance = [sorted(everybody, key=lambda other: (other != p, d[p, other])) for p in everybody]

    def reciprocal(p, k):
        return {c for c in by_distance[p][: k + 1] if p in by_distance[c][: k + 1]}

    halved = {1: 0, 2: 1, 3: 2, 4: 2, 5: 2, 6: 3, 7: 4, 8: 4, 9: 4, 10: 5, 11: 6, 12: 6, 13: 6}[k1]
    weights = np.zeros((len(x), len(x)))
    for p in everybody:
        members = reciprocal(p, k1)
        for c in reciprocal(p, k1):
            theirs = reciprocal(c, halved)
            if len(theirs & reciprocal(p, k1)) * 3 > len(theirs) * 2:
                members |= theirs
        for c in members:
            weights[p, c] = np.exp(-d[p, c])
        weights[p] /= weights[p].sum()
    weights = np.array([weights[by_distance[p][:k2]].mean(axis=0) for p in everybody])
    result = np.empty((len(q), len(g)))
    for i in range(len(q)):
        for j in range(len(g)):
            a, b = weights[i], weights[len(q) + j]
            jaccard = 1 - np.minimum(a, b).sum() / np.maximum(a, b).sum()
            result[i, j] = (1 - lambda_) * jaccard + lambda_ * d[i, len(q) + j]
    return result


def people(queries, gallery, seed, spread=0.7, dim=8):
    """Features around a few centres, so that neighbourhoods overlap; and whose they are."""
    rng = np.random.default_rng(seed)
    pids = rng.integers(0, 1 + (queries + gallery) // 6, queries + gallery)
    features = rng.standard_normal((pids.max() + 1, dim))[pids]
    features = features + spread * rng.standard_normal(features.shape)
    return features[:queries], features[queries:], pids[:queries], pids[queries:]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    queries=st.integers(1, 12),
    gallery=st.integers(1, 24),
    k1=st.integers(1, 13),
    k2=st.integers(1, 9),
    lambda_=st.sampled_from([0.0, 0.3, 1.0]),
    chunk=st.integers(1, 40),
)
def test_equals_the_sets_one_by_one(seed, queries, gallery, k1, k2, lambda_, chunk):
    q, g, *_ = people(queries, gallery, seed)
    k1, k2 = min(k1, queries + gallery - 1), min(k2, queries + gallery)
    expected = literal(q, g, k1, k2, lambda_)
    np.testing.assert_allclose(rerank(q, g, k1, k2, lambda_, chunk=chunk), expected, rtol=0, atol=1e-9)


def test_single_precision():
    q, g, *_ = people(30, 120, seed=1, dim=32)
    q, g = q.astype(np.float32), g.astype(np.float32)
    result = rerank(q, g, k1=11)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, literal(q, g, 11, 6, 0.3), rtol=0, atol=1e-6)


def test_by_hand():
    # Angles in degrees; d = (1 - cos) / (1 - cos of the farthest). q and g0 are each other's nearest, so are g1, g2.
    angle = np.deg2rad([0, 10, 90, 110])
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    cos = x @ x.T
    d = (1 - cos) / (1 - cos).max(axis=1, keepdims=True)
    a, b = np.exp(-d[0, 1]), np.exp(-d[1, 0])  # beside exp(-0) = 1 for oneself
    common = min(1 / (1 + a), b / (1 + b)) + min(a / (1 + a), 1 / (1 + b))
    result = rerank(x[:1], x[1:], k1=1, k2=1, lambda_=0)
    np.testing.assert_allclose(result, [[1 - common / (2 - common), 1, 1]], atol=1e-12)
    np.testing.assert_allclose(rerank(x[:1], x[1:], k1=1, k2=1, lambda_=1), d[:1, 1:], atol=1e-12)


def test_copies_are_alike():
    x = np.eye(6)[[0, 0, 0, 1, 1, 1, 2, 3]]
    result = rerank(x, x.copy(), k1=5, k2=2)
    assert np.isfinite(result).all()
    assert (result[0, :3] < result[0, 3:].min()).all()
    assert np.isfinite(rerank(x[:3], x[:3], k1=2)).all()  # nobody is farther than anybody else


def test_everybody_is_nearest_to_himself():
    x = torch.eye(6)[[0, 0, 0, 1, 1, 1, 2, 3]]
    nearest, farthest = _neighbours(x, 2, 3, torch.empty(2, 6))
    assert nearest[:, 0].tolist() == list(range(8))
    assert farthest.tolist() == [1] * 8


def test_finds_more_than_distance_alone():
    q, g, q_pids, g_pids = people(40, 200, seed=0, spread=1.2, dim=16)
    ids = q_pids, g_pids, np.zeros(40, int), np.ones(200, int)
    before = evaluate_ranking(pairwise_distance(q, g), *ids)
    after = evaluate_ranking(rerank(q, g, k1=8, k2=3), *ids)
    assert after.mAP > before.mAP + 0.02


def test_kinds_of_arrays(tmp_path):
    q, g, *_ = people(5, 20, seed=3)
    expected = rerank(q, g, k1=6)
    tensor = rerank(torch.from_numpy(q).requires_grad_(), torch.from_numpy(g), k1=6)
    assert isinstance(tensor, torch.Tensor)
    assert not tensor.requires_grad
    np.testing.assert_array_equal(tensor.numpy(), expected)
    half = rerank(torch.from_numpy(q).half(), torch.from_numpy(g).half(), k1=6)
    assert half.dtype == torch.float32
    np.testing.assert_allclose(half.numpy(), expected, atol=1e-2)
    file = np.lib.format.open_memmap(tmp_path / "distances.npy", "w+", expected.dtype, expected.shape)
    assert rerank(q, g, k1=6, out=file) is file
    np.testing.assert_array_equal(np.load(tmp_path / "distances.npy"), expected)


@pytest.mark.gpu
def test_cuda_equals_cpu():
    q, g, *_ = (torch.from_numpy(x) for x in people(40, 300, seed=4))
    for wanted, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-6)):
        on_gpu = rerank(q.to("cuda", wanted), g.to("cuda", wanted), chunk=64)
        assert on_gpu.is_cuda
        torch.testing.assert_close(on_gpu.cpu(), rerank(q.to(wanted), g.to(wanted)), rtol=0, atol=tolerance)


def test_wrong_input_says_what_is_wrong():
    q, g, *_ = people(3, 10, seed=5)
    for k1, k2 in ((0, 1), (-20, 1), (13, 1), (2, 0), (2, -6), (2, 14)):
        nearest = f"pass k1={min(max(k1, 1), 12)}, k2={min(max(k2, 1), 13)}"
        got = f"got k1 = {k1} and k2 = {k2}: {nearest}"
        with pytest.raises(ValueError, match=rf"k1 in 1..12 and k2 in 1..13.*{got}"):
            rerank(q, g, k1, k2)
    assert rerank(q, g, 12, 13).shape == (3, 10)
    for lambda_ in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"in 0..1, got {lambda_}"):
            rerank(q, g, 2, 2, lambda_)
    with pytest.raises(ValueError, match="at least 1 row, got 0"):
        rerank(q, g, 2, 2, chunk=0)
    with pytest.raises(ValueError, match="zeros in 1 of 3 query features, the first in row 2"):
        rerank(np.where(np.arange(3)[:, None] == 2, 0, q), g, 2, 2)
    for out in (np.empty((10, 3)), np.empty((3, 10), np.float32)):
        with pytest.raises(ValueError, match=r"expected out \(3, 10\) of torch.float64, got"):
            rerank(q, g, 2, 2, out=out)
    locked = np.empty((3, 10))
    locked.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        rerank(q, g, 2, 2, out=locked)
