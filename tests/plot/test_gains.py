"""The figure of an ablation shows every interval it is given, in the colour of what it permits to say."""

import pytest
from helpers.figures import text_of
from matplotlib.colors import to_rgb

from rga import plot
from rga.plot.style import BLUE, GREEN, GREY, VERMILION

SETS = {
    "crowd": {"better": (0.03, 0.01, 0.05), "unsure": (0.01, -0.01, 0.03), "worse": (-0.02, -0.03, -0.01)},
    "photographs": {"better": (0.02, 0.01, 0.03), "unsure": None, "worse": (-0.61, -0.62, -0.6)},
    "digits": dict.fromkeys(("better", "unsure", "worse")),
}


@pytest.fixture(scope="module")
def figure():
    return plot.gains(SETS, {"crowd": (0.1, 0.08, 0.12)}, "What is gained")


def points(ax):
    """{row: (value, colour)} of the marks."""
    marks = [line for line in ax.lines if line.get_marker() in ("o", "s", "D")]
    return {int(m.get_ydata()[0]): (m.get_xdata()[0], to_rgb(m.get_color())) for m in marks}


def test_a_row_for_each_method_and_the_oracle_on_top(figure):
    crowd = points(figure.axes[0])
    expected = {-1: (10, GREEN), 0: (3, BLUE), 1: (1, GREY), 2: (-2, VERMILION)}
    assert crowd == {row: (pytest.approx(x), to_rgb(colour)) for row, (x, colour) in expected.items()}
    words = text_of(figure)
    for name in ("oracle", "better", "unsure", "worse", "crowd", "photographs", "What is gained"):
        assert name in words


def test_what_is_far_out_is_an_arrow_with_its_value_and_does_not_squeeze_the_rest(figure):
    photographs = figure.axes[1]
    assert points(photographs).keys() == {0}  # nothing for what was not measured
    assert photographs.get_xlim()[0] > -10
    assert "−61" in text_of(figure)


def test_what_was_not_recorded_is_said(figure):
    words = text_of(figure)
    assert words.count("not recorded") == 2 and words.count("no oracle") == 1
