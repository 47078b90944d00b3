"""Charts show the numbers they were given, and say the areas, thresholds and intervals."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.figures import text_of

from rga import metrics, plot
from rga.training.log import Log

RANKS = np.array([2, 4])


def logs(steps, epochs):
    rest = {"lr": 1e-3, "images_per_second": 50.0, "waiting": 0.0}
    return [
        Log(step, steps, -(-step * epochs // steps), epochs, 3.0 / step, 2.0 / step, 1.0 / step, **rest)
        for step in range(1, steps + 1)
    ]


def test_curves_have_four_panels_and_epoch_means():
    figure = plot.curves(logs(steps=12, epochs=3))
    assert len(figure.axes) == 4
    words = text_of(figure)
    assert "identity" in words and "triplet" in words and "learning rate" in words
    each, mean = figure.axes[0].lines
    assert len(each.get_xdata()) == 12 and len(mean.get_xdata()) == 3
    expected = np.mean([3.0 / step for step in range(5, 9)])
    np.testing.assert_allclose(mean.get_ydata()[1], expected)


def test_curves_of_a_loss_without_terms():
    alone = [replace(log, identity=None, triplet=None) for log in logs(steps=12, epochs=3)]
    figure = plot.curves(alone)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["loss", "learning rate"]
    mixed = plot.curves(logs(steps=12, epochs=3)[:4] + alone[4:])  # resumed with another loss
    assert len(mixed.axes) == 4
    assert np.isfinite(mixed.axes[1].lines[0].get_ydata()).sum() == 4
    text_of(figure), text_of(mixed)


def test_curves_of_one_step():
    text_of(plot.curves(logs(steps=1, epochs=1)))


def test_curves_need_a_log():
    with pytest.raises(ValueError, match="at least one log"):
        plot.curves([])


def test_cmc_is_in_percent():
    figure = plot.cmc({"none": np.array([0.5, 0.75]), "rga_sc": torch.tensor([0.6, 0.8])})
    assert "rga_sc: rank-1 60.0 %" in text_of(figure)


def test_the_area_of_the_steps_is_the_average_precision():
    words = text_of(plot.precision_recall({"steps": metrics.precision_recall(RANKS)}))
    assert "steps: area 50.0 %" in words  # (1/2 + 2/4) / 2


def test_the_area_of_straight_lines_is_the_trapezoid():
    right = np.array([0, 1, 0, 1])
    recall, precision = np.cumsum(right) / 2, np.cumsum(right) / np.arange(1, 5)
    figure = plot.precision_recall({"steps": metrics.precision_recall(RANKS)}, {"lines": (recall, precision)})
    assert "lines: area 33.3 %" in text_of(figure)  # ((0 + 1/2) / 2 + (1/3 + 2/4) / 2) / 2
    first, second = figure.axes[0].lines
    assert first.get_drawstyle() == "steps-pre" and second.get_drawstyle() == "default"
    assert first.get_linestyle() != second.get_linestyle()


def test_the_mean_curve_starts_at_recall_0():
    ranking = metrics.evaluate_ranking(np.array([[1.0, 2, 3, 4]]), [1], [0, 1, 0, 1], [1], [2] * 4)
    words = text_of(plot.precision_recall({"mean": metrics.mean_precision_recall(ranking)}))
    assert "mean: area 50.0 %" in words and "recall" in words


def test_roc_shows_what_a_threshold_accepts():
    draws = torch.Generator().manual_seed(0)
    pairs = metrics.Pairs(
        torch.rand(40, generator=draws).numpy(), 0.5 + torch.rand(200, generator=draws).numpy()
    )
    roc, chosen = metrics.roc(pairs), metrics.threshold_at(pairs, 0.05)
    curves = {"some": (roc.false_accept, roc.true_accept)}
    figure = plot.roc(curves, {"chosen": (chosen.false_accept, chosen.true_accept)})
    words = text_of(figure)
    assert "some" in words and "chance" in words
    assert f"chosen: 5.00 %, {100 * chosen.true_accept:.0f} %" in words
    (ax,) = figure.axes
    assert ax.get_xscale() == "log"
    assert ax.get_xlim()[0] == pytest.approx(100 * roc.false_accept[roc.false_accept > 0].min())


def test_roc_without_an_impostor_accepted():
    text_of(plot.roc({"perfect": (np.zeros(3), np.array([0.2, 0.5, 1.0]))}))


def test_intervals_tell_the_sure_from_the_unsure_without_colour():
    figure = plot.intervals(
        {"sure": (0.1, 0.05, 0.2), "unsure": (0.1, -0.05, 0.2)}, xlabel="points", title="Differences"
    )
    words = text_of(figure)
    assert "unsure" in words and "points" in words and "Differences" in words
    (ax,) = figure.axes
    sure, _, unsure, _, zero = ax.lines
    np.testing.assert_allclose(unsure.get_xdata(), [-5, 10, 20])
    assert unsure.get_markerfacecolor() == "white" != sure.get_markerfacecolor()
    assert list(zero.get_xdata()) == [0, 0]
    assert ax.get_ylim() == (1.5, -0.5)  # the first is at the top


def test_histograms_have_area_1_over_one_axis():
    figure = plot.histograms(
        {"near": torch.rand(50), "far": 2 + np.arange(9.0)}, "distance", "Two", mark=("threshold", 1.5)
    )
    assert all(word in text_of(figure) for word in ("near", "distance", "threshold"))
    assert [list(line.get_xdata()) for line in figure.axes[0].lines][1:] == [[6], [1.5, 1.5]]
    for patch in figure.axes[0].patches:
        heights, edges, _ = patch.get_data()
        assert (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_histograms_of_one_value():
    figure = plot.histograms({"gates": torch.ones(5)}, "gate", "One")
    assert "gates" in text_of(figure)
    heights, edges, _ = figure.axes[0].patches[0].get_data()
    assert (edges[0], edges[-1]) == (0.5, 1.5) and (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_histograms_name_what_is_empty():
    figure = plot.histograms({"strangers": torch.empty(0), "near": torch.rand(50)}, "distance", "One")
    assert all(words in text_of(figure) for words in ("strangers: none", "near"))
    with pytest.raises(ValueError, match="at least one value, got none for strangers"):
        plot.histograms({"strangers": torch.empty(0)}, "distance", "None")


def test_histograms_of_bfloat16():
    text_of(plot.histograms({"near": torch.rand(50).bfloat16()}, "distance", "One"))
