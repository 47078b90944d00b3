"""Every figure shows the right maps of the right positions, says at which scale, and refuses what it cannot show."""

import numpy as np
import pytest
import torch
from helpers.figures import PEOPLE, text_of

from rga import plot

SIZE = (4, 2)
RELATION = torch.arange(64.0).reshape(8, 8)
POSITIONS = [(0, 1), (3, 0)]


def overlays(figure):
    """The maps that lie over people, row by row."""
    return [np.asarray(ax.images[1].get_array()) for ax in figure.axes if len(ax.images) == 2]


def test_attention_states_its_scale():
    maps = {"stage 1": torch.rand(3, 1, 8, 4), "stage 4": np.linspace(0, 1, 24).reshape(3, 4, 2)}
    words = text_of(plot.attention(PEOPLE, maps, titles=["ann", "bob", "cleo"]))
    assert "bob" in words and "stage 4" in words and "0.00–0.30" in words and "own range" in words
    assert "one colour scale" in text_of(
        plot.attention(PEOPLE[:1], {"gate": torch.ones(1, 2, 1)}, limits=(0, 1))
    )


def test_nodes_are_counted_row_by_row_from_0():
    assert plot.node(0, 0, (4, 2)) == 0 and plot.node(1, 0, (4, 2)) == 2
    assert [plot.node(*plot.position(i, (3, 5)), (3, 5)) for i in range(15)] == list(range(15))
    for outside in (lambda: plot.node(4, 0, (4, 2)), lambda: plot.node(0, -1, (4, 2))):
        with pytest.raises(ValueError, match=r"is not on a grid of 4 × 2: rows are 0 to 3, columns 0 to 1"):
            outside()
    for outside in (-1, 8):
        with pytest.raises(ValueError, match="they are 0 to 7"):
            plot.position(outside, (4, 2))


def test_relation_maps_are_rows_or_columns():
    out = plot.relation_maps(RELATION, SIZE, POSITIONS)
    into = plot.relation_maps(RELATION, SIZE, POSITIONS, into=True)
    assert out.shape == into.shape == (2, 4, 2)
    i, j = plot.node(3, 0, SIZE), plot.node(1, 1, SIZE)
    assert out[1, 1, 1] == RELATION[i, j] != RELATION[j, i] == into[1, 1, 1]


def test_difference_is_the_mean_cosine_distance():
    one, other = np.eye(2)
    assert plot.difference(np.array([one, 2 * one])) == pytest.approx(0)
    assert plot.difference(np.array([one, other])) == pytest.approx(1)
    assert plot.difference(torch.tensor([[[1.0, 0], [1, 0]], [[1, 1], [0, 0]]])) == pytest.approx(0.5)
    assert plot.difference(np.array([one, one, other])) == pytest.approx(2 / 3)
    assert plot.difference(np.array([one, 0 * one])) == pytest.approx(1)


def test_relations_show_row_and_column_of_each_position():
    figure = plot.relations(PEOPLE[0], RELATION, SIZE, POSITIONS, "stage 3")
    words = text_of(figure)
    assert "stage 3, 4 × 2 positions of 8 × 8 pixels" in words and "i = 6\n(3, 0)" in words
    assert "row of i\nr(i, j) at j" in words and "column of i" in words
    assert "48–55" in words and "6–62" in words  # row and column 6
    expected = [RELATION[1], RELATION[6], RELATION[:, 1], RELATION[:, 6]]
    for shown, wanted in zip(overlays(figure), expected, strict=True):
        np.testing.assert_allclose(shown, wanted.reshape(SIZE) / wanted.max(), rtol=1e-6)
    (ring,) = figure.axes[2].lines  # of the second position, behind the label and the first
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (3.5, 27.5)


def test_targets_compare_methods_by_one_number_each():
    apart = np.zeros((2, *SIZE))
    apart[0, 0], apart[1, 1] = 1, 1
    figure = plot.targets(
        PEOPLE[0] / 255, {"RGA-S": apart, "non-local": torch.ones(2, *SIZE)}, POSITIONS, "stage 1"
    )
    words = text_of(figure)
    assert "RGA-S\ndifference 1.00" in words and "non-local\ndifference 0.00" in words
    assert "cosine" in words and "stage 1" in words and len(overlays(figure)) == 4


