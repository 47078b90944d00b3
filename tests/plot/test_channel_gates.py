"""Channels are ranked by their gates and shown with the images they respond to."""

import matplotlib.style
import numpy as np
import pytest
import torch
from helpers.figures import PEOPLE, text_of

from rga import plot
from rga.course import notebook


def test_channels_are_ranked_by_their_mean_gate():
    gates = torch.tensor([[0.1, 0.9, 0.5, 0.5], [0.3, 0.7, 0.5, 0.6]])
    for shape in ((2, 4), (2, 1, 4, 1), (2, 4, 1, 1)):
        assert plot.rank_channels(gates.reshape(shape)).tolist() == [1, 3, 2, 0]


def test_channels_show_the_images_to_which_they_respond():
    activations = torch.zeros(3, 4, 4, 2)
    activations[:, 0, 0, 0] = torch.tensor([1.0, 3, 2])
    activations[:, 1] = torch.tensor([-1.0, -2, 0])[:, None, None]
    assert plot.strongest_images(activations, 0, 2).tolist() == [1, 2]
    assert plot.strongest_images(activations, 1, 3).tolist() == [2, 0, 1]
    gates = torch.tensor([0.9, 0.2, 0.5, 0.4]).expand(3, 4)
    figure = plot.channels(PEOPLE, activations, gates, "stage 2", k=1, top=2)
    words = text_of(figure)
    assert "channel 0\ngate 0.900" in words and "channel 1\ngate 0.200" in words and "stage 2" in words
    first = np.asarray(figure.axes[2].images[0].get_array())  # behind the curve and the label
    person = PEOPLE[1].permute(1, 2, 0).numpy()
    assert (first[:8, :8] == person[:8, :8]).all() and first[8:].max() <= 0.35 * 255


def test_channels_lie_beside_each_other_in_a_notebook():
    """Whose style asks for a layout, and this figure is placed by hand."""
    gates = torch.linspace(0, 1, 4).expand(3, 4)
    with matplotlib.style.context(notebook.STYLE):
        figure = plot.channels(PEOPLE, torch.rand(3, 4, 4, 2), gates, "stage 1", k=1, top=2)
        text_of(figure)
    boxes = [ax.get_position() for ax in figure.axes]
    assert len(boxes) == 7  # the curve, and twice a label and two images
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:i])


@pytest.mark.parametrize(
    ("activations", "gates", "shown", "message"),
    [
        ((3, 5, 4, 2), (3, 4), {}, "of 3 images"),
        ((3, 1, 4, 2), (3, 1), {}, "at least 2 channels.* got 1 channels"),
        ((3, 4, 4, 2), (3, 4), {"top": 0}, "k=2 and top=0"),
    ],
)
def test_what_cannot_be_shown_is_refused(activations, gates, shown, message):
    with pytest.raises(ValueError, match=message):
        plot.channels(PEOPLE, np.ones(activations), np.ones(gates), "", **shown)
