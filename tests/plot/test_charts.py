"""Curves of an evaluation: they show the numbers they were given, and say the areas, thresholds and intervals."""

import io

import numpy as np
import pytest
import torch

from rga import metrics, plot

RANKS = np.array([2, 4])


def draw(figure):
    """All visible words of a figure, after drawing it."""
    figure.savefig(io.BytesIO(), format="png")
    return " | ".join(t.get_text() for t in figure.findobj(lambda artist: hasattr(artist, "get_text")))


def test_the_area_of_the_steps_is_the_average_precision():
    words = draw(plot.precision_recall({"steps": metrics.precision_recall(RANKS)}))
    assert "steps: area 50.0 %" in words  # (1/2 + 2/4) / 2


def test_the_area_of_straight_lines_is_the_trapezoid():
    right = np.array([0, 1, 0, 1])
    recall, precision = np.cumsum(right) / 2, np.cumsum(right) / np.arange(1, 5)
    figure = plot.precision_recall({"steps": metrics.precision_recall(RANKS)}, {"lines": (recall, precision)})
    assert "lines: area 33.3 %" in draw(figure)  # ((0 + 1/2) / 2 + (1/3 + 2/4) / 2) / 2
    first, second = figure.axes[0].lines
    assert first.get_drawstyle() == "steps-pre" and second.get_drawstyle() == "default"
    assert first.get_linestyle() != second.get_linestyle()


def test_the_mean_curve_starts_at_recall_0():
    ranking = metrics.evaluate_ranking(np.array([[1.0, 2, 3, 4]]), [1], [0, 1, 0, 1], [1], [2] * 4)
    words = draw(plot.precision_recall({"mean": metrics.mean_precision_recall(ranking)}))
    assert "mean: area 50.0 %" in words and "recall" in words


def test_roc_shows_what_a_threshold_accepts():
    draws = torch.Generator().manual_seed(0)
    pairs = metrics.Pairs(
        torch.rand(40, generator=draws).numpy(), 0.5 + torch.rand(200, generator=draws).numpy()
    )
    roc, chosen = metrics.roc(pairs), metrics.threshold_at(pairs, 0.05)
    curves = {"some": (roc.false_accept, roc.true_accept)}
    figure = plot.roc(curves, {"chosen": (chosen.false_accept, chosen.true_accept)})
    words = draw(figure)
    assert "some" in words and "chance" in words
    assert f"chosen: 5.00 %, {100 * chosen.true_accept:.0f} %" in words
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] == pytest.approx(100 * roc.false_accept[roc.false_accept > 0].min())


def test_roc_without_an_impostor_accepted():
    draw(plot.roc({"perfect": (np.zeros(3), np.array([0.2, 0.5, 1.0]))}))


def test_intervals_tell_the_sure_from_the_unsure_without_colour():
    figure = plot.intervals(
        {"sure": (0.1, 0.05, 0.2), "unsure": (0.1, -0.05, 0.2)}, xlabel="points", title="Differences"
    )
    words = draw(figure)
    assert "unsure" in words and "points" in words and "Differences" in words
    (ax,) = figure.axes
    sure, _, unsure, _, zero = ax.lines
    np.testing.assert_allclose(unsure.get_xdata(), [-5, 10, 20])
    assert unsure.get_markerfacecolor() == "white" != sure.get_markerfacecolor()
    assert list(zero.get_xdata()) == [0, 0]
    assert ax.get_ylim() == (1.5, -0.5)  # the first is at the top
