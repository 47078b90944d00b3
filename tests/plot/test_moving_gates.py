"""The gate under several marks: a column a picture, groups apart, one scale for all."""

import pytest
import torch
from helpers.figures import PEOPLE, text_of

from rga import plot

GATES = torch.linspace(0, 2, 3 * 8 * 4).view(3, 1, 8, 4)


def test_every_picture_stands_above_its_gate_and_what_it_leaves():
    figure = plot.moving_gates(PEOPLE, GATES, ["six", "two", "one"], size=2, title="One picture")
    words = text_of(figure)
    assert "six" in words and "One picture" in words and "2.0, open" in words
    assert sum(len(ax.images) for ax in figure.axes) == 3 * 3


def test_where_the_gate_is_closed_nothing_is_left():
    figure = plot.moving_gates(PEOPLE, torch.zeros(3, 8, 4))
    shown = [ax.images[0].get_array() for ax in figure.axes if ax.images]
    assert sum(not array.any() for array in shown) == 6


def test_gates_of_other_pictures_are_refused():
    with pytest.raises(ValueError, match="the gate"):
        plot.moving_gates(PEOPLE, GATES[:2])
