"""Features as tensors: number types, strides, unit length, misfits."""

import numpy as np
import pytest
import torch

from rga.metrics.features import check_features, norms, unit_features


def test_negative_strides():
    g = np.arange(6.0).reshape(3, 2)
    for backwards in (np.ascontiguousarray(g[:, ::-1])[:, ::-1], np.ascontiguousarray(g[::-1])[::-1]):
        assert min(backwards.strides) < 0
        assert check_features(g, backwards)[1].tolist() == g.tolist()


def test_no_copy_where_none_is_needed():
    g = np.ones((3, 2))
    assert np.shares_memory(check_features(g, g)[0].numpy(), g)


def test_unit_length_and_direction():
    q, g = np.array([[3, 4]], np.float16), np.array([[0.0, -2.0], [5.0, 0.0]])
    for x, expected in zip(unit_features(q, g), ([[0.6, 0.8]], [[0, -1], [1, 0]]), strict=True):
        torch.testing.assert_close(x, torch.tensor(expected, dtype=torch.float32))
    assert unit_features(g, g)[0].dtype == torch.float64
    assert g[0, 1] == -2  # the input is not changed


def test_wrong_input():
    ones = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(3, 1\)"):
        check_features(ones, ones[:, :1])
    for bad in (np.nan, np.inf):
        with pytest.raises(
            ValueError, match="NaN or infinity .* in 1 of 3 query features, the first in row 1"
        ):
            norms(torch.tensor([[1.0, 0], [bad, 0], [0, 1]]), "query")
    with pytest.raises(ValueError, match=r"at least one gallery image, got features \(0, 2\)"):
        unit_features(ones, ones[:0])
    with pytest.raises(ValueError, match=r"at least one query image, got features \(0, 2\)"):
        unit_features(ones[:0], ones)
    with pytest.raises(ValueError, match="zeros in 1 of 3 gallery features, the first in row 1"):
        unit_features(ones, np.diag([1, 0, 1])[:, ::2])
    with pytest.raises(ValueError, match="NaN .* in 3 of 3 query features"):
        unit_features(ones * np.nan, ones)
