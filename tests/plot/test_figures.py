"""Every figure is drawn, says what it shows, and refuses what it cannot show."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rga import plot
from rga.plot import look

PEOPLE = torch.randint(0, 256, (3, 3, 32, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def logs(steps, epochs):
    names = ("step", "steps", "epoch", "epochs", "loss", "identity", "triplet", "lr", "images_per_second")
    for step in range(1, steps + 1):
        epoch = -(-step * epochs // steps)
        yield SimpleNamespace(
            **dict(
                zip(
                    names,
                    (step, steps, epoch, epochs, 3.0 / step, 2.0 / step, 1.0 / step, 1e-3, 50.0),
                    strict=True,
                )
            )
        )


def draw(figure):
    """All visible words of a figure, after drawing it."""
    figure.savefig(io.BytesIO(), format="png")
    return " | ".join(t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_curves_have_four_panels_and_epoch_means():
    figure = plot.curves(list(logs(steps=12, epochs=3)))
    assert len(figure.axes) == 4
    assert "identity" in draw(figure) and "triplet" in draw(figure) and "learning rate" in draw(figure)
    each, mean = figure.axes[0].lines
    assert len(each.get_xdata()) == 12 and len(mean.get_xdata()) == 3
    expected = np.mean([3.0 / step for step in range(5, 9)])
    np.testing.assert_allclose(mean.get_ydata()[1], expected)


def test_curves_of_one_step():
    draw(plot.curves(list(logs(steps=1, epochs=1))))


def test_attention_states_its_scale():
    maps = {"stage 1": torch.rand(3, 1, 8, 4), "stage 4": np.linspace(0, 1, 24).reshape(3, 4, 2)}
    words = draw(plot.attention(PEOPLE, maps, titles=["ann", "bob", "cleo"]))
    assert "bob" in words and "stage 4" in words and "0.00–0.30" in words and "own range" in words
    assert "one colour scale" in draw(
        plot.attention(PEOPLE[:1], {"gate": torch.ones(1, 2, 1)}, limits=(0, 1))
    )


def test_ranked_lists_tell_right_from_wrong_without_colour():
    gallery = PEOPLE[[0, 1, 2, 2, 1, 0]].reshape(2, 3, 3, 32, 16)
    correct = np.array([[True, False, True], [False, False, True]])
    figure = plot.ranked_lists(PEOPLE[:2], gallery, correct, distances=np.full((2, 3), 0.25))
    words = draw(figure)
    assert words.count("✓ 0.250") == 3 and words.count("✗ 0.250") == 3
    first_row = figure.axes[2:5]
    styles = [str(ax.spines["left"].get_linestyle()) for ax in first_row]
    assert styles[0] == styles[2] != styles[1]


def test_cmc_is_in_percent():
    figure = plot.cmc({"none": np.array([0.5, 0.75]), "rga_sc": torch.tensor([0.6, 0.8])})
    assert "rga_sc: rank-1 60.0 %" in draw(figure)


def test_images_take_bytes_or_fractions():
    assert "bob" in draw(plot.images(PEOPLE, ["ann", "bob", "cleo"], columns=2, title="Drawn people"))
    same = look.rgb(PEOPLE), look.rgb(PEOPLE / 255), look.rgb(PEOPLE.numpy())
    assert np.array_equal(same[0], same[1]) and np.array_equal(same[0], same[2])


def test_rows_have_names_and_may_differ_in_length():
    sheet = {"camera 1": PEOPLE, "camera 2": PEOPLE[:2]}
    figure = plot.rows(sheet, titles=["ann", "bob"], title="Drawn", below={"camera 2": ["", "0.25"]})
    words = draw(figure)
    assert "camera 2" in words and "bob" in words and "Drawn" in words
    assert sum(len(ax.images) for ax in figure.axes) == 5
    (labelled,) = (ax for ax in figure.axes if any(text.get_text() == "0.25" for text in ax.texts))
    assert np.array_equal(labelled.images[0].get_array(), look.rgb(PEOPLE)[1])


def test_roles_are_told_without_colour():
    figure = plot.roles(PEOPLE[0], PEOPLE, ["match", "junk", "stranger"], columns=2)
    words = draw(figure)
    assert "✓ match" in words and "– junk" in words and "✗ stranger" in words
    shown = [ax for ax in figure.axes if ax.images and ax.get_xlabel() != "query"]
    assert len({str(ax.spines["left"].get_linestyle()) for ax in shown}) == 3


def test_histograms_have_area_1_over_one_axis():
    figure = plot.histograms(
        {"near": torch.rand(50), "far": 2 + np.arange(9.0)}, "distance", "Two", mark=("threshold", 1.5)
    )
    assert all(word in draw(figure) for word in ("near", "distance", "threshold"))
    assert [list(line.get_xdata()) for line in figure.axes[0].lines][1:] == [[6], [1.5, 1.5]]
    for patch in figure.axes[0].patches:
        heights, edges, _ = patch.get_data()
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_histograms_of_one_value():
    figure = plot.histograms({"gates": torch.ones(5)}, "gate", "One")
    assert "gates" in draw(figure)
    heights, edges, _ = figure.axes[0].patches[0].get_data()
    assert (edges[0], edges[-1]) == (0.5, 1.5) and (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_bfloat16_can_be_shown():
    draw(plot.histograms({"near": torch.rand(50).bfloat16()}, "distance", "One"))
    assert (look.rgb(torch.ones(1, 3, 8, 4).bfloat16()) == 255).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plot.images(torch.randn(2, 3, 8, 4)), "Undo the normalisation first"),
        (lambda: plot.images(torch.zeros(3, 8, 4)), r"expected images \(B, 3, H, W\)"),
        (lambda: plot.images(torch.zeros(0, 3, 8, 4)), "at least one"),
        (lambda: plot.attention(PEOPLE, {"gate": torch.zeros(2, 8, 4)}), "expected maps of gate"),
        (lambda: plot.attention(PEOPLE, {}), "at least one stage, got none"),
        (lambda: plot.curves([]), "at least one log"),
        (lambda: plot.roles(PEOPLE[0], PEOPLE, ["match", "foe", "junk"]), "unknown role 'foe'"),
    ],
)
def test_what_cannot_be_shown_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
