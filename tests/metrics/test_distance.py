"""Distances, by hand and by the obvious way; in chunks they are the same numbers."""

import numpy as np
import pytest
import torch

from rga.metrics import distance_rows, pairwise_distance

Q, G = np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [6.0, 8.0], [-1.0, 0.0]])


def test_cosine():
    np.testing.assert_allclose(pairwise_distance(Q, G), [[1, 0.4, 2], [0.2, 0, 1.6]], atol=1e-12)


def test_euclidean():
    expected = [[5**0.5, 89**0.5, 2], [13**0.5, 5, 32**0.5]]
    np.testing.assert_allclose(pairwise_distance(Q, G, "euclidean"), expected, atol=1e-12)


def test_tensors_give_tensors():
    assert isinstance(pairwise_distance(torch.from_numpy(Q), torch.from_numpy(G)), torch.Tensor)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_rows_are_the_matrix(metric):
    generator = torch.Generator().manual_seed(0)
    q, g = (torch.randn(n, 24, generator=generator) for n in (150, 70))
    rows = list(distance_rows(q, g, metric))
    assert [len(block) for block in rows] == [64, 64, 22]
    assert torch.equal(torch.cat(rows), pairwise_distance(q, g, metric))
    few = torch.cat(list(distance_rows(q, g, metric, chunk=7)))
    torch.testing.assert_close(few, torch.cat(rows), rtol=1e-4, atol=1e-5)
    if metric == "cosine":
        expected = 1 - torch.cosine_similarity(q[:, None], g, dim=2)
    else:
        expected = (q[:, None] - g).norm(dim=2)
    torch.testing.assert_close(few, expected, rtol=1e-4, atol=1e-5)


def test_number_types():
    assert pairwise_distance(Q.astype(np.float32), G).dtype == np.float32
    assert pairwise_distance(Q.astype(int), G.astype(int)).dtype == np.float32
    assert pairwise_distance(Q.astype(np.float16), G.astype(np.float16)).dtype == np.float32
    np.testing.assert_allclose(pairwise_distance(np.zeros((1, 2)), G), 1)  # nothing is like nothing


def test_wrong_input():
    with pytest.raises(ValueError, match="unknown metric 'l1': choose 'cosine' or 'euclidean'"):
        pairwise_distance(Q, G, "l1")
    with pytest.raises(ValueError, match="NaN or infinity .* in 1 of 2 query features, the first in row 1"):
        pairwise_distance(np.array([[1.0, 0], [np.nan, 0]]), G)
    with pytest.raises(ValueError, match="chunk of at least one query, got 0"):
        distance_rows(Q, G, chunk=0)


def test_cosine_of_features_of_any_length():
    q, g = torch.randn(3, 8), torch.randn(5, 8)
    torch.testing.assert_close(pairwise_distance(q, 0.01 * g), pairwise_distance(q, g))
