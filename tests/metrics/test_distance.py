"""Distances, by hand."""

import numpy as np
import pytest
import torch

from rga.metrics import pairwise_distance

Q, G = np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 2.0], [6.0, 8.0], [-1.0, 0.0]])


def test_cosine():
    np.testing.assert_allclose(pairwise_distance(Q, G), [[1, 0.4, 2], [0.2, 0, 1.6]], atol=1e-12)


def test_euclidean():
    expected = [[5**0.5, 89**0.5, 2], [13**0.5, 5, 32**0.5]]
    np.testing.assert_allclose(pairwise_distance(Q, G, "euclidean"), expected, atol=1e-12)


def test_tensors_give_tensors():
    assert isinstance(pairwise_distance(torch.from_numpy(Q), torch.from_numpy(G)), torch.Tensor)


def test_wrong_input():
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(3, 1\)"):
        pairwise_distance(Q, G[:, :1])
    with pytest.raises(ValueError, match="unknown metric 'l1': choose 'cosine' or 'euclidean'"):
        pairwise_distance(Q, G, "l1")
