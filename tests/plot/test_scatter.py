"""A scatter shows every run, in percent, and names its groups."""

from helpers.figures import text_of

from rga import plot


def test_points_in_percent():
    figure = plot.scatter({"rga_s": ([0.1, 0.2], [0.5, 0.6]), "se": ([0.3], [0.4])}, "share", "mAP", "Runs")
    first, second = figure.axes[0].lines
    assert list(first.get_xdata()) == [10, 20] and list(second.get_ydata()) == [40]
    assert first.get_marker() != second.get_marker()
    words = text_of(figure)
    assert all(name in words for name in ("rga_s", "se", "share", "mAP", "Runs"))
