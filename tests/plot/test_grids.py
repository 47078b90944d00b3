"""The positions of a feature map as cells on a person."""

from helpers.figures import PEOPLE, text_of

from rga import plot


def test_every_map_has_its_cells():
    figure = plot.grids(PEOPLE[:1], {"fine": (8, 4), "coarse": (4, 2)})
    assert "8 × 4 positions" in text_of(figure)
    assert [len(ax.lines) for ax in figure.axes] == [9 + 5, 5 + 3]
