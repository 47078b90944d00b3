"""The figure of a threshold says how many pairs of each kind it decides wrongly, and shows one of each."""

import numpy as np
import pytest
from helpers.figures import PEOPLE, text_of

from rga import plot

GENUINE, IMPOSTOR = np.array([0.1, 0.2, 0.3, 0.6]), np.array([0.3, 0.5, 0.8, 0.9, 1.0])


@pytest.mark.parametrize(
    ("threshold", "rejected", "accepted"),
    [(0.3, "25.0", "20.0"), (0.0, "100.0", "0.0"), (1.0, "0.0", "100.0")],
)
def test_a_pair_at_the_threshold_is_accepted(threshold, rejected, accepted):
    words = text_of(plot.same_person(GENUINE, IMPOSTOR, threshold))
    assert f"false reject: {rejected} % of 4 genuine pairs" in words
    assert f"false accept: {accepted} % of 5 impostor pairs" in words


def test_histograms_have_one_axis_and_area_1():
    chart = plot.same_person(GENUINE, IMPOSTOR, 0.3).axes[0]
    genuine, _, impostor, _ = (patch.get_data() for patch in chart.patches)
    for stairs in (genuine, impostor):
        assert (stairs.values * np.diff(stairs.edges)).sum() == pytest.approx(1)
    np.testing.assert_array_equal(genuine.edges, impostor.edges)


def test_an_error_of_each_kind_is_shown_or_said_to_be_none():
    figure = plot.same_person(GENUINE, IMPOSTOR, 0.3, {"genuine": (PEOPLE[:2], 0.6), "impostor": None})
    words = text_of(figure)
    assert "false reject, 0.600" in words and "no false accept" in words
    assert sum(len(ax.images) for ax in figure.axes) == 2
