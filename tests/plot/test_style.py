"""Images of every kind become the same bytes, or a clear error."""

import numpy as np
import pytest
import torch
from helpers.figures import PEOPLE

from rga.plot.style import rgb


def test_bytes_and_fractions_tensors_and_arrays_are_the_same():
    assert np.array_equal(rgb(PEOPLE), rgb(PEOPLE / 255)) and np.array_equal(rgb(PEOPLE), rgb(PEOPLE.numpy()))


def test_bfloat16_is_taken():
    assert (rgb(torch.ones(1, 3, 8, 4).bfloat16()) == 255).all()


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.full((2, 3, 8, 4), -2.0), "Undo the normalisation first"),
        (torch.zeros(3, 8, 4), r"expected images \(B, 3, H, W\)"),
        (torch.zeros(0, 3, 8, 4), "at least one"),
    ],
)
def test_other_images_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        rgb(images)
