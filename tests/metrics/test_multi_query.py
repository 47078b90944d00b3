"""The mean of several images of one person by one camera, by hand."""

import pytest
import torch

from rga.metrics import multi_query_features

FEATURES = torch.tensor([[1.0, 0], [3, 2], [10, 10], [5, 5]])
PIDS, CAMIDS = [7, 7, 7, 8], [1, 1, 2, 1]


def test_by_hand():
    means = multi_query_features(FEATURES, PIDS, CAMIDS, [8, 7, 7, 7], [1, 1, 2, 1])
    assert means.tolist() == [[5, 5], [2, 1], [10, 10], [2, 1]]
    tensors = multi_query_features(FEATURES, *map(torch.tensor, (PIDS, CAMIDS, [7], [1])))
    assert tensors.tolist() == [[2, 1]]


def test_sums_beyond_float16():
    means = multi_query_features(40000 * torch.ones(3, 2).half(), [7] * 3, [1] * 3, [7], [1])
    assert means.dtype == torch.float32
    assert means.tolist() == [[40000, 40000]]
    for dtype in (torch.float64, torch.float32):
        assert multi_query_features(FEATURES.to(dtype), PIDS, CAMIDS, [7], [1]).dtype == dtype


def test_wrong_input():
    with pytest.raises(ValueError, match=r"2 of 3 queries have no image .* the first pid 8 of camera 2"):
        multi_query_features(FEATURES, PIDS, CAMIDS, [7, 8, 9], [1, 2, 1])
    with pytest.raises(ValueError, match=r"got \(4, 2\), 3 and 4, 1 and 1"):
        multi_query_features(FEATURES, PIDS[1:], CAMIDS, [7], [1])
    with pytest.raises(ValueError, match=r"got \(4, 2\), 4 and 4, 1 and 2"):
        multi_query_features(FEATURES, PIDS, CAMIDS, [7], [1, 2])
