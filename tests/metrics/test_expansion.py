"""Query expansion, by hand and by loops; and it finds more."""

import numpy as np
import pytest
import torch

from rga.metrics import evaluate_ranking, expand, pairwise_distance

Q, G = np.array([[2.0, 0.0]]), np.array([[0.0, 3.0], [0.8, 0.6], [-5.0, 0.0], [0.6, 0.8]])


def test_by_hand():
    expected = np.array([1 + 0.8 + 0.6, 0.6 + 0.8])
    np.testing.assert_allclose(expand(Q, G, k=2)[0], expected / np.linalg.norm(expected), atol=1e-12)
    expected = np.array([1 + 0.8**3 * 0.8 + 0.6**3 * 0.6, 0.8**3 * 0.6 + 0.6**3 * 0.8])
    # Of all four: the opposite and the perpendicular have the weight 0.
    for k in (2, 4):
        result = expand(Q, G, k=k, alpha=3)[0]
        np.testing.assert_allclose(result, expected / np.linalg.norm(expected), atol=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.5, 3])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("chunk", [1, 5, 100])
def test_equals_loops(alpha, alone, chunk):
    rng = np.random.default_rng(0)
    q, g = rng.standard_normal((12, 6)), rng.standard_normal((30, 6))
    result = expand(q, None if alone else g, k=4, alpha=alpha, chunk=chunk)
    for i, feature in enumerate(q):
        others = np.delete(q, i, axis=0) if alone else g
        feature, others = feature / np.linalg.norm(feature), others / np.linalg.norm(others, axis=1)[:, None]
        for other in sorted(others, key=lambda other: -other @ (q[i] / np.linalg.norm(q[i])))[:4]:
            cosine = other @ q[i] / np.linalg.norm(q[i])
            feature = feature + max(cosine, 0) ** alpha * other
        np.testing.assert_allclose(result[i], feature / np.linalg.norm(feature), atol=1e-12)


def test_a_copy_is_another_image():
    x = np.eye(3)[[0, 0, 1]]
    np.testing.assert_allclose(expand(x, k=1)[:2], x[:2], atol=1e-12)


def test_finds_more_than_one_image():
    rng = np.random.default_rng(0)
    pids = np.arange(240) % 40
    x = rng.standard_normal((40, 16))[pids] + 0.8 * rng.standard_normal((240, 16))
    q, g, ids = x[:40], x[40:], (pids[:40], pids[40:], np.zeros(40, int), np.ones(200, int))
    alone = evaluate_ranking(pairwise_distance(q, g), *ids).mAP
    query = evaluate_ranking(pairwise_distance(expand(q, g, k=3), g), *ids).mAP
    both = evaluate_ranking(pairwise_distance(expand(q, g, k=3), expand(g, k=3)), *ids).mAP
    assert both > query > alone + 0.02


def test_kinds_of_arrays():
    result = expand(torch.from_numpy(Q).float().requires_grad_(), torch.from_numpy(G).float(), k=2)
    assert result.dtype == torch.float32
    assert not result.requires_grad
    np.testing.assert_allclose(result.numpy(), expand(Q, G, k=2), atol=1e-6)


@pytest.mark.gpu
def test_cuda_equals_cpu():
    q, g = torch.from_numpy(Q), torch.from_numpy(G)
    torch.testing.assert_close(expand(q.cuda(), g.cuda(), k=2).cpu(), expand(q, g, k=2))


def test_wrong_input_says_what_is_wrong():
    for k in (0, -1, 5):
        with pytest.raises(ValueError, match=f"k in 1..4, the images .*, got {k}"):
            expand(Q, G, k=k)
    with pytest.raises(ValueError, match=r"k in 1..3, the images .*, got 4"):
        expand(G, k=4)
    with pytest.raises(ValueError, match="got alpha = -1 and chunk = 256"):
        expand(Q, G, k=2, alpha=-1)
    with pytest.raises(ValueError, match="and chunk = 0"):
        expand(Q, G, k=2, chunk=0)
    with pytest.raises(ValueError, match="zeros in 1 of 1 query features"):
        expand(0 * Q, G, k=2)
