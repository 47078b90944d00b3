"""Label smoothing: the target sums to 1, the curve touches the entropy of the target."""

import pytest
import torch
from helpers.figures import text_of

from rga import plot
from rga.training.losses import identity_loss


@pytest.mark.parametrize(("epsilon", "classes"), [(0.1, 150), (0.0, 10), (1.0, 2)])
def test_the_target_is_a_distribution(epsilon, classes):
    left = plot.smoothing(epsilon, classes).axes[0]
    shown = min(6, classes)
    smoothed = [bar.get_height() for bar in left.patches[shown:]]
    assert sum(smoothed) + (classes - shown) * epsilon / classes == pytest.approx(1)


def test_the_curve_is_the_loss_and_ends_above_its_least():
    figure = plot.smoothing(0.1, 150)
    right = figure.axes[1]
    _, smoothed, floor = right.lines
    x, y = smoothed.get_data()
    logits = torch.zeros(1, 150)
    logits[0, 0] = x[100]
    assert y[100] == pytest.approx(identity_loss(logits, torch.tensor([0])).item(), rel=1e-5)
    assert min(y) == pytest.approx(floor.get_ydata()[0], abs=1e-3) and y[-1] > min(y)
    assert "least: 0.82" in text_of(figure)
