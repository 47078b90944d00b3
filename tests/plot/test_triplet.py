"""The triplet of an anchor: the farthest of its person, the nearest of the others, the loss between them."""

import torch
from helpers.figures import PEOPLE, text_of

from rga import plot
from rga.plot.style import rgb

DISTANCES = torch.tensor(
    [[0.0, 1, 3, 2, 5], [1, 0, 0, 0, 0], [3, 0, 0, 0, 0], [2, 0, 0, 0, 0], [5, 0, 0, 0, 0]]
)
LABELS = torch.tensor([0, 0, 0, 1, 1])
IMAGES = PEOPLE[[0, 1, 2, 0, 1]]


def test_the_pictures_are_those_of_the_loss():
    figure = plot.triplet(IMAGES, LABELS, {"before": DISTANCES, "after": DISTANCES / 4})
    words = text_of(figure)
    assert "before: max(0, 0.3 + 3.00 − 2.00) = 1.30" in words and "after: max(0, 0.3 + 0.75 − 0.50)" in words
    shown = [ax.images[0].get_array() for ax in figure.axes[:3]]
    assert all((picture == rgb(IMAGES)[i]).all() for picture, i in zip(shown, (0, 2, 3), strict=True))


def test_the_anchor_is_not_among_its_positives():
    figure = plot.triplet(IMAGES, LABELS, {"one": DISTANCES})
    (positives, negatives) = (line.get_xdata().tolist() for line in figure.axes[3].lines)
    assert positives == [1, 3] and negatives == [2, 5]