def test_grad_cams_have_a_row_a_network():
    maps = {"none": torch.rand(3, 1, 4, 2), "rga_sc": np.zeros((3, 2, 1))}
    figure = plot.grad_cams(PEOPLE, maps, "stage 4", "the logit of the own identity", titles="abc")
    words = text_of(figure)
    assert "what raises the logit of the own identity · stage 4, 4 × 2 positions" in words
    assert "rga_sc" in words and "b" in words.split(" | ") and "compared with" not in words
    assert [m.max() for m in overlays(figure)] == [1, 1, 1, 0, 0, 0]
    other = plot.grad_cams(PEOPLE, maps, "stage 4", "the similarity", others=PEOPLE.flip(0))
    assert "compared with" in text_of(other) and len(other.axes) == len(figure.axes) + 4


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plot.relation_maps(torch.zeros(3, 8, 8), SIZE, POSITIONS),
            r"of one image, \(8, 8\) on a grid of 4 × 2, got \(3, 8, 8\)",
        ),
        (lambda: plot.relations(PEOPLE[0], RELATION, SIZE, [(4, 0)], ""), "is not on a grid"),
        (lambda: plot.targets(PEOPLE[0], {}, POSITIONS, ""), "got none and 2"),
        (
            lambda: plot.targets(PEOPLE[0], {"a": np.ones((1, 4, 2))}, [(0, 0)], ""),
            "at least 2 positions",
        ),
        (
            lambda: plot.targets(
                PEOPLE[0], {"a": np.ones((2, 4, 2)), "b": np.ones((2, 2, 1))}, POSITIONS, ""
            ),
            "maps on one grid",
        ),
        (lambda: plot.grad_cams(PEOPLE, {"a": np.ones((2, 4, 2))}, "", ""), "expected maps of a"),
        (lambda: plot.grad_cams(PEOPLE, {}, "", ""), "at least one network, got none"),
        (lambda: plot.relations(PEOPLE[0], RELATION, SIZE, [], ""), "at least one position"),
        (
            lambda: plot.attention(PEOPLE, {"gate": torch.zeros(2, 8, 4)}),
            "expected maps of gate",
        ),
        (lambda: plot.attention(PEOPLE, {}), "at least one stage, got none"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_failures_show_the_wrong_image_beside_the_right_one():
    gates = torch.linspace(0.9, 1, 24).reshape(3, 1, 4, 2), torch.ones(3, 4, 2)
    maps = {"gates": gates, "Grad-CAM": (torch.rand(3, 2, 1), torch.rand(3, 2, 1))}
    figure = plot.failures(PEOPLE, PEOPLE[[1, 2, 0]], PEOPLE, maps, titles=["ann", "bob", "cleo"])
    words = text_of(figure)
    assert words.count("✗ found") == words.count("✓ missed") == 3
    assert "cleo" in words and words.count("Grad-CAM") == 2 and "own range" in words
    shown = overlays(figure)
    assert len(shown) == 12
    np.testing.assert_allclose(
        (shown[0].min(), shown[0].max()), (0, 1)
    )  # from the map's lowest to its highest
    frames = {str(ax.spines["left"].get_linestyle()) for ax in figure.axes if ax.get_xlabel()[:1] in "✗✓"}
    assert len(frames - {"None"}) >= 2


def test_failures_need_no_maps_and_as_many_images_of_each_kind():
    assert "✓ missed" in text_of(plot.failures(PEOPLE, PEOPLE, PEOPLE, {}))
    with pytest.raises(ValueError, match=r"expected 3 of each, got \[3, 2, 3\] images"):
        plot.failures(PEOPLE, PEOPLE[:2], PEOPLE, {})
    with pytest.raises(ValueError, match="expected maps of gates"):
        plot.failures(PEOPLE, PEOPLE, PEOPLE, {"gates": (torch.ones(3, 4, 2), torch.ones(2, 4, 2))})
