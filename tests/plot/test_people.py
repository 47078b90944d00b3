"""Figures of people: each says who is who, without colour alone."""

import numpy as np
import pytest
from helpers.figures import PEOPLE, text_of

from rga import plot
from rga.plot.style import rgb


def test_images_have_titles():
    assert "bob" in text_of(plot.images(PEOPLE, ["ann", "bob", "cleo"], columns=2, title="Drawn people"))


def test_rows_have_names_and_may_differ_in_length():
    sheet = {"camera 1": PEOPLE, "camera 2": PEOPLE[:2]}
    figure = plot.rows(sheet, titles=["ann", "bob"], title="Drawn", below={"camera 2": ["", "0.25"]})
    words = text_of(figure)
    assert "camera 2" in words and "bob" in words and "Drawn" in words
    assert sum(len(ax.images) for ax in figure.axes) == 5
    (labelled,) = (ax for ax in figure.axes if any(text.get_text() == "0.25" for text in ax.texts))
    assert np.array_equal(labelled.images[0].get_array(), rgb(PEOPLE)[1])


def test_images_are_as_wide_as_asked():
    for draw in (
        lambda width: plot.rows({"": PEOPLE}, width=width),
        lambda width: plot.images(PEOPLE, width=width),
        lambda width: plot.roles(PEOPLE[0], PEOPLE, ["match"] * len(PEOPLE), columns=3, width=width),
    ):
        narrow, wide = (draw(width).get_size_inches() for width in (0.5, 1.0))
        assert wide[0] - narrow[0] >= 0.5 * len(PEOPLE) and wide[1] > narrow[1]


def test_roles_are_told_without_colour():
    figure = plot.roles(PEOPLE[0], PEOPLE, ["match", "junk", "stranger"], columns=2)
    words = text_of(figure)
    assert "✓ match" in words and "– junk" in words and "✗ stranger" in words
    shown = [ax for ax in figure.axes if ax.images and ax.get_xlabel() != "query"]
    assert len({str(ax.spines["left"].get_linestyle()) for ax in shown}) == 3


def test_an_unknown_role_is_refused():
    with pytest.raises(ValueError, match="unknown role 'foe'"):
        plot.roles(PEOPLE[0], PEOPLE, ["match", "foe", "junk"])


def test_ranked_lists_tell_right_from_wrong_without_colour():
    gallery = PEOPLE[[0, 1, 2, 2, 1, 0]].reshape(2, 3, 3, 32, 16)
    correct = np.array([[True, False, True], [False, False, True]])
    figure = plot.ranked_lists(PEOPLE[:2], gallery, correct, distances=np.full((2, 3), 0.25))
    words = text_of(figure)
    assert words.count("✓ 0.250") == 3 and words.count("✗ 0.250") == 3
    first_row = figure.axes[2:5]
    styles = [str(ax.spines["left"].get_linestyle()) for ax in first_row]
    assert styles[0] == styles[2] != styles[1]
