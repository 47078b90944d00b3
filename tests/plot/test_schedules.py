"""Learning rates, a panel for each schedule."""

from helpers.figures import text_of

from rga import plot


def test_each_schedule_has_a_panel_and_none_is_cut_off():
    figure = plot.schedules({"long": [0.1, 0.8, 0.4], "short": [0.2, 1.6]})
    assert "long" in text_of(figure) and "short" in text_of(figure)
    assert [ax.patches[0].get_data().values.tolist() for ax in figure.axes] == [[0.1, 0.8, 0.4], [0.2, 1.6]]
    assert all(ax.get_ylim()[1] > 1.6 for ax in figure.axes)
