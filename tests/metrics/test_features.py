"""Features of length 1."""

import numpy as np
import pytest
import torch

from rga.metrics.features import unit_features


def test_length_and_direction():
    q, g = np.array([[3, 4]], np.float16), np.array([[0.0, -2.0], [5.0, 0.0]])
    for x, expected in zip(unit_features(q, g), ([[0.6, 0.8]], [[0, -1], [1, 0]]), strict=True):
        torch.testing.assert_close(x, torch.tensor(expected, dtype=torch.float32))
    assert unit_features(g, g)[0].dtype == torch.float64
    assert g[0, 1] == -2  # what was given stays as it is


def test_wrong_input_says_what_is_wrong():
    ones = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"at least one gallery picture, got features \(0, 2\)"):
        unit_features(ones, ones[:0])
    with pytest.raises(ValueError, match="zeros in 1 of 3 gallery features, the first in row 1"):
        unit_features(ones, np.diag([1, 0, 1])[:, ::2])
    with pytest.raises(ValueError, match="NaN .* in 3 of 3 query features"):
        unit_features(ones * np.nan, ones)
