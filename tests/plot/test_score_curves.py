"""Scores over epochs, a line a run."""

from helpers.figures import text_of

from rga import plot


def test_a_run_that_ends_early_has_a_shorter_line():
    figure = plot.score_curves({"a": {60: 0.2, 30: 0.1}, "b": {30: 0.05}}, "mAP (%)", "Two runs")
    first, second = (line.get_data() for line in figure.axes[0].lines)
    assert list(first[0]) == [30, 60] and list(first[1]) == [10, 20] and len(second[0]) == 1
    assert "Two runs" in text_of(figure)
