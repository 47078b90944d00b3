"""Distances and ids: any form is taken, misfits are refused."""

import numpy as np
import pytest
import torch

from rga.metrics.inputs import as_ids, as_numpy, check_ids, check_inputs


def test_any_form_of_ids():
    for ids in ([3, 4], (3, 4), range(3, 5), np.array([[3], [4]]), torch.tensor([3, 4])):
        assert as_ids(ids).tolist() == [3, 4]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
def test_numbers_stay_exact(dtype):
    values = torch.tensor([[0.5, 3], [2, 100]], dtype=dtype)
    assert as_numpy(values.double().requires_grad_()).tolist() == as_numpy(values.double()).tolist()
    assert as_numpy(values).tolist() == values.tolist()


def test_misfits():
    with pytest.raises(ValueError, match=r"got \(1, 2\) for 1 \+ 1 query and 3 \+ 3 gallery ids"):
        check_ids((1, 2), [1], [1, 2, 3], [1], [1, 1, 1])
    with pytest.raises(ValueError, match=r"for 1 \+ 2 query and 2 \+ 1 gallery ids"):
        check_ids((1, 2), [1], [1, 2], [1, 1], [1])
    with pytest.raises(ValueError, match="at least one query and one gallery image, got 2 and 0"):
        check_ids((2, 0), [1, 2], [], [1, 1], [])
    with pytest.raises(ValueError, match="at least one query and one gallery image, got 0 and 1"):
        check_ids((0, 1), [], [1], [], [1])
    with pytest.raises(ValueError, match="got NaN"):
        check_inputs([[np.nan]], [1], [1], [1], [2])
